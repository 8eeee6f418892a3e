"""The results file: a line per finished pair, by which a batch that is run again passes it over.

Lines are only ever added, each with one write, so that a batch which is killed leaves whole lines
and at most a part of one at the end. Opening the file again drops that part, and the lines of pairs
that failed, which are tried again.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, BinaryIO

from filelock import Timeout

from roi_accel._util.closing import Closing
from roi_accel._util.files import check_output
from roi_accel.batch.locks import locked
from roi_accel.batch.records import KEY, Line, read_lines, to_line
from roi_accel.batch.rows import digest
from roi_accel.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from io import FileIO
    from pathlib import Path

    from roi_accel.batch.records import Summary


class Places:
    """Where in a file the lines of scored pairs are, so that they can be read once more."""

    def __init__(self) -> None:
        self._end = 0
        self._spans: dict[str, tuple[int, int]] = {}

    def add(self, record: Mapping[str, Any], length: int) -> None:
        """Note that `record` is the next line, of `length` bytes."""
        if "error" not in record:
            self._spans.setdefault(record[KEY]["id"], (self._end, length))
        self._end += length

    def record(self, file: int, identity: str) -> dict[str, Any] | None:
        """Return the pair's line from the open file number `file`; None where there is none."""
        if identity not in self._spans:
            return None
        place, length = self._spans[identity]
        record: dict[str, Any] = json.loads(os.pread(file, length, place))
        return record


class ResultsFile(Closing):
    """A batch's output while it grows.

    Parameters
    ----------
    path : Path
        Created if it is not there, else continued.
    overwrite : bool
        Whether to start over.
    inputs : iterable of Path
        Files that must not be written to.

    Attributes
    ----------
    done : dict of (str, str) to Summary
        The rows that were scored before, by their pair's identity and what they asked for.

    Raises
    ------
    OutputError
        The file cannot be written, is not a batch's output, or another batch is writing to it.
    """

    def __init__(self, path: Path, *, overwrite: bool, inputs: Iterable[Path] = ()) -> None:
        check_output(path, overwrite=True, inputs=inputs)
        self._path = path
        self.done: dict[tuple[str, str], Summary] = {}
        self._places = Places()
        with ExitStack() as held:
            try:
                held.enter_context(locked(_lock_of(path), waits=False))
                self._file = held.enter_context(self._opened(overwrite=overwrite))
            except Timeout as error:
                msg = f"{path}: another batch is writing to it"
                raise OutputError(msg, remedy="wait for it, or name another output") from error
            except OSError as error:
                raise self._unwritable(error) from error
            self._held = held.pop_all()

    def _opened(self, *, overwrite: bool) -> FileIO:
        """Return the file with whole lines of scored pairs in it and nothing else."""
        temporary = self._path.with_name(f".roi-accel-{secrets.token_hex(8)}.tmp")
        try:
            with self._path.open("a+b") as old, temporary.open("xb") as new:
                last: dict[str, tuple[str, Summary]] = {}
                for line in () if overwrite else self._scored(old):
                    whose = line.record[KEY]
                    # A row that asked for something else meanwhile is known by its last line.
                    last[whose["row"]] = whose["id"], line.summary
                    self._places.add(line.record, len(line.data))
                    new.write(line.data)
                new.flush()
                os.fsync(new.fileno())
            self.done = {(identity, row): summary for row, (identity, summary) in last.items()}
            temporary.replace(self._path)
        finally:
            temporary.unlink(missing_ok=True)
        # Unbuffered: what a full disk refused must not be written again when it is closed.
        return self._path.open("a+b", buffering=0)

    def _scored(self, file: BinaryIO) -> Iterator[Line]:
        """Yield the lines of scored pairs that `file` has."""
        file.seek(0)
        try:
            for line in read_lines(file, self._path):
                # The batch was killed while it wrote this part of a line.
                if isinstance(line, Line) and not line.summary.exit_code:
                    yield line
        except InputError as error:
            remedy = "name another output, or add --overwrite to start over"
            raise OutputError(error.message, remedy=remedy) from error

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
        """Let others write to the file; safe to call twice."""
        self._held.close()


def _lock_of(path: Path) -> Path:
    # As short for a name as long as can be.
    return path.with_name(f".roi-accel-{digest(path.name)[:16]}.lock")
