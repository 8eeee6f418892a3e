"""A video or mask file: opened only if it is a regular file, and watched for change while read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.files import sha256_of
from roi_accel._util.text import printable
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from io import BufferedReader
    from typing import Self

HEAD_BYTES = 4096
"""How much of a file is read to find its kind; also the longest Y4M header that is read."""

_AGAIN = "run again once nothing writes to the file any more"


@dataclass(frozen=True)
class SourceFile:
    """A regular file with the state it was found in.

    `name` is the option that named it, if any, and the path, for messages; `location` is the
    absolute path, so that a change of directory does not lose the file; `size` is in bytes.
    """

    path: Path
    name: str
    location: Path
    size: int
    state: tuple[int, int, int, int]

    @classmethod
    def examine(cls, path: str | os.PathLike[str], option: str = "") -> Self:
        """Return the file at `path`, which `option` named.

        InputError if there is none, or it is empty, a directory, a pipe or a device.
        """
        if not os.fspath(path):
            msg = f"{option or 'a video file'}: the name of the file is empty"
            raise InputError(msg, remedy="check the values of the options that name files")
        path = Path(path)
        name = f"{option} {printable(path)}".lstrip()
        status = _status(path, name)
        if stat.S_ISDIR(status.st_mode):
            msg = f"{name}: is a directory, not a regular file"
            raise InputError(msg, remedy="name a file inside it")
        if not stat.S_ISREG(status.st_mode):
            # A pipe can be read only once and has no size; kind, length and change are unknowable.
            raise _not_regular(name)
        if status.st_size == 0:  # guard: empty-file
            msg = f"{name}: is empty (0 bytes)"
            raise InputError(msg, remedy="copy or write it again")
        return cls(path, name, path.absolute(), status.st_size, state_of(status))

    def open(self) -> BufferedReader:
        """Return the file, opened for reading; its `name` is a number.

        A library that is given only that cannot take the path for a pattern or a protocol.
        InputError if it cannot be opened, or something else than a regular file has its place now.
        """
        # O_NONBLOCK: opening a pipe that nobody writes to would wait forever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.location, flags)
        except OSError as error:
            raise unreadable(self.name, error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise _not_regular(self.name)
        return os.fdopen(descriptor, "rb")

    def head(self) -> bytes:
        """Return the first bytes, at most `HEAD_BYTES`; InputError if they cannot be read."""
        with self.open() as stream:
            try:
                return stream.read(HEAD_BYTES)  # guard: y4m-header-read-limit
            except OSError as error:
                raise unreadable(self.name, error) from error

    def sha256(self) -> str:
        """Return the SHA-256 of the content; InputError if it cannot be read, or has changed."""
        try:
            digest = sha256_of(self.location)
        except OSError as error:
            raise unreadable(self.name, error, remedy=_AGAIN) from error
        self.check_unchanged()
        return digest

    def check_unchanged(self) -> None:
        """Raise InputError if the file is no longer the one that was examined."""
        now = state_of(_status(self.location, self.name))
        if now != self.state:  # guard: input-changes
            msg = f"{self.name}: changed while it was being read"
            raise InputError(msg, remedy=_AGAIN)


def state_of(status: os.stat_result) -> tuple[int, int, int, int]:
    """Return what tells whether a file is still the one it was."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def _status(path: Path, name: str) -> os.stat_result:
    try:
        return path.stat()
    except (OSError, ValueError) as error:
        raise unreadable(name, error) from error


def _not_regular(name: str) -> InputError:
    msg = f"{name}: is a pipe or a device, not a regular file"
    return InputError(msg, remedy="write it to a file first")
