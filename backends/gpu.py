"""What backends on devices of their own share: devices, their choice, programs, failures."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

from roi_accel._util.suggest import did_you_mean
from roi_accel.backends.host import check_threads
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.backends.session import BaseSession
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from roi_accel.backends.plan import Plan


@dataclass(frozen=True, kw_only=True)
class GpuDevice:
    """One device of an API such as CUDA or OpenCL.

    Attributes
    ----------
    device_id : str
        The API's name in lower case and the device's number or numbers, as ``--device`` takes it.
    name : str
        Its own name.
    title : str
        Its names, a part of which ``--device`` takes as well.
    details : str
        Versions, for people.
    problem, remedy : str
        Why it cannot be used, empty where it can, and what helps.
    kind : {"cpu", "gpu", "accelerator"}
    vendor_id, driver, memory_bytes
        As in `DeviceStatus`.
    """

    device_id: str
    name: str
    title: str
    details: str
    problem: str = ""
    remedy: str = ""
    kind: Literal["cpu", "gpu", "accelerator"] = "gpu"
    vendor_id: int | None = None
    driver: str = ""
    memory_bytes: int | None = None

    several_vendors: ClassVar[bool] = False

    @property
    def label(self) -> str:
        """Id and name, for messages."""
        return f"{self.device_id} ({self.name})"

    @property
    def description(self) -> str:
        """Names and versions."""
        return f"{self.title}, {self.details}"

    @property
    def status(self) -> DeviceStatus:
        """What a backend's probe says of it."""
        return DeviceStatus(
            state="broken" if self.problem else "ready",
            device=self.device_id,
            description=", ".join(filter(None, (self.description, self.problem))),
            remedy=self.remedy,
            kind=self.kind,
            vendor_id=self.vendor_id,
            driver=self.driver,
            memory_bytes=self.memory_bytes,
            several_vendors=self.several_vendors,
        )


Device = TypeVar("Device", bound=GpuDevice)


def choose_from(devices: Sequence[Device], wanted: str | None, *, api: str, numbers: str) -> Device:
    """Return the device that `wanted` means.

    Parameters
    ----------
    devices : sequence of GpuDevice
        One at least that can be used.
    wanted : str or None
        As the user wrote it: a device's id, or the API's name, a colon and a part of one device's
        title, in any case; the prefix may be left out. None or the bare API's name means the first
        GPU that can be used, else the first device.
    api : str
        The API's name in messages; in lower case, the prefix of ids.
    numbers : str
        The regular expression of what follows the prefix in an id.

    Raises
    ------
    BackendUnavailable
        `wanted` means none or several, or the one cannot be used.
    """
    prefix = f"{api.lower()}:"
    text = (wanted or "").removeprefix(api.lower()).removeprefix(":")
    if not text:
        usable = [device for device in devices if not device.problem]
        return next((device for device in usable if device.kind == "gpu"), usable[0])
    if re.fullmatch(numbers, text):
        device_id = prefix + ".".join(str(int(number)) for number in text.split("."))
        meant = [device for device in devices if device.device_id == device_id]
    else:
        meant = [device for device in devices if text.casefold() in device.title.casefold()]
    if len(meant) != 1:
        reason = f"means several {api} devices" if meant else f"does not match any {api} device"
        candidates = meant or devices
        listed = "; ".join(f"{device.device_id} is {device.title}" for device in candidates)
        guess = "" if meant else did_you_mean(prefix + text, _names(devices, prefix))
        msg = f"device {wanted!r} {reason}: {listed}"
        remedy = f"{guess}for example --device {candidates[0].device_id}"
        raise BackendUnavailable(msg, remedy=remedy)
    (device,) = meant
    if device.problem:
        msg = f"{device.label} cannot be used: {device.problem}"
        raise BackendUnavailable(msg, remedy="choose another --device")
    return device


def _names(devices: Sequence[GpuDevice], prefix: str) -> list[str]:
    """Return the ids, and the words of the titles as they may be given instead."""
    titles = " ".join(device.title.lower() for device in devices)
    words = (prefix + word for word in re.findall(r"\w{3,}", titles))
    return [*(device.device_id for device in devices), *words]


def require_ready(statuses: Sequence[DeviceStatus]) -> None:
    """Raise BackendUnavailable with the first reason and remedy if no device is ready."""
    if all(status.state != "ready" for status in statuses):
        raise BackendUnavailable(statuses[0].description, remedy=statuses[0].remedy)


class GpuBackend(ABC, Generic[Device]):
    """A backend on one device, which compiles its kernels once per size of a sample.

    Parameters
    ----------
    device : str, optional
        As `choose_from` takes it.
    threads : int, optional
        As for the other backends.

    Raises
    ------
    BackendUnavailable
        The library, the driver or the device is missing or broken, or `device` means several.
    ValueError
        `threads` is not positive.
    """

    name: ClassVar[str]

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        check_threads(threads)
        self._device = self._choose(device)
        self._programs: dict[str, Any] = {}

    @property
    def device(self) -> str:
        """The device in use, as ``--device`` takes it."""
        return self._device.device_id

    def open(self, plan: Plan) -> BaseSession:
        """Return a session for `plan`; the first of a sample size compiles the kernels.

        Raises
        ------
        BackendUnavailable
            The kernels do not compile, there is no room on the device, or the driver fails.
        """
        sample = plan.pixel_format.dtype
        if sample.str not in self._programs:
            self._programs[sample.str] = self._compile(sample)
        return self._open(plan, self._programs[sample.str])

    @abstractmethod
    def _choose(self, wanted: str | None) -> Device:
        """Return the device that ``--device`` means by `wanted`."""

    @abstractmethod
    def _compile(self, sample: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Any:  # noqa: ANN401 - the API's own
        """Return the kernels for planes of `sample`."""

    @abstractmethod
    def _open(self, plan: Plan, program: Any) -> BaseSession:  # noqa: ANN401 - as above
        """Return a session with what `_compile` returned."""


class GpuSession(BaseSession, Generic[Device]):
    """A session that refuses all work once it is closed or its device has failed.

    Parameters
    ----------
    plan : Plan
    device : GpuDevice
    """

    def __init__(self, plan: Plan, device: Device) -> None:
        super().__init__(plan)
        self._device = device
        self._is_closed = False
        self._failure: BackendUnavailable | None = None

    def _check_usable(self) -> None:
        if self._is_closed:
            msg = "this session is closed"
            raise ValueError(msg)
        if self._failure is not None:  # guard: opencl-failure-kept
            raise BackendUnavailable(self._failure.message, remedy=self._failure.remedy)
