"""Files that are whole or absent: results are written here, so no failure leaves half of one."""

from __future__ import annotations

import hashlib
import os
import secrets
import stat
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Self

from roi_accel._util.text import printable
from roi_accel.errors import InputError, OutputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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


def read_bounded(path: Path, limit: int, *, remedy: str = "") -> bytes:
    """Return the content of a file that is small if it is what it should be.

    Parameters
    ----------
    path : Path
        A file, or a pipe that somebody writes to.
    limit : int
        The largest size in bytes; no more than one byte beyond it is read.
    remedy : str, optional
        What to do about a file that cannot be read or is larger.

    Raises
    ------
    InputError
        The file cannot be read, or is larger.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except (OSError, ValueError) as error:
        raise unreadable(printable(str(path)), error, remedy=remedy) from error
    if len(content) > limit:
        size = f"{limit >> 20} MiB" if limit >> 20 else f"{limit >> 10} KiB"
        msg = f"{printable(str(path))}: larger than {size}"
        raise InputError(msg, remedy=remedy or "check that it is the file meant")
    return content


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
    with StagedFiles(contents, overwrite=overwrite, inputs=inputs) as staged:
        for path, data in contents.items():
            with naming_output(path):
                staged.open(path).write(data)
        staged.commit()


class StagedFiles:
    """Files that are written bit by bit beside their places, and take them together or not at all.

    A context manager: what has not been committed at its end is gone.

    Parameters
    ----------
    paths : iterable of Path
        The files to make.
    overwrite, inputs
        As for `write_atomically`.

    Raises
    ------
    OutputError
        As for `write_atomically`, before any work is done.
    """

    def __init__(
        self, paths: Iterable[Path], *, overwrite: bool, inputs: Iterable[Path] = ()
    ) -> None:
        inputs = list(inputs)
        for path in paths:
            check_output(path, overwrite=overwrite, inputs=inputs)
        self._overwrite = overwrite
        self._held = ExitStack()
        self._staged: dict[Path, BinaryIO] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()  # guard: mask-output-cleanup

    def open(self, path: Path) -> BinaryIO:
        """Return a file to write what `path` will hold; OutputError where none can be made."""
        self._staged[path] = file = _stage(path, self._held)
        return file

    def commit(self) -> None:
        """Let every file take its name.

        Raises
        ------
        OutputError
            As for `write_atomically`. Everything is on the disk before the first file takes its
            name; if a name is then refused, files that took a new name lose it again.
        """
        for path, file in self._staged.items():
            with naming_output(path):
                file.flush()
                os.fsync(file.fileno())
                file.close()
        with ExitStack() as undo:
            for path, file in self._staged.items():
                _move(Path(file.name), path, overwrite=self._overwrite, undo=undo)
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
    if stat.S_ISLNK(mode):  # guard: output-link
        # Following it would write where the name does not say; replacing it would cut the link.
        msg = f"output {path} is a symbolic link"
        raise OutputError(msg, remedy="name the file itself, or leave the option out for stdout")
    if stat.S_ISDIR(mode):
        msg = f"output {path} is a folder"
        raise OutputError(msg, remedy="name a file inside it")
    if not stat.S_ISREG(mode):
        msg = f"output {path} is not a regular file"
        raise OutputError(msg, remedy="name a file, or leave the option out for stdout")
    if not overwrite:  # guard: output-exists
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
        msg = f"cannot write {path}: {folder} is not a folder"
        raise OutputError(msg, remedy="name a file in an existing folder")
    msg = f"cannot write {path}: there is no folder {folder}"
    raise OutputError(msg, remedy="create the folder first, or name a file in an existing one")


def _is_same_file(path: Path, source: Path) -> bool:
    try:
        return path.samefile(source)  # guard: output-is-input
    except (OSError, ValueError):
        return False  # One of them does not exist, so they cannot be one file.


def _stage(path: Path, held: ExitStack) -> BinaryIO:
    """Open a new file beside `path`, which is closed and removed with `held`."""
    # Not named after `path`: a name of nearly 255 bytes would leave no room for a suffix.
    # guard: output-temporary-file
    temporary = path.with_name(f"{_TEMPORARY_PREFIX}{secrets.token_hex(8)}.tmp")
    # Reached by Ctrl-C as well. After a replace it is gone already; after a link it must go.
    held.callback(temporary.unlink, missing_ok=True)
    with naming_output(path):
        # tempfile would make it 0600; a plain open lets the umask and the folder's ACL decide.
        file = temporary.open("xb")
    held.callback(_close, file)
    return file


def _close(file: BinaryIO) -> None:
    """Close a file that is given up, or closed already."""
    with suppress(OSError):  # what a full disk kept it from writing is of no use any more
        file.close()


def _move(temporary: Path, path: Path, *, overwrite: bool, undo: ExitStack) -> None:
    with naming_output(path):
        is_new = not path.exists()
        if overwrite:
            temporary.replace(path)
        else:
            _move_without_replacing(temporary, path)
        if is_new:
            undo.callback(path.unlink, missing_ok=True)  # guard: output-undo


@contextmanager
def naming_output(path: Path) -> Iterator[None]:
    """Turn what the system says while `path` is written into an OutputError that names it."""
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
        path.hardlink_to(temporary)  # guard: output-appears
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
