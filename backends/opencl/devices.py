"""Finding OpenCL devices, their names, and why one cannot be used.

pyopencl is imported when a device is asked for, never before: the package must import without it.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import logging
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from roi_accel.backends.gpu import GpuDevice, choose_from, require_ready
from roi_accel.backends.kernel_cache import lend_cache
from roi_accel.backends.protocol import DeviceStatus

INSTALL_POCL = 'pip install "roi-accel[pocl]" for OpenCL on the processor'

_INSTALL = 'pip install "roi-accel[opencl]", or ' + INSTALL_POCL
_LOGGER = logging.getLogger("roi_accel")
_POCL = "Portable Computing Language"
_POCL_CACHE_VARIABLE = "POCL_CACHE_DIR"
_TOO_OLD = "this PoCL is older than the processor and compiles nothing for it"
_NEWER_POCL = "install a newer PoCL, on Debian: apt-get install pocl-opencl-icd"
_NO_TARGET = re.compile(r"PoCL HSTR: \S*x86_64\S*-generic", re.IGNORECASE)
"""How a device's version ends where PoCL's LLVM does not know the processor."""

_TAKES_A_NEAR_TARGET = 5
"""Since this version PoCL then takes a processor that it knows (pocl/pocl pull request 1268)."""


@dataclass(frozen=True, kw_only=True)
class OpenclDevice(GpuDevice):
    """One device of one platform: ``opencl:P.D``, counted from 0 in the loader's order.

    Attributes
    ----------
    handle : pyopencl.Device
    """

    handle: Any

    several_vendors: ClassVar[bool] = True

    @property
    def is_processor(self) -> bool:
        """Whether it runs work-items as loops, and not each in a lane of its own."""
        return self.kind == "cpu"


def probe_devices() -> list[DeviceStatus]:
    """Return a status per device, or the one reason why there is none; never raise."""
    try:
        if importlib.util.find_spec("pyopencl") is None:
            return [DeviceStatus("not installed", "", "pyopencl is not installed", _INSTALL)]
        devices = find_devices()
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything at import
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        description = f"pyopencl is installed but does not work: {reason}"
        return [DeviceStatus("broken", "", description, "pip install --upgrade pyopencl")]
    if not devices:
        return [_no_device()]
    return [device.status for device in devices]


def choose_device(wanted: str | None) -> OpenclDevice:
    """Return the device that ``--device`` means by `wanted`, such as ``opencl:0.1``.

    See `choose_from`; a part of the names of a device and its platform means it as well.

    Raises
    ------
    BackendUnavailable
        pyopencl or a device is missing or broken, or `wanted` means none or several.
    """
    require_ready(probe_devices())
    return choose_from(find_devices(), wanted, api="OpenCL", numbers=r"\d+\.\d+")


def find_devices() -> list[OpenclDevice]:
    """Return every device of every platform, in the loader's order.

    Raises
    ------
    ImportError, pyopencl.Error
        pyopencl or the OpenCL loader does not work.
    """
    is_cache_lent = _lend_pocl_a_cache()
    cl = importlib.import_module("pyopencl")
    try:
        platforms = cl.get_platforms()
    except cl.Error as error:
        if error.code == cl.status_code.PLATFORM_NOT_FOUND_KHR:  # guard: opencl-no-platform
            return []
        raise
    if is_cache_lent and any(platform.name == _POCL for platform in platforms):
        _LOGGER.warning("the user's cache cannot be written: PoCL's kernels are not kept")
    devices = []
    for platform_number, platform in enumerate(platforms):
        # A platform without a device raises an error.
        with contextlib.suppress(cl.Error):
            for number, handle in enumerate(platform.get_devices()):
                device_id = f"opencl:{platform_number}.{number}"
                devices.append(_describe(cl, device_id, platform, handle))
    return devices


def _describe(cl: Any, device_id: str, platform: Any, handle: Any) -> OpenclDevice:  # noqa: ANN401
    name = handle.name.strip()
    kind = _kind_of(cl, handle)
    problem = _problem_of(handle)
    remedy = _NEWER_POCL if problem == _TOO_OLD else "update its driver"
    return OpenclDevice(
        device_id=device_id,
        name=name,
        title=f"{name}, {platform.name.strip()}",
        details=" ".join(handle.version.split()[:2]),
        problem=problem,
        remedy=remedy if problem else "",
        kind=kind,
        vendor_id=None if kind == "cpu" else handle.vendor_id,
        driver=handle.driver_version.strip(),
        memory_bytes=handle.global_mem_size,
        handle=handle,
    )


def _kind_of(cl: Any, handle: Any) -> Literal["cpu", "gpu", "accelerator"]:  # noqa: ANN401
    if handle.type & cl.device_type.GPU:
        return "gpu"
    return "cpu" if handle.type & cl.device_type.CPU else "accelerator"


def _problem_of(handle: Any) -> str:  # noqa: ANN401
    if not handle.available:
        return "its driver says that it is not available"
    if not handle.compiler_available:
        return "its driver has no compiler"
    if not handle.endian_little:
        return "it is big-endian"
    # guard: pocl-too-old
    if _NO_TARGET.search(handle.version) and _major(handle.driver_version) < _TAKES_A_NEAR_TARGET:
        return _TOO_OLD
    return ""


def _major(version: str) -> int:
    found = re.match(r"\d+", version)
    return int(found[0]) if found else 0


def _no_device() -> DeviceStatus:
    vendors = os.environ.get("OCL_ICD_VENDORS")
    looked = f"OCL_ICD_VENDORS={vendors}" if vendors else "/etc/OpenCL/vendors"
    return DeviceStatus(  # guard: opencl-no-platform-hint
        "no device",
        "",
        f"there is no OpenCL platform with a device (drivers are looked up in {looked})",
        "install the device's OpenCL driver, point OCL_ICD_VENDORS to the folder of its .icd file, "
        f"or {INSTALL_POCL}",
    )


def _lend_pocl_a_cache() -> bool:
    """Name a temporary cache for PoCL where the home is read-only: else it shows no device."""
    if os.environ.get(_POCL_CACHE_VARIABLE):
        return False
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - Path's raises
    return lend_cache(_POCL_CACHE_VARIABLE, folder)
