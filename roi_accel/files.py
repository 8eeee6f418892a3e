"""Files that are whole or absent: results are written here, so no failure leaves half of one."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

_TEMPORARY_PREFIX = ".roi-accel-"
_UNTOUCHED = "nothing was changed there; make room or choose another place"


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of the file at `path` as 64 lower-case hexadecimal digits.

    Raises
    ------
    OSError
        The file cannot be read; the caller knows what it is and how to say so.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_atomically(
    path: Path, data: bytes, *, overwrite: bool, inputs: Iterable[Path] = ()
) -> None:
    """Write `data` to `path` so that at every moment `path` holds all of it or what it held before.

    Parameters
    ----------
    path : Path
        The file to make. Its folder must exist. Its permissions follow the umask.
    data : bytes
        All of its content.
    overwrite : bool
        Whether an existing regular file may be replaced.
    inputs : iterable of Path, optional
        Files that were read to make `data`; none of them is ever replaced.

    Raises
    ------
    OutputError
        `path` is an input, a link, a folder or another thing than a regular file; it exists and
        `overwrite` is false; its folder is missing or read-only; or the disk is full. An old file
        is then as it was, and no temporary file is left.
    """
    write_together({path: data}, overwrite=overwrite, inputs=inputs)


def write_together(
    contents: Mapping[Path, bytes], *, overwrite: bool, inputs: Iterable[Path] = ()
) -> None:
    """Write several files as `write_atomically` writes one, and none of them if one cannot be.

    Parameters
    ----------
    contents : mapping of Path to bytes
        All of the content of each file to make.
    overwrite, inputs
        As for `write_atomically`.

    Raises
    ------
    OutputError
        As for `write_atomically`. Everything is on the disk before the first file takes its name;
        if a name is then refused, files that took a new name lose it again.
    """
    inputs = list(inputs)
    for path in contents:
        check_output(path, overwrite=overwrite, inputs=inputs)
    with ExitStack() as undo, ExitStack() as temporaries:
        staged = {path: _stage(path, data, temporaries) for path, data in contents.items()}
        for path, temporary in staged.items():
            _move(temporary, path, overwrite=overwrite, undo=undo)
        undo.pop_all()


def check_output(path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
    """Raise OutputError where `write_atomically` would refuse `path`, before any work is done.

    The parameters and the error are those of `write_atomically`; a full disk and a read-only folder
    show only when it writes.
    """
    for source in inputs:
        if _is_same_file(path, source):
            msg = f"output {path} is also an input"
            raise OutputError(msg, remedy="name another output; an input is never replaced")
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        _check_folder(path)
        return
    except (OSError, ValueError) as error:
        msg = f"cannot write {path}: {_reason(error)}"
        raise OutputError(msg, remedy="name another output") from error
    if stat.S_ISLNK(mode):
        # Following it would write where the name does not say; replacing it would cut the link.
        msg = f"output {path} is a symbolic link"
        raise OutputError(msg, remedy="name the file itself, or leave the option out for stdout")
    if stat.S_ISDIR(mode):
        msg = f"output {path} is a folder"
        raise OutputError(msg, remedy="name a file inside it")
    if not stat.S_ISREG(mode):
        msg = f"output {path} is no regular file"
        raise OutputError(msg, remedy="name a file, or leave the option out for stdout")
    if not overwrite:
        raise _exists(path)


def _exists(path: Path) -> OutputError:
    return OutputError(
        f"output {path} exists",
        remedy="add --overwrite to replace it (overwrite=True in Python), or name another",
    )


def _check_folder(path: Path) -> None:
    folder = path.parent
    if folder.is_dir():
        return
    if folder.exists():
        msg = f"cannot write {path}: {folder} is no folder"
        raise OutputError(msg, remedy="name a file in an existing folder")
    msg = f"cannot write {path}: there is no folder {folder}"
    raise OutputError(msg, remedy="create the folder first, or name a file in an existing one")


def _is_same_file(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)
    except (OSError, ValueError):
        return False  # One of them does not exist, so they cannot be one file.


def _stage(path: Path, data: bytes, temporaries: ExitStack) -> Path:
    """Write `data` beside `path`, to a file that goes with `temporaries`, and return it."""
    # Not named after `path`: a name of nearly 255 bytes would leave no room for a suffix.
    temporary = path.with_name(f"{_TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp")
    # Reached by Ctrl-C as well. After a replace it is gone already; after a link it must go.
    temporaries.callback(temporary.unlink, missing_ok=True)
    with _translated(path):
        # tempfile would make it 0600; a plain open lets the umask and the folder's ACL decide.
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        return temporary


def _move(temporary: Path, path: Path, *, overwrite: bool, undo: ExitStack) -> None:
    with _translated(path):
        is_new = not path.exists()
        if overwrite:
            temporary.replace(path)
        else:
            _move_without_replacing(temporary, path)
        if is_new:
            undo.callback(path.unlink, missing_ok=True)


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        # It appeared after the check: link() refuses to replace it, whoever made it.
        raise _exists(path) from error
    except OSError as error:
        msg = f"cannot write {path}: {error.strerror or error}"
        raise OutputError(msg, remedy=_UNTOUCHED) from error


def _move_without_replacing(temporary: Path, path: Path) -> None:
    """Give `temporary` the name `path`, or raise FileExistsError, with no moment in between."""
    try:
        path.hardlink_to(temporary)
    except FileExistsError:
        raise
    except OSError:
        # FAT, exFAT and some network file systems have no hard links: reserve the name instead.
        path.touch(exist_ok=False)
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink(missing_ok=True)
            raise


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error)
