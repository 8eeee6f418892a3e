"""BD-rate: how many more bits one ladder takes than another for the same score, in percent.

The number is computed by the package bjontegaard; here it is decided what it is given, and when a
number would mean nothing (docs/adr/0015-bd-rate.md).
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from roi_accel._util.error_translation import require
from roi_accel._util.suggest import no_such
from roi_accel.errors import InputError
from roi_accel.ladder.ladder import METRICS, hull

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.ladder.ladder import Ladder, ReferenceLadders

METHOD = "pchip"
"""Piecewise cubic, and never turning back between two encodes; what JVET's test conditions use."""

LEAST_ENCODES = 4
"""Per ladder, as the test conditions of JCT-VC and JVET have it."""

DEFAULT_MIN_OVERLAP = 0.75
"""bjontegaard's own: the scores that both ladders reach, as a part of those that either does."""


@dataclass(frozen=True)
class BdRate:
    """A ladder compared with an anchor, by one metric.

    Attributes
    ----------
    metric, anchor, test : str
        The metric, and the two ladders' names.
    percent : float or None
        More bits that the test takes for the same score on average; negative where it saves bits.
        None where it would mean nothing.
    reason : str
        Why there is no number; "" where there is one.
    overlap : float
        The scores that both ladders reach, as a part of those that either does; in [0, 1].
    left_out : (int, int)
        How many encodes of the anchor and of the test are not on their hulls and were left out,
        since the ladder's score does not rise with every step of bitrate.
    """

    metric: str
    anchor: str
    test: str
    percent: float | None
    reason: str
    overlap: float
    left_out: tuple[int, int]


@dataclass(frozen=True)
class MeanBdRate:
    """What a ladder saves on average over references.

    Attributes
    ----------
    metric, anchor, test : str
        The metric, and the two ladders' names.
    percent : float
        The mean of the references' BD-rates.
    references, of : int
        How many have a number, and how many have both ladders.
    """

    metric: str
    anchor: str
    test: str
    percent: float
    references: int
    of: int


@dataclass(frozen=True)
class _Curve:
    """Bitrates and scores that both rise strictly, and how many encodes they are without."""

    bitrates: tuple[float, ...]
    scores: tuple[float, ...]
    left_out: int


def _library() -> Any:  # noqa: ANN401 - a module
    """Return bjontegaard; InputError where it is missing or broken."""
    # It loads matplotlib, which complains on stderr of a home that it cannot write to.
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        return require("bjontegaard", "ladder", "the BD-rate between ladders")
    finally:
        logger.setLevel(level)


def _missing() -> str:
    """Return why a BD-rate cannot be computed at all; "" if there can."""
    try:
        _library()
    except InputError as error:
        return str(error)
    return ""


def compare(
    references: Sequence[ReferenceLadders],
    *,
    anchor: str | None = None,
    min_overlap: float = DEFAULT_MIN_OVERLAP,
) -> tuple[tuple[BdRate, ...], ...]:
    """Return for each reference the BD-rates of its ladders against one of them.

    Parameters
    ----------
    references : sequence of ReferenceLadders
    anchor : str, optional
        The ladder that the others are compared with. Default: each reference's first. A reference
        without it has no BD-rates.
    min_overlap : float, default 0.75
        The least part of the scores that both ladders must reach; in [0, 1].

    Raises
    ------
    InputError
        No reference has the anchor, or `min_overlap` is out of range.
    """
    if not 0 <= min_overlap <= 1:
        msg = f"the least overlap is {min_overlap:g}; a number from 0 to 1 was expected"
        raise InputError(msg, remedy=f"leave it out for {DEFAULT_MIN_OVERLAP:g}")
    names = dict.fromkeys(ladder.name for each in references for ladder in each.ladders)
    if anchor is not None and anchor not in names:
        raise no_such(anchor, names, what="ladder")
    return tuple(tuple(_against(each, anchor, min_overlap)) for each in references)


def _against(group: ReferenceLadders, anchor: str | None, min_overlap: float) -> Iterator[BdRate]:
    by_name = {ladder.name: ladder for ladder in group.ladders}
    against = by_name.get(group.ladders[0].name if anchor is None else anchor)
    if against is not None:
        for ladder, metric in product(group.ladders, METRICS):
            if ladder is not against:
                yield bd_rate(against, ladder, metric, min_overlap=min_overlap)


