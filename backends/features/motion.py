"""Motion: how much the reference's blurred luma differs from that of the frame before.

Follows libvmaf's integer_motion.c, which blurs the difference of two frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from roi_accel.backends.features.vif import FILTERS
from roi_accel.backends.features.weights import total

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.features.vif import Plane
    from roi_accel.backends.features.weights import Weights

_TAPS = FILTERS[2]


class MotionSums(NamedTuple):
    """The absolute differences times their pixels' weights, in units of 1/256, and the weights."""

    difference: int
    weight: int


def motion_sums(
    previous: Plane, reference: Plane, bit_depth: int, weights: Sequence[Weights]
) -> list[MotionSums]:
    """Return the sums of one frame for each of `weights`.

    Parameters
    ----------
    previous, reference : uint8 or uint16[height, width]
        Luma of the reference's frame before, and of this one.
    bit_depth : int
    weights : sequence of int64[height, width]
        Of this frame, from 0 to 65536.
    """
    difference = previous.astype(np.int64) - reference
    rows = (_blurred(difference, 0) + (1 << (bit_depth - 1))) >> bit_depth
    blurred = np.abs((_blurred(rows, 1) + (1 << 15)) >> 16)
    return [MotionSums(total(blurred, each), int(each.sum())) for each in weights]


def _blurred(plane: NDArray[np.int64], axis: int) -> NDArray[np.int64]:
    padded = np.pad(plane, [(2, 2) if axis == n else (0, 0) for n in (0, 1)], "reflect")
    size = plane.shape[axis]
    windows = [padded.take(range(n, n + size), axis) for n in range(len(_TAPS))]
    return np.tensordot(np.asarray(_TAPS, np.int64), np.stack(windows), 1)
