"""The OpenCL backend and its devices: any of any vendor, the processor through PoCL included.

pyopencl is imported when a device is asked for, never before: the package must import without it.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from roi_accel.backends.gpu import GpuBackend, GpuDevice, lend_cache
from roi_accel.backends.host import import_fault
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    import numpy as np

    from roi_accel.backends.opencl.session import OpenclSession
    from roi_accel.backends.plan import Plan

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

    `handle` is pyopencl's Device.
    """

    handle: Any

    @property
    def is_processor(self) -> bool:
        """Whether it runs work-items as loops, and not each in a lane of its own."""
        return self.status.kind == "cpu"


class OpenclBackend(GpuBackend[OpenclDevice]):
    """The kernels of ``kernels/`` on one OpenCL device.

    `threads` are the cores to use where the device is a processor that can be divided.
    """

    name: ClassVar[str] = "opencl"
    title: ClassVar[str] = "OpenCL"
    numbers: ClassVar[str] = r"\d+\.\d+"

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        super().__init__(device=device, threads=threads)
        import pyopencl as cl  # noqa: PLC0415 - only where a device is wanted

        chosen = self._device
        try:
            if threads is not None and chosen.is_processor:
                self._device = replace(chosen, handle=_part_of(chosen.handle, threads))
            self._context = cl.Context([self._device.handle])
        except cl.Error as error:
            msg = f"{chosen.label} cannot be opened: {' '.join(str(error).split())}"
            raise BackendUnavailable(
                msg, remedy="update its driver, or choose another --device or --backend"
            ) from error

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return every OpenCL device, or why there is none."""
        devices: list[OpenclDevice] = []
        fault = import_fault(
            "pyopencl",
            "pyopencl",
            lambda: devices.extend(cls._find()),
            install=_INSTALL,
            repair="pip install --upgrade pyopencl",
        )
        return [fault] if fault else [device.status for device in devices] or [_no_device()]

    @classmethod
    def _find(cls) -> list[OpenclDevice]:
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

    def _compile(self, sample: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Any:  # noqa: ANN401 - pyopencl's Program
        from roi_accel.backends.opencl.program import build_program  # noqa: PLC0415 - as above

        return build_program(self._context, self._device, sample)

    def _open(self, plan: Plan, program: Any) -> OpenclSession:  # noqa: ANN401 - pyopencl's Program
        from roi_accel.backends.opencl.session import OpenclSession  # noqa: PLC0415 - as above

        return OpenclSession(plan, self._device, self._context, program)


def _part_of(handle: Any, threads: int) -> Any:  # noqa: ANN401 - pyopencl's Device
    """Return `threads` cores of a processor as a device of their own, or all where it cannot."""
    import pyopencl as cl  # noqa: PLC0415 - only where a device is wanted

    by_counts = cl.device_partition_property.BY_COUNTS
    if threads >= handle.max_compute_units or by_counts not in handle.partition_properties:
        return handle
    end = cl.device_partition_property.BY_COUNTS_LIST_END
    (part,) = handle.create_sub_devices([by_counts, threads, end])
    return part


def _describe(cl: Any, device_id: str, platform: Any, handle: Any) -> OpenclDevice:  # noqa: ANN401
    name = handle.name.strip()
    title = f"{name}, {platform.name.strip()}"
    details = " ".join(handle.version.split()[:2])
    kind: Literal["cpu", "gpu", "accelerator"] = "accelerator"
    if handle.type & cl.device_type.GPU:
        kind = "gpu"
    elif handle.type & cl.device_type.CPU:
        kind = "cpu"
    problem = _problem_of(handle)
    remedy = _NEWER_POCL if problem == _TOO_OLD else "update its driver"
    status = DeviceStatus(
        "broken" if problem else "ready",
        device_id,
        ", ".join(filter(None, (title, details, problem))),
        remedy if problem else "",
        kind,
        vendor_id=None if kind == "cpu" else handle.vendor_id,
        driver=handle.driver_version.strip(),
        memory_bytes=handle.global_mem_size,
        several_vendors=True,
    )
    return OpenclDevice(status=status, name=name, title=title, problem=problem, handle=handle)


def _problem_of(handle: Any) -> str:  # noqa: ANN401
    if not handle.available:
        return "its driver says that it is not available"
    if not handle.compiler_available:
        return "its driver has no compiler"
    if not handle.endian_little:
        return "it is big-endian"
    major = re.match(r"\d+", handle.driver_version)
    is_old = major is None or int(major[0]) < _TAKES_A_NEAR_TARGET
    if is_old and _NO_TARGET.search(handle.version):  # guard: pocl-too-old
        return _TOO_OLD
    return ""


def _no_device() -> DeviceStatus:
    vendors = os.environ.get("OCL_ICD_VENDORS")
    place = f"OCL_ICD_VENDORS={vendors}" if vendors else "/etc/OpenCL/vendors"
    return DeviceStatus(  # guard: opencl-no-platform-hint
        "no device",
        "",
        f"there is no OpenCL platform with a device (drivers are looked up in {place})",
        "install the device's OpenCL driver, point OCL_ICD_VENDORS to the folder of its .icd file, "
        f"or {INSTALL_POCL}",
    )


def _lend_pocl_a_cache() -> bool:
    """Name a temporary cache for PoCL where the home is read-only: else it shows no device."""
    if os.environ.get(_POCL_CACHE_VARIABLE):
        return False
    folder = Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"))  # noqa: PTH111 - Path's raises
    return lend_cache(_POCL_CACHE_VARIABLE, folder)