def mean_over_references(rates: Sequence[Sequence[BdRate]]) -> list[MeanBdRate]:
    """Return the mean of every BD-rate that at least two references have, as test conditions do."""
    found: dict[tuple[str, str, str], list[float | None]] = {}
    for rate in (each for of_reference in rates for each in of_reference):
        found.setdefault((rate.metric, rate.anchor, rate.test), []).append(rate.percent)
    means = []
    for (metric, anchor, test), each in found.items():
        numbers = [percent for percent in each if percent is not None]
        if len(numbers) > 1:
            mean = math.fsum(numbers) / len(numbers)
            means.append(MeanBdRate(metric, anchor, test, mean, len(numbers), len(each)))
    return means


def bd_rate(
    anchor: Ladder, test: Ladder, metric: str, *, min_overlap: float = DEFAULT_MIN_OVERLAP
) -> BdRate:
    """Return the BD-rate of `test` against `anchor`.

    The logarithm of the bitrate is interpolated over the score, and the two curves' mean distance
    over the scores that both reach is taken back out of the logarithm (G. Bjontegaard, VCEG-M33,
    2001). A ladder whose score does not rise with every step of bitrate is not a function of the
    score; then the encodes on its hull stand for it.
    """
    curves = [_curve(ladder, metric) for ladder in (anchor, test)]
    overlap = _overlap(*curves)
    reason = _objection(anchor, test, curves, overlap, min_overlap) or _missing()
    return BdRate(
        metric=metric,
        anchor=anchor.name,
        test=test.name,
        percent=None if reason else _percent(*curves),
        reason=reason,
        overlap=overlap,
        left_out=(curves[0].left_out, curves[1].left_out),
    )


def _curve(ladder: Ladder, metric: str) -> _Curve:
    points = [(each.bitrate or 0.0, each.scores[metric]) for each in ladder.rated]
    steps = pairwise(points)
    if any(right[0] <= left[0] or right[1] <= left[1] for left, right in steps):
        kept = [points[at] for at in hull(points)]
    else:
        kept = points
    bitrates, scores = (tuple(each[side] for each in kept) for side in (0, 1))
    return _Curve(bitrates, scores, len(points) - len(kept))


def _overlap(anchor: _Curve, test: _Curve) -> float:
    if not (anchor.scores and test.scores):
        return 0.0
    lowest, highest = (sorted((anchor.scores[at], test.scores[at])) for at in (0, -1))
    shared, whole = highest[0] - lowest[1], highest[1] - lowest[0]
    return max(shared, 0.0) / whole if whole > 0 else 0.0


def _objection(
    anchor: Ladder, test: Ladder, curves: Sequence[_Curve], overlap: float, min_overlap: float
) -> str:
    """Return why the two are not to be compared, and what would help; "" if they can be."""
    for ladder, curve in zip((anchor, test), curves, strict=True):
        found = len(curve.scores)
        if found < LEAST_ENCODES:
            what = "on its hull" if curve.left_out else "with a bitrate"
            return (
                f"{ladder.name} has {found} encodes {what}, {LEAST_ENCODES} are needed; "
                f"add {LEAST_ENCODES - found} or more"
            )
    low, high = (f"{curve.scores[0]:.2f} to {curve.scores[-1]:.2f}" for curve in curves)
    ranges = f"{anchor.name} has {low}, {test.name} {high}"
    if overlap == 0:
        return f"no score is reached by both: {ranges}; add encodes so that they meet"
    if overlap < min_overlap:
        return (
            f"only {overlap:.0%} of the scores are reached by both, {min_overlap:.0%} are needed: "
            f"{ranges}; add encodes so that they meet, or lower --min-overlap"
        )
    return ""


def _percent(anchor: _Curve, test: _Curve) -> float:
    percent = float(
        _library().bd_rate(
            anchor.bitrates,
            anchor.scores,
            test.bitrates,
            test.scores,
            method=METHOD,
            require_matching_points=False,
            min_overlap=0,  # decided already, in words that say what to do
        )
    )
    if not math.isfinite(percent):
        msg = f"bjontegaard gave {percent} for {anchor.scores} and {test.scores}"
        raise ArithmeticError(msg)
    return percent
