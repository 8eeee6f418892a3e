"""Where the time of a run goes, stage by stage."""

from __future__ import annotations

import time
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class Stopwatch:
    """Adds up the wall time spent in named stages."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the time inside the ``with`` block for stage `name`."""
        started = time.perf_counter()
        try:
            yield
        finally:
            self._seconds[name] += time.perf_counter() - started

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
