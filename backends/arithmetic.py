"""The steps of the integer contract on the host: quantising, interpolating, colour and fade.

Masks over time are computed here too: they are made on the host for every backend.
docs/arithmetic.md has the rules and their bounds.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from roi_accel.backends.plan import MASK_MAX
from roi_accel.backends.tables import FIXED_BITS, FIXED_HALF, ONE, SLOPE_BITS, SLOPE_HALF

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roi_accel.backends.protocol import Mask
    from roi_accel.backends.tables import AxisTable, ColourTable, FadeTable

    LineTerms = tuple[NDArray[np.uint32], NDArray[np.uint32]]

Samples = TypeVar("Samples", bound="NDArray[np.int32] | NDArray[np.uint32]")

SLACK = 1e-6  # guard: mask-range-slack
"""How far outside [0, 1] a float map may stray: a sigmoid's rounding, nothing more."""

WEIGHT_BITS = 30
"""A smoothing weight is in units of 2**-30."""

STATE_BITS = 16
"""The bits that a smoothed mask keeps below a code, so that small steps are not lost."""

MAX_FRAMES_APART = 32
"""The most frames from one inferred mask to the next; interpolating then fits in 32 bits."""

_DIGITS = 60
"""Decimal digits of the exponential: the decimal module rounds its exp() correctly, so that these
are the same on every machine, which a C library's need not be."""


class NotSaliencyError(ValueError):
    """A float map has a value that is not finite, or not in [0, 1]."""


