"""The text formats of a track of boxes, CSV and JSON, read strictly: a fault has its place."""

from __future__ import annotations

import csv
import io
import json
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from roi_accel._util import strict_json
from roi_accel.errors import InputError
from roi_accel.masks.boxes import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

NUMBER_COLUMNS = ("frame", "x", "y", "w", "h")
COLUMNS = (*NUMBER_COLUMNS, "name")

MAX_FRAME = 10**8
"""Beyond any video: 38 days at 30 frames per second."""

MAX_PIXELS = 10**6
"""Beyond any frame's side, in pixels."""

_REMEDY = "the columns are frame,x,y,w,h and, if wanted, name (docs/masks.md)"
_SHOWN = 40


@dataclass(frozen=True)
class TrackTable:
    """The rows of a track file, in its order.

    Attributes
    ----------
    frame : int64[n]
        0-based frame numbers, 0..MAX_FRAME.
    boxes : float64[n, 4]
        x, y, w, h in pixels of the luma grid; finite, none beyond MAX_PIXELS, w and h above 0.
    name : int64[n]
        Index into `names`.
    names : tuple of str
        Region names in order of first use; an empty one is not a region.
    """

    frame: NDArray[np.int64]
    boxes: NDArray[np.float64]
    name: NDArray[np.int64]
    names: tuple[str, ...]


class _Rows:
    """Rows as they are read, numbers flat in one array so that millions of them stay small."""

    def __init__(self, source: str, place: str) -> None:
        self._source = source
        self._place = place
        self._numbers = array("d")
        self._places = array("q")
        self._name = array("q")
        self._name_index: dict[str, int] = {}  # as written
        self._names: dict[str, int] = {}  # without surrounding space

    def where(self, place: int, column: str) -> str:
        """Return the place of a value in the file, in words."""
        return f"{self._source}, {self._place.format(place, column)}"

    def append(self, place: int, numbers: Iterable[float], name: str) -> None:
        """Add one box; `place` is its line or index."""
        index = self._name_index.get(name)
        if index is None:
            clean = check_name(name, self.where(place, "name"))
            index = self._names.setdefault(clean, len(self._names))
            self._name_index[name] = index
        self._numbers.extend(numbers)
        self._places.append(place)
        self._name.append(index)

    def table(self) -> TrackTable:
        """Return the rows, checked; InputError at the first one that is not a box."""
        if not self._places:
            msg = f"{self._source}: holds no boxes"
            raise InputError(msg, remedy=_REMEDY)
        values = np.array(self._numbers, dtype=np.float64).reshape(-1, len(NUMBER_COLUMNS))
        self._check(values)
        return TrackTable(
            frame=values[:, 0].astype(np.int64),
            boxes=np.ascontiguousarray(values[:, 1:]),
            name=np.array(self._name, dtype=np.int64),
            names=tuple(self._names),
        )

    def _check(self, values: NDArray[np.float64]) -> None:
        """Raise InputError for the first row that is not a box; `values` is float64[n, 5]."""
        faults: list[tuple[int, int, str]] = []

        def check(column: int, bad: NDArray[np.bool_], text: str) -> None:
            if bad.any():
                faults.append((int(np.argmax(bad)), column, text))

        for column in range(len(NUMBER_COLUMNS)):
            numbers = values[:, column]
            limit = MAX_PIXELS if column else MAX_FRAME
            check(column, ~np.isfinite(numbers), "is not a finite number")
            check(column, np.abs(numbers) > limit, "is absurdly large")
            if column == 0:
                check(column, numbers < 0, "is negative; frames count from 0")
                check(column, numbers != np.floor(numbers), "is not a whole number")
            elif NUMBER_COLUMNS[column] in ("w", "h"):
                check(column, numbers <= 0, "is not above 0")
        if faults:
            row, column, text = min(faults, key=lambda fault: fault[:2])
            where = self.where(self._places[row], NUMBER_COLUMNS[column])
            msg = f"{where}: {values[row, column]:g} {text}"
            raise InputError(msg, remedy=_REMEDY)


