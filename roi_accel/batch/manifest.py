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
    BadRow,
    Pair,
    at,
    digest,
    from_text,
    merge_defaults,
    option_names,
    options_of,
    resolve_paths,
)
from roi_accel.errors import InputError, RoiAccelError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    Rows = list[Pair | BadRow]

JSON_LINES = (".jsonl", ".ndjson")
_FILE_LIKE = frozenset("./\\")
"""What names of files have, and those of options never."""

_KEYS = "a row has reference, distorted, ladder, and options of score such as weight"
_SPECIAL = re.compile(r"\*\*/?|[*?]|\[!?[^]]+\]")
_WILDCARDS = {
    "**/": "(?:(.*)/)?",  # It matches no folder as well, and then not its slash.
    "**": "(.*)",
    "*": "([^/]*)",
    "?": "([^/])",
}
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
        The file is absent or not a manifest, a column is unknown, the pattern matches nothing.
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
        msg = f"{manifest}: unsupported kind of manifest"
        raise InputError(msg, remedy=_REMEDY)
    if reference is not None:
        filled["reference"] = reference
    pairs = [
        pair
        for line, content in rows
        for pair in _row(line, content, path.parent, filled, is_whole=is_whole)
    ]
    if not pairs:
        msg = f"{manifest}: has no rows"
        raise InputError(msg, remedy="each row names a reference and a distorted video")
    return pairs


def read_defaults(path: Path) -> dict[str, Any]:
    """Return the options of a JSON file, by their names, relative paths taken from its folder.

    Raises
    ------
    InputError
        It cannot be read, is not a JSON object, or has a key that rows do not have.
    """
    with _reading(path):
        text = path.read_text(encoding="utf-8-sig")
    try:
        content = strict_json.loads_object(text)
    except ValueError as error:
        msg = f"{path}: is not a JSON object of options: {error}"
        raise InputError(msg, remedy='for example {"weight": 0.5, "saliency_size": 256}') from error
    _check_keys(content, f"{path}: ")
    options = resolve_paths(content, path.parent)
    if "reference" in options:
        options["reference"] = at(_path("reference", options["reference"]), path.parent)
    return options


def _from_csv(path: Path) -> Iterator[tuple[int, dict[str, Any] | RoiAccelError]]:
    line = 1
    with _reading(path), path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            columns = [name.strip() for name in next(reader, ())]
            _check_columns(columns, path)
            line = reader.line_num + 1
            for cells in reader:
                if any(cells):
                    yield line, _options(columns, cells)
                line = reader.line_num + 1
        except csv.Error as error:
            msg = f"{path}: line {line} cannot be read, nor what follows: {error}"
            raise InputError(msg, remedy="check its quotes") from error


def _check_columns(columns: list[str], path: Path) -> None:
    """Raise InputError where a first line is not one of columns, by what it seems to be."""
    if not {*OWN_KEYS, *option_names()}.intersection(columns):
        line = ",".join(columns)
        for mark, separator in ((";", "semicolons"), ("\t", "tabs")):
            if mark in line:
                msg = f"{path}: its cells are separated by {separator}"
                raise InputError(msg, remedy="separate them with commas, as in reference,distorted")
        if any(_FILE_LIKE & set(name) for name in columns):
            msg = f"{path}: its first line is not a header: {excerpt(line)!r}"
            raise InputError(msg, remedy="begin with a line such as reference,distorted")
    _check_keys(columns, f"{path}: ")
    for name in columns:
        if columns.count(name) > 1:
            msg = f"{path}: has two columns {name!r}"
            raise InputError(msg, remedy="leave one out")


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
    videos: dict[str, Any] = {"reference": None, "distorted": None}
    try:
        if isinstance(content, RoiAccelError):
            raise content
        _check_keys(content, "")
        written = {name: value for name, value in content.items() if value is not None}
        options = resolve_paths(written, folder)
        videos = {name: options.pop(name, None) for name in videos}
        merged = merge_defaults(options, defaults)
        reference = merged.pop("reference", None)
        if videos["reference"] is not None:
            reference = at(_path("reference", videos["reference"]), folder)
        if not isinstance(reference, str):
            msg = "missing 'reference'"
            raise InputError(msg, remedy="add it to the row, or give --reference for all")
        distorted = videos["distorted"]
        paths = distorted if isinstance(distorted, list) else [distorted]
        return _pairs(
            line,
            reference,
            {_path("distorted", path): at(path, folder) for path in paths},
            merged,
            written={name: value for name, value in written.items() if name != "distorted"},
            is_whole=is_whole,
        )
    except RoiAccelError as error:
        named = {name: _as_text(value) for name, value in videos.items()}
        return [BadRow(line=line, **named, error=error)]  # guard: manifest-bad-row


