"""One sample grid in a slot: its planes on the device, and the kernel calls that work on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.cuda.memory import StagedArray
from roi_accel.backends.kernel_calls import MAX_INDEX, VECTOR_SAMPLES, GridCalls, GridLayout

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.backends.cuda.devices import CudaDevice, Untyped
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.kernel_calls import KernelCall
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.tables import PlaneGrid


@dataclass(frozen=True)
class Source:
    """Where the kernels read a frame's planes of one grid, each with samples per row.

    `whole` is the grid's own buffer, where the planes lie in it one behind the other.
    """

    planes: tuple[Untyped, ...]
    pitches: tuple[int, ...]
    whole: Untyped | None = None


class CudaGrid:
    """Reference, distorted and masked samples of every plane of one grid, rows padded.

    `device` must be the current one. `mask` is the one that all grids are upsampled from, `columns`
    and `rows` are the grid's packed tables, and `current` is where the reference in use is.
    """

    def __init__(
        self,
        device: CudaDevice,
        plan: Plan,
        grid: PlaneGrid,
        mask: Untyped,
        columns: Untyped,
        rows: Untyped,
    ) -> None:
        self.layout = GridLayout(grid)
        self.width = grid.shape[1]
        dtype = plan.pixel_format.dtype
        self.reference = StagedArray(device, self.layout.shape, dtype)
        self.distorted = StagedArray(device, self.layout.shape, dtype)
        self.masked = StagedArray(device, self.layout.shape, dtype)
        self.current = Source((), ())
        mask_rows = device.cupy.empty((plan.mask_height, self.layout.pitch), np.uint16)
        self.calls = GridCalls(plan, self.layout, mask_rows, rows)
        self.upsample_rows = self.calls.upsample_rows(mask, columns)

    def load(self, staged: StagedArray, frame: Frame, stream: Untyped, *, in_place: bool) -> Source:
        """Bring this grid's planes of `frame` to where the kernels can read them.

        Parameters
        ----------
        staged : StagedArray
            Where planes in the host's memory are sent to, and others copied on the device.
        frame : Frame
        stream : cupy.cuda.Stream
        in_place : bool
            Whether planes on the device may stay where they are; they do if their rows begin where
            a vector may.
        """
        planes = [frame.planes[index] for index in self.layout.grid.planes]
        if isinstance(planes[0], np.ndarray):
            for row, plane in enumerate(planes):
                np.copyto(staged.host[row, :, : self.width], plane)
            staged.send(stream)
        elif in_place and all(map(_has_aligned_rows, planes)):
            pitches = tuple(plane.strides[0] // plane.itemsize for plane in planes)
            return Source(tuple(planes), pitches)
        else:
            for row, plane in enumerate(planes):
                staged.copy_rows(row, plane, stream)
        return Source(tuple(staged.device), (self.layout.pitch,) * len(planes), staged.device)

    def substitute(self, distorted: Source, masked: Untyped) -> Iterator[KernelCall]:
        """Yield the calls that blend into `masked`: one, or one per plane of scattered frames."""
        reference = self.current
        if reference.whole is not None and distorted.whole is not None:
            yield self.calls.substitute(reference.whole, distorted.whole, masked)
            return
        for row, target in enumerate(masked):
            pitches = (reference.pitches[row], distorted.pitches[row])
            yield self.calls.substitute(
                reference.planes[row], distorted.planes[row], target, planes=1, pitches=pitches
            )


def _has_aligned_rows(plane: Untyped) -> bool:
    """Whether each row of `plane` begins where a vector may be read, with an index of 32 bits.

    A last vector may then reach beyond the row, but not beyond the aligned bytes that the row's own
    last sample is in, which are always mapped.
    """
    vector = VECTOR_SAMPLES * plane.itemsize
    pitch, _ = plane.strides
    is_indexable = plane.shape[0] * (pitch // plane.itemsize) <= MAX_INDEX
    return bool(is_indexable and pitch % vector == 0 and plane.data.ptr % vector == 0)
