"""Timing whole commands beside one another, so that a change in the machine's speed meets all."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from roi_accel.bench import timing
from roi_accel.bench.clips import run

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    Commands = Sequence[Sequence[str]]


def alternate(
    sides: Mapping[str, Commands], folder: Path, *, repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Return the wall seconds of each side, run in turns `repeats` times.

    Parameters
    ----------
    sides : mapping of str to sequence of commands
        A side's commands run one after the other and count together. Which side goes first
        alternates, too.
    folder : Path
        They run there.
    repeats : int
    warm_up : bool
        Whether one more turn comes first that does not count.

    Raises
    ------
    InputError
        A command fails.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(-int(warm_up), repeats):
        order = list(sides.items())
        for name, commands in reversed(order) if turn % 2 else order:
            started = time.perf_counter()
            for command in commands:
                run(command, folder)
            if turn >= 0:
                seconds[name].append(time.perf_counter() - started)
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], over: str, under: str) -> dict[str, float]:
    """Return median, smallest and largest of `over` / `under`, turn by turn."""
    return timing.ratios(seconds, over, under).to_dict()
