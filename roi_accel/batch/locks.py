"""What a process has to itself: a lock file, and a folder for its temporary files."""

from __future__ import annotations

import secrets
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "roi-accel-scratch-"


@contextmanager
def locked(path: Path, *, waits: bool = True) -> Iterator[None]:
    """Hold the lock file `path`, which is removed at the end.

    Parameters
    ----------
    path : Path
        A name that nothing else has, in a folder that is there.
    waits : bool
        Whether to wait for a process that has it.

    Raises
    ------
    filelock.Timeout
        Another process has it, and this one does not wait.
    OSError
        It cannot be created.
    """
    path.parent.stat()  # FileLock would create a folder that is missing.
    with FileLock(path, blocking=waits, thread_local=False, fallback_to_soft=False):
        try:
            yield
        finally:
            # While it is held: a process that waits for it sees that it is gone, and makes another.
            with suppress(OSError):
                path.unlink()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a folder for temporary files, and remove it at the end.

    A process that is killed cannot tidy up, so folders whose lock nobody has are removed too.
    """
    parent = Path(tempfile.gettempdir())
    for folder in {path.with_suffix("") for path in parent.glob(f"{_PREFIX}*")}:
        with suppress(OSError, Timeout), locked(_lock_of(folder), waits=False):
            shutil.rmtree(folder, ignore_errors=True)
    folder = parent / f"{_PREFIX}{secrets.token_hex(8)}"
    with locked(_lock_of(folder)):
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def temporary_files_in(folder: Path) -> Iterator[None]:
    """Have this process's temporary files be created in `folder`."""
    before = tempfile.tempdir
    tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _lock_of(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")
