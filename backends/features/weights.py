"""Weights on the sample grids of VMAF's features, and sums of integers with them.

A weight is an integer from 0 to 65536, like alpha: saliency of 16 bits is stretched to that range,
so that full weight everywhere only shifts a sum, and gives the plain features to the last bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.tables import FIXED_BITS, ONE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Weights = NDArray[np.int64]
    """int64[height, width] from 0 to 65536."""

SCALES = 4
"""VIF and ADM both halve the frame three times."""

_LOW = (1 << 32) - 1


def weights_of(saliency: NDArray[np.uint16]) -> Weights:
    """Return uint16 saliency as weights: 65535 becomes 65536, and what is below a half stays."""
    codes = saliency.astype(np.int64)
    return codes + (codes >> (FIXED_BITS - 1))


def full_weight(shape: tuple[int, int]) -> Weights:
    """Return weights [height, width] with which sums are the plain ones."""
    return np.full(shape, ONE, np.int64)


def vif_weights(weights: Weights) -> list[Weights]:
    """Return weights for the four scales of VIF: each is filtered by [1 2 1] about even samples.

    Sample (i, j) of scale s lies at pixel (2^s i, 2^s j), and a scale has half as many lines as the
    one before, rounded down. Edges are mirrored without repeating the edge.
    """
    scales = [weights]
    while len(scales) < SCALES:
        last = scales[-1]
        height, width = last.shape
        padded = np.pad(last, 1, mode="reflect")
        rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
        both = rows[:, :-2] + 2 * rows[:, 1:-1] + rows[:, 2:]
        scales.append(((both + 8) >> 4)[: height // 2 * 2 : 2, : width // 2 * 2 : 2])
    return scales


def adm_weights(weights: Weights) -> list[Weights]:
    """Return weights for the bands of the four scales of ADM: each is the mean of two by two.

    Band sample i is centred between pixels 2i and 2i + 1, and a scale has half as many lines as the
    one before, rounded up; a line without a partner is repeated.
    """
    scales: list[Weights] = []
    last = weights
    while len(scales) < SCALES:
        even = np.pad(last, [(0, size % 2) for size in last.shape], mode="edge")
        total = even[::2, ::2] + even[::2, 1::2] + even[1::2, ::2] + even[1::2, 1::2]
        last = (total + 2) >> 2
        scales.append(last)
    return scales


def row_sums(values: NDArray[np.int64], weights: Weights) -> list[int]:
    """Return for each row the exact sum of non-negative values times their weights.

    In two halves, since the product of a value of 45 bits and a weight does not fit 64.
    """
    low = ((values & _LOW) * weights).sum(axis=1)
    high = ((values >> 32) * weights).sum(axis=1)
    return [
        int(low_sum) + (int(high_sum) << 32) for low_sum, high_sum in zip(low, high, strict=True)
    ]


def total(values: NDArray[np.int64], weights: Weights) -> int:
    """Return the exact sum of values, of either sign, of at most 40 bits, times their weights."""
    return sum(map(int, (values * weights).sum(axis=1)))
