"""A CUDA device's memory and the host's pinned memory for transfers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.backends.cuda.devices import CudaDevice, Untyped

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


def is_on_device(array: Untyped) -> bool:
    """Whether `array` is in CUDA memory, by either of the two protocols that say so."""
    if hasattr(array, "__cuda_array_interface__"):
        return True
    describe = getattr(array, "__dlpack_device__", None)
    return describe is not None and int(describe()[0]) in _DLPACK_ON_CUDA


def adopt(array: Untyped, device: CudaDevice) -> Untyped:
    """Return `array`, which is in CUDA memory, as CuPy's, without copying it.

    Raises
    ------
    ValueError
        It is on another device, or the samples of a row are not contiguous.
    """
    cupy = device.cupy
    if isinstance(array, cupy.ndarray):
        found = array
    elif hasattr(array, "__dlpack__"):
        # It makes its own stream wait for ours, which the older protocol may leave out.
        found = cupy.from_dlpack(array)
    else:
        found = cupy.asarray(array)
    if found.device.id != device.number:
        msg = f"the frame is on cuda:{found.device.id}, but the session on {device.device_id}"
        raise ValueError(msg)
    pitch, step = found.strides
    if step != found.itemsize or pitch < found.shape[1] * step:
        msg = "the samples of a row on the device are not contiguous: see cupy.ascontiguousarray"
        raise ValueError(msg)
    return found
