"""Running the installed command with stderr on a terminal."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios

from commands import command, environment


def on_terminal(
    *arguments: object, env: dict[str, str] | None = None, columns: int = 200
) -> tuple[str, int]:
    """Run with stderr on a terminal; return what it shows there, and the exit code."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    process = subprocess.Popen(
        command(*arguments),
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env=environment(TERM="xterm-256color", COLUMNS=str(columns), **(env or {})),
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:
        pass  # Linux reports the end of a terminal as an error.
    os.close(ours)
    return shown.decode(), process.wait()
