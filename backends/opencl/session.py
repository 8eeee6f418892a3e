"""One clip on one OpenCL device: buffers and kernels made once, frames on two queues.

Uploads have a queue of their own, so that a grid's kernel and its way back run while the next
grid's samples are still on their way.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pyopencl as cl

from roi_accel.backends import kernel_calls
from roi_accel.backends.gpu import GpuSession
from roi_accel.backends.kernel_calls import GridCalls
from roi_accel.backends.opencl.backend import OpenclDevice
from roi_accel.backends.opencl.memory import Memory, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.kernel_calls import KernelCall
    from roi_accel.backends.opencl.memory import DeviceArray, Download
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask
    from roi_accel.backends.tables import PlaneGrid

_NANOSECOND = 1e-9

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
        self.reference, self.distorted, self.masked = (
            memory.array(self.calls.shape, dtype) for _ in range(3)
        )
        self._alpha: DeviceArray | None = None
        self._memory = memory
        self._prepare = prepare
        mask_rows = memory.buffer(plan.mask_height * self.calls.pitch * 2)
        columns, rows = (memory.table(np.concatenate(axis)) for axis in (grid.columns, grid.rows))
        self._tables = (mask_rows, rows)
        self.upsample_rows = prepare(self.calls.upsample_rows(mask.buffer, columns, mask_rows))
        frames = (self.reference.buffer, self.distorted.buffer, self.masked.buffer)
        self.substitute = prepare(self.calls.substitute(frames, *self._tables))
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
            On which the mask was upsampled before.
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


class OpenclSession(GpuSession[OpenclDevice]):
    """Tables, buffers and kernels for one plan.

    A reference whose planes are read-only is sent once: the same `Frame` object is taken from the
    device when it comes again, as for the network and then for each distorted video.
    """

    def __init__(
        self, plan: Plan, device: OpenclDevice, context: cl.Context, program: cl.Program
    ) -> None:
        super().__init__(plan, device)
        self._resident: Frame | None = None
        self._events: list[tuple[str, cl.Event]] = []
        self._seconds: Counter[str] = Counter()
        self._tell: Callable[[str, int, int], None] | None = None
        self._memory: Memory | None = None
        with self._running():
            timed = cl.command_queue_properties.PROFILING_ENABLE
            self._uploads = cl.CommandQueue(context, properties=timed)
            self._work = cl.CommandQueue(context, properties=timed)
        try:
            with self._running():
                self._memory = Memory(context, self._uploads, device)
                self._allocate(self._memory, partial(Launch, program, device))
        except BaseException:
            self.close()
            raise

    @property
    def event_seconds(self) -> dict[str, float]:
        """Seconds on the device per kind of work since the session was opened, by its own events.

        ``upload``, ``widen`` (the mask, horizontally), ``substitute``, ``upsample``,
        ``preprocess``, ``download``: keys that results have, whatever the kernels are called.
        """
        return dict(self._seconds)

    def tell_events(self, tell: Callable[[str, int, int], None]) -> None:
        """Call `tell` for each piece of work with its kind, begin and end, in the device's ns."""
        self._tell = tell

    def _preprocess(self, reference: Frame, network_input: NDArray[np.float32]) -> None:
        with self._running():
            sent = [
                event for grid in self._grids for event in self._send_reference(grid, reference)
            ]
            self._uploads.flush()
            self._events.append(("preprocess", self._preprocessing.start(self._work, sent)))
            download = self._track(self._network_input.download(self._work))
            download.take(lambda host: np.copyto(network_input, host.view(np.float32)))
            self._keep(reference)

    def _upsample(self, mask: Mask, alphas: Sequence[NDArray[np.uint32]]) -> None:
        with self._running():
            self._send_mask(mask)
            for grid, alpha in zip(self._grids, alphas, strict=True):
                launch, download = grid.upsample(self._work)
                self._events.append(("upsample", launch))
                self._track(download).take(partial(_copy_cropped, alpha))

    def _substitute(self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame) -> None:
        with self._running():
            self._send_mask(mask)
            if self._can_lend(reference, distorted):
                self._substitute_in_place(reference, distorted, masked)
            else:
                self._substitute_copies(reference, distorted, masked)

    def _track(self, download: Download) -> Download:
        self._events.append(("download", download.event))
        return download

    def close(self) -> None:
        """Release the device's memory; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._resident = None
        self._release()

    def _allocate(self, memory: Memory, prepare: Callable[[KernelCall], Launch]) -> None:
        plan = self._plan
        self._mask = memory.array((plan.mask_height, plan.mask_width), np.dtype(np.uint16))
        self._grids = [OpenclGrid(grid, plan, self._mask, memory, prepare) for grid in self.grids]
        if plan.model is None:
            return
        size = (3, plan.model.padded_height, plan.model.padded_width)
        self._network_input = memory.array(size, np.dtype(np.uint32))
        luma, chroma = self._grids[0], self._grids[-1]
        self._preprocessing = prepare(
            kernel_calls.preprocess(
                plan,
                plan.model,
                (luma.calls, chroma.calls),
                (luma.reference.buffer, chroma.reference.buffer),
                [memory.table(table) for table in kernel_calls.packed_tables(plan)],
                self._network_input.buffer,
            )
        )

    def _can_lend(self, reference: Frame, distorted: Frame) -> bool:
        """Whether the device can work on these frames where they lie."""
        return all(grid.works_in_place for grid in self._grids) and all(
            all(plane.flags.c_contiguous and plane.flags.aligned for plane in pair)
            and not np.may_share_memory(*pair)
            for pair in zip(reference.planes, distorted.planes, strict=True)
        )

    def _substitute_in_place(self, reference: Frame, distorted: Frame, masked: Frame) -> None:
        downloads = []
        for grid in self._grids:
            for launch, download in grid.substitute_in_place(
                self._work, reference, distorted, masked.planes
            ):
                self._events.append(("substitute", launch))
                downloads.append(self._track(download))
            self._work.flush()
        for download in downloads:
            download.take(lambda _: None)

    def _substitute_copies(self, reference: Frame, distorted: Frame, masked: Frame) -> None:
        downloads = []
        for grid in self._grids:
            sent = self._send_reference(grid, reference)
            sent.append(grid.upload(grid.distorted, self._uploads, distorted))
            self._events.append(("upload", sent[-1]))
            self._uploads.flush()
            self._events.append(("substitute", grid.substitute.start(self._work, sent)))
            downloads.append(self._track(grid.masked.download(self._work)))
            self._work.flush()
        for grid, download in zip(self._grids, downloads, strict=True):
            download.take(partial(grid.copy_planes, masked.planes))
        self._keep(reference)

    def _send_mask(self, mask: Mask) -> None:
        sent = self._mask.upload(self._uploads, lambda host: np.copyto(host, mask))
        self._uploads.flush()
        self._events.append(("upload", sent))
        for grid in self._grids:
            self._events.append(("widen", grid.upsample_rows.start(self._work, [sent])))
        self._work.flush()

    def _send_reference(self, grid: OpenclGrid, reference: Frame) -> list[cl.Event]:
        if reference is self._resident:
            return []
        sent = grid.upload(grid.reference, self._uploads, reference)
        self._events.append(("upload", sent))
        return [sent]

    def _keep(self, reference: Frame) -> None:
        """Remember what is on the device, if it cannot change before it comes again."""
        is_fixed = not any(plane.flags.writeable for plane in reference.planes)
        self._resident = reference if is_fixed else None

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Translate the driver's errors; after one of them this session refuses all work."""
        self._check_usable()
        try:
            yield
            self._count_seconds()
        except cl.Error as error:
            held = self._memory.held if self._memory else 0
            self._failure = translate(error, self._device, held, 0)
            self._drop_frame()
            self._release()
            raise self._failure from error
        except BaseException:
            self._drop_frame()
            raise
        finally:
            self._events.clear()

    def _drop_frame(self) -> None:
        """Wait for a partly transferred frame, perhaps in the caller's memory, and forget it."""
        self._resident = None
        for queue in (self._uploads, self._work):
            with contextlib.suppress(cl.Error):
                queue.finish()

    def _count_seconds(self) -> None:
        for kind, event in self._events:
            event.wait()
            # Timings are optional; a driver without them still computes.
            with contextlib.suppress(cl.Error):
                start, stop = event.profile.start, event.profile.end
                self._seconds[kind] += (stop - start) * _NANOSECOND
                if self._tell is not None:
                    self._tell(kind, start, stop)

    def _release(self) -> None:
        if self._memory is None:
            return
        memory, self._memory = self._memory, None
        try:
            memory.close()
        except cl.Error:
            # A lost device releases nothing, and its own error has been raised already.
            if self._failure is None:
                raise


def _copy_cropped(alpha: NDArray[np.uint32], host: NDArray[np.uint32]) -> None:
    np.copyto(alpha, host[:, : alpha.shape[1]])
