"""Reading what a batch wrote: whole lines, and whether the last one is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from roi_accel.batch.records import KEY, SUMMARY_TYPES, Summary, summary_of
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
        if not data.endswith(b"\n"):  # guard: batch-cut-line
            yield number
            return
        try:
            line = _line(data)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            msg = f"{path}: line {number} is no pair of a batch"
            raise InputError(msg, remedy="name a file that 'roi-accel batch -o' wrote") from error
        yield line


def _line(data: bytes) -> Line:
    """Return the line that `data` is; ValueError, LookupError or the like where it is none."""
    record = json.loads(data, parse_constant=_refuse)
    summary = summary_of(record)
    for name, kind in SUMMARY_TYPES.items():
        _check(getattr(summary, name), kind)
    identity, row = record[KEY]["id"], record[KEY]["row"]
    if summary.exit_code:
        _check(row, str | None)
    else:
        _check(identity, str)
        _check(row, str)
        _check(record["pooled_metrics"], dict)
    return Line(data, record, summary)


def _check(value: object, kind: Any) -> None:  # noqa: ANN401 - a type or a union
    allowed = get_args(kind) or (kind,)
    if float in allowed and type(value) is int:
        return
    if type(value) not in allowed:
        msg = f"{value!r} is no {kind}"
        raise TypeError(msg)


def _refuse(constant: str) -> float:
    raise ValueError(constant)
