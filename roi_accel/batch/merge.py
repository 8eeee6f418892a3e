"""Joins what the shards of one manifest wrote, and finds what nobody wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.batch.lines import Line, read_lines
from roi_accel.batch.records import KEY
from roi_accel.batch.rows import Pair
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel.batch.records import Summary
    from roi_accel.batch.rows import BadRow

_Place = str | int
"""What a row says, or the line of one that cannot be used."""


@dataclass(frozen=True)
class Merged:
    """The pieces as one.

    Attributes
    ----------
    lines : tuple of bytes
        In the order of the manifest.
    summaries : tuple of Summary
        Of the same.
    missing : tuple of Pair or BadRow
        Rows that no piece has.
    expected : int
        How many rows there are.
    warnings : tuple of str
    """

    lines: tuple[bytes, ...]
    summaries: tuple[Summary, ...]
    missing: tuple[Pair | BadRow, ...]
    expected: int
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if every line has a score, else the code of the first one without."""
        return next((each.exit_code for each in self.summaries if each.exit_code), 0)


def merge_pieces(rows: Sequence[Pair | BadRow], pieces: Sequence[Path]) -> Merged:
    """Return the lines of `pieces` that belong to `rows`.

    Where two pieces have a row, a score wins over a failure, and an earlier piece over a later one.

    Raises
    ------
    InputError
        A piece cannot be read, or two have other scores for one row.
    """
    wanted: dict[_Place, Pair | BadRow] = {}
    for row in rows:
        # Rows that say the same share a line.
        wanted.setdefault(row.row if isinstance(row, Pair) else row.line, row)
    found: dict[_Place, Line] = {}
    strangers: dict[Path, int] = {}
    torn: list[str] = []
    for path in pieces:
        for line in _lines(path):
            if isinstance(line, int):
                torn.append(f"{path}: line {line} is cut off, left out")
                continue
            place = line.record[KEY]["row"] or line.summary.line
            if place not in wanted:
                strangers[path] = strangers.get(path, 0) + 1
            elif place not in found or found[place].summary.exit_code:
                found[place] = line
            elif not line.summary.exit_code:
                _check_same(found[place], line, path)
    there = [found[place] for place in wanted if place in found]
    return Merged(
        lines=tuple(each.data for each in there),
        summaries=tuple(each.summary for each in there),
        missing=tuple(row for place, row in wanted.items() if place not in found),
        expected=len(wanted),
        warnings=(
            *torn,
            *(
                f"{path}: has {count} lines of another manifest, left out"
                for path, count in strangers.items()
            ),
        ),
    )


def _lines(path: Path) -> Iterator[Line | int]:
    try:
        with path.open("rb") as file:
            yield from read_lines(file, path)
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise InputError(msg, remedy="check the path") from error


def _check_same(one: Line, other: Line, path: Path) -> None:
    """Raise InputError where two lines have other scores for one row."""
    if one.record["pooled_metrics"] == other.record["pooled_metrics"]:
        return
    msg = f"{path}: has other scores for line {one.summary.line} than an earlier piece"
    raise InputError(msg, remedy="leave out the pieces of another run")
