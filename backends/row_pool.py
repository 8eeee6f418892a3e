"""Threads that share the rows of a frame, for arithmetic that runs without the GIL.

Not numba's own threads: those wait for one another at a barrier, so that one busy core stalls them
all; some of their libraries abort when two Python threads compute at once, or after a fork. Here
nobody waits for a thread that has not begun.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

Band = Callable[[int, int], None]
"""``band(first, last)`` computes rows `first`..`last` - 1, beside and in any order with others."""

_BANDS_PER_THREAD = 2
"""A thread that the system wakes late, or stops, then leaves at most half of its share undone."""

_BAND_SAMPLES = 128 * 1024
"""Fewer samples than this are computed in less time than it takes to wake a thread for them."""


class Team:
    """The caller's thread and its helpers.

    Parameters
    ----------
    threads : int
        How many may compute at once, the caller's among them. Helpers start when first needed.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), "roi-accel-rows")

    def run(self, jobs: Iterable[tuple[int, Band]], samples: int) -> None:
        """Compute the rows 0..height - 1 of every (height, band) in `jobs`.

        Parameters
        ----------
        jobs : iterable of (height, band)
            ``band(first, last)`` computes rows `first`..`last` - 1, in any order with others.
        samples : int
            How much work that is.
        """
        wanted = _BANDS_PER_THREAD * self._threads if self._threads > 1 else 1
        count = max(1, min(wanted, samples // _BAND_SAMPLES))
        bands = deque(
            (band, height * i // count, height * (i + 1) // count)
            for height, band in jobs
            for i in range(count)
        )

        def work() -> None:
            while True:
                try:
                    band, first, last = bands.popleft()
                except IndexError:
                    return
                band(first, last)

        helpers = [self._helpers.submit(work) for _ in range(min(self._threads, count) - 1)]
        try:
            work()
        finally:
            bands.clear()
            for helper in helpers:
                if not helper.cancel():
                    helper.result()

    def close(self) -> None:
        """End the helpers."""
        self._helpers.shutdown()
