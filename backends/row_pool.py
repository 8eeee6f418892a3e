"""Threads that share the rows of a frame, for arithmetic that runs without the GIL.

numba's own threads are not used: they wait for one another at a barrier, so one busy core stalls
them all, and some of its threading layers abort when two Python threads compute at once, or after
a fork (docs/adr/0005). Here nobody waits for a thread that has not started.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

RowTask = Callable[[int, int], None]
"""``task(first, last)`` computes rows `first`..`last` - 1, in any order and beside other rows."""

_RANGES_PER_THREAD = 2
"""A thread that the system wakes late, or stops, then leaves at most half of its share undone."""

_RANGE_SAMPLES = 128 * 1024
"""Fewer samples than this are computed in less time than it takes to wake a thread for them."""


class RowThreadPool:
    """The caller's thread and helpers, which start when first needed.

    Parameters
    ----------
    threads : int
        How many may compute at a time, the caller's included.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), "roi-accel-rows")

    def run(self, tasks: Iterable[tuple[int, RowTask]], samples: int) -> None:
        """Compute the rows 0..height - 1 of every (height, task) in `tasks`, `samples` in all."""
        wanted = _RANGES_PER_THREAD * self._threads if self._threads > 1 else 1
        count = max(1, min(wanted, samples // _RANGE_SAMPLES))
        ranges = deque(
            (task, height * i // count, height * (i + 1) // count)
            for height, task in tasks
            for i in range(count)
        )

        def work() -> None:
            while True:
                try:
                    task, first, last = ranges.popleft()
                except IndexError:
                    return
                task(first, last)

        helpers = [self._helpers.submit(work) for _ in range(min(self._threads, count) - 1)]
        try:
            work()
        finally:
            ranges.clear()
            for helper in helpers:
                if not helper.cancel():
                    helper.result()

    def close(self) -> None:
        """End the helpers."""
        self._helpers.shutdown()
