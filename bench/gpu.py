"""CUDA's side of the benchmarks: frames that stay on the device, its peers, its plain transfers.

CuPy and torch are imported where a device is measured, never before. Everything here waits for the
device before it returns.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.cuda.devices import choose_device
from roi_accel.backends.frame import Frame
from roi_accel.backends.plan import MASK_MAX
from roi_accel.bench.contender import Absent, Contender
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from roi_accel.backends.cuda.devices import CudaDevice, Untyped
    from roi_accel.bench.inputs import Inputs

CUPY = "CuPy zoom + elementwise"
TORCH = "torch interpolate + lerp"
TRANSFERS = "transfers alone"

_FLOAT = "float32, whose last bits the device decides"
_STREAMS = 3


def on_device(device_id: str, inputs: Inputs) -> Inputs:
    """Return `inputs` with their frames in the memory of `device_id`; masks stay on the host."""
    device = choose_device(device_id)

    def send(frame: Frame) -> Frame:
        y, u, v = (device.cupy.asarray(plane) for plane in frame.planes)
        return Frame((y, u, v), frame.pixel_format)

    with device.cupy.cuda.Device(device.number):
        resident = replace(
            inputs,
            references=tuple(map(send, inputs.references)),
            distorted=tuple(map(send, inputs.distorted)),
        )
        device.cupy.cuda.get_current_stream().synchronize()
    return resident


def to_host(planes: Sequence[Untyped]) -> list[NDArray[Any]]:
    """Return CuPy's arrays in the host's memory."""
    return [plane.get() if hasattr(plane, "get") else np.asarray(plane) for plane in planes]


def cuda_copy(device_id: str, size: int) -> Callable[[int], list[NDArray[Any]]]:
    """Return a copy of `size` bytes from the device's memory to the device's memory."""
    device = choose_device(device_id)
    runtime = device.cupy.cuda.runtime
    with device.cupy.cuda.Device(device.number):
        source, target = (device.cupy.empty((1, size), np.uint8) for _ in range(2))
        stream = device.cupy.cuda.Stream(non_blocking=True)

    def copy(_: int) -> list[NDArray[Any]]:
        with device.cupy.cuda.Device(device.number):
            runtime.memcpy2DAsync(
                target.data.ptr,
                size,
                source.data.ptr,
                size,
                size,
                1,
                runtime.memcpyDeviceToDevice,
                stream.ptr,
            )
            stream.synchronize()
        return []

    return copy


def transfers(inputs: Inputs, threads: int, stack: ExitStack) -> Contender | Absent:
    """Return what a masked frame costs in transfers: two frames up and one down, no kernel.

    From pinned memory, on as many streams as a session has slots, each called by its own thread.
    """
    try:
        device = choose_device(None)
    except BackendUnavailable as error:
        return Absent(TRANSFERS, "transfers", str(error))
    size = inputs.plan.pixel_format.frame_bytes(inputs.plan.width, inputs.plan.height)
    lanes = [_Lane(device, size) for _ in range(_STREAMS)]
    free = list(lanes)

    def frame(_: int) -> list[NDArray[Any]]:
        # list.pop and list.append are atomic, and there are no more callers than lanes.
        lane = free.pop()
        try:
            lane.run()
        finally:
            free.append(lane)
        return []

    contender = Contender(
        TRANSFERS,
        "transfers",
        frame,
        inputs.count,
        {"device": device.device_id, "description": device.name, "driver": device.driver},
        threads=0,
        callers=min(_STREAMS, threads + 1),
    )
    stack.callback(contender.close)
    return contender


class _Lane:
    """A stream with pinned memory and device memory for one frame's transfers."""

    def __init__(self, device: CudaDevice, size: int) -> None:
        self._device = device
        with device.cupy.cuda.Device(device.number):
            self._stream = device.cupy.cuda.Stream(non_blocking=True)
            self._up = [device.cupy.empty((size,), np.uint8) for _ in range(2)]
            self._host = [device.cupyx.empty_pinned((size,), np.dtype(np.uint8)) for _ in range(3)]

    def run(self) -> None:
        with self._device.cupy.cuda.Device(self._device.number):
            for array, host in zip(self._up, self._host, strict=False):
                array.set(host, stream=self._stream)
            self._up[0].get(stream=self._stream, out=self._host[2], blocking=False)
            self._stream.synchronize()


