"""A session's memory on an OpenCL device, the way between it and the host's, and its failures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyopencl as cl

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.backends.opencl.backend import OpenclDevice

    Fill = Callable[[NDArray[Any]], None]
    """Writes every sample that matters into the host's view of an array."""

_FLAGS = cl.mem_flags
_READ_WRITE = _FLAGS.READ_WRITE
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


@dataclass(frozen=True)
class Download:
    """An array on its way to the host: once `event` is over `host` has it, until `release`."""

    host: NDArray[Any]
    event: cl.Event
    release: Callable[[], None]

    def take(self, use: Callable[[NDArray[Any]], None]) -> None:
        """Wait, let `use` copy what it needs, and give the memory back."""
        self.event.wait()
        try:
            use(self.host)
        finally:
            self.release()


class DeviceArray:
    """An array that the device computes on and the host fills or reads.

    `pinned` is a mapped array of the same layout in the host's memory, which is copied to and from.
    Without it host and device share their memory and take turns with the buffer.
    """

    def __init__(
        self,
        buffer: cl.Buffer,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        pinned: NDArray[Any] | None = None,
    ) -> None:
        self.buffer = buffer
        self._shape = shape
        self._dtype = dtype
        self._pinned = pinned

    def upload(self, queue: cl.CommandQueue, fill: Fill) -> cl.Event:
        """Let `fill` write the host's view, send it, and return the event that ends it."""
        if self._pinned is not None:
            fill(self._pinned)
            return cl.enqueue_copy(queue, self.buffer, self._pinned, is_blocking=False)
        host, _ = self._map(queue, cl.map_flags.WRITE_INVALIDATE_REGION, is_blocking=True)
        try:
            fill(host)
        finally:
            event = _unmap(host, queue)
        return event

    def download(self, queue: cl.CommandQueue) -> Download:
        """Start bringing the array to the host, after what `queue` has been given."""
        if self._pinned is not None:
            event = cl.enqueue_copy(queue, self._pinned, self.buffer, is_blocking=False)
            return Download(self._pinned, event, lambda: None)
        host, event = self._map(queue, cl.map_flags.READ, is_blocking=False)
        return Download(host, event, lambda: _unmap(host, queue).wait())

    def close(self, queue: cl.CommandQueue) -> None:
        """End the host's view."""
        if self._pinned is not None:
            _unmap(self._pinned, queue).wait()

    def _map(
        self, queue: cl.CommandQueue, flags: cl.map_flags, *, is_blocking: bool
    ) -> tuple[NDArray[Any], cl.Event]:
        mapped: tuple[NDArray[Any], cl.Event] = cl.enqueue_map_buffer(
            queue, self.buffer, flags, 0, self._shape, self._dtype, is_blocking=is_blocking
        )
        return mapped


class Memory:
    """Every buffer of one session, counted, so that a failure can name sizes.

    `queue` is for mapping and for uploading tables.
    """

    def __init__(self, context: cl.Context, queue: cl.CommandQueue, device: OpenclDevice) -> None:
        self._context = context
        self._queue = queue
        self.device = device
        self._buffers: list[cl.Buffer] = []
        self._arrays: list[DeviceArray] = []
        self.held = 0
        self._is_shared = _shares_memory(device)

    def array(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Return an array with a way to the host: none at all where both share their memory."""
        size = math.prod(shape) * dtype.itemsize
        on_host = self.buffer(size, _FLAGS.ALLOC_HOST_PTR)
        if self._is_shared:
            array = DeviceArray(on_host, shape, dtype)
        else:
            both = cl.map_flags.READ | cl.map_flags.WRITE
            buffer = self.buffer(size)
            pinned, _ = cl.enqueue_map_buffer(self._queue, on_host, both, 0, shape, dtype)
            array = DeviceArray(buffer, shape, dtype, pinned)
        self._arrays.append(array)
        return array

    def lend(self, plane: NDArray[Any], *, is_written: bool = False) -> DeviceArray:
        """Return the host's own `plane` as an array that a processor computes on where it lies.

        It must be contiguous, and live until what works on it is over; no two that are lent at the
        same time may overlap.
        """
        access = _READ_WRITE if is_written else _FLAGS.READ_ONLY
        buffer = cl.Buffer(self._context, access | _FLAGS.USE_HOST_PTR, hostbuf=plane)
        return DeviceArray(buffer, plane.shape, plane.dtype)

    def table(self, values: NDArray[np.uint32]) -> cl.Buffer:
        """Return a buffer that holds `values` for the whole session."""
        buffer = self.buffer(values.nbytes)
        cl.enqueue_copy(self._queue, buffer, values)
        return buffer

    def close(self) -> None:
        """Give all of it back; a second time does nothing."""
        for array in self._arrays:
            array.close(self._queue)
        self._queue.finish()
        for buffer in self._buffers:
            buffer.release()
        self._arrays.clear()
        self._buffers.clear()
        self.held = 0

    def buffer(self, size: int, flags: int = 0) -> cl.Buffer:
        """Return `size` bytes; BackendUnavailable with the sizes where there is no room."""
        try:
            buffer = cl.Buffer(self._context, _READ_WRITE | flags, size)
        except cl.Error as error:
            # guard: opencl-no-room-sizes
            raise translate(error, self.device, self.held, size) from error
        self._buffers.append(buffer)
        self.held += size
        return buffer


def _shares_memory(device: OpenclDevice) -> bool:
    """Whether `device` works in the host's own memory, as processors and integrated GPUs do."""
    return bool(device.handle.host_unified_memory)


def _unmap(host: NDArray[Any], queue: cl.CommandQueue) -> cl.Event:
    mapping: Any = host.base
    event: cl.Event = mapping.release(queue)
    return event


def translate(error: cl.Error, device: OpenclDevice, held: int, wanted: int) -> BackendUnavailable:
    """Return `error` as the one that users meet.

    Parameters
    ----------
    error : pyopencl.Error
    device : OpenclDevice
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
    again, other = "start again; if it happens again, ", "choose another --device or --backend"
    what, remedy = f"failed: {reason}", f"update the device's driver, or {other}"
    # guard: opencl-no-room
    if error.code in _NO_ROOM or (error.code == _NO_ROOM_OR_LOST and wanted):
        what = f"is out of memory: {sizes} ({reason})"
        remedy = f"end what else uses the device, or {other}"
    elif error.code == _NO_ROOM_OR_LOST:
        what, remedy = f"ran out of resources or was reset: {sizes} ({reason})", again + other
    elif error.code in _LOST:  # guard: opencl-lost
        what, remedy = f"was lost: {reason}", f"{again}check the driver's log"
    return BackendUnavailable(f"{device.label} {what}", remedy=remedy)


def _mib(size: int) -> str:
    return f"{size / _MIB:.1f} MiB"
