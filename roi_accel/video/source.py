"""The file behind a reader: opened only if it is one, and watched for change while it is read."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from typing import Self

HEAD_BYTES = 4096
"""How much of a file is looked at to tell its kind; also the longest Y4M header that is read."""


@dataclass(frozen=True)
class SourceFile:
    """A regular file with the state it was found in.

    Parameters
    ----------
    path : pathlib.Path
        As the user gave it; for messages.
    location : pathlib.Path
        The same, absolute, so that a change of directory does not lose the file.
    size : int
        Bytes.
    state : tuple of int
        Device, inode, size and modification time in nanoseconds when the file was examined.
    """

    path: Path
    location: Path
    size: int
    state: tuple[int, int, int, int]

    @classmethod
    def examine(cls, path: str | os.PathLike[str]) -> Self:
        """Return the file at `path`.

        Raises
        ------
        InputError
            If there is none, or it is empty, a directory, a pipe or a device.
        """
        if not os.fspath(path):
            msg = "the name of a video file is empty"
            raise InputError(msg, remedy="check the value of --reference and --distorted")
        path = Path(path)
        status = _status(path)
        if stat.S_ISDIR(status.st_mode):
            msg = f"{printable(path)}: is a directory, not a video file"
            raise InputError(msg, remedy="name a file inside it")
        if not stat.S_ISREG(status.st_mode):
            # A pipe can be read only once and has no size; kind, length and change are unknowable.
            msg = f"{printable(path)}: is a pipe or a device, not a regular file"
            raise InputError(msg, remedy="write the video to a file first")
        if status.st_size == 0:  # guard: empty-file
            msg = f"{printable(path)}: is empty (0 bytes), so it has no frames"
            raise InputError(msg, remedy="copy or encode it again")
        return cls(path, path.absolute(), status.st_size, _state(status))

    def head(self) -> bytes:
        """Return the first bytes, at most `HEAD_BYTES`; InputError if they cannot be read."""
        try:
            with self.location.open("rb") as stream:
                return stream.read(HEAD_BYTES)  # guard: y4m-header-read-limit
        except OSError as error:
            raise unreadable(printable(self.path), error) from error

    def check_unchanged(self) -> None:
        """Raise InputError if the file is no longer the one that was examined."""
        if _state(_status(self.path, self.location)) != self.state:  # guard: input-changes
            msg = f"{printable(self.path)}: changed while it was being read"
            raise InputError(msg, remedy="run again once nothing writes to the file any more")


def _status(path: Path, location: Path | None = None) -> os.stat_result:
    try:
        return (location or path).stat()
    except (OSError, ValueError) as error:
        raise unreadable(printable(path), error) from error


def _state(status: os.stat_result) -> tuple[int, int, int, int]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
