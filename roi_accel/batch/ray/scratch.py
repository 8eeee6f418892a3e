"""A folder for the temporary files of one piece of work, which outlives no crash for long.

A worker that is killed cannot tidy up. The next one on its machine does so for it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_PREFIX = "roi-accel-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Let this process's temporary files be in a folder of their own, and remove it at the end.

    Folders of processes that are gone are removed too: a folder's lock goes with its process.
    """
    _remove_abandoned(Path(tempfile.gettempdir()))
    before = tempfile.tempdir
    folder, handle = _made_and_locked()
    try:
        tempfile.tempdir = str(folder)
        yield folder
    finally:
        tempfile.tempdir = before
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _made_and_locked() -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        # Before it is locked, another process may take it for abandoned.
        with suppress(FileNotFoundError):
            handle = os.open(folder, os.O_RDONLY)
            fcntl.flock(handle, fcntl.LOCK_EX)
            if folder.exists():
                return folder, handle
            os.close(handle)


def _remove_abandoned(parent: Path) -> None:
    for folder in parent.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # Another user's, or gone by now.
            handle = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(handle)
