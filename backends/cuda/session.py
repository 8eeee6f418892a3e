"""One clip on one CUDA device: slots, so that a frame's transfers run beside another's kernels."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

from roi_accel.backends.cuda import slot as cuda_slot
from roi_accel.backends.cuda.backend import CudaDevice
from roi_accel.backends.cuda.memory import adopt, is_on_device
from roi_accel.backends.cuda.slot import Slot, Tables
from roi_accel.backends.frame import Frame
from roi_accel.backends.gpu import GpuSession
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.backends.cuda.backend import Untyped
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask, RunNetwork

_LOGGER = logging.getLogger("roi_accel")
_MIB = 2**20
_OTHER = "choose another --device or --backend"

SLOTS = 3
"""One frame goes up while another is computed and a third comes down."""


class CudaSession(GpuSession[CudaDevice]):
    """Tables, streams, buffers and kernels for one plan; any number of threads may use it.

    A reference whose planes are read-only is sent once: the same `Frame` object is taken from the
    device when it comes again, as for the network and then for each distorted video; so is a
    read-only mask.

    Frames may be on the device already, as CuPy's arrays or any that have
    ``__cuda_array_interface__`` or DLPack: they are read where they lie, and masked frames of a
    distorted frame on the device are CuPy arrays. Of a frame, all planes must be in one place.
    """

    def __init__(self, plan: Plan, device: CudaDevice, kernels: Mapping[str, Untyped]) -> None:
        super().__init__(plan, device)
        self._kernels = kernels
        self._seconds: Mapping[str, float] = {}
        self._change = threading.Condition()
        with self._running():
            # A pool of its own, so that closing gives back what is ours and only that.
            self._pool = device.cupy.cuda.MemoryPool()
        self._slots = self._open_slots()
        self._free = list(self._slots)

    @property
    def slots(self) -> int:
        """How many threads can be served at once."""
        return len(self._slots)

    @property
    def tensor_device(self) -> tuple[str, int]:
        """Where `infer` has its tensors, as ONNX Runtime names it."""
        return cuda_slot.DEVICE_TYPE, self._device.number

    @property
    def event_seconds(self) -> dict[str, float]:
        """Seconds on the device per kind of work, from the driver's own events.

        ``upload``, ``preprocess``, ``quantise``, ``upsample``, ``substitute``, ``download``; those
        of frames that were under way at the same time are added up.
        """
        total: Counter[str] = Counter(self._seconds)
        for slot in self._slots:
            total.update(slot.seconds)
        return dict(total)

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        """Return the mask that a network makes of `reference`, without a detour over the host.

        It is read-only, and `substitute` takes it from the device when it comes back.
        NotSaliencyError where the network's output is not finite or not in [0, 1]; other errors
        are those of `preprocess`.
        """
        self._model_size()
        reference = self._checked(reference)
        with self._slot("infer", reference) as slot:
            return slot.infer(reference, run)

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return a new frame as `BaseSession.substitute`, on the device if `distorted` is there."""
        if not is_on_device(distorted.planes[0]):
            return super().substitute(reference, distorted, mask)
        self._plan.check_mask(mask)
        reference, distorted = self._checked(reference), self._checked(distorted)
        with self._slot("substitute", reference) as slot:
            y, u, v = slot.substitute_on_device(reference, distorted, mask)
        return Frame((y, u, v), self._plan.pixel_format)

    def _preprocess(self, reference: Frame, network_input: NDArray[np.float32]) -> None:
        with self._slot("preprocess", reference) as slot:
            slot.preprocess(reference, network_input)

    def _upsample(self, mask: Mask, alphas: Sequence[NDArray[np.uint32]]) -> None:
        with self._slot("upsample") as slot:
            slot.upsample(mask, alphas)

    def _substitute(self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame) -> None:
        with self._slot("substitute", reference) as slot:
            slot.substitute(reference, distorted, mask, masked)

    def close(self) -> None:
        """Wait for frames under way, and release the device's memory; safe to call twice."""
        with self._change:
            if self._is_closed:
                return
            self._is_closed = True
            self._change.wait_for(lambda: len(self._free) == len(self._slots))
            self._seconds = self.event_seconds
            self._free.clear()
            self._slots = []
        with (
            contextlib.suppress(*_driver_errors(self._device)),
            self._device.cupy.cuda.Device(self._device.number),
        ):
            self._pool.free_all_blocks()

    def _open_slots(self) -> list[Slot]:
        """Return as many slots as are wanted, or one where there is no room for so many."""
        try:
            with self._running():
                return self._make_slots(SLOTS)
        except BackendUnavailable as error:
            if self._failure is not None:  # guard: cuda-no-room-retry
                raise
            _LOGGER.warning("%s; trying one frame at a time", error.message)
        with self._running():
            self._pool.free_all_blocks()
            return self._make_slots(1)

    def _make_slots(self, count: int) -> list[Slot]:
        device, plan = self._device, self._plan
        with device.cupy.cuda.using_allocator(self._pool.malloc):
            tables = Tables(device, plan, self.grids)
            return [Slot(device, plan, self.grids, tables, self._kernels) for _ in range(count)]

    def _checked(self, frame: Frame) -> Frame:
        """Return `frame`, with CuPy's arrays if it is on the device, once it is the plan's."""
        on_device = [is_on_device(plane) for plane in frame.planes]
        if any(on_device):
            if not all(on_device):
                msg = "some planes of the frame are on the device and some in the host's memory"
                raise ValueError(msg)
            with self._running():
                y, u, v = (adopt(plane, self._device) for plane in frame.planes)
            frame = Frame((y, u, v), frame.pixel_format)
        return super()._checked(frame)

    @contextlib.contextmanager
    def _slot(self, what: str, reference: Frame | None = None) -> Iterator[Slot]:
        """Lend a slot, one that holds `reference` if there is one; wait for one if need be."""
        with self._change:
            self._change.wait_for(lambda: self._free or self._is_closed or self._failure)
            self._check_usable()
            slot = next((each for each in self._free if reference and each.holds(reference)), None)
            slot = slot or self._free[0]
            self._free.remove(slot)
        try:
            with self._running(), self._named(what):
                try:
                    yield slot
                except BaseException:
                    slot.settle()
                    raise
        finally:
            with self._change:
                self._free.append(slot)
                self._change.notify_all()

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Work on the device; after one of the driver's errors the session refuses all work."""
        try:
            with self._device.cupy.cuda.Device(self._device.number):
                yield
        except _driver_errors(self._device) as error:
            failure = _translated(error, self._device)
            # A kernel's error stays with the process; where there was no room there may be again.
            if not _is_no_room(error):  # guard: cuda-sticky-error
                self._failure = failure
            raise failure from error

    @contextlib.contextmanager
    def _named(self, what: str) -> Iterator[None]:
        """Name this stretch for NVIDIA's profilers, which show it above what the device does."""
        nvtx: Any = self._device.cupy.cuda.nvtx
        if not nvtx.available:
            yield
            return
        nvtx.RangePush(f"roi-accel: {what}")
        try:
            yield
        finally:
            nvtx.RangePop()


