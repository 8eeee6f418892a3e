"""The folder of ``--dump``, for the arrays of a failed check: its files are never replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.files import write_atomically
from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


class DumpFolder:
    """A folder that is created once something is saved.

    Parameters
    ----------
    path : Path
        It need not exist, its parent must.

    Raises
    ------
    OutputError
        `path` cannot be a folder.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            if path.exists() or path.is_symlink():
                msg = f"{path} is not a folder"
                raise OutputError(msg, remedy="name another folder with --dump")
            if not path.parent.is_dir():
                msg = f"the folder {path} cannot be created: there is no folder {path.parent}"
                raise OutputError(msg, remedy="create it first, or name another with --dump")
        self._path = path

    def save(self, name: str, content: bytes) -> Path:
        """Write `content` to a new file `name`, all or nothing, and return its path.

        Raises
        ------
        OutputError
            The file exists, or cannot be written.
        """
        path = self._path / name
        try:
            self._path.mkdir(exist_ok=True)
        except OSError as error:
            msg = f"the folder {self._path} cannot be created: {error.strerror or error}"
            raise OutputError(msg, remedy="name another with --dump") from error
        write_atomically(path, content, overwrite=False)
        return path
