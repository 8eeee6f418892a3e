"""The file of finished pairs: what is a whole line there is done for good and never done again.

Lines are only ever added, each with one write, so that a batch which is killed leaves whole lines
and at most a part of one at the end. Opening the file again drops that part, and the lines of pairs
that failed, which are tried again.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
from typing import TYPE_CHECKING, Any, BinaryIO, Self

from roi_accel._util.files import check_output
from roi_accel.batch.lines import Line, read_lines
from roi_accel.batch.records import KEY, is_failed, to_line
from roi_accel.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from io import FileIO
    from pathlib import Path
    from types import TracebackType

    from roi_accel.batch.records import Summary


class Places:
    """Where in a file the lines of scored pairs are, so that they can be read once more."""

    def __init__(self) -> None:
        self._end = 0
        self._found: dict[str, tuple[int, int]] = {}

    def add(self, record: Mapping[str, Any], length: int) -> None:
        """Note that `record` is the next line, of `length` bytes."""
        if not is_failed(record):
            self._found.setdefault(record[KEY]["id"], (self._end, length))
        self._end += length

    def record(self, file: int, identity: str) -> dict[str, Any] | None:
        """Return the pair's line from the open file number `file`; None where there is none."""
        if identity not in self._found:
            return None
        place, length = self._found[identity]
        found: dict[str, Any] = json.loads(os.pread(file, length, place))
        return found


class Ledger:
    """A batch's output while it grows.

    Parameters
    ----------
    path : Path
        Made if it is not there. One that is there is gone on with, or replaced.
    overwrite : bool
        Whether to begin anew.
    inputs : iterable of Path
        Files that must not be written to.

    Attributes
    ----------
    done : dict of (str, str) to Summary
        Of the rows that were scored before, by their pair's identity and what they asked for.

    Raises
    ------
    OutputError
        The file cannot be written, is no output of a batch, or another batch is writing to it.
    """

    def __init__(self, path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
        check_output(path, overwrite=True, inputs=inputs)
        self._path = path
        self.done: dict[tuple[str, str], Summary] = {}
        self._places = Places()
        try:
            self._file = self._opened(overwrite=overwrite)
        except OSError as error:
            raise self._unwritable(error) from error

    def _opened(self, *, overwrite: bool) -> FileIO:
        """Return the file, ours alone, with whole lines of scored pairs in it and nothing else."""
        old = self._path.open("a+b")
        temporary = self._path.with_name(f".roi-accel-{secrets.token_hex(8)}.tmp")
        try:
            self._lock(old)
            if not os.path.samestat(self._path.stat(), os.fstat(old.fileno())):
                # Who had the lock gave the name to another file, which it writes to.
                raise self._is_taken()
            with temporary.open("xb") as new:
                last: dict[str, tuple[str, Summary]] = {}
                for line in () if overwrite else self._read(old):
                    whose = line.record[KEY]
                    # A row that asked for something else meanwhile is known by its last line.
                    last[whose["row"]] = whose["id"], line.summary
                    self._places.add(line.record, len(line.data))
                    new.write(line.data)
                new.flush()
                os.fsync(new.fileno())
            self.done = {(identity, row): found for row, (identity, found) in last.items()}
            # Unbuffered: what a full disk refused must not be written again when it is closed.
            file = temporary.open("a+b", buffering=0)
            # Ours before it has the name: nobody else can open it in between.
            self._lock(file)
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
            old.close()
        return file

    def _read(self, file: BinaryIO) -> Iterator[Line]:
        file.seek(0)
        try:
            for line in read_lines(file, self._path):
                # Who wrote a part of a line did not come to its end.
                if isinstance(line, Line) and not line.summary.exit_code:
                    yield line
        except InputError as error:
            remedy = "name another output, or add --overwrite to begin anew"
            raise OutputError(error.message, remedy=remedy) from error

    def _lock(self, file: BinaryIO | FileIO) -> None:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise self._is_taken() from error

    def _is_taken(self) -> OutputError:
        msg = f"{self._path}: another batch is writing to it"
        return OutputError(msg, remedy="wait for it, or name another output")

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add lines, and return when they are on the disk.

        Raises
        ------
        OutputError
            They cannot be written. What was written of them is taken back.
        """
        lines = [(record, to_line(record)) for record in records]
        data = memoryview(b"".join(line for _, line in lines))
        try:
            size = os.fstat(self._file.fileno()).st_size
            try:
                while data:
                    data = data[self._file.write(data) :]
                os.fsync(self._file.fileno())
            except OSError:
                os.ftruncate(self._file.fileno(), size)
                raise
        except OSError as error:
            raise self._unwritable(error) from error

        for record, line in lines:
            self._places.add(record, len(line))

    def record(self, identity: str) -> dict[str, Any] | None:
        """Return a line with this pair's scores; None where there is none."""
        return self._places.record(self._file.fileno(), identity)

    def _unwritable(self, error: OSError) -> OutputError:
        return OutputError(
            f"cannot write {self._path}: {error.strerror or error}",
            remedy="what is in it is whole; make room and run the same command again",
        )

    def close(self) -> None:
        """Let others write to the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()
