"""VIF, the visual information fidelity of Sheikh and Bovik (2006), in libvmaf's integers.

Follows libvmaf's integer_vif.c. What that computes in double precision, the gain and what is left
of the variance, is exact integer arithmetic here, so that devices without doubles give equal bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from roi_accel.backends.features.weights import SCALES, total, vif_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.features.weights import Weights

    Plane = NDArray[np.uint8] | NDArray[np.uint16]
    Integers = NDArray[np.int64]

FILTERS = (
    (*(_SLOPE := (489, 935, 1640, 2640, 3896, 5274, 6547, 7455)), 7784, *reversed(_SLOPE)),
    (1244, 3663, 7925, 12590, 14692, 12590, 7925, 3663, 1244),
    (3571, 16004, 26386, 16004, 3571),
    (10904, 43728, 10904),
)
"""Taps per scale, in units of 1/65536, their sum."""

NOISE = 131072
"""The variance of the visual system's noise, sigma_nsq: 2 in units of 1/65536."""

LOG_UNIT = 2048
"""Logarithms are in units of 1/2048."""

_TOP_BITS = 16
# Rounds as libvmaf's table in single precision does, in every entry.
LOG2 = np.floor(LOG_UNIT * np.log2(np.arange(1, 1 << _TOP_BITS)) + 0.5 + 2**-10).astype(np.int64)
"""int64[65535]: the logarithms of 1 to 65535, to base 2."""

_EPSILON = 9765625
"""1/(65536 * 1e-10) is 1/64 of it: what keeps libvmaf's division from 0 / 0."""


class VifSums(NamedTuple):
    """One scale's sums, each times its pixel's weight; weights are in units of 1/65536.

    `log_num` and `log_den` are logarithms in units of 1/2048, of the pixels with a variance of at
    least `NOISE`; `flat` counts the others, and `flat_variance` adds up the distorted variance
    there.
    """

    log_num: int
    log_den: int
    flat: int
    flat_variance: int


def vif_sums(
    reference: Plane,
    distorted: Plane,
    bit_depth: int,
    weights: Sequence[Weights],
    *,
    gain_limit: int = 100,
) -> list[list[VifSums]]:
    """Return the sums of each scale, for each of `weights`.

    Parameters
    ----------
    reference, distorted : uint8 or uint16[height, width]
        Luma.
    bit_depth : int
        8 to 16.
    weights : sequence of int64[height, width]
        From 0 to 65536.
    gain_limit : int
        1 for libvmaf's ``neg`` models, which do not reward enhancement.

    Returns
    -------
    list of list of VifSums
        [weights][scale].
    """
    pyramids = [vif_weights(each) for each in weights]
    sums: list[list[VifSums]] = [[] for _ in weights]
    luma = [plane.astype(np.uint64) for plane in (reference, distorted)]
    for scale in range(SCALES):
        if scale:
            luma = [_halved(plane, scale, bit_depth) for plane in luma]
        terms = _terms(*_moments(luma[0], luma[1], scale, bit_depth), gain_limit)
        for pyramid, found in zip(pyramids, sums, strict=True):
            found.append(VifSums(*(total(term, pyramid[scale]) for term in terms)))
    return sums


def _filtered(plane: NDArray[np.uint64], taps: Sequence[int], axis: int) -> NDArray[np.uint64]:
    """Return `plane` filtered along `axis`, edges mirrored without repeating the edge sample."""
    reach = len(taps) // 2
    padded = np.pad(plane, [(reach, reach) if axis == n else (0, 0) for n in (0, 1)], "reflect")
    size = plane.shape[axis]
    filtered = np.zeros_like(plane)
    for place, tap in enumerate(taps):
        filtered += np.uint64(tap) * padded.take(range(place, place + size), axis)
    return filtered


def _rounded(values: NDArray[np.uint64], bits: int) -> NDArray[np.uint64]:
    return (values + np.uint64(1 << bits >> 1)) >> np.uint64(bits)


def _halved(plane: NDArray[np.uint64], scale: int, bit_depth: int) -> NDArray[np.uint64]:
    """Return the luma of `scale` from that of the scale before: filtered, even samples kept."""
    taps = FILTERS[scale]
    rows = _rounded(_filtered(plane, taps, 0), bit_depth if scale == 1 else 16)
    both = _rounded(_filtered(rows, taps, 1), 16)
    height, width = plane.shape
    return both[: height // 2 * 2 : 2, : width // 2 * 2 : 2]


def _moments(
    reference: NDArray[np.uint64], distorted: NDArray[np.uint64], scale: int, bit_depth: int
) -> tuple[Integers, Integers, Integers]:
    """Return the variances of reference and distorted luma and their covariance, in 1/65536."""
    taps = FILTERS[scale]
    mean_bits, square_bits = (bit_depth, 2 * (bit_depth - 8)) if scale == 0 else (16, 16)
    first, second = (
        _filtered(_rounded(_filtered(plane, taps, 0), mean_bits), taps, 1)
        for plane in (reference, distorted)
    )

    def moment(left: NDArray[np.uint64], right: NDArray[np.uint64], means: object) -> Integers:
        rows = _rounded(_filtered(left * right, taps, 0), square_bits)
        squares = _rounded(_filtered(rows, taps, 1), 16)
        return squares.astype(np.int64) - _rounded(np.asarray(means), 32).astype(np.int64)

    return (
        moment(reference, reference, first * first),
        np.maximum(moment(distorted, distorted, second * second), 0),
        moment(reference, distorted, first * second),
    )


def _terms(
    variance: Integers, distorted: Integers, covariance: Integers, gain_limit: int
) -> tuple[Integers, ...]:
    """Return per pixel what `VifSums` adds up.

    With the gain g = covariance / variance, libvmaf's logarithms are of 1 + g^2 variance / (noise +
    rest) and of 1 + variance / noise, where the rest is the distorted variance that g leaves.
    """
    textured = variance >= NOISE
    log_den = np.where(textured, log2(np.where(textured, NOISE + variance, NOISE)), 17 * LOG_UNIT)
    related = textured & (covariance > 0) & (distorted > 0)
    # The integers behind g * covariance, which the tiny term in libvmaf's divisor makes a bit less.
    divisor = np.where(related, variance, 1)
    both = np.where(related, covariance, 0)
    squared = both.astype(np.uint64) ** 2
    whole, remainder = np.divmod(squared, divisor.astype(np.uint64))
    part = remainder * np.uint64(_EPSILON)
    rest = distorted - whole.astype(np.int64) - (part > whole * np.uint64(64))
    explained = whole.astype(np.int64) - (part < whole * np.uint64(128))
    explained = np.where(both > gain_limit * divisor, gain_limit**2 * divisor, explained)
    noise = NOISE + np.maximum(rest, 0)
    log_num = np.where(related, log2(noise + np.where(related, explained, 0)) - log2(noise), 0)
    flat = ~textured
    return (
        log_num,
        log_den - 17 * LOG_UNIT,
        flat.astype(np.int64),
        np.where(flat, distorted, 0),
    )


def log2(values: Integers) -> Integers:
    """Return logarithms of integers from 65536 up, by their top 16 bits, in units of 1/2048."""
    exponents = np.frexp(values.astype(np.float64))[1].astype(np.int64) - _TOP_BITS
    logarithms: Integers = LOG2[(values >> exponents) - 1] + LOG_UNIT * exponents
    return logarithms
