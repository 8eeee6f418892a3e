"""From a frame's integer sums to VMAF's features, rounded where libvmaf rounds.

Sources: libvmaf's integer_vif.c, integer_adm.c and integer_motion.c. Where nothing counts, because
all weights are 0, a feature is NaN.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from roi_accel.backends.features.adm import (
    SENSITIVITIES,
    Region,
    ceil_log2,
    cube_shift,
    excess_shift,
)
from roi_accel.backends.features.vif import LOG_UNIT
from roi_accel.backends.tables import ONE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.backends.features.adm import AdmSums
    from roi_accel.backends.features.motion import MotionSums
    from roi_accel.backends.features.vif import VifSums

_THIRD = float(np.float32(1.0) / np.float32(3.0))
_NOISE_WEIGHT = 0.03125
_FLAT_UNIT, _BRIGHTEST_SQUARED = 16384, 65025.0
_LEAST, _HD_PIXELS = 1e-10, 1920.0 * 1080.0

# What is left to shift of a cube, by kind of details at scale 0, and by scale above.
_NUMERATOR_BITS_0 = (52, 52, 57)
_NUMERATOR_BITS = (45, 39, 36)
_DENOMINATOR_BITS = (18, 32, 27, 23)


class Adm(NamedTuple):
    """`adm2` and, by scale, what it is made of."""

    adm2: float
    scales: tuple[float, ...]


def vif_score(sums: VifSums) -> float:
    """Return one scale's VIF."""
    flat = sums.flat / ONE
    lost = sums.flat_variance / (ONE * _FLAT_UNIT) / _BRIGHTEST_SQUARED
    numerator = np.float32(sums.log_num / (ONE * LOG_UNIT) + (flat - lost))
    denominator = np.float32(sums.log_den / (ONE * LOG_UNIT) + flat)
    return float(numerator / denominator) if denominator else math.nan


def adm_score(scales: Sequence[AdmSums], *, height: int, width: int) -> Adm:
    """Return the ADM of a frame of `height` x `width` pixels from the sums of its four scales."""
    pairs = [
        (float(_numerator(sums, scale)), float(_denominator(sums, scale)))
        for scale, sums in enumerate(scales)
    ]
    if not all(sums.weight for sums in scales):
        return Adm(math.nan, (math.nan,) * len(pairs))
    least = _LEAST * (width * height) / _HD_PIXELS
    numerator, denominator = (sum(each) for each in zip(*pairs, strict=True))
    numerator, denominator = (0.0 if x < least else x for x in (numerator, denominator))
    adm2 = numerator / denominator if denominator else 1.0
    return Adm(adm2, tuple(over / under for over, under in pairs))


def motion_score(sums: MotionSums) -> float:
    """Return how much a frame differs from the one before."""
    return sums.difference / 256.0 / sums.weight if sums.weight else math.nan


def motion2_scores(motion: Sequence[float]) -> list[float]:
    """Return motion2 of every frame from `motion`: the lesser of its own and the next one's.

    The first frame has none before it and so 0, the last its own.
    """
    following = [*motion[1:], math.inf]
    lesser = [min(own, after) for own, after in zip(motion, following, strict=True)]
    return [0.0, *lesser[1:]][: len(motion)]


def _cube_root(value: float) -> np.float32:
    # Once rounded, as a good single-precision power is, which NumPy's is not on every processor.
    return np.float32(float(np.float32(value)) ** _THIRD)


def _numerator(sums: AdmSums, scale: int) -> np.float32:
    area = _cube_root(sums.weight / ONE * _NOISE_WEIGHT)
    rows = ceil_log2(sums.height)
    roots = []
    for kind, value in enumerate(sums.numerators):
        shift = cube_shift(kind, sums.width, scale) + rows
        if scale == 0:
            cubes = np.float32(value / 2.0 ** (_NUMERATOR_BITS_0[kind] - shift))
        else:
            cubes = np.float32(value) / np.float32(2.0 ** (_NUMERATOR_BITS[scale - 1] - shift))
        roots.append(_cube_root(float(cubes)) + area)
    return roots[0] + roots[1] + roots[2]


def _denominator(sums: AdmSums, scale: int) -> np.float32:
    area = _cube_root(sums.weight / ONE * _NOISE_WEIGHT)
    rows, columns = Region.of(sums.height, sums.width).shape
    shift = excess_shift(rows, columns) if scale == 0 else ceil_log2(rows) + ceil_log2(columns)
    unit = 2.0 ** (_DENOMINATOR_BITS[scale] - shift)
    roots = [
        _cube_root(value / unit * float(sensitivity) ** 3) + area
        for value, sensitivity in zip(sums.denominators, SENSITIVITIES[scale], strict=True)
    ]
    return roots[0] + roots[1] + roots[2]
