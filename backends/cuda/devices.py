"""Finding CUDA devices, their names, and why one cannot be used.

CuPy is imported when a device is asked for, never before: the package must import without it.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roi_accel.backends.gpu import GpuDevice, choose_from, require_ready
from roi_accel.backends.kernel_cache import lend_cache
from roi_accel.backends.protocol import DeviceStatus

NVIDIA = 0x10DE

_INSTALL = 'pip install "roi-accel[cuda13]", or "roi-accel[cuda12]" where the driver is older'
_OLDEST = (7, 5)
"""The oldest architecture that NVRTC of CUDA 13 compiles for, and the kernels are checked for."""

_CACHE_VARIABLE = "CUPY_CACHE_DIR"
_LOGGER = logging.getLogger("roi_accel")

Untyped = Any
"""A module or object of CuPy, which has no types."""


@dataclass(frozen=True, kw_only=True)
class CudaDevice(GpuDevice):
    """One device of NVIDIA's.

    Attributes
    ----------
    number : int
        As the driver counts, after ``CUDA_VISIBLE_DEVICES``.
    cupy, cupyx : module
        Or anything with their interface.
    """

    number: int
    cupy: Untyped
    cupyx: Untyped


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
    """Return the device that ``--device`` means by `wanted`, such as ``cuda:1``; see `choose_from`.

    Raises
    ------
    BackendUnavailable
        CuPy, the driver or the device is missing or broken, or `wanted` means none or several.
    """
    require_ready(probe_devices())
    return choose_from(find_devices(), wanted, api="CUDA", numbers=r"\d+")


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
    driver = f"CUDA {_version(runtime.driverGetVersion())}"
    devices = []
    for number in range(runtime.getDeviceCount()):
        properties = runtime.getDeviceProperties(number)
        name = properties["name"].decode(errors="replace")
        capability = (properties["major"], properties["minor"])
        problem = ""
        if capability < _OLDEST:
            problem = "it is older than compute capability {}.{}".format(*_OLDEST)
        devices.append(
            CudaDevice(
                device_id=f"cuda:{number}",
                name=name,
                title=name,
                details="compute capability {}.{}, CuPy {}".format(*capability, cupy.__version__),
                problem=problem,
                remedy="--backend opencl, where its driver has OpenCL" if problem else "",
                vendor_id=NVIDIA,
                driver=driver,
                memory_bytes=properties["totalGlobalMem"],
                number=number,
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


def _no_device(cupy: Untyped, error: Exception | None) -> DeviceStatus:
    """Return why there is no device: no driver, one too old, no visible device, or `error`."""
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
