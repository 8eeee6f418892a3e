"""What is measured, our backends, their peers and plain copies, behind one interface."""

from __future__ import annotations

import importlib
import importlib.util
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import ExitStack

Role = Literal["backend", "peer", "copy", "transfers"]


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
    name : str
    role : Role
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
    events: Callable[[], Mapping[str, float]] | None = None
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
        self._before = self._done, self.events() if self.events else {}

    def device_seconds(self) -> dict[str, float]:
        """Return the seconds per frame on the device itself since `start`, per kind of work."""
        started, before = self._before
        frames = self._done - started
        if self.events is None or not frames:
            return {}
        now = self.events()
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
    if importlib.util.find_spec(module) is None:
        msg = f"{name} is not installed"
        raise BackendUnavailable(msg, remedy=remedy)
    return importlib.import_module(module)
