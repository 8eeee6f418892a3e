"""Reading what a batch wrote: whole lines, and whether the last one is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from roi_accel.batch.records import KEY, Summary, summary_of
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import BinaryIO


class Line(NamedTuple):
    """One line: as it is, what it says, and its numbers."""

    data: bytes
    record: dict[str, Any]
    summary: Summary


def read_lines(file: BinaryIO, path: Path) -> Iterator[Line | int]:
    """Yield the lines of a batch's output, then the number of a last one that was cut off, if any.

    Raises
    ------
    InputError
        A line is something else; `path` is named.
    """
    for number, data in enumerate(file, start=1):
        if not data.endswith(b"\n"):
            yield number
            return
        try:
            record = json.loads(data)
            line = Line(data, record, summary_of(record))
            _check_place(record[KEY])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            msg = f"{path}: line {number} is no pair of a batch"
            raise InputError(msg, remedy="name a file that 'roi-accel batch -o' wrote") from error
        yield line


def _check_place(whose: dict[str, Any]) -> None:
    """Raise TypeError or KeyError unless a line says of which row it is."""
    names = (whose["id"], whose["row"])
    if not isinstance(whose["line"], int) or not all(isinstance(n, str | None) for n in names):
        msg = "it does not say its row"
        raise TypeError(msg)
