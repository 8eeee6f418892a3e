"""The benchmarks on a device: frames that stay there, its peers, its copies and plain transfers.

CuPy, PyOpenCL and torch are imported where a device is measured, never before. Everything here
waits for the device before it returns.
"""

from __future__ import annotations

import importlib
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.cuda.backend import CudaBackend
from roi_accel.backends.frame import Frame
from roi_accel.backends.plan import MASK_MAX
from roi_accel.bench.contender import Contender, require
from roi_accel.bench.peers import blended
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from numpy.typing import NDArray

    from roi_accel.backends.cuda.backend import CudaDevice, Untyped
    from roi_accel.bench.inputs import Inputs

CUPY = "CuPy zoom + elementwise"
TORCH = "torch interpolate + lerp"
TRANSFERS = "transfers alone"

_FLOAT = "float32, whose last bits the device decides"
_STREAMS = 3


def on_device(device_id: str, inputs: Inputs) -> Inputs:
    """Return `inputs` with their frames in the memory of `device_id`; masks stay on the host."""
    device = CudaBackend.choose(device_id)

    def send(frame: Frame) -> Frame:
        y, u, v = (device.cupy.asarray(plane) for plane in frame.planes)
        return Frame((y, u, v), frame.pixel_format)

    with _using(device):
        references, distorted = (
            tuple(map(send, frames)) for frames in (inputs.references, inputs.distorted)
        )
    return replace(inputs, references=references, distorted=distorted)


def cuda_copy(device_id: str, size: int, _stack: ExitStack) -> Callable[[int], list[NDArray[Any]]]:
    """Return a copy of `size` bytes from the device's memory to the device's memory."""
    device = CudaBackend.choose(device_id)
    runtime = device.cupy.cuda.runtime
    with _using(device):
        source, target = (device.cupy.empty((1, size), np.uint8) for _ in range(2))
        stream = device.cupy.cuda.Stream(non_blocking=True)

    def copy(_: int) -> list[NDArray[Any]]:
        places = (target.data.ptr, size, source.data.ptr, size, size, 1)
        with device.cupy.cuda.Device(device.number):
            runtime.memcpy2DAsync(*places, runtime.memcpyDeviceToDevice, stream.ptr)
            stream.synchronize()
        return []

    return copy


def opencl_copy(device_id: str, size: int, stack: ExitStack) -> Callable[[int], list[NDArray[Any]]]:
    """Return a copy of `size` bytes within the device's memory, which `stack` releases."""
    import pyopencl as cl  # noqa: PLC0415 - only where a device is measured

    from roi_accel.backends.opencl.backend import OpenclBackend  # noqa: PLC0415 - as above

    context = cl.Context([OpenclBackend.choose(device_id).handle])
    queue = cl.CommandQueue(context)
    source, target = (cl.Buffer(context, cl.mem_flags.READ_WRITE, size) for _ in range(2))
    for buffer in (source, target):
        stack.callback(buffer.release)

    def copy(_: int) -> list[NDArray[Any]]:
        cl.enqueue_copy(queue, target, source, byte_count=size).wait()
        return []

    return copy


def transfers(inputs: Inputs, threads: int) -> Contender:
    """Return a masked frame's transfers: two frames to the device and one back, without a kernel.

    From pinned memory, on as many streams as a session has slots, each called by its own thread.
    """
    device = CudaBackend.choose(None)
    size = inputs.plan.pixel_format.frame_bytes(inputs.plan.width, inputs.plan.height)
    free = [_transfer(device, size) for _ in range(_STREAMS)]

    def frame(_: int) -> list[NDArray[Any]]:
        # list.pop and list.append are atomic, and there are no more callers than streams.
        transfer = free.pop()
        try:
            transfer()
        finally:
            free.append(transfer)
        return []

    status = device.status
    facts = {"device": device.device_id, "description": device.name, "driver": status.driver}
    callers = min(_STREAMS, threads + 1)
    return Contender(TRANSFERS, "transfers", frame, inputs.count, facts, threads=0, callers=callers)


def _transfer(device: CudaDevice, size: int) -> Callable[[], None]:
    """Return a function that makes one frame's transfers on a stream and memory of its own."""
    with _using(device):
        stream = device.cupy.cuda.Stream(non_blocking=True)
        up = [device.cupy.empty((size,), np.uint8) for _ in range(2)]
        hosts = [device.cupyx.empty_pinned((size,), np.dtype(np.uint8)) for _ in range(3)]

    def run() -> None:
        with device.cupy.cuda.Device(device.number):
            for array, host in zip(up, hosts, strict=False):
                array.set(host, stream=stream)
            up[0].get(stream=stream, out=hosts[2], blocking=False)
            stream.synchronize()

    return run


