"""One frame in flight on a CUDA device: a stream of its own, and the buffers that it works in."""

from __future__ import annotations

import contextlib
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends import kernel_calls
from roi_accel.backends.arithmetic import quantise
from roi_accel.backends.cuda.memory import CudaGrid, StagedArray
from roi_accel.backends.kernel_calls import packed_tables
from roi_accel.backends.protocol import DeviceTensor
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.cuda.backend import CudaDevice, Untyped
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.kernel_calls import KernelCall
    from roi_accel.backends.plan import ModelSize, Plan
    from roi_accel.backends.protocol import Mask, RunNetwork
    from roi_accel.backends.tables import PlaneGrid

DEVICE_TYPE = "cuda"
"""ONNX Runtime's name of where a slot's memory is."""

_BLOCK = (32, 4)
"""Threads per block, x and y: one warp wide."""

_MILLISECOND = 1e-3


class Tables:
    """What the kernels look up, on `device` (the current one) once for all slots."""

    def __init__(self, device: CudaDevice, plan: Plan, grids: Sequence[PlaneGrid]) -> None:
        send = device.cupy.asarray
        self.columns = [send(np.concatenate(grid.columns)) for grid in grids]
        self.rows = [send(np.concatenate(grid.rows)) for grid in grids]
        self.network = [send(table) for table in packed_tables(plan)]
        device.cupy.cuda.get_current_stream().synchronize()


