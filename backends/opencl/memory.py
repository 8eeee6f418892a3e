"""A session's memory on an OpenCL device, and the shortest way between it and the host's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyopencl as cl

from roi_accel.backends.opencl.errors import translate

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.backends.opencl.devices import OpenclDevice

    Fill = Callable[[NDArray[Any]], None]
    """Writes every sample that matters into the host's view of an array."""

_FLAGS = cl.mem_flags
_READ_WRITE = _FLAGS.READ_WRITE


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

    Parameters
    ----------
    buffer : pyopencl.Buffer
    shape : tuple of int
    dtype : dtype
    pinned : array, optional
        A mapped array of the same layout in the host's memory, which is copied to and from. None
        where host and device share their memory: they take turns with the buffer.
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
        """Return an array with a way to the host: none at all where both share their memory.

        Raises
        ------
        BackendUnavailable
            There is no room; the message has the sizes.
        """
        size = math.prod(shape) * dtype.itemsize
        on_host = self._buffer(size, _FLAGS.ALLOC_HOST_PTR)
        if self._is_shared:
            array = DeviceArray(on_host, shape, dtype)
        else:
            both = cl.map_flags.READ | cl.map_flags.WRITE
            buffer = self._buffer(size)
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

    def scratch(self, size: int) -> cl.Buffer:
        """Return `size` bytes that only the device sees."""
        return self._buffer(size)

    def table(self, values: NDArray[np.uint32]) -> cl.Buffer:
        """Return a buffer that holds `values` for the whole session."""
        buffer = self._buffer(values.nbytes)
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

    def _buffer(self, size: int, flags: int = 0) -> cl.Buffer:
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
