"""Our backends as contenders, and the plain copies to whose bandwidth theirs is compared."""

from __future__ import annotations

import platform
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.protocol import CountsSeconds, slots_of
from roi_accel.bench import gpu
from roi_accel.bench.contender import Absent, Contender, contend
from roi_accel.bench.inputs import ON_DEVICE, ON_DEVICE_BACKEND, last_level_cache_bytes
from roi_accel.devices.dispatch import choose_backend
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from roi_accel.backends.protocol import Session
    from roi_accel.bench.inputs import Inputs, Kernel
    from roi_accel.devices.dispatch import Choice


def our_contender(
    name: str, kernel: Kernel, inputs: Inputs, threads: int, stack: ExitStack
) -> Contender | Absent:
    """Return a backend running a kernel, or why it cannot.

    Parameters
    ----------
    name : str
        The backend's.
    kernel : Kernel
    inputs : Inputs
    threads : int
        Of the host's processor.
    stack : ExitStack
        Closes its session.
    """

    def make() -> Contender:
        choice = choose_backend(name, threads=threads)
        resident = inputs
        if kernel == ON_DEVICE:
            if name != ON_DEVICE_BACKEND:
                msg = "it takes frames from the host's memory"
                raise BackendUnavailable(msg)
            resident = gpu.on_device(choice.backend.device, inputs)
        session = stack.enter_context(choice.backend.open(inputs.plan))
        on_host = choice.status.kind == "cpu"
        return Contender(
            name,
            "backend",
            frame_of(kernel, session, resident),
            inputs.count,
            _facts_of(choice),
            threads=threads if on_host else 0,
            # One caller on the device, as its peers have.
            callers=1 if kernel == ON_DEVICE else min(slots_of(session), threads + 1),
            to_planes=planes_of(kernel),
            copy=_host_copy_name(threads) if on_host else _device_copy_name(choice),
            events=(lambda: session.event_seconds) if isinstance(session, CountsSeconds) else dict,
        )

    return contend(name, "backend", make, stack)


def _facts_of(choice: Choice) -> dict[str, str]:
    return {
        "device": choice.backend.device,
        "description": choice.status.description,
        "driver": choice.status.driver,
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def _host_copy_name(threads: int) -> str:
    return f"copy, {threads} thread{'s' if threads > 1 else ''}"


def _device_copy_name(choice: Choice) -> str:
    return f"copy on {choice.backend.device}"


def host_copy(threads: int, size: int, stack: ExitStack) -> Contender:
    """Return a copy from one array to another, both larger than any cache, as STREAM's.

    One "frame" of it is the whole array, `size` bytes; each thread copies its part.
    """
    source = np.ones(size, np.uint8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(target, threads), np.array_split(source, threads), strict=True))
    helpers = stack.enter_context(ThreadPoolExecutor(threads))

    def copy(_: int) -> list[np.ndarray]:
        waiting = [helpers.submit(np.copyto, *part) for part in parts[1:]]
        np.copyto(*parts[0])
        for future in waiting:
            future.result()
        return []

    return Contender(_host_copy_name(threads), "copy", copy, 1, threads=threads)


def copy_bytes() -> int:
    """Return the size of the array that is copied: several times the last-level cache."""
    return 4 * last_level_cache_bytes()


def device_copy(name: str, threads: int, size: int, stack: ExitStack) -> Contender | None:
    """Return a copy within the memory of backend `name`'s device.

    None if that is the host's memory, or nothing here can copy there.

    Parameters
    ----------
    name : str
    threads : int
        Of the host's processor, for opening the backend.
    size : int
        In bytes.
    stack : ExitStack
        Releases the device's buffers.
    """
    choice = choose_backend(name, threads=threads)
    if choice.status.kind == "cpu" or name not in gpu.COPIES:
        return None
    frame = gpu.COPIES[name](choice.backend.device, size, stack)
    return Contender(_device_copy_name(choice), "copy", frame, 1, _facts_of(choice), threads=0)


def frame_of(kernel: Kernel, session: Session, inputs: Inputs) -> Callable[[int], Any]:
    """Return a function from a frame's number to what `session` gives for `kernel`."""
    if kernel == "preprocess":
        return lambda i: session.preprocess(inputs.references[i])
    if kernel == "upsample":
        return lambda i: session.upsample(inputs.masks[i])
    return lambda i: session.substitute(inputs.references[i], inputs.distorted[i], inputs.masks[i])


def planes_of(kernel: Kernel) -> Callable[[Any], list[Any]]:
    """Return a function from such an output to its arrays."""
    if kernel == "preprocess":
        return lambda model_input: [model_input]
    return list if kernel == "upsample" else lambda frame: list(frame.planes)