class Slot:
    """Buffers, stream and kernels for one frame at a time; the session decides whose.

    Every method returns when the device is done, so that the pinned memory is free again.
    `device` must be the current one.
    """

    def __init__(
        self,
        device: CudaDevice,
        plan: Plan,
        grids: Sequence[PlaneGrid],
        tables: Tables,
        kernels: Mapping[str, Untyped],
    ) -> None:
        self._device = device
        self._kernels = kernels
        self._stream = device.cupy.cuda.Stream(non_blocking=True)
        self._phases = _Phases(device.cupy, self._stream)
        self.seconds = self._phases.seconds
        """On the device per kind of work, by its own events."""
        self._mask = StagedArray(device, (plan.mask_height, plan.mask_width), np.dtype(np.uint16))
        axes = zip(grids, tables.columns, tables.rows, strict=True)
        self._grids = [
            CudaGrid(device, plan, grid, self._mask.device, columns, rows)
            for grid, columns, rows in axes
        ]
        if plan.model:
            self._network = _Network(
                device, plan, plan.model, self._grids, tables, self._mask.device
            )
        self._resident: Frame | None = None
        self._resident_mask: Mask | None = None

    def holds(self, reference: Frame) -> bool:
        """Whether `reference` has been sent to the device already."""
        return reference is self._resident

    def settle(self) -> None:
        """Wait for what is on its way and forget it: it may be half a frame."""
        self._resident = None
        self._resident_mask = None
        self._stream.synchronize()

    def preprocess(self, reference: Frame, network_input: NDArray[np.float32]) -> None:
        """Write the network's input into the host's `network_input`; needs a plan with a model."""
        network = self._network
        with self._working():
            self._prepare_input(reference)
            network.input.fetch(self._stream)
            self._phases.finish("download")
        np.copyto(network_input, network.input.host.view(np.float32))

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        """Return the mask that `run` makes of the network's input; it stays on the device too."""
        network = self._network
        with self._working():
            self._prepare_input(reference)
            # ONNX Runtime has streams of its own, which do not wait for this one.
            self._phases.finish("preprocess")
            run(network.input_tensor, network.output_tensor)
            self._phases.begin()
            self._resident_mask = None
            network.strays.device.data.memset_async(0, 4, self._stream)
            self._launch(network.quantise)
            self._upsample_rows()
            self._phases.end("quantise")
            self._mask.fetch(self._stream)
            network.strays.fetch(self._stream)
            self._phases.finish("download")
            if network.strays.host[0]:
                network.output.fetch(self._stream)
                self._stream.synchronize()
                # The host's own code says what is wrong, and where.
                height, width = network.size
                quantise(network.output.host.view(np.float32)[:height, :width])
                msg = f"{self._device.label} rejects a saliency value that the host accepts"
                raise BackendUnavailable(msg, remedy="--backend numba does without the device")
        mask: Mask = self._mask.host.copy()
        mask.flags.writeable = False
        self._resident_mask = mask
        return mask

    def upsample(self, mask: Mask, alphas: Sequence[NDArray[np.uint32]]) -> None:
        """Write alpha of each grid into the host's `alphas`."""
        dtype = np.dtype(np.uint32)
        staged = [StagedArray(self._device, g.calls.shape[1:], dtype) for g in self._grids]
        with self._working():
            self._send_mask(mask)
            self._phases.end("upload")
            for grid, array in zip(self._grids, staged, strict=True):
                self._launch(grid.calls.upsample_mask(*grid.tables, array.device))
                array.fetch(self._stream)
            self._phases.finish("upsample")
        for alpha, array in zip(alphas, staged, strict=True):
            np.copyto(alpha, array.host[:, : alpha.shape[1]])

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame) -> None:
        """Write the blend into the planes of `masked` in the host's memory."""
        with self._working():
            self._blend(reference, distorted, mask, [grid.masked.device for grid in self._grids])
            for grid in self._grids:
                grid.masked.fetch(self._stream)
            self._phases.finish("download")
        for grid in self._grids:
            for index, plane in zip(grid.calls.planes, grid.masked.host, strict=True):
                np.copyto(masked.planes[index], plane[:, : grid.calls.width])

    def substitute_on_device(self, reference: Frame, distorted: Frame, mask: Mask) -> list[Untyped]:
        """Return the blended planes in the device's memory."""
        # Taken on the caller's stream, where they will be used and given back.
        targets = [self._device.cupy.empty_like(grid.masked.device) for grid in self._grids]
        with self._working():
            self._blend(reference, distorted, mask, targets)
            self._phases.finish("download")
        pairs = zip(self._grids, targets, strict=True)
        return [plane[:, : grid.calls.width] for grid, target in pairs for plane in target]

    def _blend(
        self, reference: Frame, distorted: Frame, mask: Mask, targets: Sequence[Untyped]
    ) -> None:
        """Start blending into `targets`, one per grid."""
        self._send_mask(mask)
        self._load_reference(reference, in_place=True)
        sources = [
            grid.load(grid.distorted, distorted, self._stream, in_place=True)
            for grid in self._grids
        ]
        self._phases.end("upload")
        for grid, source, target in zip(self._grids, sources, targets, strict=True):
            for call in grid.substitute(source, target):
                self._launch(call)
        self._phases.end("substitute")

    @contextlib.contextmanager
    def _working(self) -> Iterator[None]:
        """Work on the slot's stream, behind what the caller's stream has been given."""
        self._stream.wait_event(self._device.cupy.cuda.get_current_stream().record())
        with self._stream:
            self._phases.begin()
            yield

    def _prepare_input(self, reference: Frame) -> None:
        # The kernel wants all chroma in one piece.
        self._load_reference(reference, in_place=False)
        self._phases.end("upload")
        self._launch(self._network.preprocess)
        self._phases.end("preprocess")

    def _send_mask(self, mask: Mask) -> None:
        if mask is self._resident_mask:
            return
        self._resident_mask = None
        np.copyto(self._mask.host, mask)
        self._mask.send(self._stream)
        self._upsample_rows()
        # Only if it cannot change before it comes again, as a still mask does with each frame.
        self._resident_mask = None if mask.flags.writeable else mask

    def _upsample_rows(self) -> None:
        for grid in self._grids:
            self._launch(grid.upsample_rows)

    def _load_reference(self, reference: Frame, *, in_place: bool) -> None:
        if reference is self._resident:
            return
        self._resident = None
        for grid in self._grids:
            grid.current = grid.load(grid.reference, reference, self._stream, in_place=in_place)
        # As for the mask; anything may change planes that are on the device.
        if not any(getattr(plane.flags, "writeable", True) for plane in reference.planes):
            self._resident = reference

    def _launch(self, call: KernelCall) -> None:
        blocks = tuple(-(-n // b) for n, b in zip(call.size, _BLOCK, strict=True))
        self._kernels[call.name](blocks, _BLOCK, call.arguments)


class _Network:
    """The network's input and output on the device, and the kernels before and after it."""

    def __init__(
        self,
        device: CudaDevice,
        plan: Plan,
        model: ModelSize,
        grids: Sequence[CudaGrid],
        tables: Tables,
        mask: Untyped,
    ) -> None:
        size = (model.padded_height, model.padded_width)
        bits = np.dtype(np.uint32)
        self.size = (model.height, model.width)
        self._mask_size = (plan.mask_height, plan.mask_width)
        self.input = StagedArray(device, (3, *size), bits)
        self.output = StagedArray(device, size, bits)
        self.strays = StagedArray(device, (1,), bits)
        luma, chroma = grids[0], grids[-1]
        self.preprocess = kernel_calls.preprocess(
            plan,
            model,
            (luma.calls, chroma.calls),
            (luma.reference.device, chroma.reference.device),
            tables.network,
            self.input.device,
        )
        buffers = (self.output.device, mask, self.strays.device)
        self._quantise = kernel_calls.quantise(plan, model, *buffers)
        where = (DEVICE_TYPE, device.number)
        self.input_tensor = DeviceTensor(*where, self.input.device.data.ptr, (1, 3, *size))
        self.output_tensor = DeviceTensor(*where, self.output.device.data.ptr, (1, 1, *size))

    @property
    def quantise(self) -> KernelCall:
        """The call that makes the mask of the network's output."""
        if self.size != self._mask_size:
            msg = f"the plan's masks are {self._mask_size}, but the network's {self.size}"
            raise ValueError(msg)
        return self._quantise


class _Phases:
    """Seconds per kind of work, by events on the slot's stream."""

    def __init__(self, cupy: Untyped, stream: Untyped) -> None:
        self._cuda = cupy.cuda
        self._stream = stream
        self._marks: list[tuple[str, Untyped]] = []
        self.seconds: Counter[str] = Counter()

    def begin(self) -> None:
        """Begin to count here."""
        self._marks.clear()
        self.end("")

    def end(self, kind: str) -> None:
        """Count what the stream has been given since the last mark as `kind`."""
        # Blocking, because a spinning host thread would take a core from VMAF.
        self._marks.append((kind, self._stream.record(self._cuda.Event(block=True))))

    def finish(self, kind: str) -> None:
        """Count the rest as `kind`, and wait until all of it is done."""
        self.end(kind)
        marks = self._marks.copy()
        marks[-1][1].synchronize()
        for (_, start), (name, stop) in pairwise(marks):
            self.seconds[name] += self._cuda.get_elapsed_time(start, stop) * _MILLISECOND
        self.begin()
