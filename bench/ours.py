"""Our backends as contenders, and the plain copies that their bandwidth is a share of."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.protocol import CountsSeconds, slots_of
from roi_accel.bench.contender import Absent, Contender
from roi_accel.bench.inputs import ON_DEVICE, ON_DEVICE_BACKEND, last_level_cache_bytes
from roi_accel.devices.dispatch import choose_backend
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from roi_accel.backends.protocol import Session
    from roi_accel.bench.inputs import Inputs, Kernel
    from roi_accel.devices.dispatch import Choice

REFERENCE_BACKEND = "numpy"


def our_contender(
    name: str, kernel: Kernel, inputs: Inputs, threads: int, stack: ExitStack
) -> Contender | Absent:
    """Return backend `name` carrying out `kernel`, or why it cannot; `stack` closes its session."""
    try:
        choice = choose_backend(name, threads=threads)
        if kernel == ON_DEVICE:
            return _on_the_device(choice, inputs, stack)
        session = stack.enter_context(choice.backend.open(inputs.plan))
    except BackendUnavailable as error:
        return Absent(name, "backend", str(error))
    on_host = choice.status.kind == "cpu"
    contender = Contender(
        name,
        "backend",
        _frame_of(kernel, session, inputs),
        inputs.count,
        facts_of(choice),
        threads=threads if on_host else 0,
        callers=min(slots_of(session), threads + 1),
        to_planes=_planes_of[kernel],
        copy=host_copy_name(threads) if on_host else device_copy_name(choice),
        events=_events_of(session),
    )
    stack.callback(contender.close)
    return contender


def facts_of(choice: Choice) -> dict[str, str]:
    """Return device, its description, driver and our libraries' versions."""
    return {
        "device": choice.backend.device,
        "description": choice.status.description,
        "driver": choice.status.driver,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def host_copy_name(threads: int) -> str:
    """Return what the copy on the host with so many threads is called."""
    return f"copy, {threads} thread{'s' if threads > 1 else ''}"


def device_copy_name(choice: Choice) -> str:
    """Return what the copy within a device's own memory is called."""
    return f"copy on {choice.backend.device}"


def host_copy(threads: int, size: int, stack: ExitStack) -> Contender:
    """Return a copy from one array to another, both larger than any cache, as STREAM's.

    One "frame" of it is the whole array, `size` bytes; each thread copies its part.
    """
    source = np.ones(size, np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    helpers = stack.enter_context(ThreadPoolExecutor(threads))

    def copy(_: int) -> list[np.ndarray]:
        waiting = [helpers.submit(np.copyto, to, start) for start, to in parts[1:]]
        np.copyto(parts[0][1], parts[0][0])
        for each in waiting:
            each.result()
        return []

    return Contender(host_copy_name(threads), "copy", copy, 1, threads=threads)


def copy_bytes() -> int:
    """Return the size of the array that is copied: several times the last-level cache."""
    return 4 * last_level_cache_bytes()


def device_copy(name: str, threads: int, size: int, stack: ExitStack) -> Contender | None:
    """Return a copy within the memory of backend `name`'s device.

    None where that is the host's memory, or nothing here can copy there.
    """
    choice = choose_backend(name, threads=threads)
    if choice.status.kind == "cpu" or name not in _DEVICE_COPIES:
        return None
    frame = _DEVICE_COPIES[name](choice.backend.device, size, stack)
    return Contender(device_copy_name(choice), "copy", frame, 1, facts_of(choice), threads=0)


def _opencl_copy(device: str, size: int, stack: ExitStack) -> Callable[[int], list[np.ndarray]]:
    import pyopencl as cl  # noqa: PLC0415 - only where a device is measured

    from roi_accel.backends.opencl.devices import choose_device  # noqa: PLC0415 - as above

    context = cl.Context([choose_device(device).handle])
    queue = cl.CommandQueue(context)
    source, target = (cl.Buffer(context, cl.mem_flags.READ_WRITE, size) for _ in range(2))
    for buffer in (source, target):
        stack.callback(buffer.release)

    def copy(_: int) -> list[np.ndarray]:
        cl.enqueue_copy(queue, target, source, byte_count=size).wait()
        return []

    return copy


def _cuda_copy(device: str, size: int, _stack: ExitStack) -> Callable[[int], list[np.ndarray]]:
    from roi_accel.bench.gpu import cuda_copy  # noqa: PLC0415 - loads CuPy

    return cuda_copy(device, size)


_DEVICE_COPIES = {"cuda": _cuda_copy, "opencl": _opencl_copy}


def _frame_of(kernel: Kernel, session: Session, inputs: Inputs) -> Callable[[int], Any]:
    if kernel == "preprocess":
        return lambda i: session.preprocess(inputs.references[i])
    if kernel == "upsample":
        return lambda i: session.upsample(inputs.masks[i])
    return lambda i: session.substitute(inputs.references[i], inputs.distorted[i], inputs.masks[i])


_planes_of: dict[Kernel, Callable[[Any], Any]] = {
    "preprocess": lambda output: [output],
    "upsample": list,
    "substitute": lambda output: output.planes,
}


def _on_the_device(choice: Choice, inputs: Inputs, stack: ExitStack) -> Contender | Absent:
    """Return the backend masking frames that are in its device's memory already."""
    name = choice.backend.name
    if name != ON_DEVICE_BACKEND:
        return Absent(name, "backend", "it takes frames from the host's memory")
    from roi_accel.bench.gpu import on_device, to_host  # noqa: PLC0415 - loads CuPy

    session = stack.enter_context(choice.backend.open(inputs.plan))
    resident = on_device(choice.backend.device, inputs)
    contender = Contender(
        name,
        "backend",
        _frame_of("substitute", session, resident),
        inputs.count,
        facts_of(choice),
        threads=0,
        # One caller, as the peers on the device have.
        to_planes=lambda output: to_host(output.planes),
        copy=device_copy_name(choice),
        events=_events_of(session),
    )
    stack.callback(contender.close)
    return contender


def _events_of(session: Session) -> Callable[[], dict[str, float]] | None:
    if not isinstance(session, CountsSeconds):
        return None
    return lambda: dict(session.event_seconds)