def _driver_errors(device: CudaDevice) -> tuple[type[Exception], ...]:
    """Return the classes of what CuPy raises when the device, and not our code, is at fault."""
    cuda = device.cupy.cuda
    return (
        cuda.memory.OutOfMemoryError,
        cuda.runtime.CUDARuntimeError,
        cuda.driver.CUDADriverError,
    )


def _translated(error: Exception, device: CudaDevice) -> BackendUnavailable:
    """Return `error`, one of `_driver_errors`, as the one that users meet."""
    reason = " ".join(str(error).split())
    if _is_no_room(error):
        msg = f"{device.label} is out of memory: {reason}{_room(device)}"
        return BackendUnavailable(msg, remedy=f"end what else uses the device, or {_OTHER}")
    # An error of a kernel or of the bus stays: the driver refuses all further work of the process.
    return BackendUnavailable(
        f"{device.label} failed: {reason}",
        remedy=f"start again; if it happens again, check nvidia-smi and dmesg, or {_OTHER}",
    )


def _is_no_room(error: Exception) -> bool:
    """Whether `error` says that memory ran out, after which the device still works."""
    return isinstance(error, MemoryError) or "cudaErrorMemoryAllocation" in str(error)


def _room(device: CudaDevice) -> str:
    with contextlib.suppress(Exception), device.cupy.cuda.Device(device.number):
        free, total = device.cupy.cuda.runtime.memGetInfo()
        return f"; {free / _MIB:.1f} of {total / _MIB:.1f} MiB are free"
    return ""
