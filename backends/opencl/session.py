"""One clip on one OpenCL device: buffers and kernels made once, frames on two queues.

Uploads have a queue of their own, so that a grid's kernel and its way back run while the next
grid's samples are still on their way.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pyopencl as cl

from roi_accel.backends import kernel_calls
from roi_accel.backends.closing import Closing
from roi_accel.backends.frame import Frame
from roi_accel.backends.geometry import check_frame, check_mask, model_boxes, plane_grids
from roi_accel.backends.kernel_calls import packed_boxes
from roi_accel.backends.opencl.errors import translate
from roi_accel.backends.opencl.grid import Launcher, OpenclGrid
from roi_accel.backends.opencl.memory import Memory
from roi_accel.backends.tables import normalisation_table
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

    from roi_accel.backends.opencl.devices import OpenclDevice
    from roi_accel.backends.opencl.memory import DeviceArray
    from roi_accel.backends.plan import ModelSize, Plan
    from roi_accel.backends.protocol import Alpha, Mask, ModelInput

_NANOSECOND = 1e-9


class OpenclSession(Closing):
    """Tables, buffers and kernels for one plan; not for use by two threads at once.

    A reference whose planes are read-only is sent once: the same `Frame` object is taken from the
    device when it comes again, as for the network and then for each distorted video.

    Attributes
    ----------
    event_seconds : dict of str to float
        Seconds that the device itself spent since the session was opened, per kind of work:
        ``upload``, ``widen``, ``substitute``, ``upsample``, ``preprocess``, ``download``.

    Raises
    ------
    BackendUnavailable
        There is no room on the device, or the driver fails.
    """

    def __init__(
        self, context: cl.Context, device: OpenclDevice, program: cl.Program, plan: Plan
    ) -> None:
        self._plan = plan
        self._device = device
        self._failure: BackendUnavailable | None = None
        self._is_closed = False
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
                self._allocate(self._memory, Launcher(program, device))
        except BaseException:
            self.close()
            raise

    @property
    def plan(self) -> Plan:
        """What this session was opened for."""
        return self._plan

    @property
    def event_seconds(self) -> dict[str, float]:
        """Seconds on the device per kind of work, from the driver's own events."""
        return dict(self._seconds)

    def tell_events(self, tell: Callable[[str, int, int], None]) -> None:
        """Let `tell` know of each piece of work: its kind, begin and end, in the device's ns."""
        self._tell = tell

    def preprocess(self, reference: Frame) -> ModelInput:
        """Return float32[1, 3, padded_height, padded_width], the network's input for `reference`.

        Raises
        ------
        ValueError
            The plan has no model size, or the frame is not the plan's.
        BackendUnavailable
            The device fails.
        """
        if self._preprocessor is None:
            msg = "this plan has no model size, so there is no network input to make"
            raise ValueError(msg)
        check_frame(self._plan, reference)
        with self._running():
            sent = [
                event for grid in self._grids for event in self._send_reference(grid, reference)
            ]
            self._uploads.flush()
            launch = self._preprocessor.launch.start(self._work, sent)
            self._events.append(("preprocess", launch))
            download = self._preprocessor.network_input.download(self._work)
            self._events.append(("download", download.event))
            result = np.empty(download.host.shape, np.float32)
            download.take(lambda host: np.copyto(result, host.view(np.float32)))
            self._keep(reference)
        return result[None]

    def upsample(self, mask: Mask) -> Alpha:
        """Return uint32 alpha in 0..65536 on the grids of Y, U and V."""
        check_mask(self._plan, mask)
        planes = {}
        with self._running():
            self._send_mask(mask)
            for grid in self._grids:
                launch, download = grid.upsample(self._work)
                self._events += [("upsample", launch), ("download", download.event)]
                alpha = np.empty(grid.shape, np.uint32)
                planes[alpha.shape] = alpha
                download.take(partial(_copy_cropped, alpha))
        luma, chroma_u, chroma_v = (planes[shape] for shape in self._plan.plane_shapes)
        return luma, chroma_u, chroma_v

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return a new frame: `distorted` where the mask is high, `reference` where it is low."""
        plan = self._plan
        check_frame(plan, reference)
        check_frame(plan, distorted)
        check_mask(plan, mask)
        luma, chroma_u, chroma_v = (
            np.empty(shape, plan.pixel_format.dtype) for shape in plan.plane_shapes
        )
        masked = Frame((luma, chroma_u, chroma_v), plan.pixel_format)
        with self._running():
            self._send_mask(mask)
            if self._can_lend(reference, distorted):
                self._substitute_in_place(reference, distorted, masked)
            else:
                self._substitute_copies(reference, distorted, masked)
        return masked

    def close(self) -> None:
        """Release the device's memory; a second time does nothing."""
        if self._is_closed:
            return
        self._is_closed = True
        self._resident = None
        self._release()

    def _allocate(self, memory: Memory, launcher: Launcher) -> None:
        plan = self._plan
        self._mask = memory.array((plan.mask_height, plan.mask_width), np.dtype(np.uint16))
        self._grids = [
            OpenclGrid(grid, plan, self._mask, memory, launcher) for grid in plane_grids(plan)
        ]
        self._preprocessor = (
            _Preprocessor(plan, plan.model, self._grids, memory, launcher) if plan.model else None
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
                self._events += [("substitute", launch), ("download", download.event)]
                downloads.append(download)
            self._work.flush()
        for download in downloads:
            download.take(lambda _: None)

    def _substitute_copies(self, reference: Frame, distorted: Frame, masked: Frame) -> None:
        downloads = []
        for grid in self._grids:
            sent = self._send_reference(grid, reference)
            sent.append(grid.upload_distorted(self._uploads, distorted))
            self._events.append(("upload", sent[-1]))
            self._uploads.flush()
            launch, download = grid.substitute(self._work, sent)
            self._work.flush()
            self._events += [("substitute", launch), ("download", download.event)]
            downloads.append(download)
        for grid, download in zip(self._grids, downloads, strict=True):
            download.take(partial(grid.copy_planes, masked.planes))
        self._keep(reference)

    def _send_mask(self, mask: Mask) -> None:
        sent = self._mask.upload(self._uploads, lambda host: np.copyto(host, mask))
        self._uploads.flush()
        self._events.append(("upload", sent))
        for grid in self._grids:
            self._events.append(("widen", grid.widen(self._work, [sent])))
        self._work.flush()

    def _send_reference(self, grid: OpenclGrid, reference: Frame) -> list[cl.Event]:
        if reference is self._resident:
            return []
        sent = grid.upload_reference(self._uploads, reference)
        self._events.append(("upload", sent))
        return [sent]

    def _keep(self, reference: Frame) -> None:
        """Remember what is on the device, if nobody can have changed it when it comes again."""
        is_fixed = not any(plane.flags.writeable for plane in reference.planes)
        self._resident = reference if is_fixed else None

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Translate the driver's errors; after one of them this session refuses all work."""
        if self._is_closed:
            msg = "this session is closed"
            raise ValueError(msg)
        if self._failure is not None:  # guard: opencl-failure-kept
            raise BackendUnavailable(self._failure.message, remedy=self._failure.remedy)
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
        """Wait for half of a frame that is on its way: it is in the caller's memory, perhaps."""
        self._resident = None
        for queue in (self._uploads, self._work):
            with contextlib.suppress(cl.Error):
                queue.finish()

    def _count_seconds(self) -> None:
        for kind, event in self._events:
            event.wait()
            # Timings are a service; a driver without them still computes.
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
            # A lost device gives nothing back, and its own error has been raised already.
            if self._failure is None:
                raise


class _Preprocessor:
    """The kernel that makes the network's input from the reference's planes on the device."""

    def __init__(
        self,
        plan: Plan,
        model: ModelSize,
        grids: list[OpenclGrid],
        memory: Memory,
        launcher: Launcher,
    ) -> None:
        size = (3, model.padded_height, model.padded_width)
        self.network_input: DeviceArray = memory.array(size, np.dtype(np.uint32))
        luma_boxes, chroma_boxes, _ = model_boxes(plan, model)
        tables = (luma_boxes.columns, luma_boxes.rows, chroma_boxes.columns, chroma_boxes.rows)
        columns, rows, chroma_columns, chroma_rows = (
            memory.table(packed_boxes(table)) for table in tables
        )
        luma, chroma = grids[0], grids[-1]
        self.launch = launcher.prepare(
            kernel_calls.preprocess(
                plan,
                model,
                (luma.layout, chroma.layout),
                (luma.reference.buffer, chroma.reference.buffer),
                (columns, rows, chroma_columns, chroma_rows),
                memory.table(normalisation_table().view(np.uint32)),
                self.network_input.buffer,
            )
        )


def _copy_cropped(alpha: NDArray[np.uint32], host: NDArray[np.uint32]) -> None:
    np.copyto(alpha, host[:, : alpha.shape[1]])
