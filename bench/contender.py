"""What is measured, behind one interface, and timing in turns.

Every contender runs once per round, so that ratios are reliable where seconds are not.
"""

from __future__ import annotations

import gc
import importlib
import math
import statistics
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from roi_accel.bench.commands import run_command
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack
    from pathlib import Path

Role = Literal["backend", "peer", "copy", "transfers"]

_FEWEST_WARM_UP_FRAMES = 3


@dataclass(frozen=True)
class Absent:
    """What cannot be measured here: the reason says what is missing and how to get it."""

    name: str
    role: Role
    reason: str


@dataclass
class Contender:
    """What is measured.

    Attributes
    ----------
    frame : callable
        Returns the output for the frame of the given number, once it is complete.
    frames : int
        The number of different inputs, which repeat. As many outputs are kept, so that no memory
        that is still in a cache is written again.
    facts : dict of str to str
        Device, driver and versions.
    threads : int
        Threads of the host's processor; 0 on a device.
    callers : int
        How many frames are requested at the same time, as a run does where a session has slots.
    to_planes : callable
        From an output to arrays, on the host or with CuPy's `get`.
    copy : str
        Name of the copy to whose bandwidth its own is compared.
    events : callable, optional
        Seconds so far on the device itself, per kind of work.
    difference : str
        For a peer, why its output differs.
    """

    name: str
    role: Role
    frame: Callable[[int], Any]
    frames: int
    facts: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    callers: int = 1
    to_planes: Callable[[Any], Sequence[Any]] = list
    copy: str = ""
    events: Callable[[], Mapping[str, float]] = dict
    difference: str = ""

    def __post_init__(self) -> None:
        self._done = 0
        self._before: tuple[int, Mapping[str, float]] = 0, {}
        self._kept: deque[Any] = deque(maxlen=self.frames)
        self._pool = ThreadPoolExecutor(self.callers) if self.callers > 1 else None

    def run_many(self, count: int) -> None:
        """Compute the next `count` frames; all are complete on return."""
        numbers = [number % self.frames for number in range(self._done, self._done + count)]
        self._done += count
        for output in (self._pool.map if self._pool else map)(self.frame, numbers):
            self._kept.append(output)

    def start(self) -> None:
        """Measure the device's seconds from here on."""
        self._before = self._done, self.events()

    def device_seconds(self) -> dict[str, float]:
        """Return the seconds per frame on the device itself since `start`, per kind of work."""
        started, before = self._before
        frames = self._done - started
        now = self.events() if frames else {}
        return {kind: (total - before.get(kind, 0.0)) / frames for kind, total in now.items()}

    def planes(self, number: int) -> list[np.ndarray]:
        """Return the output for frame `number` as arrays in the host's memory."""
        planes = self.to_planes(self.frame(number))
        return [plane.get() if hasattr(plane, "get") else np.asarray(plane) for plane in planes]

    def close(self) -> None:
        """Release the outputs and the callers' threads."""
        self._kept.clear()
        if self._pool is not None:
            self._pool.shutdown()


def contend(
    name: str, role: Role, make: Callable[[], Contender], stack: ExitStack
) -> Contender | Absent:
    """Return a contender, or why it is absent.

    Parameters
    ----------
    name : str
    role : Role
    make : callable
        Returns the contender; BackendUnavailable has the reason why it cannot.
    stack : ExitStack
        Closes the contender.
    """
    try:
        contender = make()
    except BackendUnavailable as error:
        return Absent(name, role, str(error))
    stack.callback(contender.close)
    return contender


def require(module: str, name: str, remedy: str) -> Any:  # noqa: ANN401 - a module
    """Return the imported `module` of a peer; BackendUnavailable if it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        msg = f"{name} is not installed"
        raise BackendUnavailable(msg, remedy=remedy) from error


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
    the memory of every output. The garbage collector is off, and seconds on devices start.
    """
    counts = {each.name: _frames_per_turn(each, effort) for each in contenders}
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for each in contenders:
            each.start()
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
    """Return the wall seconds of each side in each round; InputError if a command fails.

    Parameters
    ----------
    sides : mapping of str to sequence of commands
        A side's commands run one after the other and are timed together.
    folder : Path
        The working directory of the commands.
    rounds : int
    warm_up : bool
        Whether a round that is not timed comes first.
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
