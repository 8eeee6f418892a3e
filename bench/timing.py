"""Alternating timing: all take turns in every round, so ratios hold where seconds do not."""

from __future__ import annotations

import gc
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roi_accel.bench.contender import Contender

_FEWEST_WARM_UP_FRAMES = 3


@dataclass(frozen=True)
class Effort:
    """How long is measured.

    Attributes
    ----------
    rounds : int
        Turns of each contender.
    turn_seconds : float
        A turn takes as many frames as it takes to last so long, at least one.
    """

    rounds: int
    turn_seconds: float


FULL = Effort(rounds=15, turn_seconds=0.05)
QUICK = Effort(rounds=3, turn_seconds=0.0)
"""Shows that everything works; its figures mean nothing."""


@dataclass(frozen=True)
class Spread:
    """Median and range of a figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Return the spread of at least one value."""
        return cls(statistics.median(values), min(values), max(values))

    def to_dict(self) -> dict[str, float]:
        """Return it for JSON."""
        return {"median": self.median, "min": self.least, "max": self.most}


def alternate(contenders: Sequence[Contender], effort: Effort) -> dict[str, list[float]]:
    """Return for each contender's name the seconds per frame in each round.

    Every contender is warmed up first, once round its inputs, which also compiles kernels, fills
    pools and has every output's memory mapped; whoever begins a round is another one each time;
    the garbage collector rests.
    """
    frames = {each.name: _frames_per_turn(each, effort) for each in contenders}
    seconds: dict[str, list[float]] = {each.name: [] for each in contenders}
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for number in range(effort.rounds):
            first = number % max(1, len(contenders))
            for each in (*contenders[first:], *contenders[:first]):
                count = frames[each.name]
                started = time.perf_counter()
                each.run_many(count)
                seconds[each.name].append((time.perf_counter() - started) / count)
    finally:
        if was_enabled:
            gc.enable()
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], one: str, other: str) -> Spread:
    """Return time of `one` / time of `other`, each round's own."""
    return Spread.of([a / b for a, b in zip(seconds[one], seconds[other], strict=True)])


def _frames_per_turn(contender: Contender, effort: Effort) -> int:
    contender.run_many(_FEWEST_WARM_UP_FRAMES)
    count = max(_FEWEST_WARM_UP_FRAMES, contender.frames)
    started = time.perf_counter()
    contender.run_many(count)
    per_frame = (time.perf_counter() - started) / count
    return max(1, math.ceil(effort.turn_seconds / per_frame))
