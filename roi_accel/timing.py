"""Where the time of a run goes, stage by stage."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stopwatch:
    """Adds up the wall time spent in named stages, which may lie inside one another."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._inner = [0.0]

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the ``with`` for stage `name`, less that of stages inside it."""
        started = time.perf_counter()
        self._inner.append(0.0)
        try:
            yield
        finally:
            elapsed = time.perf_counter() - started
            self._seconds[name] += elapsed - self._inner.pop()
            self._inner[-1] += elapsed

    def report(self, frames: int) -> dict[str, object]:
        """Return the wall time in seconds, frames per second, and the share of each stage."""
        total = time.perf_counter() - self._started
        stages = {name: round(seconds, 6) for name, seconds in self._seconds.items()}
        stages["other"] = round(total - sum(self._seconds.values()), 6)
        return {
            "seconds": round(total, 6),
            "frames_per_second": round(frames / total, 3),
            "stages": stages,
        }