def _pairs(
    line: int,
    reference: str,
    videos: Mapping[str, str],
    options: dict[str, Any],
    *,
    written: Mapping[str, Any],
    is_whole: bool,
) -> Rows:
    """Return a pair for each of `videos`, paths by the words that name them."""
    ladder = options.pop("ladder", None)
    if ladder is not None and not isinstance(ladder, str):
        msg = f"ladder must be a name, not {excerpt(repr(ladder))}"
        raise InputError(msg, remedy="name the set of encodes that this one belongs to")
    if is_whole:
        options_of(options)
    if not videos:
        msg = "missing 'distorted'"
        raise InputError(msg, remedy="a path, or a list of paths")
    return [
        Pair(
            line=line,
            reference=reference,
            distorted=path,
            ladder=ladder,
            # As it is written, not where that leads: a manifest may be read from anywhere.
            row=digest([written, words, ladder]),
            keywords=options,
        )
        for words, path in videos.items()
    ]


def _path(name: str, value: object) -> str:
    if isinstance(value, str) and value and "\0" not in value:
        return value
    msg = f"{name} must be a path, not {excerpt(repr(value))}" if value else f"missing {name!r}"
    raise InputError(msg, remedy='a path, or a list of paths in JSON such as ["a.mp4", "b.mp4"]')


def _as_text(value: object) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _check_keys(names: Iterable[str], where: str) -> None:
    known = (*OWN_KEYS, *option_names())
    for name in names:
        if name not in known:
            error: InputError = no_such(name, known, what="key", otherwise=_KEYS)
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
    # Not before there are matches: a bracket that matches nothing is not a valid expression.
    expression = re.compile(_expression(pattern) if matches else "", re.DOTALL)
    rows: Rows = []
    for number, path in enumerate(matches, start=1):
        if not Path(path).is_file():
            continue
        captured = expression.fullmatch(path)
        reference = _filled(template, captured.groups() if captured else (), pattern)
        if Path(path) == Path(reference):
            continue
        try:
            options = dict(defaults)
            rows += _pairs(number, reference, {path: path}, options, written={}, is_whole=is_whole)
        except RoiAccelError as error:
            rows.append(BadRow(line=number, reference=reference, distorted=path, error=error))
    if not rows:
        msg = f"{pattern}: matches no file"
        raise InputError(msg, remedy="quote it, so that the shell leaves it as it is")
    return rows


def _expression(pattern: str) -> str:
    """Return a regular expression with a group per wildcard of `pattern`."""
    expression, place = "", 0
    for special in _SPECIAL.finditer(pattern):
        wildcard = special[0]
        expression += re.escape(pattern[place : special.start()])
        if wildcard in _WILDCARDS:
            expression += _WILDCARDS[wildcard]
        else:
            negation = "^" if wildcard.startswith("[!") else ""
            # In a name's bracket only ! is special, in an expression's these are too.
            content = re.sub(r"[\\^\[&~|]", r"\\\g<0>", wildcard[1 + len(negation) : -1])
            expression += f"([{negation}{content}])"
        place = special.end()
    return expression + re.escape(pattern[place:])


def _filled(template: str, captured: tuple[str | None, ...], pattern: str) -> str:
    def fill(place: re.Match[str]) -> str:
        number = int(place[1])
        if not 1 <= number <= len(captured):
            msg = f"--reference {template}: {place[0]} is not a wildcard of {pattern}"
            raise InputError(msg, remedy=f"it has {len(captured)}, counted from {{1}}")
        return captured[number - 1] or ""

    return _PLACE.sub(fill, template)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Raise what reading a file raises as an InputError."""
    try:
        yield
    except UnicodeDecodeError as error:
        msg = f"{path}: is not UTF-8 text"
        raise InputError(msg, remedy=_REMEDY) from error
    except OSError as error:
        raise unreadable(path, error) from error
