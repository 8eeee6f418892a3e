"""Whoever is measured: our backends, their peers and the plain copy, all behind one interface."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Role = Literal["backend", "peer", "copy", "transfers"]


@dataclass(frozen=True)
class Absent:
    """Someone who cannot be measured here.

    Attributes
    ----------
    name : str
    role : Role
    reason : str
        What is missing, and what would bring it.
    """

    name: str
    role: Role
    reason: str


@dataclass
class Contender:
    """Someone who is measured.

    Attributes
    ----------
    name : str
    role : Role
    frame : callable
        ``frame(i)`` handles frame i of the inputs, and returns its output once it is there.
    frames : int
        How many inputs there are; they come round, and so do as many outputs, which are kept so
        that no memory that is still in a cache is written again.
    facts : dict of str to str
        Device, driver and versions.
    threads : int
        Of the host's processor.
    callers : int
        How many frames are asked for at the same time, as a run does where a session has slots.
    to_planes : callable
        From an output to arrays in the host's memory.
    copy : str
        Name of the copy that its bandwidth is a share of.
    events : callable, optional
        Seconds so far on the device itself, per kind of work.
    difference : str
        For a peer, why its output is another.
    """

    name: str
    role: Role
    frame: Callable[[int], Any]
    frames: int
    facts: dict[str, str] = field(default_factory=dict)
    threads: int = 1
    callers: int = 1
    to_planes: Callable[[Any], Sequence[np.ndarray]] = list
    copy: str = ""
    events: Callable[[], Mapping[str, float]] | None = None
    difference: str = ""

    def __post_init__(self) -> None:
        self.done = 0
        self._next = 0
        self._kept: deque[Any] = deque(maxlen=self.frames)
        self._pool = ThreadPoolExecutor(self.callers) if self.callers > 1 else None

    def run_many(self, count: int) -> None:
        """Handle the next `count` frames; all are done on return."""
        numbers = [i % self.frames for i in range(self._next, self._next + count)]
        self._next = (self._next + count) % self.frames
        self.done += count
        if self._pool is not None:
            self._kept.extend(self._pool.map(self.frame, numbers))
            return
        for number in numbers:
            self._kept.append(self.frame(number))

    def planes(self, number: int) -> list[np.ndarray]:
        """Return the output for frame `number` as arrays in the host's memory."""
        return [np.asarray(plane) for plane in self.to_planes(self.frame(number))]

    def close(self) -> None:
        """Let go of the outputs and the callers; whoever made the contender closes the rest."""
        self._kept.clear()
        if self._pool is not None:
            self._pool.shutdown()
