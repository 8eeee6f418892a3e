"""Timing in turns: every side runs once per round, so ratios hold where seconds do not."""

from __future__ import annotations

import gc
import math
import statistics
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from roi_accel.bench.commands import run_command

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from roi_accel.bench.contender import Contender

_FEWEST_WARM_UP_FRAMES = 3


class Effort(NamedTuple):
    """How many rounds are measured, and how many seconds a turn lasts: one frame at least."""

    rounds: int
    turn_seconds: float


FULL = Effort(rounds=15, turn_seconds=0.05)
QUICK = Effort(rounds=3, turn_seconds=0.0)
"""A smoke test, whose figures are meaningless."""


def spread(values: Sequence[float]) -> dict[str, float]:
    """Return median and range of a figure over the rounds."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(seconds: Mapping[str, Sequence[float]], over: str, under: str) -> dict[str, float]:
    """Return the spread of the times of `over` / those of `under`, taken round by round."""
    return spread([a / b for a, b in zip(seconds[over], seconds[under], strict=True)])


def take_turns(sides: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Return the seconds of each side in each round; a different side begins each round."""
    order = list(sides)
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name in order:
            started = time.perf_counter()
            sides[name]()
            seconds[name].append(time.perf_counter() - started)
        order = order[1:] + order[:1]
    return seconds


def time_contenders(contenders: Sequence[Contender], effort: Effort) -> dict[str, list[float]]:
    """Return for each contender's name its seconds per frame in each round.

    Each is first warmed up with all its inputs, which also compiles kernels, fills pools and maps
    the memory of every output. The garbage collector is off.
    """
    counts = {each.name: _frames_per_turn(each, effort) for each in contenders}
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        sides = {each.name: partial(each.run_many, counts[each.name]) for each in contenders}
        seconds = take_turns(sides, effort.rounds)
    finally:
        if was_enabled:
            gc.enable()
    return {name: [turn / counts[name] for turn in turns] for name, turns in seconds.items()}


def time_commands(
    sides: Mapping[str, Sequence[Sequence[str]]],
    folder: Path,
    *,
    rounds: int,
    warm_up: bool = True,
) -> dict[str, list[float]]:
    """Return the wall seconds of each side in each round.

    Parameters
    ----------
    sides : mapping of str to sequence of commands
        A side's commands run one after the other and are timed together.
    folder : Path
        The working directory of the commands.
    rounds : int
    warm_up : bool
        Whether a round that is not timed comes first.

    Raises
    ------
    InputError
        A command fails.
    """

    def run(commands: Sequence[Sequence[str]]) -> None:
        for command in commands:
            run_command(command, folder)

    turns = {name: partial(run, commands) for name, commands in sides.items()}
    skipped = int(warm_up)
    seconds = take_turns(turns, skipped + rounds)
    return {name: timed[skipped:] for name, timed in seconds.items()}


def _frames_per_turn(contender: Contender, effort: Effort) -> int:
    contender.run_many(_FEWEST_WARM_UP_FRAMES)
    count = max(_FEWEST_WARM_UP_FRAMES, contender.frames)
    started = time.perf_counter()
    contender.run_many(count)
    per_frame = (time.perf_counter() - started) / count
    return max(1, math.ceil(effort.turn_seconds / per_frame))
