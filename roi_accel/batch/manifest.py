"""Manifests: which pairs to score, from a CSV file, a file of JSON lines or a pattern of names.

A manifest is read row by row. A row that cannot be used fails alone; only what makes the whole file
unreadable, such as an unknown column or a quote that never ends, is an error of the manifest.
"""

from __future__ import annotations

import csv
import glob
import json
import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._util import strict_json
from roi_accel._util.suggest import excerpt, no_such
from roi_accel.batch.rows import (
    OWN_KEYS,
    WHERE,
    BadRow,
    Pair,
    anchored,
    at,
    digest,
    filled_in,
    from_text,
    option_names,
    options_of,
)
from roi_accel.errors import InputError, RoiAccelError, unreadable

if TYPE_CHECKING:
    from _csv import Reader as CsvReader
    from collections.abc import Iterable, Iterator, Mapping

    Rows = list[Pair | BadRow]

JSON_LINES = (".jsonl", ".ndjson")
_FILE_LIKE = frozenset("./\\")
"""What names of files have, and those of options never."""

_SPECIAL = re.compile(r"\*\*/?|[*?]|\[!?[^]]+\]")
_PLACE = re.compile(r"\{(\d+)\}")
_REMEDY = (
    "a manifest is a .csv, .jsonl or .ndjson file, or a quoted pattern such as 'encodes/*.mp4'"
)


def read_manifest(
    manifest: str,
    *,
    reference: str | None = None,
    defaults: Mapping[str, Any] | None = None,
    is_whole: bool = True,
) -> Rows:
    """Return the rows of `manifest` in its order.

    Parameters
    ----------
    manifest : str
        A file, or a pattern of distorted videos.
    reference : str, optional
        The reference of rows that name none. For a pattern, ``{1}`` stands for what its first
        wildcard matched, ``{2}`` for the second.
    defaults : mapping of str to object, optional
        Options of rows that leave them out, paths in them as they stand.
    is_whole : bool
        Whether `defaults` has all that rows leave out. Else options are not checked, which may
        depend on one another.

    Raises
    ------
    InputError
        The file is not there or is no manifest, a column is unknown, the pattern matches nothing.
    """
    path = Path(manifest)
    filled = dict(defaults or {})
    if path.suffix.lower() == ".csv":
        rows = _from_csv(path)
    elif path.suffix.lower() in JSON_LINES:
        rows = _from_json_lines(path)
    elif glob.has_magic(manifest):
        return _from_pattern(manifest, reference, filled, is_whole=is_whole)
    else:
        msg = f"{manifest}: is no manifest by its name"
        raise InputError(msg, remedy=_REMEDY)
    if reference is not None:
        filled["reference"] = reference
    found: Rows = []
    for line, content in rows:
        found += _row(line, content, path.parent, filled, is_whole=is_whole)
    if not found:
        msg = f"{manifest}: has no rows"
        raise InputError(msg, remedy="each row names a reference and a distorted video")
    return found


def read_defaults(path: Path) -> dict[str, Any]:
    """Return the options of a JSON file, by their names, relative paths taken from its folder.

    Raises
    ------
    InputError
        It cannot be read, is not a JSON object, or has a key that is no option of a row.
    """
    with _reading(path):
        text = path.read_text(encoding="utf-8-sig")
    try:
        content = strict_json.loads_object(text)
    except ValueError as error:
        msg = f"{path}: is not a JSON object of options: {error}"
        raise InputError(msg, remedy='for example {"weight": 0.5, "saliency_size": 256}') from error
    _check_keys(content, f"{path}: ")
    found = anchored(content, path.parent)
    if "reference" in found:
        found["reference"] = at(_path("reference", found["reference"]), path.parent)
    return found


def _from_csv(path: Path) -> Iterator[tuple[int, dict[str, Any] | RoiAccelError]]:
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        columns = [name.strip() for name in _cells_of(reader, path) or ()]
        _check_header(columns, path)
        for name in columns:
            if columns.count(name) > 1:
                msg = f"{path}: has two columns {name!r}"
                raise InputError(msg, remedy="leave one out")
        while True:
            line = reader.line_num + 1
            cells = _cells_of(reader, path)
            if cells is None:
                return
            if any(cells):
                yield line, _options(columns, cells)


