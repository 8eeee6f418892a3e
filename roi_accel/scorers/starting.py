"""Starts a scorer whole or not at all, so that a signal in between leaves no process behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def start(command: list[str], *, folder: Path, pipes: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start `command` in a process group of its own, with its stderr in a pipe.

    Parameters
    ----------
    command : list of str
        The program and its arguments; there is no shell.
    folder : Path
        Where it runs.
    pipes : sequence of int
        Descriptors that it inherits.

    Raises
    ------
    OSError
        It cannot be started.
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
