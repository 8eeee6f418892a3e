"""A session's memory on an OpenCL device, and the shortest way between it and the host's."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

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


class DeviceArray(Protocol):
    """An array that the device computes on and the host fills or reads."""

    buffer: cl.Buffer

    def upload(self, queue: cl.CommandQueue, fill: Fill) -> cl.Event:
        """Let `fill` write the host's view, send it, and return the event that ends it."""
        ...

    def download(self, queue: cl.CommandQueue) -> Download:
        """Start bringing the array to the host, after what `queue` has been given."""
        ...

    def close(self, queue: cl.CommandQueue) -> None:
        """End the host's view."""
        ...


class Memory:
    """Every buffer of one session, counted, so that a failure can name sizes.

    Parameters
    ----------
    context : pyopencl.Context
    queue : pyopencl.CommandQueue
        For mapping and for uploading tables.
    device : OpenclDevice
    """

    def __init__(self, context: cl.Context, queue: cl.CommandQueue, device: OpenclDevice) -> None:
        self._context = context
        self._queue = queue
        self._device = device
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
        array: DeviceArray
        if self._is_shared:
            array = _SharedArray(self._buffer(size, _FLAGS.ALLOC_HOST_PTR), shape, dtype)
        else:
            pinned = self._buffer(size, _FLAGS.ALLOC_HOST_PTR)
            array = _StagedArray(self._buffer(size), pinned, self._queue, shape, dtype)
        self._arrays.append(array)
        return array

    def lend(self, plane: NDArray[Any], *, is_written: bool = False) -> DeviceArray:
        """Return the host's own `plane` as an array that a processor computes on where it lies.

        It must be contiguous, and live until what works on it is over; no two that are lent at the
        same time may overlap.
        """
        access = _READ_WRITE if is_written else _FLAGS.READ_ONLY
        buffer = cl.Buffer(self._context, access | _FLAGS.USE_HOST_PTR, hostbuf=plane)
        return _SharedArray(buffer, plane.shape, plane.dtype)

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
            raise translate(error, self._device, self.held, size) from error
        self._buffers.append(buffer)
        self.held += size
        return buffer


def _shares_memory(device: OpenclDevice) -> bool:
    """Whether `device` works in the host's own memory, as processors and integrated GPUs do."""
    return bool(device.handle.host_unified_memory)


class _SharedArray:
    """One buffer that host and device take turns with; nothing is copied."""

    def __init__(self, buffer: cl.Buffer, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self.buffer = buffer
        self._shape = shape
        self._dtype = dtype

    def upload(self, queue: cl.CommandQueue, fill: Fill) -> cl.Event:
        host, _ = self._map(queue, cl.map_flags.WRITE_INVALIDATE_REGION, is_blocking=True)
        try:
            fill(host)
        finally:
            event = _unmap(host, queue)
        return event

    def download(self, queue: cl.CommandQueue) -> Download:
        host, event = self._map(queue, cl.map_flags.READ, is_blocking=False)
        return Download(host, event, lambda: _unmap(host, queue).wait())

    def close(self, queue: cl.CommandQueue) -> None:
        """Nothing stays mapped between calls."""

    def _map(
        self, queue: cl.CommandQueue, flags: cl.map_flags, *, is_blocking: bool
    ) -> tuple[NDArray[Any], cl.Event]:
        mapped: tuple[NDArray[Any], cl.Event] = cl.enqueue_map_buffer(
            queue, self.buffer, flags, 0, self._shape, self._dtype, is_blocking=is_blocking
        )
        return mapped


class _StagedArray:
    """A buffer in the device's own memory and a pinned one of the same layout in the host's."""

    def __init__(
        self,
        buffer: cl.Buffer,
        pinned: cl.Buffer,
        queue: cl.CommandQueue,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
    ) -> None:
        self.buffer = buffer
        self._host, _ = cl.enqueue_map_buffer(
            queue, pinned, cl.map_flags.READ | cl.map_flags.WRITE, 0, shape, dtype
        )

    def upload(self, queue: cl.CommandQueue, fill: Fill) -> cl.Event:
        fill(self._host)
        return cl.enqueue_copy(queue, self.buffer, self._host, is_blocking=False)

    def download(self, queue: cl.CommandQueue) -> Download:
        event = cl.enqueue_copy(queue, self._host, self.buffer, is_blocking=False)
        return Download(self._host, event, lambda: None)

    def close(self, queue: cl.CommandQueue) -> None:
        _unmap(self._host, queue).wait()


def _unmap(host: NDArray[Any], queue: cl.CommandQueue) -> cl.Event:
    mapping: Any = host.base
    event: cl.Event = mapping.release(queue)
    return event
