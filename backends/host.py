"""The host's own processor: its name, its cores, and what backends that compute on it share."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path
from typing import ClassVar

from roi_accel.errors import BackendUnavailable

HOST_DEVICE = "cpu"
"""The only device of a backend that computes on the host's processor."""


class HostBackend:
    """The constructor of a backend that computes on the host's processor.

    Parameters
    ----------
    device : str, optional
        ``cpu``, the only one.
    threads : int, optional
        Threads that may compute in each session, the caller's included. Default: every core that
        this process may use.

    Raises
    ------
    BackendUnavailable
        Another device was asked for.
    ValueError
        `threads` is not positive.
    """

    name: ClassVar[str]

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        if device not in {None, HOST_DEVICE}:
            msg = f"backend {self.name!r} has no device {device!r}; its only one is {HOST_DEVICE!r}"
            raise BackendUnavailable(msg, remedy=f"--device {HOST_DEVICE}, or another --backend")
        check_threads(threads)
        self.device = HOST_DEVICE
        self.threads = threads or available_cores()


def check_threads(threads: int | None) -> None:
    """Raise ValueError unless `threads` is positive or None."""
    if threads is not None and threads < 1:
        msg = f"threads must be at least 1, not {threads}"
        raise ValueError(msg)


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """Return the system's name of its processor, or at least the architecture."""
    # Debian's Python knows no more than the architecture.
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.processor() or platform.machine()