def parse_track(data: bytes, source: str) -> TrackTable:
    """Read a track from the content of a file: JSON if it begins with ``[`` or ``{``, else CSV.

    Parameters
    ----------
    data : bytes
        UTF-8, with or without a byte order mark.
    source : str
        The file's name, for messages.

    Raises
    ------
    InputError
        Anything else than a table of boxes; says at which line and column, or box and field.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{source}: not text in UTF-8 (byte {error.start})"
        raise InputError(msg, remedy="save the boxes as CSV or JSON text") from error
    if not text.strip():
        msg = f"{source}: the file is empty"
        raise InputError(msg, remedy=_REMEDY)
    rows = _read_json(text, source) if text.lstrip()[0] in "[{" else _read_csv(text, source)
    return rows.table()


def _read_csv(text: str, source: str) -> _Rows:
    rows = _Rows(source, "line {}, column {}")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(row for row in reader if row)
        order, name_at = _columns(header, f"{source}, line {reader.line_num}")
        width = len(header)
        for row in reader:
            if not row:
                continue
            if len(row) != width:
                msg = f"{source}, line {reader.line_num}: {len(row)} values for {width} columns"
                raise InputError(msg, remedy=_REMEDY)
            texts = [row[at] for at in order]
            try:
                numbers = [float(number) for number in texts]
            except ValueError:
                _refuse_number(rows, reader.line_num, texts)
            joined = "".join(texts)
            # Python's float() also reads 1_000 and the digits of other scripts; CSV has neither.
            if "_" in joined or not joined.isascii():
                _refuse_number(rows, reader.line_num, texts)
            rows.append(reader.line_num, numbers, row[name_at] if name_at is not None else "")
    except csv.Error as error:
        msg = f"{source}, line {reader.line_num}: not CSV: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    return rows


def _columns(header: list[str], where: str) -> tuple[list[int], int | None]:
    """Return where the five numbers stand, and where the name does if there is one."""
    found = [name.strip().lower() for name in header]
    unknown = [name for name in found if name not in COLUMNS]
    missing = [name for name in NUMBER_COLUMNS if name not in found]
    if unknown or missing or len(set(found)) != len(found):
        problem = (
            f"unknown column {unknown[0][:_SHOWN]!r}"
            if unknown
            else f"missing column {missing[0]}"
            if missing
            else "duplicate column"
        )
        msg = f"{where}: {problem}"
        raise InputError(msg, remedy=_REMEDY)
    order = [found.index(name) for name in NUMBER_COLUMNS]
    return order, found.index("name") if "name" in found else None


def _refuse_number(rows: _Rows, place: int, texts: list[str]) -> NoReturn:
    """Raise InputError for the text that is not a number."""
    for column, text in zip(NUMBER_COLUMNS, texts, strict=True):
        try:
            float(text)
        except ValueError:
            pass
        else:
            if "_" not in text and text.isascii():
                continue
        msg = f"{rows.where(place, column)}: {text[:_SHOWN]!r} is not a number"
        raise InputError(msg, remedy=_REMEDY)
    raise AssertionError(texts)


def _read_json(text: str, source: str) -> _Rows:
    rows = _Rows(source, "boxes[{}], field {}")
    try:
        document = json.loads(text, object_pairs_hook=strict_json.unique_keys)
    except json.JSONDecodeError as error:
        msg = f"{source}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        raise InputError(msg, remedy=_REMEDY) from error
    except RecursionError as error:
        msg = f"{source}: nested too deeply to be a list of boxes"
        raise InputError(msg, remedy=_REMEDY) from error
    except ValueError as error:  # a whole number of thousands of digits; a duplicate key
        msg = f"{source}: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    if isinstance(document, dict) and set(document) == {"boxes"}:
        document = document["boxes"]
    if not isinstance(document, list):
        msg = f'{source}: expected a list of boxes or {{"boxes": [...]}}'
        raise InputError(msg, remedy=_REMEDY)
    for index, box in enumerate(document):
        _append_json(rows, index, box, source)
    return rows


def _append_json(rows: _Rows, index: int, box: object, source: str) -> None:
    """Add one element of the list."""
    if not isinstance(box, dict):
        msg = f"{source}, boxes[{index}]: expected an object, found {type(box).__name__}"
        raise InputError(msg, remedy=_REMEDY)
    for key in box:
        if key not in COLUMNS:
            msg = f"{source}, boxes[{index}]: unknown field {key[:_SHOWN]!r}"
            raise InputError(msg, remedy=_REMEDY)
    numbers = []
    for column in NUMBER_COLUMNS:
        if column not in box:
            msg = f"{source}, boxes[{index}]: missing field {column}"
            raise InputError(msg, remedy=_REMEDY)
        value = box[column]
        # type(), because a JSON true is an int to isinstance().
        if type(value) not in (int, float):
            msg = f"{rows.where(index, column)}: {str(value)[:_SHOWN]!r} is not a number"
            raise InputError(msg, remedy=_REMEDY)
        try:
            numbers.append(float(value))
        except OverflowError as error:
            msg = f"{rows.where(index, column)}: the number is absurdly large"
            raise InputError(msg, remedy=_REMEDY) from error
    name = box.get("name")
    if name is None:  # tables exported to JSON write an empty cell as null
        name = ""
    if not isinstance(name, str):
        msg = f"{rows.where(index, 'name')}: {str(name)[:_SHOWN]!r} is not text"
        raise InputError(msg, remedy=_REMEDY)
    rows.append(index, numbers, name)
