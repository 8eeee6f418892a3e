"""One sample grid on an OpenCL device: its planes, its tables, and the kernels that work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyopencl as cl

from roi_accel.backends.kernel_calls import GridCalls, packed_axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.kernel_calls import KernelCall
    from roi_accel.backends.opencl.backend import OpenclDevice
    from roi_accel.backends.opencl.memory import DeviceArray, Download, Memory
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.tables import PlaneGrid

_GROUP = {"gpu": (32, 4), "accelerator": (32, 4), "cpu": (256, 8)}
"""Work-items per group, x and y: a GPU's wavefront wide; a processor, where
starting a group is costly, gets large ones."""


class Launch:
    """One kernel of `program` on `device`, with its arguments set and its range."""

    def __init__(self, program: cl.Program, device: OpenclDevice, call: KernelCall) -> None:
        self._kernel = cl.Kernel(program, call.name)
        for index, argument in enumerate(call.arguments):
            self._kernel.set_arg(index, argument)
        self._group = _group(self._kernel, device, call.size[0])
        self._size = tuple(-(-n // g) * g for n, g in zip(call.size, self._group, strict=True))

    def start(
        self,
        queue: cl.CommandQueue,
        after: Sequence[cl.Event] = (),
        *,
        buffers: Sequence[cl.Buffer] = (),
    ) -> cl.Event:
        """Enqueue it behind `after`, with its first arguments replaced, and return its event."""
        for index, buffer in enumerate(buffers):
            self._kernel.set_arg(index, buffer)
        return cl.enqueue_nd_range_kernel(
            queue, self._kernel, self._size, self._group, wait_for=list(after)
        )


def _group(kernel: cl.Kernel, device: OpenclDevice, wanted: int) -> tuple[int, int]:
    """Return the size of a work-group where `wanted` work-items make a row."""
    limit = kernel.get_work_group_info(cl.kernel_work_group_info.WORK_GROUP_SIZE, device.handle)
    width, height = _GROUP[device.status.kind]
    most_wide, most_high = device.handle.max_work_item_sizes[:2]
    width = min(width, most_wide, limit)
    # A segment is many samples, so a row has few; halving keeps the compiled variants few, too.
    while width // 2 >= wanted:
        width //= 2
    return width, max(1, min(height, most_high, limit // width))


class OpenclGrid:
    """Reference, distorted and masked samples of every plane of one grid, rows padded.

    `mask` is the one that all grids are upsampled from; `prepare` returns the `Launch` of a call.
    """

    def __init__(
        self,
        grid: PlaneGrid,
        plan: Plan,
        mask: DeviceArray,
        memory: Memory,
        prepare: Callable[[KernelCall], Launch],
    ) -> None:
        on_processor = memory.device.is_processor
        self.calls = GridCalls(plan, grid, on_processor=on_processor)
        dtype = plan.pixel_format.dtype
        self.reference, self.distorted, self._masked = (
            memory.array(self.calls.shape, dtype) for _ in range(3)
        )
        self._alpha: DeviceArray | None = None
        self._memory = memory
        self._prepare = prepare
        mask_rows = memory.buffer(plan.mask_height * self.calls.pitch * 2)
        columns, rows = (memory.table(packed_axis(axis)) for axis in (grid.columns, grid.rows))
        self._tables = (mask_rows, rows)
        self._upsample_rows = prepare(self.calls.upsample_rows(mask.buffer, columns, mask_rows))
        frames = (self.reference.buffer, self.distorted.buffer, self._masked.buffer)
        self._substitute = prepare(self.calls.substitute(frames, *self._tables))
        # A segment beyond a row's end would be read and written in the next row of a frame.
        self.works_in_place = on_processor and self.calls.pitch == self.calls.width
        """Whether planes can be masked where they lie in the host's memory, without a copy."""
        if self.works_in_place:
            call = self.calls.substitute(frames, *self._tables, planes=1)
            self._substitute_plane = prepare(call)

    def upload(self, array: DeviceArray, queue: cl.CommandQueue, frame: Frame) -> cl.Event:
        """Send this grid's planes of `frame` to `array`, one of those above."""

        def fill(host: NDArray[Any]) -> None:
            for row, plane in enumerate(self.calls.planes):
                np.copyto(host[row, :, : self.calls.width], frame.planes[plane])

        return array.upload(queue, fill)

    def upsample_rows(self, queue: cl.CommandQueue, after: Sequence[cl.Event]) -> cl.Event:
        """Interpolate the mask horizontally."""
        return self._upsample_rows.start(queue, after)

    def substitute(
        self, queue: cl.CommandQueue, after: Sequence[cl.Event]
    ) -> tuple[cl.Event, Download]:
        """Blend, and start bringing the masked planes to the host."""
        return self._substitute.start(queue, after), self._masked.download(queue)

    def substitute_in_place(
        self,
        queue: cl.CommandQueue,
        reference: Frame,
        distorted: Frame,
        planes: Sequence[NDArray[Any]],
    ) -> Iterator[tuple[cl.Event, Download]]:
        """Yield the launch and the download of each plane of this grid; needs `works_in_place`.

        A plane is there once its download is over; there is nothing to copy.

        Parameters
        ----------
        queue : pyopencl.CommandQueue
            On which `upsample_rows` was called before.
        reference, distorted : Frame
        planes : sequence of arrays
            Those of the masked frame, Y, U and V.
        """
        for number in self.calls.planes:
            masked = self._memory.lend(planes[number], is_written=True)
            inputs = [self._memory.lend(frame.planes[number]) for frame in (reference, distorted)]
            buffers = [array.buffer for array in (*inputs, masked)]
            yield self._substitute_plane.start(queue, buffers=buffers), masked.download(queue)

    def upsample(self, queue: cl.CommandQueue) -> tuple[cl.Event, Download]:
        """Make alpha, and start bringing it to the host."""
        if self._alpha is None:
            # Four bytes a sample that scoring never asks for.
            self._alpha = self._memory.array(self.calls.shape[1:], np.dtype(np.uint32))
        call = self.calls.upsample_mask(*self._tables, self._alpha.buffer)
        return self._prepare(call).start(queue), self._alpha.download(queue)

    def copy_planes(self, planes: Sequence[NDArray[Any]], host: NDArray[Any]) -> None:
        """Copy this grid's masked planes from `host` into a frame's."""
        for row, plane in enumerate(self.calls.planes):
            np.copyto(planes[plane], host[row, :, : self.calls.width])
