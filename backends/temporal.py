"""Masks over time, in the contract's integers: interpolated between two, and smoothed.

All of it is pointwise and done on the host, whatever the backend. docs/arithmetic.md has the rules
and their bounds.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roi_accel.backends.protocol import Mask

WEIGHT_BITS = 30
"""A smoothing weight is in units of 2**-30."""

STATE_BITS = 16
"""A smoothed mask keeps so many bits below a code, so that small steps are not lost."""

MAX_FRAMES_APART = 32
"""How far apart two masks may be that others lie between; their sum then fits in 32 bits."""

_DIGITS = 60
"""Decimal digits of the exponential: the decimal module rounds its exp() correctly, so that these
are the same on every machine, which a C library's need not be."""


def smoothing_weight(frames: Fraction) -> int:
    """Return (1 - exp(-1 / frames)) * 2**30, rounded half up; at least 1, so that states move.

    Parameters
    ----------
    frames : Fraction
        The time constant, above 0: after so many frames a step is 1 - 1/e, 63 %, done.
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

    Parameters
    ----------
    state : int64[height, width]
        From `state_of`; 0..65535 * 65536.
    mask : uint16[height, width]
    weight : int
        From `smoothing_weight`.
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
