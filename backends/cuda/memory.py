"""A CUDA device's memory: arrays staged in pinned memory, and the planes of one sample grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.kernel_calls import MAX_INDEX, VECTOR_SAMPLES, GridCalls

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from roi_accel.backends.cuda.backend import CudaDevice, Untyped
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.kernel_calls import KernelCall
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.tables import PlaneGrid

_DLPACK_ON_CUDA = (2, 13)
"""DLPack's kDLCUDA and kDLCUDAManaged."""


class StagedArray:
    """An array on the device, and one of the same layout that it is sent from or fetched to.

    Only pinned memory is copied while the host goes on. It is taken when it is first used, because
    frames that are on the device already never pass through it.
    `device` must be the current one.
    """

    def __init__(self, device: CudaDevice, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._cupyx = device.cupyx
        self._runtime = device.cupy.cuda.runtime
        self._host: NDArray[Any] | None = None
        self.device: Untyped = device.cupy.empty(shape, dtype)

    @property
    def host(self) -> NDArray[Any]:
        """The pinned array; the device must be done with it."""
        if self._host is None:
            self._host = self._cupyx.empty_pinned(self.device.shape, self.device.dtype)
        return self._host

    def copy_rows(self, index: int, plane: Untyped, stream: Untyped) -> None:
        """Start copying `plane`, rows of neighbouring samples on the device, to plane `index`."""
        runtime = self._runtime
        target = self.device[index]
        height, width = plane.shape
        # Not by assignment, for which CuPy compiles a kernel in the middle of a frame.
        runtime.memcpy2DAsync(
            target.data.ptr,
            target.strides[0],
            plane.data.ptr,
            plane.strides[0],
            width * plane.itemsize,
            height,
            runtime.memcpyDeviceToDevice,
            stream.ptr,
        )

    def send(self, stream: Untyped) -> None:
        """Start copying the pinned array to the device."""
        self.device.set(self.host, stream=stream)

    def fetch(self, stream: Untyped) -> None:
        """Start copying the device's array to the pinned one."""
        self.device.get(stream=stream, out=self.host, blocking=False)


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
        self.calls = GridCalls(plan, grid)
        self.reference, self.distorted, self.masked = (
            StagedArray(device, self.calls.shape, plan.pixel_format.dtype) for _ in range(3)
        )
        self.current: Untyped = self.reference.device
        mask_rows = device.cupy.empty((plan.mask_height, self.calls.pitch), np.uint16)
        self.tables = (mask_rows, rows)
        self.upsample_rows = self.calls.upsample_rows(mask, columns, mask_rows)

    def load(
        self, staged: StagedArray, frame: Frame, stream: Untyped, *, in_place: bool
    ) -> Untyped:
        """Bring this grid's planes of `frame` where the kernels can read them; return them.

        Planes in the host's memory are sent to `staged`, others copied there on the device. With
        `in_place` the latter stay, in a list, if their rows begin where a vector may.
        """
        planes = [frame.planes[index] for index in self.calls.planes]
        if isinstance(planes[0], np.ndarray):
            for row, plane in enumerate(planes):
                np.copyto(staged.host[row, :, : self.calls.width], plane)
            staged.send(stream)
        elif in_place and all(map(_has_aligned_rows, planes)):
            return planes
        else:
            for row, plane in enumerate(planes):
                staged.copy_rows(row, plane, stream)
        return staged.device

    def substitute(self, distorted: Untyped, masked: Untyped) -> Iterator[KernelCall]:
        """Yield the calls that blend into `masked`: one, or one per plane of scattered frames."""
        frames = (self.current, distorted, masked)
        if not any(isinstance(planes, list) for planes in frames):
            yield self.calls.substitute(frames, *self.tables)
            return
        for planes in zip(*frames, strict=True):
            reference, other, _ = (plane.strides[0] // plane.itemsize for plane in planes)
            pitches = (reference, other)
            yield self.calls.substitute(planes, *self.tables, planes=1, pitches=pitches)


def _has_aligned_rows(plane: Untyped) -> bool:
    """Whether each row of `plane` begins where a vector may be read, with an index of 32 bits.

    A last vector may then reach beyond the row, but not beyond the aligned bytes that the row's own
    last sample is in, which are always mapped.
    """
    vector = VECTOR_SAMPLES * plane.itemsize
    pitch, _ = plane.strides
    is_indexable = plane.shape[0] * (pitch // plane.itemsize) <= MAX_INDEX
    return bool(is_indexable and pitch % vector == 0 and plane.data.ptr % vector == 0)


def is_on_device(array: Untyped) -> bool:
    """Whether `array` is in CUDA memory, by either of the two protocols that say so."""
    if hasattr(array, "__cuda_array_interface__"):
        return True
    describe = getattr(array, "__dlpack_device__", None)
    return describe is not None and int(describe()[0]) in _DLPACK_ON_CUDA


def adopt(array: Untyped, device: CudaDevice) -> Untyped:
    """Return `array`, which is in CUDA memory, as CuPy's, without copying it.

    ValueError where it is on another device, or the samples of a row are not contiguous.
    """
    cupy = device.cupy
    if isinstance(array, cupy.ndarray):
        adopted = array
    elif hasattr(array, "__dlpack__"):
        # It makes its own stream wait for ours, which the older protocol may leave out.
        adopted = cupy.from_dlpack(array)
    else:
        adopted = cupy.asarray(array)
    if adopted.device.id != device.number:
        msg = f"the frame is on cuda:{adopted.device.id}, but the session on {device.device_id}"
        raise ValueError(msg)
    pitch, step = adopted.strides
    if step != adopted.itemsize or pitch < adopted.shape[1] * step:
        msg = "the samples of a row on the device are not contiguous: see cupy.ascontiguousarray"
        raise ValueError(msg)
    return adopted
