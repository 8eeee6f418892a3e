"""ADM, the additive distortion metric of Li, Zhang, Ma and Ngan (2011), in libvmaf's integers.

Follows libvmaf's integer_adm.c, its plain C path; that of AVX2 differs at some narrow sizes.
Rounding constants that look like slips, such as 65535 and -2**31, are libvmaf's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from roi_accel.backends.features.weights import SCALES, adm_weights, row_sums

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.features.vif import Plane
    from roi_accel.backends.features.weights import Weights

    Integers = NDArray[np.int64]
    Bands = tuple[Integers, Integers, Integers]
    """Horizontal, vertical and diagonal details."""

_LOW_PASS = (15826, 27411, 7345, -4240)
_HIGH_PASS = (-4240, -7345, 27411, -15826)
_LOW_PASS_SUM = 46342
"""The second-order Daubechies wavelet, in units of 1/32768."""

# (rounding, shift) after the vertical and the horizontal pass of scales 1 to 3.
_PASSES = (((0, 0), (16384, 15)), ((32768, 16), (32768, 16)), ((32768, 16), (16384, 15)))

_INVERSES = 1 << 30
_ONE = 1 << 15
"""A gain of 1."""

_COS_OF_ONE_DEGREE_SQUARED = float(np.float32(math.cos(math.pi / 180) ** 2))

BORDER = 0.1
"""What part of a band's width and height does not count on each side."""

# Contrast sensitivity by Watson, Yang, Solomon and Villasenor (1997), for a viewing distance of
# three heights of 1080 lines: formula 7 and table IV, luma; table V, amplitudes of horizontal and
# vertical details, and of diagonal ones.
_DISTANCE, _LINES = 3.0, 1080
_A, _K, _F0 = np.float32(0.495), np.float32(0.466), np.float32(0.401)
_ORIENTATIONS = (np.float32(1.0), np.float32(0.534))
_AMPLITUDES = (
    (0.67234, 0.72709),
    (0.41317, 0.49428),
    (0.22727, 0.28688),
    (0.11792, 0.15214),
)

# Scale 0 in 16 bits: sensitivities in units of 2^-21, 2^-21 and 2^-23.
_SENSITIVITIES_0 = (36453, 36453, 49417)
_ROUNDINGS_0 = ((16384, 15), (16384, 15), (65535, 17))
_THIRTIETH_0, _FIFTEENTH_0 = 4369, 8738
_THIRTIETH, _FIFTEENTH = 143165577, 286331153
_MASKING_SHIFTS_0 = (10, 10, 12)
_SQUARE_SHIFTS_0 = (29, 29, 30)
_SQUARE_SHIFTS = (31, 30, 31)
"""Of the denominator's squares at scales 1 to 3."""


class AdmSums(NamedTuple):
    """One scale's sums of cubes, for horizontal, vertical and diagonal details.

    Each cube is times its sample's weight, in units of 1/65536, and shifted as libvmaf does; the
    weights within the border are added up in `weight`. `height` and `width` are the bands'.
    """

    numerators: tuple[int, int, int]
    denominators: tuple[int, int, int]
    weight: int
    height: int
    width: int


class Region(NamedTuple):
    """The rows and columns of a band that count."""

    rows: slice
    columns: slice

    @classmethod
    def of(cls, height: int, width: int) -> Region:
        """Return what is within the border of a band."""
        top, left = (int(size * BORDER - 0.5) for size in (height, width))
        return cls(slice(top, height - top), slice(left, width - left))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start