def _check_header(columns: list[str], path: Path) -> None:
    """Refuse a first line that names no columns, by what it seems to be instead."""
    if not {*OWN_KEYS, *option_names()}.intersection(columns):
        line = ",".join(columns)
        for mark, separator in ((";", "semicolons"), ("\t", "tabs")):
            if mark in line:
                msg = f"{path}: its cells are separated by {separator}"
                raise InputError(msg, remedy="separate them with commas, as in reference,distorted")
        if any(_FILE_LIKE & set(name) for name in columns):
            msg = f"{path}: its first line is no header: {excerpt(line)!r}"
            raise InputError(msg, remedy="begin with a line such as reference,distorted")
    _check_keys(columns, f"{path}: ")


def _cells_of(reader: CsvReader, path: Path) -> list[str] | None:
    """Return the next row's cells; None after the last."""
    line = reader.line_num + 1
    try:
        return next(reader, None)
    except csv.Error as error:
        msg = f"{path}: line {line} cannot be read, nor what follows: {error}"
        raise InputError(msg, remedy="check its quotes") from error


def _options(columns: list[str], cells: list[str]) -> dict[str, Any] | RoiAccelError:
    if len(cells) > len(columns):
        msg = f"has {len(cells)} cells, but there are {len(columns)} columns"
        return InputError(msg, remedy="put quotes around cells that have commas in them")
    return {
        name: from_text(name, cell)
        for name, cell in zip(columns, cells, strict=False)
        if cell.strip()
    }


def _from_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any] | RoiAccelError]]:
    with _reading(path), path.open(encoding="utf-8-sig") as file:
        for line, text in enumerate(file, start=1):
            if not text.strip():
                continue
            try:
                yield line, strict_json.loads_object(text)
            except ValueError as error:
                msg = f"is not a JSON object: {error}"
                remedy = '{"reference": "ref.mp4", "distorted": "dist.mp4"} is one'
                yield line, InputError(msg, remedy=remedy)


def _row(
    line: int,
    content: dict[str, Any] | RoiAccelError,
    folder: Path,
    defaults: Mapping[str, Any],
    *,
    is_whole: bool,
) -> Rows:
    """Return the pairs of one row, or why there are none."""
    named: dict[str, str | None] = {"reference": None, "distorted": None}
    try:
        if isinstance(content, RoiAccelError):
            raise content
        _check_keys(content, "")
        said = {name: value for name, value in content.items() if value is not None}
        given = anchored(said, folder)
        said.pop("distorted", None)
        reference = given.pop("reference", None)
        distorted = given.pop("distorted", None)
        named = {"reference": _as_text(reference), "distorted": _as_text(distorted)}
        if reference is not None:
            reference = at(_path("reference", reference), folder)
        merged = filled_in(given, defaults)
        reference = reference or merged.get("reference")
        if not isinstance(reference, str):
            msg = "names no reference"
            raise InputError(msg, remedy="add it to the row, or give --reference for all")
        merged.pop("reference", None)
        distorted = distorted if isinstance(distorted, list) else [distorted]
        videos = {_path("distorted", each): at(each, folder) for each in distorted}
        return _pairs(line, reference, videos, merged, said=said, is_whole=is_whole)
    except RoiAccelError as error:
        return [BadRow(line=line, **named, error=error)]  # guard: manifest-bad-row


def _pairs(
    line: int,
    reference: str,
    videos: Mapping[str, str],
    options: dict[str, Any],
    *,
    said: Mapping[str, Any],
    is_whole: bool,
) -> Rows:
    """Return a pair for each of `videos`, paths by the words that name them."""
    ladder = options.pop("ladder", None)
    if ladder is not None and not isinstance(ladder, str):
        msg = f"ladder must be a name, not {excerpt(repr(ladder))}"
        raise InputError(msg, remedy="name the set of encodes that this one belongs to")
    if is_whole:
        options_of(options)
    found: Rows = [
        Pair(
            line=line,
            reference=reference,
            distorted=path,
            ladder=ladder,
            # As it is written, not where that leads: a manifest may be read from anywhere.
            row=digest([said, words, ladder]),
            keywords=options,
        )
        for words, path in videos.items()
    ]
    if not found:
        msg = "names no distorted video"
        raise InputError(msg, remedy="a path, or a list of paths")
    return found


