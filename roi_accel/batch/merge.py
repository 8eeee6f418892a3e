"""Joins what the shards of one manifest wrote, and finds what nobody wrote."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from roi_accel.batch.jobs import Shard
from roi_accel.batch.lines import Line, read_lines
from roi_accel.batch.records import KEY
from roi_accel.batch.rows import Pair
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from roi_accel.batch.records import Summary
    from roi_accel.batch.rows import BadRow

_Place = str | int
"""What a row says, or the line of one that cannot be used."""


class _Found(NamedTuple):
    """A line, and the piece that it is from."""

    line: Line
    path: Path


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
    missing_shards : mapping of str to tuple of Pair or BadRow
        Those of them that belong to shards of which no piece has any row, by the shard's name.
    expected : int
        How many rows there are.
    warnings : tuple of str
    """

    lines: tuple[bytes, ...]
    summaries: tuple[Summary, ...]
    missing: tuple[Pair | BadRow, ...]
    missing_shards: Mapping[str, tuple[Pair | BadRow, ...]]
    expected: int
    warnings: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """0 if every line has a score, else the code of the first one without."""
        return next((each.exit_code for each in self.summaries if each.exit_code), 0)


def merge_pieces(rows: Sequence[Pair | BadRow], pieces: Sequence[Path]) -> Merged:
    """Return the lines of `pieces` that belong to `rows`.

    Where two pieces have a row, a score wins over a failure, and an earlier piece over a later one.
    Within a piece a later score wins: the row's files, or options, were others when it was made.

    Raises
    ------
    InputError
        A piece cannot be read, or two have other scores for one row.
    """
    wanted: dict[_Place, Pair | BadRow] = {}
    for row in rows:
        # Rows that say the same share a line.
        wanted.setdefault(row.row if isinstance(row, Pair) else row.line, row)
    on_line: dict[int, list[_Place]] = {}
    for place, each in wanted.items():
        on_line.setdefault(each.line, []).append(place)
    found: dict[_Place, _Found] = {}
    strangers: dict[Path, int] = {}
    torn: list[str] = []
    for path in pieces:
        for line in _lines(path):
            if isinstance(line, int):
                torn.append(f"{path}: line {line} is cut off, left out")
                continue
            row = line.record[KEY]["row"]
            # A row that its batch could not use has nothing but its line.
            places = on_line.get(line.summary.line, []) if row is None else [row]
            if not set(places) & wanted.keys():
                strangers[path] = strangers.get(path, 0) + 1
                continue
            for place in places:
                found[place] = _better(found.get(place), _Found(line, path))
    # One line may stand for all pairs of a row that could not be used.
    lines = [found[place].line for place in wanted if place in found]
    there = list({id(line): line for line in lines}.values())
    missing = tuple(row for place, row in wanted.items() if place not in found)
    return Merged(
        lines=tuple(each.data for each in there),
        summaries=tuple(each.summary for each in there),
        missing=missing,
        missing_shards=_missing_shards(
            tuple(wanted.values()),
            {id(row) for row in missing},
            {str(each.record[KEY].get("shard")) for each in there},
        ),
        expected=len(wanted),
        warnings=(
            *torn,
            *(
                f"{path}: has {count} lines of another manifest, left out"
                for path, count in strangers.items()
            ),
        ),
    )


def _missing_shards(
    rows: Sequence[Pair | BadRow], missing: set[int], named: Iterable[str]
) -> dict[str, tuple[Pair | BadRow, ...]]:
    """Return the shards of which nothing is there, where all lines are of shards of one batch.

    Parameters
    ----------
    rows : sequence of Pair or BadRow
    missing : set of int
        The ids of those that are.
    named : iterable of str
        What the lines say of the shard that wrote them.
    """
    try:
        shards = [Shard.parse(name) for name in named]
    except InputError:
        return {}  # of a batch that was not divided
    if len({shard.count for shard in shards}) != 1:
        return {}
    return {
        str(replace(shards[0], index=index)): tuple(part)
        for index, part in sorted(shards[0].parts(rows).items())
        if missing.issuperset(map(id, part))
    }


def _lines(path: Path) -> Iterator[Line | int]:
    try:
        with path.open("rb") as file:
            yield from read_lines(file, path)
    except OSError as error:
        raise unreadable(path, error) from error


def _better(one: _Found | None, other: _Found) -> _Found:
    """Return which of two lines of a row counts; InputError where their scores contradict."""
    if one is None or one.line.summary.exit_code:
        return other
    if other.line.summary.exit_code:
        return one
    if one.path == other.path:
        return other
    if one.line.record["pooled_metrics"] != other.line.record["pooled_metrics"]:
        line = one.line.summary.line
        msg = f"{other.path}: has other scores for line {line} than an earlier piece"
        raise InputError(msg, remedy="leave out the pieces of another run")
    return one
