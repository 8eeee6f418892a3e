"""What a backend promises: to name its devices, and to mask frames in one session per clip.

Nothing here needs to be inherited: any class of this shape is a backend or a session.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan

Mask = NDArray[np.uint16]
"""[mask_height, mask_width], 0..65535 for saliency 0..1."""

ModelInput = NDArray[np.float32]
"""[1, 3, height, width], RGB normalised as the network was trained."""

Alpha = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]
"""Per plane [height, width], 0..65536: the share of the distorted sample in units of 1/65536."""


@dataclass(frozen=True)
class DeviceTensor:
    """Contiguous float32 in a device's memory, as ONNX Runtime can be bound to it.

    `device_type` is ONNX Runtime's name, such as ``cuda``; `pointer` is the first
    element's address.
    """

    device_type: str
    device_number: int
    pointer: int
    shape: tuple[int, ...]


RunNetwork = Callable[[DeviceTensor, DeviceTensor], None]
"""Fills the second tensor with a network's output for the first, and returns when it is there."""


@dataclass(frozen=True)
class DeviceStatus:
    """One device of a backend, or the reason why there is none.

    Attributes
    ----------
    state, kind : str
    device : str
        The id that ``--device`` takes, such as ``cpu`` or ``opencl:0.1``; empty without a device.
    description : str
        The device's own name, or why there is none.
    remedy : str
        The command that fixes it, where there is one.
    vendor_id : int or None
        The PCI vendor (0x10de NVIDIA, 0x8086 Intel, 0x1002 AMD, ...), which decides the execution
        provider of the saliency network; None where it is unknown or does not matter.
    driver : str
        The driver's version, or the runtime's on the host.
    memory_bytes : int or None
    several_vendors : bool
        Whether the backend has devices of several vendors, so that a vendor's name tells them
        apart, as in ``opencl:intel``.
    """

    state: Literal["ready", "not installed", "broken", "no device"]
    device: str = ""
    description: str = ""
    remedy: str = ""
    kind: Literal["cpu", "gpu", "accelerator"] = "cpu"
    vendor_id: int | None = None
    driver: str = ""
    memory_bytes: int | None = None
    several_vendors: bool = False

    @property
    def in_auto(self) -> bool:
        """Whether ``auto`` may take it: OpenCL on a processor is slower than numba there."""
        return self.kind == "gpu" or ":" not in self.device

    def to_dict(self) -> dict[str, Any]:
        """Return what `roi-accel devices --json` says of it."""
        values = asdict(self)
        del values["several_vendors"]
        return values


class Session(AbstractContextManager["Session", None], Protocol):
    """One clip on one device: tables and buffers are made once; frames are never written to.

    A session may also have ``slots`` (`slots_of`), `CountsSeconds`, `TellsEvents` and
    `InfersOnDevice`.
    """

    @property
    def plan(self) -> Plan:
        """What this session was opened for."""
        ...

    def preprocess(self, reference: Frame) -> ModelInput:
        """Return the network's input for `reference`; needs a plan with a model size."""
        ...

    def upsample(self, mask: Mask) -> Alpha:
        """Return alpha on each plane's own grid."""
        ...

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return `distorted` with its pixels replaced by `reference`'s where the mask is low."""
        ...

    def close(self) -> None:
        """Release the device's buffers; safe to call twice."""
        ...


def slots_of(session: Session) -> int:
    """Return how many threads may call `session` at a time: its optional ``slots``, else 1."""
    return int(getattr(session, "slots", 1))


@runtime_checkable
class CountsSeconds(Protocol):
    """A session that knows what its device spent its time on; optional."""

    @property
    def event_seconds(self) -> dict[str, float]:
        """Seconds on the device per kind of work, from its own events."""
        ...


@runtime_checkable
class TellsEvents(Protocol):
    """A session whose device says when each piece of work began and ended; optional."""

    def tell_events(self, tell: Callable[[str, int, int], None]) -> None:
        """Let `tell` know of each: its kind, begin and end, in the device's nanoseconds."""
        ...


@runtime_checkable
class InfersOnDevice(Protocol):
    """A session whose device can run the network, so that its input and output stay there.

    Optional: without it, they pass through the host's memory.
    """

    @property
    def tensor_device(self) -> tuple[str, int]:
        """ONNX Runtime's name and number of the device that has the tensors."""
        ...

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        """Return the mask that `run` makes of the network's input for `reference`.

        NotSaliencyError where the network's output is not finite or not in [0, 1].
        """
        ...


class InferringSession(Session, InfersOnDevice, Protocol):
    """A session beside whose kernels the network runs."""


@runtime_checkable
class Backend(Protocol):
    """One way of computing, bound to one of its devices."""

    name: ClassVar[str]

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None: ...

    @property
    def device(self) -> str:
        """As ``--device`` takes it."""
        ...

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return the devices, or one status that says what is missing; never raise."""
        ...

    def open(self, plan: Plan) -> Session:
        """Return a session for `plan`."""
        ...