def cupy_zoom(inputs: Inputs, _threads: int, stack: ExitStack) -> Contender | Absent:
    """Return `cupyx.scipy.ndimage.zoom` (bilinear, pixels as areas) and elementwise CuPy."""
    try:
        device = choose_device(None)
    except BackendUnavailable as error:
        return Absent(CUPY, "peer", str(error))
    cupy = device.cupy
    zoom = importlib.import_module("cupyx.scipy.ndimage").zoom
    resident = on_device(device.device_id, inputs)
    with cupy.cuda.Device(device.number):
        masks = [cupy.asarray((mask / MASK_MAX).astype(np.float32)) for mask in inputs.masks]

    def frame(number: int) -> list[Any]:
        with cupy.cuda.Device(device.number):
            planes = zoom_and_blend(
                cupy,
                zoom,
                (resident.references[number], resident.distorted[number], masks[number]),
                inputs.plan.threshold,
                inputs.plan.fade,
            )
            cupy.cuda.get_current_stream().synchronize()
        return planes

    contender = Contender(
        CUPY,
        "peer",
        frame,
        inputs.count,
        {"device": device.device_id, "description": device.name, "cupy": cupy.__version__},
        threads=0,
        to_planes=to_host,
        difference=_FLOAT,
    )
    stack.callback(contender.close)
    return contender


def zoom_and_blend(
    xp: Untyped,
    zoom: Untyped,
    frames: tuple[Frame, Frame, Untyped],
    threshold: float,
    fade: float,
) -> list[Any]:
    """Return the masked planes, with `xp` for NumPy and `zoom` for SciPy's.

    ``grid_mode`` takes pixels for areas, which puts their centres where ours are.
    """
    reference, distorted, mask = frames
    shares: dict[tuple[int, ...], Any] = {}
    mixed = []
    for ref, dist in zip(reference.planes, distorted.planes, strict=True):
        if ref.shape not in shares:
            factors = tuple(to / start for to, start in zip(ref.shape, mask.shape, strict=True))
            share = zoom(mask, factors, order=1, mode="nearest", grid_mode=True)
            share = xp.clip((share - threshold) / max(fade, 1 / MASK_MAX), 0, 1)
            shares[ref.shape] = share.astype(np.float32)
        share = shares[ref.shape]
        mixed.append(xp.rint(dist * share + ref * (1 - share)).astype(ref.dtype))
    return mixed


def torch_lerp(inputs: Inputs, _threads: int, stack: ExitStack) -> Contender | Absent:
    """Return `torch.nn.functional.interpolate` and `torch.lerp` on the device that CuPy has."""
    if importlib.util.find_spec("torch") is None:
        return Absent(TORCH, "peer", "torch is not installed; pip install torch")
    torch: Any = importlib.import_module("torch")
    if not torch.cuda.is_available():
        return Absent(TORCH, "peer", "torch sees no CUDA device; check nvidia-smi")
    try:
        number = choose_device(None).number
    except BackendUnavailable as error:
        return Absent(TORCH, "peer", str(error))
    contender = Contender(
        TORCH,
        "peer",
        torch_frames(torch, f"cuda:{number}", inputs),
        inputs.count,
        {"device": torch.cuda.get_device_name(number), "torch": torch.__version__},
        threads=0,
        to_planes=lambda output: [plane.cpu().numpy() for plane in output],
        difference=_FLOAT,
    )
    stack.callback(contender.close)
    return contender


def torch_frames(torch: Untyped, device: str, inputs: Inputs) -> Callable[[int], list[Any]]:
    """Return a function from a frame's number to its masked planes, on `device` of torch."""
    plan = inputs.plan
    # torch hardly computes with uint16, so deep samples lie there as int32.
    dtype = torch.uint8 if plan.pixel_format.bit_depth == 8 else torch.int32  # noqa: PLR2004
    fade = max(plan.fade, 1 / MASK_MAX)

    def send(array: NDArray[Any]) -> Any:  # noqa: ANN401 - torch's Tensor
        return torch.from_numpy(array.astype(np.int32)).to(device=device, dtype=dtype)

    frames = [
        (
            [send(plane) for plane in reference.planes],
            [send(plane) for plane in distorted.planes],
            torch.from_numpy((mask / MASK_MAX).astype(np.float32)[None, None]).to(device),
        )
        for reference, distorted, mask in zip(
            inputs.references, inputs.distorted, inputs.masks, strict=True
        )
    ]

    def frame(number: int) -> list[Any]:
        references, distorted, mask = frames[number]
        shares: dict[tuple[int, ...], Any] = {}
        mixed = []
        for ref, dist in zip(references, distorted, strict=True):
            shape = tuple(ref.shape)
            if shape not in shares:
                share = torch.nn.functional.interpolate(
                    mask, size=shape, mode="bilinear", align_corners=False
                )[0, 0]
                shares[shape] = torch.clamp((share - plan.threshold) / fade, 0, 1)
            mixed.append(torch.lerp(ref.float(), dist.float(), shares[shape]).round().to(dtype))
        if device != "cpu":
            torch.cuda.synchronize(device)
        return mixed

    return frame


DEVICE_PEERS: dict[str, Callable[[Inputs, int, ExitStack], Contender | Absent]] = {
    CUPY: cupy_zoom,
    TORCH: torch_lerp,
}
