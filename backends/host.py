"""What backends on the host's own processor share: its name, its cores, the one device id."""

from __future__ import annotations

import contextlib
import os
import platform
from pathlib import Path

from roi_accel.errors import BackendUnavailable

HOST_DEVICE = "cpu"
"""The only device of a backend that computes on the host's processor."""


def host_device(backend: str, device: str | None) -> str:
    """Return ``cpu``, or raise BackendUnavailable where another device was asked for."""
    if device not in {None, HOST_DEVICE}:
        msg = f"backend {backend!r} has no device {device!r}; its only one is {HOST_DEVICE!r}"
        raise BackendUnavailable(msg, remedy=f"--device {HOST_DEVICE}, or another --backend")
    return HOST_DEVICE


def host_threads(threads: int | None) -> int:
    """Return how many threads may compute: `threads`, else every core this process may use."""
    if threads is None:
        return available_cores()
    if threads < 1:
        msg = f"threads must be at least 1, not {threads}"
        raise ValueError(msg)
    return threads


def available_cores() -> int:
    """Return how many processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def processor_name() -> str:
    """Return what the system calls its processor, at least its architecture."""
    # Debian's Python knows no more than the architecture, and a fleet has many of one.
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name" and value.strip():
                return " ".join(value.split())
    return platform.processor() or platform.machine()
