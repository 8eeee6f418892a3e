"""From seconds to frames: which frames of the reference a stretch of time holds, in exact numbers.

Frame i is shown from i / rate on, whatever time stamps a file has: what is compared is the order
of the frames, and so is what is left out.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from fractions import Fraction

from roi_accel.errors import InputError

RATE_SLACK = Fraction(1, 200)
"""Relative difference of frame rates that averages over a file's time stamps may have."""

_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9})?")
_RATIO = re.compile(r"[1-9][0-9]{0,8}/[1-9][0-9]{0,8}")


def parse_seconds(value: str | float | Fraction) -> Fraction:
    """Return a time of up to nine digits before and after the point, exactly; else InputError."""
    if isinstance(value, Fraction) and value >= 0:
        return value
    text = _plain(value)
    if not _DECIMAL.fullmatch(text):
        msg = f"{text[:40]!r} is not a time in seconds"
        raise InputError(msg, remedy="write a decimal number from 0 on, such as 0.5")
    return Fraction(text)


def parse_rate(value: str | float | Fraction) -> Fraction:
    """Return frames per second, given as ``25``, ``29.97`` or ``30000/1001``; else InputError."""
    if isinstance(value, Fraction) and value > 0:
        return value
    text = _plain(value)
    rate = Fraction(text) if _RATIO.fullmatch(text) or _DECIMAL.fullmatch(text) else Fraction(0)
    if not rate:
        msg = f"{text[:40]!r} is not a number of frames per second"
        raise InputError(msg, remedy="for example 25 or 30000/1001")
    return rate


def _plain(value: str | float | Fraction) -> str:
    """Return a number as text without an exponent; text as it is."""
    if isinstance(value, float) and math.isfinite(value):
        return f"{Decimal(repr(value)):f}"
    return str(value).strip()


def frames_before(time: Fraction, rate: Fraction) -> int:
    """Return how many frames begin before `time`, in seconds.

    Stretches of time that follow one another so hold every frame once.
    """
    return math.ceil(time * rate)


def frames_within(
    start: Fraction | None, duration: Fraction | None, rate: Fraction
) -> tuple[int, int | None]:
    """Return how many frames lie before `start`, and how many from there on within `duration`.

    InputError if no frame begins within `duration`.
    """
    begin = start or Fraction(0)
    first = frames_before(begin, rate)
    if duration is None:
        return first, None
    count = frames_before(begin + duration, rate) - first
    if count < 1:
        msg = f"no frame begins within --duration {float(duration):g} at {float(rate):g} per second"
        raise InputError(msg, remedy=f"a frame lasts {float(1 / rate):.6f} s; choose at least that")
    return first, count


def rates_differ(one: Fraction | None, other: Fraction | None) -> bool:
    """Return whether two frame rates are known and are not the same, but for rounding."""
    if not one or not other:
        return False
    return abs(one - other) > RATE_SLACK * one
