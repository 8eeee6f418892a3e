"""What backends on devices of their own share: their choice, compiled kernels, failures."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import tempfile
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import platformdirs

from roi_accel._util.suggest import did_you_mean
from roi_accel.backends.host import check_threads
from roi_accel.backends.session import BaseSession
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import DeviceStatus


CACHE_VARIABLE = "ROI_ACCEL_CACHE"


@dataclass(frozen=True, kw_only=True)
class GpuDevice:
    """One device of an API such as CUDA or OpenCL.

    Attributes
    ----------
    status : DeviceStatus
        What a backend's probe says of it.
    name : str
        Its own name.
    title : str
        Its names, a part of which ``--device`` takes as well.
    problem : str
        Why it cannot be used; empty where it can.
    """

    status: DeviceStatus
    name: str
    title: str
    problem: str = ""

    @property
    def device_id(self) -> str:
        """The API's name in lower case and the device's number or numbers."""
        return self.status.device

    @property
    def label(self) -> str:
        """Id and name, for messages."""
        return f"{self.device_id} ({self.name})"


Device = TypeVar("Device", bound=GpuDevice)


class GpuBackend(ABC, Generic[Device]):
    """A backend on one device, which compiles its kernels once per size of a sample.

    Parameters
    ----------
    device : str, optional
        As `choose` takes it.
    threads : int, optional
        As for the other backends; ValueError if it is not positive.

    Raises
    ------
    BackendUnavailable
        The library, the driver or the device is missing or broken, or `device` means several.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    """The API's name in messages."""

    numbers: ClassVar[str]
    """The regular expression of what follows the name and a colon in a device's id."""

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        check_threads(threads)
        self._device = self.choose(device)
        self._programs: dict[str, Any] = {}

    @property
    def device(self) -> str:
        """The device in use, as ``--device`` takes it."""
        return self._device.device_id

    def open(self, plan: Plan) -> BaseSession:
        """Return a session for `plan`; the first of a sample size compiles the kernels.

        BackendUnavailable where the kernels do not compile, there is no room, or the driver fails.
        """
        sample = plan.pixel_format.dtype
        if sample.str not in self._programs:
            self._programs[sample.str] = self._compile(sample)
        return self._open(plan, self._programs[sample.str])

    @classmethod
    def choose(cls, wanted: str | None) -> Device:
        """Return the device that ``--device`` means by `wanted`.

        That is a device's id, or the API's name, a colon and a part of one device's title, in any
        case; the prefix may be left out. None or the bare name means the first GPU that can be
        used, else the first device. BackendUnavailable where it means none or several.
        """
        statuses = cls.probe()
        if all(status.state != "ready" for status in statuses):
            raise BackendUnavailable(statuses[0].description, remedy=statuses[0].remedy)
        devices = cls._find()
        text = (wanted or "").removeprefix(cls.name).removeprefix(":")
        if not text:
            usable = [device for device in devices if not device.problem]
            return next((device for device in usable if device.status.kind == "gpu"), usable[0])
        if re.fullmatch(cls.numbers, text):
            device_id = f"{cls.name}:" + ".".join(str(int(number)) for number in text.split("."))
            meant = [device for device in devices if device.device_id == device_id]
        else:
            meant = [device for device in devices if text.casefold() in device.title.casefold()]
        if len(meant) != 1:
            reason = f"{'means several' if meant else 'does not match any'} {cls.title} device"
            candidates = meant or devices
            listed = "; ".join(f"{device.device_id} is {device.title}" for device in candidates)
            guess = "" if meant else did_you_mean(f"{cls.name}:{text}", cls._names(devices))
            msg = f"device {wanted!r} {reason}{'s' * bool(meant)}: {listed}"
            remedy = f"{guess}for example --device {candidates[0].device_id}"
            raise BackendUnavailable(msg, remedy=remedy)
        (device,) = meant
        if device.problem:
            msg = f"{device.label} cannot be used: {device.problem}"
            raise BackendUnavailable(msg, remedy="choose another --device")
        return device

    @classmethod
    def _names(cls, devices: Sequence[Device]) -> list[str]:
        """Return the ids, and the words of the titles as they may be given instead."""
        titles = " ".join(device.title.lower() for device in devices)
        words = (f"{cls.name}:{word}" for word in re.findall(r"\w{3,}", titles))
        return [*(device.device_id for device in devices), *words]

    @classmethod
    @abstractmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return a status per device, or the one reason why there is none; never raise."""

    @classmethod
    @abstractmethod
    def _find(cls) -> list[Device]:
        """Return every device; raise whatever the library raises where it does not work."""

    @abstractmethod
    def _compile(self, sample: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Any:  # noqa: ANN401 - the API's own
        """Return the kernels for planes of `sample`."""

    @abstractmethod
    def _open(self, plan: Plan, program: Any) -> BaseSession:  # noqa: ANN401 - as above
        """Return a session with what `_compile` returned."""


class GpuSession(BaseSession, Generic[Device]):
    """A session that refuses all work once it is closed or its device has failed."""

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


def cache_folder() -> Path:
    """Return the folder of compiled kernels and build logs; it need not exist.

    ``$ROI_ACCEL_CACHE/kernels`` where that variable is set, else ``kernels`` in the user's cache
    folder for roi-accel.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen)).absolute() / "kernels"  # noqa: PTH111 - Path's raises
    return platformdirs.user_cache_path("roi-accel", appauthor=False) / "kernels"


def lend_cache(variable: str, folder: Path) -> bool:
    """Point `variable` to a temporary folder where `folder` cannot be written.

    For libraries that do not work without a cache. Return whether a folder was lent; it is removed
    when the process ends.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return False
    lent = tempfile.TemporaryDirectory(prefix="roi-accel-cache-")
    atexit.register(lent.cleanup)
    os.environ[variable] = lent.name
    return True


def build_failure(device: GpuDevice, log: str, source: str) -> BackendUnavailable:
    """Return the error of kernels that do not compile, and keep the compiler's `log`."""
    text = f"{device.status.description}, driver {device.status.driver}\n\n{log}\n\n{source}"
    path = _write_log(text)  # guard: opencl-build-log
    return BackendUnavailable(
        f"the kernels do not compile for {device.label}; the compiler's log is {path}",
        remedy="update the device's driver, or choose another --device or --backend",
    )


def _write_log(text: str) -> Path:
    """Write `text` into the cache, or else into the temporary folder; return where."""
    name = f"build-failure-{hashlib.sha256(text.encode()).hexdigest()[:16]}.log"
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="roi-accel-")) / name
        path.write_text(text, "utf-8")
    return path
