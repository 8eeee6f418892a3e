"""What CuPy's errors mean to a user: no room, a lost device, or something else, by its name."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from roi_accel.backends.cuda.devices import CudaDevice

_MIB = 2**20
_OTHER = "choose another --device or --backend"


def driver_errors(device: CudaDevice) -> tuple[type[Exception], ...]:
    """Return the classes of what CuPy raises when the device, and not our code, is at fault."""
    cuda = device.cupy.cuda
    return (
        cuda.memory.OutOfMemoryError,
        cuda.runtime.CUDARuntimeError,
        cuda.driver.CUDADriverError,
    )


def translate(error: Exception, device: CudaDevice) -> BackendUnavailable:
    """Return `error`, one of `driver_errors`, as the one that users meet."""
    reason = " ".join(str(error).split())
    if is_no_room(error):
        msg = f"{device.label} is out of memory: {reason}{_room(device)}"
        return BackendUnavailable(msg, remedy=f"end what else uses the device, or {_OTHER}")
    # An error of a kernel or of the bus stays: the driver refuses all further work of the process.
    msg = f"{device.label} failed: {reason}"
    return BackendUnavailable(
        msg, remedy=f"start again; if it happens again, look at nvidia-smi and dmesg, or {_OTHER}"
    )


def is_no_room(error: Exception) -> bool:
    """Whether `error` says that memory ran out, after which the device still works."""
    return isinstance(error, MemoryError) or "cudaErrorMemoryAllocation" in str(error)


def _room(device: CudaDevice) -> str:
    with contextlib.suppress(Exception), device.cupy.cuda.Device(device.number):
        free, total = device.cupy.cuda.runtime.memGetInfo()
        return f"; {free / _MIB:.1f} of {total / _MIB:.1f} MiB are free"
    return ""
