"""Joins what the shards of one manifest wrote, and finds what is missing."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from roi_accel.batch.jobs import Shard
from roi_accel.batch.records import KEY, Line, read_lines
from roi_accel.batch.rows import Pair
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from roi_accel.batch.rows import BadRow

    Rows = Sequence[Pair | BadRow]


class _Source(NamedTuple):
    """A line, and the piece that it is from."""

    line: Line
    path: Path


@dataclass(frozen=True)
class Merged:
    """The pieces as one.

    Attributes
    ----------
    lines : sequence of Line
        In the order of the manifest.
    missing : sequence of Pair or BadRow
        Rows that no piece has.
    missing_shards : mapping of str to sequence of Pair or BadRow
        Those of them that belong to shards of which no piece has any row, by the shard's name.
    expected : int
        How many rows there are.
    warnings : sequence of str
    """

    lines: Sequence[Line]
    missing: Rows
    missing_shards: Mapping[str, Rows]
    expected: int
    warnings: Sequence[str]

    @property
    def exit_code(self) -> int:
        """0 if every line has a score, else the code of the first one without."""
        codes = (line.summary.exit_code for line in self.lines)
        return next(filter(None, codes), 0)


def merge_pieces(rows: Rows, pieces: Sequence[Path]) -> Merged:
    """Return the lines of `pieces` that belong to `rows`.

    Where two pieces have a row, a score wins over a failure, and an earlier piece over a later one.
    Within a piece a later score wins: the row's files, or options, had changed.

    Raises
    ------
    InputError
        A piece cannot be read, or two have other scores for one row.
    """
    wanted: dict[str | int, Pair | BadRow] = {}
    for row in rows:
        # Rows that say the same share a line; one that cannot be used has nothing but its own.
        wanted.setdefault(row.row if isinstance(row, Pair) else row.line, row)
    on_line = defaultdict(list)
    for key, row in wanted.items():
        on_line[row.line].append(key)
    sources: dict[str | int, _Source] = {}
    strangers: Counter[Path] = Counter()
    warnings: list[str] = []
    for path in pieces:
        for line in _lines(path):
            if isinstance(line, int):
                warnings.append(f"{path}: line {line} is cut off, left out")
                continue
            digest = line.record[KEY]["row"]
            keys = on_line.get(line.summary.line, []) if digest is None else [digest]
            if wanted.keys().isdisjoint(keys):
                strangers[path] += 1
                continue
            for key in keys:
                sources[key] = _better(sources.get(key), _Source(line, path))
    # One line may stand for all pairs of a row that could not be used.
    lines = {id(sources[key].line): sources[key].line for key in wanted if key in sources}.values()
    missing = [row for key, row in wanted.items() if key not in sources]
    return Merged(
        lines=tuple(lines),
        missing=missing,
        missing_shards=_missing_shards(
            tuple(wanted.values()),
            {id(row) for row in missing},
            {str(line.record[KEY].get("shard")) for line in lines},
        ),
        expected=len(wanted),
        warnings=warnings
        + [
            f"{path}: has {count} lines of another manifest, left out"
            for path, count in strangers.items()
        ],
    )


def _missing_shards(rows: Rows, missing: set[int], named: Iterable[str]) -> dict[str, Rows]:
    """Return the shards without any line, where all lines are of shards of one batch.

    `missing` has the ids of rows that are, and `named` the shards that lines say they are of.
    """
    try:
        shards = [Shard.parse(name) for name in named]
    except InputError:
        return {}  # of a batch that was not divided
    if len({shard.count for shard in shards}) != 1:
        return {}
    return {
        str(replace(shards[0], index=index)): part
        for index, part in sorted(shards[0].parts(rows).items())
        if missing.issuperset(map(id, part))
    }


def _lines(path: Path) -> Iterator[Line | int]:
    try:
        with path.open("rb") as file:
            yield from read_lines(file, path)
    except OSError as error:
        raise unreadable(path, error) from error


def _better(one: _Source | None, other: _Source) -> _Source:
    """Return which of two lines of a row is kept; InputError where their scores contradict."""
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
