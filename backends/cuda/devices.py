"""Which CUDA devices there are, what each is called, and why one cannot be used.

CuPy is imported when a device is asked for, never before: the package must import without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roi_accel.backends.device_choice import choose_meant, require_ready
from roi_accel.backends.kernel_cache import lend_cache
from roi_accel.backends.protocol import DeviceStatus

PREFIX = "cuda"
NVIDIA = 0x10DE

_INSTALL = 'pip install "roi-accel[cuda13]", or "roi-accel[cuda12]" where the driver is older'
_OLDEST = (7, 5)
"""The oldest architecture that NVRTC of CUDA 13 compiles for, and the kernels are checked for."""

_CACHE_VARIABLE = "CUPY_CACHE_DIR"
_LOGGER = logging.getLogger("roi_accel")

Untyped = Any
"""A module or object of CuPy, which has no types."""


@dataclass(frozen=True)
class CudaDevice:
    """One device of NVIDIA's.

    Attributes
    ----------
    number : int
        As the driver counts, after ``CUDA_VISIBLE_DEVICES``.
    name : str
        Its own name.
    capability : (major, minor)
        Its architecture.
    memory_bytes : int
    driver : str
        The newest CUDA that the driver speaks.
    cupy, cupyx : module
        Or anything with their interface.
    """

    number: int
    name: str
    capability: tuple[int, int]
    memory_bytes: int
    driver: str
    cupy: Untyped
    cupyx: Untyped

    @property
    def device_id(self) -> str:
        """What ``--device`` takes."""
        return f"{PREFIX}:{self.number}"

    @property
    def title(self) -> str:
        """Its names, a part of which ``--device`` takes."""
        return self.name

    @property
    def label(self) -> str:
        """Id and name, for messages."""
        return f"{self.device_id} ({self.name})"

    @property
    def problem(self) -> str:
        """Why it cannot be used; empty where it can."""
        if self.capability >= _OLDEST:
            return ""
        major, minor = _OLDEST
        return f"it is older than compute capability {major}.{minor}"

    @property
    def status(self) -> DeviceStatus:
        """What `probe` says of it."""
        major, minor = self.capability
        description = f"{self.name}, compute capability {major}.{minor}"
        version = f"CuPy {self.cupy.__version__}"
        return DeviceStatus(
            state="broken" if self.problem else "ready",
            device=self.device_id,
            description=", ".join(filter(None, (description, version, self.problem))),
            remedy="--backend opencl, where its driver has OpenCL" if self.problem else "",
            kind="gpu",
            vendor_id=NVIDIA,
            driver=self.driver,
            memory_bytes=self.memory_bytes,
        )


def probe_devices() -> list[DeviceStatus]:
    """Return a status per device, or the one reason why there is none; never raise."""
    try:
        if importlib.util.find_spec("cupy") is None:
            return [DeviceStatus("not installed", "", "CuPy is not installed", _INSTALL)]
        cupy, _ = _import_cupy()
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything at import
        description = f"CuPy is installed but does not load: {_reason(error)}"
        remedy = f"pip uninstall every cupy package, then {_INSTALL}"
        return [DeviceStatus("broken", "", description, remedy)]
    try:
        devices = find_devices()
    except Exception as error:  # noqa: BLE001 - so may the driver
        return [_no_device(cupy, error)]
    if not devices:
        return [_no_device(cupy, None)]
    try:
        cupy.cuda.nvrtc.getVersion()
    except Exception as error:  # noqa: BLE001 - it is a library of its own, loaded when first used
        description = f"CUDA's compiler, NVRTC, does not load: {_reason(error)}"
        return [DeviceStatus("broken", "", description, _INSTALL)]
    return [device.status for device in devices]


def choose_device(wanted: str | None) -> CudaDevice:
    """Return the device that `wanted` means.

    Parameters
    ----------
    wanted : str or None
        ``cuda:N``, or ``cuda:`` and a part of a device's name, in any case. None or ``cuda`` means
        the first that can be used.

    Raises
    ------
    BackendUnavailable
        CuPy, the driver or the device is missing or broken, or `wanted` means none or several.
    """
    require_ready(probe_devices())
    devices = find_devices()
    text = (wanted or "").removeprefix(PREFIX).removeprefix(":")
    if not text:
        return next(device for device in devices if not device.problem)
    return choose_meant(devices, wanted, api="CUDA", is_meant=lambda each: _is_meant(each, text))


def find_devices() -> list[CudaDevice]:
    """Return every device that the driver shows.

    Raises
    ------
    Exception
        Whatever CuPy raises where it, the driver or a device does not work.
    """
    cupy, cupyx = _import_cupy()
    runtime = cupy.cuda.runtime
    if runtime.is_hip:
        msg = "this CuPy is built for AMD's ROCm"
        raise RuntimeError(msg)
    devices = []
    for number in range(runtime.getDeviceCount()):
        facts = runtime.getDeviceProperties(number)
        devices.append(
            CudaDevice(
                number=number,
                name=facts["name"].decode(errors="replace"),
                capability=(facts["major"], facts["minor"]),
                memory_bytes=facts["totalGlobalMem"],
                driver=f"CUDA {_version(runtime.driverGetVersion())}",
                cupy=cupy,
                cupyx=cupyx,
            )
        )
    return devices


def _import_cupy() -> tuple[Untyped, Untyped]:
    """Return cupy and cupyx; importing fails where CuPy's cache cannot be made."""
    home = "~/.cupy/kernel_cache"
    folder = Path(os.environ.get(_CACHE_VARIABLE) or os.path.expanduser(home))  # noqa: PTH111 - Path's raises
    if lend_cache(_CACHE_VARIABLE, folder):
        _LOGGER.warning("compiled kernels are not kept: %s cannot be written", folder)
    return importlib.import_module("cupy"), importlib.import_module("cupyx")


def _is_meant(device: CudaDevice, text: str) -> bool:
    if re.fullmatch(r"\d+", text):
        return device.number == int(text)
    return text.casefold() in device.title.casefold()


def _no_device(cupy: Untyped, error: Exception | None) -> DeviceStatus:
    """Return why there is no device: no driver, one that is too old, none visible, or `error`."""
    runtime = cupy.cuda.runtime
    try:
        driver, wanted = runtime.driverGetVersion(), runtime.runtimeGetVersion()
    except Exception:  # noqa: BLE001 - as above
        driver, wanted = -1, -1
    if driver == 0:
        return DeviceStatus(
            "no device",
            "",
            "NVIDIA's driver is not installed, or this container does not show it",
            "install NVIDIA's driver; start a container with its GPUs (docker run --gpus all)",
        )
    if 0 < driver < wanted and driver // 1000 < wanted // 1000:
        return DeviceStatus(
            "broken",
            "",
            f"NVIDIA's driver speaks CUDA {_version(driver)}, but this CuPy is for CUDA "
            f"{_version(wanted)}",
            "update the driver, or pip uninstall the cupy package and take another cuda extra",
        )
    if error is None:
        return DeviceStatus(
            "no device",
            "",
            "the driver shows no device",
            "check nvidia-smi and CUDA_VISIBLE_DEVICES",
        )
    return DeviceStatus(
        "broken", "", f"CUDA does not work: {_reason(error)}", "check what nvidia-smi says"
    )


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]