def _path(name: str, value: object) -> str:
    if not isinstance(value, str) or not value or "\0" in value:
        found = f": {excerpt(repr(value))}" if value else ""
        msg = f"names no {name} video{found}"
        raise InputError(
            msg, remedy='a path, or a list of paths in JSON such as ["a.mp4", "b.mp4"]'
        )
    return value


def _as_text(value: object) -> str | None:
    return value if isinstance(value, str) else None if value is None else json.dumps(value)


def _check_keys(names: Iterable[str], where: str) -> None:
    known = (*OWN_KEYS, *option_names())
    for name in names:
        if name not in known:
            error: InputError = no_such(name, known, what="key", otherwise=WHERE)
            error.message = f"{where}{error.message}"
            raise error


def _from_pattern(
    pattern: str, template: str | None, defaults: dict[str, Any], *, is_whole: bool
) -> Rows:
    default = defaults.pop("reference", None)
    template = template or default
    if template is None:
        msg = f"{pattern}: is a pattern of distorted videos, which need a reference"
        raise InputError(
            msg, remedy="add -r ref.mp4, or -r 'refs/{1}.mp4' for what the first * matched"
        )
    # Not Path.glob, which takes no absolute pattern.
    matches = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207
    # Not before there are matches: a bracket that matches nothing is no expression.
    expression = re.compile(_expression(pattern) if matches else "", re.DOTALL)
    found: Rows = []
    for number, path in enumerate(matches, start=1):
        if not Path(path).is_file():
            continue
        captured = expression.fullmatch(path)
        reference = _filled(template, captured.groups() if captured else (), pattern)
        if Path(path) == Path(reference):
            continue
        try:
            options = dict(defaults)
            found += _pairs(number, reference, {path: path}, options, said={}, is_whole=is_whole)
        except RoiAccelError as error:
            found.append(BadRow(line=number, reference=reference, distorted=path, error=error))
    if not found:
        msg = f"{pattern}: matches no file"
        raise InputError(msg, remedy="quote it, so that the shell leaves it as it is")
    return found


def _expression(pattern: str) -> str:
    """Return a regular expression with a group per wildcard of `pattern`."""
    found, place = "", 0
    for each in _SPECIAL.finditer(pattern):
        wildcard = each[0]
        found += re.escape(pattern[place : each.start()])
        if wildcard.startswith("**"):
            # It matches no folder as well, and then neither its slash.
            found += "(?:(.*)/)?" if wildcard.endswith("/") else "(.*)"
        elif wildcard in "*?":
            found += "([^/]*)" if wildcard == "*" else "([^/])"
        else:
            negation = "^" if wildcard.startswith("[!") else ""
            # In a name's bracket only ! is special, in an expression's these are too.
            content = re.sub(r"[\\^\[&~|]", r"\\\g<0>", wildcard[1 + len(negation) : -1])
            found += f"([{negation}{content}])"
        place = each.end()
    return found + re.escape(pattern[place:])


def _filled(template: str, captured: tuple[str | None, ...], pattern: str) -> str:
    def fill(place: re.Match[str]) -> str:
        number = int(place[1])
        if not 1 <= number <= len(captured):
            msg = f"--reference {template}: {place[0]} is no wildcard of {pattern}"
            raise InputError(msg, remedy=f"it has {len(captured)}, counted from {{1}}")
        return captured[number - 1] or ""

    return _PLACE.sub(fill, template)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say in our words that a file cannot be read."""
    try:
        yield
    except UnicodeDecodeError as error:
        msg = f"{path}: is no UTF-8 text"
        raise InputError(msg, remedy=_REMEDY) from error
    except OSError as error:
        raise unreadable(path, error) from error
