"""The host's own processor: its name, its cores, and what backends that compute on it share."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST_DEVICE = "cpu"
"""The only device of a backend that computes on the host's processor."""


class HostBackend:
    """The constructor of a backend that computes on the host's processor.

    Parameters
    ----------
    device : str, optional
        ``cpu``, the only one; BackendUnavailable for another.
    threads : int, optional
        Threads that may compute in each session, the caller's included; ValueError if not
        positive. Default: every core that this process may use.
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


def import_fault(
    module: str, title: str, load: Callable[[], object], *, install: str, repair: str
) -> DeviceStatus | None:
    """Return why `module`, called `title` in messages, cannot be used; None where `load` works.

    `install` is the remedy where it is missing, `repair` where `load` raises.
    """
    try:
        if importlib.util.find_spec(module) is None:
            return DeviceStatus("not installed", "", f"{title} is not installed", install)
        load()
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything at import
        description = f"{title} is installed but does not work: {reason_of(error)}"
        return DeviceStatus("broken", "", description, repair)
    return None


def reason_of(error: Exception) -> str:
    """Return an unforeseen error's class and message on one line, for a message."""
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


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


RowTask = Callable[[int, int], None]
"""``task(first, last)`` computes rows `first`..`last` - 1, in any order and beside other rows."""

_RANGES_PER_THREAD = 2
"""A thread that the system wakes late, or stops, then leaves at most half of its share undone."""

_RANGE_SAMPLES = 128 * 1024
"""Fewer samples than this are computed in less time than it takes to wake a thread for them."""


class RowThreadPool:
    """The caller's thread and helpers, `threads` in all, which start when first needed."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._helpers = ThreadPoolExecutor(max(1, threads - 1), "roi-accel-rows")

    def run(self, tasks: Iterable[tuple[int, RowTask]], samples: int) -> None:
        """Compute the rows 0..height - 1 of every (height, task) in `tasks`, `samples` in all."""
        wanted = _RANGES_PER_THREAD * self._threads if self._threads > 1 else 1
        count = max(1, min(wanted, samples // _RANGE_SAMPLES))
        ranges = deque(
            (task, height * i // count, height * (i + 1) // count)
            for height, task in tasks
            for i in range(count)
        )

        def work() -> None:
            while True:
                try:
                    task, first, last = ranges.popleft()
                except IndexError:
                    return
                task(first, last)

        helpers = [self._helpers.submit(work) for _ in range(min(self._threads, count) - 1)]
        try:
            work()
        finally:
            ranges.clear()
            for helper in helpers:
                if not helper.cancel():
                    helper.result()

    def close(self) -> None:
        """End the helpers."""
        self._helpers.shutdown()