def quantise(saliency: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Return floor(m * 65535 + 0.5) of saliency in [0, 1]: a mask is a 16-bit gray image.

    Values within 1e-6 of the interval are clamped into it. NotSaliencyError with the position of a
    value that is not finite, or further outside.
    """
    # One comparison catches NaN, infinity and range alike: NaN compares false.
    # guard: mask-not-a-number, mask-range
    inside = (saliency >= -SLACK) & (saliency <= 1.0 + SLACK)
    if not inside.all():  # guard: mask-nan-midway, mask-infinite
        y, x = np.argwhere(~inside)[0]
        msg = f"saliency {saliency[y, x]} at y={y}, x={x} is not in [0, 1]"
        raise NotSaliencyError(msg)
    # float64, in which m * 65535 + 0.5 is exact enough for every float32 m to round one way only.
    scaled = np.clip(saliency, 0.0, 1.0).astype(np.float64) * MASK_MAX
    return np.floor(scaled + 0.5).astype(np.uint16)


def line_terms(codes: NDArray[np.uint32], axis: int) -> LineTerms:
    """Return a * 65536 + 32768 and b - a for each of `codes`: what `interpolate_lines` starts from.

    a is the code itself and b its next neighbour along `axis`, which the last one is to itself. The
    difference may wrap.
    """
    bases: NDArray[np.uint32] = codes << np.uint32(FIXED_BITS)
    bases += np.uint32(FIXED_HALF)
    steps: NDArray[np.uint32] = np.diff(codes, axis=axis, append=codes.take([-1], axis))
    return bases, steps


def interpolate_lines(
    terms: LineTerms,
    left: NDArray[np.uint32],
    weight: NDArray[np.uint32],
    axis: int,
    out: NDArray[np.uint32],
    scratch: NDArray[np.uint32],
) -> None:
    """Write (a * (65536 - weight) + b * weight + 32768) >> 16 into `out`.

    Done as a * 65536 + 32768 + (b - a) * weight, which takes one product less: the difference may
    wrap, but the sum is in range, so arithmetic modulo 2**32 is exact.

    Parameters
    ----------
    terms : pair of uint32 arrays
        `line_terms` of codes 0..65535.
    left, weight, axis : uint32[n], uint32 that broadcasts to `out`, int
        Index of a along `axis`, b being the next code, and the share of b in 0..65536.
    out, scratch : uint32 arrays
        Of the codes' shape, but n along `axis`; both are overwritten.
    """
    bases, steps = terms
    # Indices are in range; only "clip" writes straight into `out`.
    np.take(steps, left, axis, out=out, mode="clip")
    np.take(bases, left, axis, out=scratch, mode="clip")
    out *= weight
    out += scratch
    out >>= FIXED_BITS


def on_grid(mask: NDArray[np.uint16], rows: AxisTable, columns: AxisTable) -> NDArray[np.uint16]:
    """Return mask codes, uint16[height, width], on a grid with the tables `rows` and `columns`.

    Horizontally first, because masks have few rows.
    """
    shape = len(rows.left), len(columns.left)
    wide, scratch = np.empty((2, mask.shape[0], shape[1]), np.uint32)
    terms = line_terms(mask.astype(np.uint32), 1)
    interpolate_lines(terms, columns.left, columns.weight, 1, wide, scratch)
    codes, scratch = np.empty((2, *shape), np.uint32)
    interpolate_lines(line_terms(wide, 0), rows.left, rows.weight[:, None], 0, codes, scratch)
    return codes.astype(np.uint16)


def to_8_bits(samples: Samples, bit_depth: int) -> Samples:
    """Return samples of `bit_depth` bits, in 32-bit integers, rounded to 8."""
    shift = bit_depth - 8
    if shift == 0:
        return samples
    reduced: Samples = np.minimum((samples + (1 << (shift - 1))) >> shift, 255)
    return reduced


def rgb_levels(
    luma: NDArray[np.int32],
    chroma_u: NDArray[np.int32],
    chroma_v: NDArray[np.int32],
    colour: ColourTable,
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Return R, G and B in 0..255.

    Parameters
    ----------
    luma, chroma_u, chroma_v : int32 arrays of one shape
        Samples of 8 bits, 0..255.
    colour : ColourTable
    """
    base = colour.luma * (luma - colour.black) + FIXED_HALF
    u, v = chroma_u - 128, chroma_v - 128
    red, green, blue = (
        np.clip(channel >> FIXED_BITS, 0, 255)
        for channel in (
            base + colour.v_to_r * v,
            base - colour.u_to_g * u - colour.v_to_g * v,
            base + colour.u_to_b * u,
        )
    )
    return red, green, blue


def apply_fade(codes: NDArray[np.uint32], fade: FadeTable) -> None:
    """Turn mask codes 0..65535 into alpha 0..65536, in place, as `FadeTable` says.

    The same as in ``numba/kernels.py`` and ``kernels/arithmetic.ker``.
    """
    if fade.fade == 0:
        np.multiply(codes >= fade.threshold, np.uint32(ONE), out=codes)
        return
    np.clip(codes, np.uint32(fade.threshold), np.uint32(fade.opaque_from), out=codes)
    # A wide fade's rounded slope may miss 65536 at its end, where the sample must stay as it is.
    is_exact = (fade.fade * fade.slope + SLOPE_HALF) >> SLOPE_BITS == ONE
    whole = None if is_exact else codes == fade.opaque_from
    # x * slope + 16384 with x = v - threshold, modulo 2**32.
    codes *= np.uint32(fade.slope)
    codes += np.uint32((SLOPE_HALF - fade.threshold * fade.slope) % 2**32)
    codes >>= SLOPE_BITS
    if whole is not None:
        np.copyto(codes, np.uint32(ONE), where=whole)


def mean_saliency(mask: NDArray[np.uint16]) -> float:
    """Return the mean of a mask on the saliency scale, in [0, 1]."""
    return int(mask.sum(dtype=np.uint64)) / (mask.size * MASK_MAX)


def mean_alpha(mask: NDArray[np.uint16], fade: FadeTable) -> float:
    """Return the mean alpha of a mask before upsampling, in [0, 1], the same on every backend."""
    codes = mask.astype(np.uint32)
    apply_fade(codes, fade)
    return int(codes.sum(dtype=np.uint64)) / (mask.size * ONE)


def smoothing_weight(frames: Fraction) -> int:
    """Return (1 - exp(-1 / frames)) * 2**30, rounded half up; at least 1, so that masks change.

    `frames` is the time constant, above 0: after so many frames a step is 1 - 1/e, 63 %, done.
    """
    exact = Context(prec=_DIGITS, rounding=ROUND_HALF_EVEN)
    power = exact.divide(Decimal(-frames.denominator), Decimal(frames.numerator))
    done = exact.subtract(Decimal(1), exact.exp(power))
    return max(1, int(Fraction(done) * 2**WEIGHT_BITS + Fraction(1, 2)))


def state_of(mask: Mask) -> NDArray[np.int64]:
    """Return what smoothing begins with, int64 as `mask`: its codes in units of 2**-16."""
    return mask.astype(np.int64) << STATE_BITS


def smooth(state: NDArray[np.int64], mask: Mask, weight: int) -> bool:
    """Bring `state` closer to `mask`, in place; return whether it moved.

    By (((mask << 16) - state) * weight + 2**29) >> 30. The difference has 32 bits and a sign, the
    weight at most 31: the product fits in 63. The shift is arithmetic, so that halves are rounded
    up, and the state never leaves the span between what it was and the mask.
    """
    step = state_of(mask)
    step -= state
    step *= weight
    step += 1 << (WEIGHT_BITS - 1)
    step >>= WEIGHT_BITS
    state += step
    return bool(step.any())


def codes_of(state: NDArray[np.int64]) -> Mask:
    """Return the mask of a state, uint16 as it, rounded half up."""
    return ((state + (1 << (STATE_BITS - 1))) >> STATE_BITS).astype(np.uint16)


def between(first: Mask, second: Mask, step: int, steps: int) -> Mask:
    """Return the mask that is `step` of `steps` on the way, by the sample, rounded half up.

    (first * (steps - step) + second * step + steps // 2) // steps, which rounds halves up also
    where `steps` is odd, since then there are none.

    Parameters
    ----------
    first, second : uint16[height, width]
    step : int
        0..steps; 0 gives `first`, `steps` gives `second`.
    steps : int
        1..MAX_FRAMES_APART.
    """
    codes = first.astype(np.uint32)
    codes *= np.uint32(steps - step)
    codes += second.astype(np.uint32) * np.uint32(step)
    codes += np.uint32(steps // 2)
    codes //= np.uint32(steps)
    return codes.astype(np.uint16)