def cupy_zoom(inputs: Inputs, _threads: int) -> Contender:
    """Return `cupyx.scipy.ndimage.zoom` (bilinear, pixels as areas) and elementwise CuPy."""
    device = CudaBackend.choose(None)
    cupy = device.cupy
    zoom = importlib.import_module("cupyx.scipy.ndimage").zoom
    resident = on_device(device.device_id, inputs)
    with _using(device):
        masks = [cupy.asarray((mask / MASK_MAX).astype(np.float32)) for mask in inputs.masks]

    def frame(number: int) -> list[Any]:
        frames = resident.references[number], resident.distorted[number], masks[number]
        with _using(device):
            return zoom_and_blend(cupy, zoom, frames, inputs.plan.threshold, inputs.plan.fade)

    facts = {"device": device.device_id, "description": device.name, "cupy": cupy.__version__}
    return Contender(CUPY, "peer", frame, inputs.count, facts, threads=0, difference=_FLOAT)


def zoom_and_blend(
    xp: Untyped,
    zoom: Untyped,
    frames: tuple[Frame, Frame, Untyped],
    threshold: float,
    fade: float,
) -> list[Any]:
    """Return the masked planes.

    Parameters
    ----------
    xp : module
        CuPy or NumPy.
    zoom : callable
        CuPy's or SciPy's; ``grid_mode`` takes pixels for areas, which centres them as we do.
    frames : (Frame, Frame, float32[mask_height, mask_width])
        Reference, distorted and mask from 0 to 1, as arrays of `xp`.
    threshold, fade : float
        From 0 to 1.
    """
    reference, distorted, mask = frames

    def share_of(shape: tuple[int, ...]) -> Untyped:
        factors = tuple(to / start for to, start in zip(shape, mask.shape, strict=True))
        share = zoom(mask, factors, order=1, mode="nearest", grid_mode=True)
        share = xp.clip((share - threshold) / max(fade, 1 / MASK_MAX), 0, 1)
        return share.astype(np.float32)

    def blend(ref: Untyped, dist: Untyped, share: Untyped) -> Untyped:
        return xp.rint(dist * share + ref * (1 - share)).astype(ref.dtype)

    return blended(reference.planes, distorted.planes, share_of, blend)


def torch_lerp(inputs: Inputs, _threads: int) -> Contender:
    """Return `torch.nn.functional.interpolate` and `torch.lerp` on the device that CuPy has."""
    torch = require("torch", "torch", "pip install torch")
    if not torch.cuda.is_available():
        msg = "torch sees no CUDA device"
        raise BackendUnavailable(msg, remedy="check nvidia-smi")
    number = CudaBackend.choose(None).number
    return Contender(
        TORCH,
        "peer",
        torch_frames(torch, f"cuda:{number}", inputs),
        inputs.count,
        {"device": torch.cuda.get_device_name(number), "torch": torch.__version__},
        threads=0,
        to_planes=lambda output: [plane.cpu().numpy() for plane in output],
        difference=_FLOAT,
    )


def torch_frames(torch: Untyped, device: str, inputs: Inputs) -> Callable[[int], list[Any]]:
    """Return a function from a frame's number to its masked planes, on `device` of torch."""
    plan = inputs.plan
    # torch hardly computes with uint16, so deep samples are int32 there.
    dtype = torch.uint8 if plan.pixel_format.bit_depth == 8 else torch.int32  # noqa: PLR2004
    fade = max(plan.fade, 1 / MASK_MAX)

    def send(frame: Frame) -> list[Any]:
        planes = (torch.from_numpy(plane.astype(np.int32)) for plane in frame.planes)
        return [plane.to(device=device, dtype=dtype) for plane in planes]

    references, distorted = (
        [send(frame) for frame in frames] for frames in (inputs.references, inputs.distorted)
    )
    masks = [
        torch.from_numpy((mask / MASK_MAX).astype(np.float32)[None, None]).to(device)
        for mask in inputs.masks
    ]

    def frame(number: int) -> list[Any]:
        def share_of(shape: tuple[int, ...]) -> Untyped:
            share = torch.nn.functional.interpolate(
                masks[number], size=shape, mode="bilinear", align_corners=False
            )[0, 0]
            return torch.clamp((share - plan.threshold) / fade, 0, 1)

        def blend(ref: Untyped, dist: Untyped, share: Untyped) -> Untyped:
            return torch.lerp(ref.float(), dist.float(), share).round().to(dtype)

        mixed = blended(references[number], distorted[number], share_of, blend)
        if device != "cpu":
            torch.cuda.synchronize(device)
        return mixed

    return frame


@contextmanager
def _using(device: CudaDevice) -> Iterator[None]:
    """Compute on `device` inside the ``with``, and wait for it at the end."""
    with device.cupy.cuda.Device(device.number):
        yield
        device.cupy.cuda.get_current_stream().synchronize()


COPIES = {"cuda": cuda_copy, "opencl": opencl_copy}
"""Per backend, a copy within its device's memory."""

DEVICE_PEERS: dict[str, Callable[[Inputs, int], Contender]] = {CUPY: cupy_zoom, TORCH: torch_lerp}
