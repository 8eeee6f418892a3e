"""The CUDA backend and its devices: NVIDIA's, through CuPy.

CuPy is imported when a device is asked for, never before: the package must import without it.
"""

from __future__ import annotations

import importlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from roi_accel.backends.gpu import GpuBackend, GpuDevice, build_failure, lend_cache
from roi_accel.backends.host import import_fault, reason_of
from roi_accel.backends.kernel_calls import KERNELS, kernel_source
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np

    from roi_accel.backends.cuda.session import CudaSession
    from roi_accel.backends.plan import Plan

NVIDIA = 0x10DE

OPTIONS = ("--std=c++17",)
"""The compiler's options; nothing here depends on the device."""

_INSTALL = 'pip install "roi-accel[cuda13]", or "roi-accel[cuda12]" where the driver is older'
_OLDEST = (7, 5)
"""The oldest architecture that NVRTC of CUDA 13 compiles for, and the kernels are checked for."""

_CACHE_VARIABLE = "CUPY_CACHE_DIR"
_LOGGER = logging.getLogger("roi_accel")

Untyped = Any
"""A module or object of CuPy, which has no types."""


@dataclass(frozen=True, kw_only=True)
class CudaDevice(GpuDevice):
    """One device of NVIDIA's, with the driver's `number` of it, after ``CUDA_VISIBLE_DEVICES``."""

    number: int
    cupy: Untyped
    cupyx: Untyped


class CudaBackend(GpuBackend[CudaDevice]):
    """The kernels of ``kernels/`` on one CUDA device; CuPy keeps what was compiled."""

    name: ClassVar[str] = "cuda"
    title: ClassVar[str] = "CUDA"
    numbers: ClassVar[str] = r"\d+"

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return every CUDA device, or the one reason why there is none."""
        repair = f"pip uninstall every cupy package, then {_INSTALL}"
        fault = import_fault("cupy", "CuPy", _import_cupy, install=_INSTALL, repair=repair)
        if fault is not None:
            return [fault]
        cupy, _ = _import_cupy()
        try:
            devices = cls._find()
        except Exception as error:  # noqa: BLE001 - a driver may raise anything
            return [_no_device(cupy, error)]
        if not devices:
            return [_no_device(cupy, None)]
        try:
            cupy.cuda.nvrtc.getVersion()
        except Exception as error:  # noqa: BLE001 - it is a library of its own, loaded when first used
            description = f"CUDA's compiler, NVRTC, does not load: {reason_of(error)}"
            return [DeviceStatus("broken", "", description, _INSTALL)]
        return [device.status for device in devices]

    @classmethod
    def _find(cls) -> list[CudaDevice]:
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
            details = "compute capability {}.{}, CuPy {}".format(*capability, cupy.__version__)
            problem = ""
            if capability < _OLDEST:
                problem = "it is older than compute capability {}.{}".format(*_OLDEST)
            status = DeviceStatus(
                "broken" if problem else "ready",
                f"cuda:{number}",
                ", ".join(filter(None, (name, details, problem))),
                "--backend opencl, where its driver has OpenCL" if problem else "",
                kind="gpu",
                vendor_id=NVIDIA,
                driver=driver,
                memory_bytes=properties["totalGlobalMem"],
            )
            device = CudaDevice(
                status=status,
                name=name,
                title=name,
                problem=problem,
                number=number,
                cupy=cupy,
                cupyx=cupyx,
            )
            devices.append(device)
        return devices

    def _compile(self, sample: np.dtype[np.uint8] | np.dtype[np.uint16]) -> Mapping[str, Untyped]:
        device = self._device
        source = kernel_source("cuda", sample)
        module = device.cupy.RawModule(code=source, options=OPTIONS)
        try:
            with device.cupy.cuda.Device(device.number):
                return {name: module.get_function(name) for name in KERNELS}
        except device.cupy.cuda.compiler.CompileException as error:
            raise build_failure(device, str(error), source) from error
        except (ImportError, RuntimeError, OSError) as error:
            msg = f"the kernels cannot be compiled for {device.label}: {reason_of(error)}"
            raise BackendUnavailable(
                msg, remedy='pip install "roi-accel[cuda13]" brings the compiler, NVRTC'
            ) from error

    def _open(self, plan: Plan, program: Mapping[str, Untyped]) -> CudaSession:
        from roi_accel.backends.cuda.session import CudaSession  # noqa: PLC0415 - only where used

        return CudaSession(plan, self._device, program)


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
        description = "NVIDIA's driver is not installed, or this container does not show it"
        remedy = "install NVIDIA's driver; start a container with its GPUs (docker run --gpus all)"
        return DeviceStatus("no device", "", description, remedy)
    if 0 < driver < wanted and driver // 1000 < wanted // 1000:
        versions = (_version(driver), _version(wanted))
        description = "NVIDIA's driver speaks CUDA {}, but this CuPy is for CUDA {}"
        remedy = "update the driver, or pip uninstall the cupy package and take another cuda extra"
        return DeviceStatus("broken", "", description.format(*versions), remedy)
    if error is None:
        remedy = "check nvidia-smi and CUDA_VISIBLE_DEVICES"
        return DeviceStatus("no device", "", "the driver shows no device", remedy)
    description = f"CUDA does not work: {reason_of(error)}"
    return DeviceStatus("broken", "", description, "check what nvidia-smi says")


def _version(number: int) -> str:
    return f"{number // 1000}.{number % 1000 // 10}"