def adm_sums(
    reference: Plane,
    distorted: Plane,
    bit_depth: int,
    weights: Sequence[Weights],
    *,
    gain_limit: int = 100,
) -> list[list[AdmSums]]:
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
    list of list of AdmSums
        [weights][scale].
    """
    pyramids = [adm_weights(each) for each in weights]
    sums: list[list[AdmSums]] = [[] for _ in weights]
    lumas = [plane.astype(np.int64) for plane in (reference, distorted)]
    for scale in range(SCALES):
        (first, original), (second, seen) = (wavelet(luma, scale, bit_depth) for luma in lumas)
        lumas = [first, second]
        restored, added = _decouple(original, seen, scale, gain_limit)
        masked = _masked(restored, added, scale)
        height, width = original[0].shape
        region = Region.of(height, width)
        for pyramid, found in zip(pyramids, sums, strict=True):
            counted = pyramid[scale][region]
            found.append(
                AdmSums(
                    _numerators(masked, counted, scale),
                    _denominators([band[region] for band in original], counted, scale),
                    int(counted.sum()),
                    height,
                    width,
                )
            )
    return sums


def wavelet(luma: Integers, scale: int, bit_depth: int) -> tuple[Integers, Bands]:
    """Return the approximation of `luma` for the next scale, and its details.

    Scale 0 is rounded to 16 bits and centred on 0, the others to 32 bits.
    """
    cast = _int16 if scale == 0 else _int32
    low, high = (_transformed(luma, taps, 0) for taps in (_LOW_PASS, _HIGH_PASS))
    if scale == 0:
        vertical, horizontal = (1 << (bit_depth - 1), bit_depth), (32768, 16)
        low -= _LOW_PASS_SUM << (bit_depth - 1)
    else:
        vertical, horizontal = _PASSES[scale - 1]
    low, high = (cast((each + vertical[0]) >> vertical[1]) for each in (low, high))
    approximation, vertical_details, horizontal_details, diagonal_details = (
        cast((_transformed(rows, taps, 1) + horizontal[0]) >> horizontal[1])
        for rows in (low, high)
        for taps in (_LOW_PASS, _HIGH_PASS)
    )
    return approximation, (horizontal_details, vertical_details, diagonal_details)


def _transformed(plane: Integers, taps: Sequence[int], axis: int) -> Integers:
    """Return every second sample of `plane` filtered along `axis`.

    Mirrored, at the start without repeating the edge sample, at the end with.
    """
    size = plane.shape[axis]
    places = 2 * np.arange((size + 1) // 2) + np.arange(-1, 3)[:, None]
    places = np.abs(places)
    places = np.where(places >= size, 2 * size - 1 - places, places)
    transformed: Integers = np.zeros_like(plane.take(places[0], axis))
    for tap, at in zip(taps, places, strict=True):
        transformed += tap * plane.take(at, axis)
    return transformed


def _int16(values: Integers) -> Integers:
    return values.astype(np.int16).astype(np.int64)


def _int32(values: Integers) -> Integers:
    return values.astype(np.int32).astype(np.int64)


def _decouple(original: Bands, seen: Bands, scale: int, gain_limit: int) -> tuple[Bands, Bands]:
    """Return which part of the details seen is of the original, and what was added to it.

    Where the gradient points the same way to a degree, enhancement up to the limit adds nothing.
    """
    cast = _int16 if scale == 0 else _int32
    same_way = _same_way(original, seen)
    restored, added = [], []
    for wanted, got in zip(original, seen, strict=True):
        gain = np.clip(np.where(wanted == 0, _ONE, _quotients(got, wanted)), 0, _ONE)
        part = cast((gain * wanted + (_ONE >> 1)) >> 15)
        rising, falling = (same_way & (gain > 0) & (each > 0) for each in (wanted, -wanted))
        part = np.where(rising, np.minimum(part * gain_limit, got), part)
        part = np.where(falling, np.maximum(part * gain_limit, got), part)
        restored.append(part)
        added.append(cast(got - part))
    return tuple(restored), tuple(added)  # type: ignore[return-value] # three each


def _same_way(original: Bands, seen: Bands) -> NDArray[np.bool_]:
    """Return where the angle between two gradients is below a degree.

    Of integers rounded to single precision, multiplied in double precision, as libvmaf has it.
    """

    def dot(left: Bands, right: Bands) -> NDArray[np.float64]:
        exact = left[0] * right[0] + left[1] * right[1]
        return exact.astype(np.float32).astype(np.float64) / 4096.0

    product = dot(original, seen)
    bound = _COS_OF_ONE_DEGREE_SQUARED * dot(original, original) * dot(seen, seen)
    return (product >= 0) & (product * product >= bound)


def _quotients(dividends: Integers, divisors: Integers) -> Integers:
    """Return dividends / divisors in units of 1/32768, by the inverse of the leading 15 bits."""
    sizes = np.abs(divisors)
    bits = np.frexp(sizes.astype(np.float64))[1].astype(np.int64)
    shifts = np.maximum(bits - 15, 0)
    leading = (sizes + ((1 << shifts) >> 1)) >> shifts
    inverses = np.sign(divisors) * (_INVERSES // np.maximum(leading, 1))
    quotients: Integers = (inverses * dividends + (1 << (14 + shifts))) >> (15 + shifts)
    return quotients


def _sensitivities(scale: int) -> tuple[np.float32, np.float32, np.float32]:
    """Return the contrast sensitivity for horizontal, vertical and diagonal details."""
    resolution = np.float32(_DISTANCE * _LINES * math.pi / 180.0)
    found = []
    for orientation, amplitude in zip(_ORIENTATIONS, _AMPLITUDES[scale], strict=True):
        frequency = 2.0 ** (scale + 1) * float(_F0) * float(orientation) / float(resolution)
        logarithm = np.float32(math.log10(frequency))
        exponent = float(_K * logarithm * logarithm)
        step = np.float32(2.0 * float(_A) * 10.0**exponent / float(np.float32(amplitude)))
        found.append(np.float32(1.0) / step)
    return found[0], found[0], found[1]


SENSITIVITIES = tuple(_sensitivities(scale) for scale in range(SCALES))
"""float32 by scale and kind of details."""


def _masked(restored: Bands, added: Bands, scale: int) -> Bands:
    """Return restored details as the eye senses them, less what the added ones hide."""
    if scale == 0:
        factors: Sequence[int] = _SENSITIVITIES_0
    else:
        factors = [int(float(each) * 2.0**32) for each in SENSITIVITIES[scale]]
    threshold = sum(
        _hidden(band, factor, kind, scale)
        for kind, (band, factor) in enumerate(zip(added, factors, strict=True))
    )
    found = []
    for kind, (band, factor) in enumerate(zip(restored, factors, strict=True)):
        if scale == 0:
            sensed, hidden = band * factor, threshold << _MASKING_SHIFTS_0[kind]
        else:
            sensed, hidden = _int32((band * factor + (1 << 27)) >> 28), threshold
        found.append(np.maximum(np.abs(sensed) - hidden, 0))
    return tuple(found)


def _hidden(added: Integers, factor: int, kind: int, scale: int) -> Integers:
    """Return what added details of one kind hide: a 30th of each neighbour and a 15th of itself."""
    if scale == 0:
        rounding, shift = _ROUNDINGS_0[kind]
        sensed = np.abs(_int16((added * factor + rounding) >> shift))
        neighbour, centre = (
            _int16((share * sensed + 2048) >> 12) for share in (_THIRTIETH_0, _FIFTEENTH_0)
        )
    else:
        sensed = np.abs(_int32((added * factor + (1 << 27)) >> 28))
        neighbour, centre = (
            _int32((share * sensed - (1 << 31)) >> 32) for share in (_THIRTIETH, _FIFTEENTH)
        )
    height, width = added.shape
    # Edges are mirrored as in `_transformed`.
    around = np.pad(np.pad(neighbour, ((1, 0), (1, 0)), "reflect"), ((0, 1), (0, 1)), "edge")
    nine: Integers = sum(  # type: ignore[assignment] # of arrays, not 0
        around[y : y + height, x : x + width] for y in range(3) for x in range(3)
    )
    return nine - neighbour + centre


def _numerators(masked: Bands, weights: Weights, scale: int) -> tuple[int, int, int]:
    height, width = masked[0].shape
    region, sums = Region.of(height, width), []
    for kind, band in enumerate(masked):
        square_shift = _SQUARE_SHIFTS_0[kind] if scale == 0 else 30
        inner = band[region]
        squares = _int32((inner * inner + (1 << square_shift >> 1)) >> square_shift)
        cubes = _shifted(squares * inner, cube_shift(kind, width, scale))
        sums.append(_rows_shifted(row_sums(cubes, weights), ceil_log2(height)))
    return tuple(sums)  # type: ignore[return-value] # three


def cube_shift(kind: int, width: int, scale: int) -> int:
    """Return how far a cube of the numerator is shifted, so that a row of a band fits 64 bits."""
    if scale:
        return ceil_log2(width)
    return math.ceil(math.log2(width) - (4, 4, 3)[kind])


def _denominators(
    original: Sequence[Integers], weights: Weights, scale: int
) -> tuple[int, int, int]:
    rows, columns = original[0].shape
    sums = []
    for band in original:
        sizes = np.abs(band)
        if scale == 0:
            cubes, shift = sizes**3, excess_shift(rows, columns)
        else:
            square_shift = _SQUARE_SHIFTS[scale - 1]
            squares = (sizes * sizes + (1 << square_shift)) >> square_shift
            cubes, shift = _shifted(squares * sizes, ceil_log2(columns)), ceil_log2(rows)
        sums.append(_rows_shifted(row_sums(cubes, weights), shift))
    return tuple(sums)  # type: ignore[return-value] # three


def ceil_log2(size: int) -> int:
    """Return the bits that numbers below `size` need."""
    return (size - 1).bit_length()


def excess_shift(rows: int, columns: int) -> int:
    """Return how far the denominator's rows are shifted at scale 0: what 2^20 samples exceed."""
    return max(ceil_log2(rows * columns) - 20, 0)


def _shifted(values: Integers, bits: int) -> Integers:
    shifted: Integers = (values + (1 << bits >> 1)) >> bits
    return shifted


def _rows_shifted(rows: Sequence[int], bits: int) -> int:
    """Return the sum of rows, each shifted once; weights' units of 1/65536 go with it."""
    return sum((row + (1 << bits >> 1 << 16)) >> (bits + 16) for row in rows)
