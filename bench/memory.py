"""The memory that one process takes at its peak, without that of its children."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

_POLL_SECONDS = 0.02
_KIB_PER_MIB = 1024


def peak_mib(command: Sequence[str], folder: Path) -> float:
    """Run `command` in `folder` and return its peak resident memory in MiB, VMAF's not counted.

    `getrusage` would mix in its children, so the kernel's own high-water mark is read while it
    runs; that mark never falls, so only what the last hundredths of a second add can be missed.

    Raises
    ------
    InputError
        The command fails, or this system keeps no such mark (Linux does).
    """
    peak = 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - a list, no shell
        while process.poll() is None:
            peak = max(peak, _high_water_kib(process.pid))
            time.sleep(_POLL_SECONDS)
    if process.returncode:
        msg = f"{command[0]} failed with exit code {process.returncode}"
        raise InputError(msg, remedy="try the command by hand: " + " ".join(command))
    if not peak:
        msg = "this system does not tell a process's peak memory in /proc/PID/status"
        raise InputError(msg, remedy="measure memory on Linux")
    return peak / _KIB_PER_MIB


def _high_water_kib(pid: int) -> int:
    """Return VmHWM of a process, or 0 where it has ended or there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
