"""Which memory earlier answers still use: a later one must not be in it."""

from __future__ import annotations

import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Extent = tuple[int, int]


class Answers:
    """The planes of masked frames that somebody still holds, such as a queue to VMAF.

    A session that hands out a buffer again would change frames that are on their way, after they
    were checked.
    """

    def __init__(self) -> None:
        self._alive: list[tuple[weakref.ref[NDArray[np.generic]], Extent]] = []
        self._lock = threading.Lock()

    def reuses(
        self, planes: Iterable[NDArray[np.generic]], inputs: Iterable[NDArray[np.generic]]
    ) -> bool:
        """Remember `planes`; return whether they lie in memory of an earlier answer in use.

        An answer may be one of its own `inputs`, which nobody writes to.
        """
        given = [_extent(plane) for plane in inputs]
        new = [
            (weakref.ref(plane), _extent(plane))
            for plane in planes
            if not any(_overlap(_extent(plane), extent) for extent in given)
        ]
        with self._lock:
            self._alive = [each for each in self._alive if each[0]() is not None]
            found = any(
                _overlap(extent, earlier) for _, extent in new for _, earlier in self._alive
            )
            self._alive += new
        return found


def _extent(plane: NDArray[np.generic]) -> Extent:
    low, high = np.lib.array_utils.byte_bounds(plane)
    return int(low), int(high)


def _overlap(one: Extent, other: Extent) -> bool:
    return one[0] < other[1] and other[0] < one[1]
