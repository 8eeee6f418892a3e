"""A scorer's process and its pipes, a writer thread each, so that no stream waits for another."""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import signal
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.backends.frame import Frame


def start(command: list[str], *, folder: Path, pipes: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start `command` in `folder` and a process group of its own, with its stderr in a pipe.

    It inherits the descriptors `pipes`. OSError if it cannot be started.
    """

    def begin() -> subprocess.Popen[bytes]:
        # guard: no-shell
        return subprocess.Popen(  # noqa: S603 - a list, no shell
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=pipes,
            # Its own session, so that a Ctrl-C at the terminal reaches us first and we end it.
            start_new_session=True,
        )

    # Python runs signal handlers in the main thread alone. There, a Ctrl-C between the fork and the
    # assignment would leave a process behind.
    with ThreadPoolExecutor(1, thread_name_prefix="start") as pool:
        begun = pool.submit(begin)
        try:
            return begun.result()
        except BaseException:
            if not begun.cancel() and begun.exception() is None:
                kill(begun.result())
            raise


def kill(process: subprocess.Popen[bytes]) -> None:
    """End `process` and all it started; harmless where it has ended."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)  # guard: vmaf-process-group
    process.wait()


_PIPE_BYTES = 1 << 20
"""Linux's largest unprivileged pipe: fewer context switches per frame than the default 64 KiB."""

_STDERR = 2


class StreamWriter:
    """Writes frames, in order, to one pipe that a scorer reads; `depth` of them may wait."""

    def __init__(self, depth: int) -> None:
        self.read_end, self._write_end = (_above_standard(end) for end in os.pipe())
        with contextlib.suppress(OSError, AttributeError):  # Not on every system, or over a limit.
            fcntl.fcntl(self._write_end, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._frames: queue.Queue[Frame | None] = queue.Queue(depth)
        self._thread = threading.Thread(target=self._write_all, daemon=True)
        self.broken = threading.Event()
        self.error: Exception | None = None
        self.chunks_written = 0

    def start(self) -> None:
        """Start writing; the reading end now belongs to the scorer alone."""
        os.close(self.read_end)
        self.read_end = -1
        self._thread.start()  # guard: pipe-thread

    def offer(self, frame: Frame | None, seconds: float) -> bool:
        """Queue `frame`, or the end of the stream; return whether there was room in time."""
        try:
            self._frames.put(frame, timeout=seconds)
        except queue.Full:
            return False
        return True

    def close(self, seconds: float) -> bool:
        """Give up, and return whether the writing ended in time.

        The scorer must be gone, so that a write under way fails instead of waiting.
        """
        if self.read_end >= 0:
            os.close(self.read_end)
            os.close(self._write_end)
            self.read_end = -1
            return True
        self.broken.set()
        deadline = time.monotonic() + seconds
        while self._thread.is_alive() and time.monotonic() < deadline:
            with contextlib.suppress(queue.Full):
                self._frames.put_nowait(None)
            self._thread.join(0.05)
        return not self._thread.is_alive()

    def _write_all(self) -> None:
        try:
            while (frame := self._frames.get()) is not None and not self.broken.is_set():
                for plane in frame.planes:
                    self._write(plane)
        except OSError:
            # The scorer has gone; its exit status and its own words say why, EPIPE does not.
            self.broken.set()
        except Exception as error:  # noqa: BLE001 - whatever it is, `feed` raises it
            # Not the scorer's fault, though it will complain of a stream that ends too early.
            self.error = error  # guard: pipe-no-memory
            self.broken.set()
        finally:
            os.close(self._write_end)

    def _write(self, plane: np.ndarray) -> None:
        rest = np.ascontiguousarray(plane).data.cast("B")
        while rest:
            rest = rest[os.write(self._write_end, rest) :]
            self.chunks_written += 1


def _above_standard(descriptor: int) -> int:
    """Return `descriptor`, moved out of 0, 1 and 2, which every scorer takes for something else.

    A pipe gets such a number where our own stdin, stdout or stderr is closed, as in a daemon.
    """
    if descriptor > _STDERR:
        return descriptor
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _STDERR + 1)
    os.close(descriptor)
    return moved
