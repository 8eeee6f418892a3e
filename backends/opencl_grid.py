"""One sample grid on an OpenCL device: its planes, its tables, and the kernels that work on it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyopencl as cl

from roi_accel.backends.kernel_source import VECTOR_SAMPLES
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.geometry import PlaneGrid
    from roi_accel.backends.opencl_devices import OpenclDevice
    from roi_accel.backends.opencl_memory import DeviceArray, Download, Memory
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.tables import AxisTable, FadeTable

_PITCH_SAMPLES = 64
"""A row is padded to this: a cache line and a whole number of vectors at every depth."""

_MAX_INDEX = 2**32 - 1

_GROUP = {"gpu": (32, 4), "accelerator": (32, 4), "cpu": (64, 1)}
"""Work-items per group, x and y: a GPU's wavefront wide, a processor's row."""


class Launcher:
    """Makes launches of one program's kernels on one device: arguments are set once."""

    def __init__(self, program: cl.Program, device: OpenclDevice) -> None:
        self._program = program
        self._device = device

    def kernel(self, name: str, size: tuple[int, int], *arguments: cl.Buffer | int) -> Launch:
        """Return a launch of `name` over `size` work-items with `arguments`, ints as 32 bits."""
        kernel = cl.Kernel(self._program, name)
        for index, argument in enumerate(arguments):
            if isinstance(argument, int):
                # The same 32 bits whether the kernel takes them signed or unsigned.
                kernel.set_arg(index, np.uint32(argument & _MAX_INDEX))
            else:
                kernel.set_arg(index, argument)
        group = self._group(kernel)
        whole = tuple(-(-n // g) * g for n, g in zip(size, group, strict=True))
        return Launch(kernel, whole, group)

    def _group(self, kernel: cl.Kernel) -> tuple[int, int]:
        handle = self._device.handle
        limit = kernel.get_work_group_info(cl.kernel_work_group_info.WORK_GROUP_SIZE, handle)
        width, height = _GROUP[self._device.kind]
        most_wide, most_high = handle.max_work_item_sizes[:2]
        width = min(width, most_wide, limit)
        return width, max(1, min(height, most_high, limit // width))


class Launch:
    """One kernel with its arguments and its range."""

    def __init__(self, kernel: cl.Kernel, size: tuple[int, ...], group: tuple[int, int]) -> None:
        self._kernel = kernel
        self._size = size
        self._group = group

    def start(self, queue: cl.CommandQueue, after: Sequence[cl.Event] = ()) -> cl.Event:
        """Enqueue it behind `after` and return its event."""
        return cl.enqueue_nd_range_kernel(
            queue, self._kernel, self._size, self._group, wait_for=list(after)
        )


class OpenclGrid:
    """Reference, distorted and masked samples of every plane of one grid, rows padded.

    Parameters
    ----------
    grid : PlaneGrid
    plan : Plan
    fade : FadeTable
    mask : DeviceArray
        The mask that all grids are upsampled from.
    memory : Memory
    launcher : Launcher

    Raises
    ------
    BackendUnavailable
        There is no room, or the planes are too large for 32-bit indices.
    """

    def __init__(
        self,
        grid: PlaneGrid,
        plan: Plan,
        fade: FadeTable,
        mask: DeviceArray,
        memory: Memory,
        launcher: Launcher,
    ) -> None:
        self.planes = grid.planes
        self.height, self.width = grid.shape
        self.pitch = -(-self.width // _PITCH_SAMPLES) * _PITCH_SAMPLES
        shape = (len(grid.planes), self.height, self.pitch)
        if shape[0] * shape[1] * shape[2] > _MAX_INDEX:
            msg = f"planes of {self.width}x{self.height} are too large for 32-bit indices"
            raise BackendUnavailable(msg, remedy="--backend numpy takes them")
        dtype = plan.pixel_format.dtype
        self.reference = memory.array(shape, dtype)
        self._distorted = memory.array(shape, dtype)
        self._masked = memory.array(shape, dtype)
        self._alpha: DeviceArray | None = None
        self._memory = memory
        self._launcher = launcher

        wide = memory.scratch(plan.mask_height * self.pitch * 2)
        self._widen = launcher.kernel(
            "widen",
            (self.width, plan.mask_height),
            mask.buffer,
            memory.table(_packed(grid.columns)),
            wide,
            plan.mask_width,
            plan.mask_height,
            self.width,
            self.pitch,
        )
        self._vectors = (self.pitch // VECTOR_SAMPLES, self.height)
        self._upsampling = (wide, memory.table(_packed(grid.rows)))
        self._fading = (fade.threshold, fade.opaque_from, fade.slope)
        self._substitute = launcher.kernel(
            "substitute",
            self._vectors,
            self.reference.buffer,
            self._distorted.buffer,
            self._masked.buffer,
            *self._upsampling,
            self.height,
            self.pitch,
            len(grid.planes),
            *self._fading,
        )

    def upload_reference(self, queue: cl.CommandQueue, frame: Frame) -> cl.Event:
        """Send this grid's planes of `frame`."""
        return self.reference.upload(queue, lambda host: self._fill(host, frame))

    def upload_distorted(self, queue: cl.CommandQueue, frame: Frame) -> cl.Event:
        """Send this grid's planes of `frame`."""
        return self._distorted.upload(queue, lambda host: self._fill(host, frame))

    def widen(self, queue: cl.CommandQueue, after: Sequence[cl.Event]) -> cl.Event:
        """Interpolate the mask horizontally."""
        return self._widen.start(queue, after)

    def substitute(
        self, queue: cl.CommandQueue, after: Sequence[cl.Event]
    ) -> tuple[cl.Event, Download]:
        """Blend, and start bringing the masked planes to the host."""
        return self._substitute.start(queue, after), self._masked.download(queue)

    def upsample(self, queue: cl.CommandQueue) -> tuple[cl.Event, Download]:
        """Make alpha, and start bringing it to the host."""
        if self._alpha is None:
            # Four bytes a sample that scoring never asks for.
            self._alpha = self._memory.array((self.height, self.pitch), np.dtype(np.uint32))
        launch = self._launcher.kernel(
            "upsample_mask",
            self._vectors,
            *self._upsampling,
            self._alpha.buffer,
            self.height,
            self.pitch,
            *self._fading,
        )
        return launch.start(queue), self._alpha.download(queue)

    def copy_planes(self, planes: Sequence[NDArray[Any]], host: NDArray[Any]) -> None:
        """Copy this grid's masked planes from `host` into a frame's."""
        for row, plane in enumerate(self.planes):
            np.copyto(planes[plane], host[row, :, : self.width])

    def _fill(self, host: NDArray[Any], frame: Frame) -> None:
        for row, plane in enumerate(self.planes):
            np.copyto(host[row, :, : self.width], frame.planes[plane])


def _packed(table: AxisTable) -> NDArray[np.uint32]:
    return np.concatenate([table.left, table.right, table.weight])
