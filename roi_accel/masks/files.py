"""Opening what the user names as a file and nothing else: no pipe, no device, no protocol."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from roi_accel._util.files import sha256_of
from roi_accel._util.text import printable
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class FileState:
    """Which file was opened, and in what state, so that a change during the run is noticed."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> FileState:
        """Return the state in `status`."""
        return cls(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def open_regular(path: Path, option: str) -> tuple[BinaryIO, FileState]:
    """Open a regular file for reading.

    Parameters
    ----------
    path : Path
        The file; a link is followed.
    option : str
        The option that named it, for the message.

    Returns
    -------
    (BinaryIO, FileState)
        The file, whose `name` is a number: whoever sees only that cannot take the path for a
        pattern or a protocol.

    Raises
    ------
    InputError
        It cannot be opened, or is a folder, pipe or device.
    """
    # O_NONBLOCK: opening a pipe that nobody writes to would wait forever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        descriptor = os.open(path, flags)
    except (OSError, ValueError) as error:
        what = f"{option} {printable(path)}"
        raise unreadable(what, error) from error
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        msg = f"{option} {printable(path)}: not a regular file"
        raise InputError(msg, remedy="save it to a file first")
    return os.fdopen(descriptor, "rb"), FileState.of(status)


def require_unchanged(path: Path, option: str, state: FileState) -> None:
    """Raise InputError if the file at `path` is no longer the one that was opened."""
    try:
        now = FileState.of(path.stat())
    except OSError:
        now = None
    if now != state:
        msg = f"{option} {printable(path)}: the file changed while it was read"
        raise InputError(msg, remedy="run again once nothing writes to it")


def read_bounded(path: Path, option: str, limit: int) -> bytes:
    """Return the whole content of a regular file of at most `limit` bytes, else InputError."""
    file, state = open_regular(path, option)
    with file:
        # The size is asked again by reading one byte more: the file may be growing.
        data = file.read(limit + 1) if state.size <= limit else None
    if data is None or len(data) > limit:
        msg = f"{option} {printable(path)}: larger than {limit >> 20} MiB"
        raise InputError(msg, remedy="check that it is the file meant")
    return data


def sha256_file(path: Path, option: str, state: FileState) -> str:
    """Return the SHA-256 of the file that was opened in `state`; InputError if it changed."""
    try:
        return sha256_of(path)
    except OSError as error:
        msg = f"{option} {printable(path)}: {error.strerror or error}"
        raise InputError(msg, remedy="leave the file where it is during the run") from error
    finally:
        require_unchanged(path, option, state)
