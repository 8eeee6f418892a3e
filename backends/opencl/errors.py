"""pyopencl's errors as users see them: out of memory, a lost device, or another failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyopencl as cl

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from roi_accel.backends.opencl.devices import OpenclDevice

_CODES = cl.status_code

_NO_ROOM = {
    _CODES.MEM_OBJECT_ALLOCATION_FAILURE,
    _CODES.OUT_OF_HOST_MEMORY,
    _CODES.INVALID_BUFFER_SIZE,
    _CODES.MAP_FAILURE,
}
_NO_ROOM_OR_LOST = _CODES.OUT_OF_RESOURCES
_CONTEXT_TERMINATED_KHR = -1121
_LOST = {
    _CODES.DEVICE_NOT_AVAILABLE,
    _CODES.INVALID_COMMAND_QUEUE,
    _CODES.INVALID_CONTEXT,
    _CODES.EXEC_STATUS_ERROR_FOR_EVENTS_IN_WAIT_LIST,
    _CONTEXT_TERMINATED_KHR,
}
_MIB = 2**20


def translate(error: cl.Error, device: OpenclDevice, held: int, wanted: int) -> BackendUnavailable:
    """Return `error` as the one that users meet.

    Parameters
    ----------
    error : pyopencl.Error
    device : OpenclDevice
        Where it happened.
    held, wanted : int
        Bytes that the session has already, and those that it was asking for, 0 where it was not.
    """
    handle = device.handle
    more = f" and wanted {_mib(wanted)} more" if wanted else ""
    sizes = (
        f"the session holds {_mib(held)}{more}; the device has {_mib(handle.global_mem_size)}, "
        f"at most {_mib(handle.max_mem_alloc_size)} in one piece"
    )
    reason = " ".join(str(error).split())
    # guard: opencl-no-room
    if error.code in _NO_ROOM or (error.code == _NO_ROOM_OR_LOST and wanted):
        msg = f"{device.label} is out of memory: {sizes} ({reason})"
        return BackendUnavailable(
            msg, remedy="end what else uses the device, or choose another --device or --backend"
        )
    if error.code == _NO_ROOM_OR_LOST:
        msg = f"{device.label} ran out of resources or was reset: {sizes} ({reason})"
        return BackendUnavailable(
            msg, remedy="start again; if it happens again, choose another --device or --backend"
        )
    if error.code in _LOST:  # guard: opencl-lost
        msg = f"{device.label} was lost: {reason}"
        return BackendUnavailable(
            msg, remedy="start again; if it happens again, check the driver's log"
        )
    msg = f"{device.label} failed: {reason}"
    return BackendUnavailable(
        msg, remedy="update the device's driver, or choose another --device or --backend"
    )


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"
