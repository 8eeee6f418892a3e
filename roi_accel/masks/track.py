"""Boxes per frame, as object trackers and annotation tools write them, from CSV or JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.files import read_bounded
from roi_accel._util.text import printable, short_repr
from roi_accel._util.validation import first_fault
from roi_accel.errors import InputError
from roi_accel.masks.source import Mask, MaskSource
from roi_accel.masks.still import Box, check_name, draw_regions, region_names
from roi_accel.video.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session

MAX_BYTES = 64 << 20
MAX_BOXES_PER_FRAME = 4096
"""So that a malformed file cannot keep one frame busy for minutes."""

_OPTION = "--roi-track"
# Trackers print float32: 1.1 and 2.9 as 1.1000000238 and 2.9000000954. That reaches no fifth pixel.
_SLACK = 1e-6

MAX_FRAME = 10**8
"""Beyond any video: 38 days at 30 frames per second."""

MAX_PIXELS = 10**6
"""Beyond any frame's side, in pixels."""

_NUMBERS = ("frame", "x", "y", "w", "h")
_REMEDY = "the columns are frame,x,y,w,h and, if wanted, name (docs/masks.md)"

_Frame = Annotated[float, Field(ge=0, le=MAX_FRAME, multiple_of=1, allow_inf_nan=False)]
_Place = Annotated[float, Field(ge=-MAX_PIXELS, le=MAX_PIXELS, allow_inf_nan=False)]
_Side = Annotated[float, Field(gt=0, le=MAX_PIXELS, allow_inf_nan=False)]


class _Row(BaseModel):
    """One box; tables exported to JSON write an empty name as null."""

    model_config = ConfigDict(strict=True, extra="forbid")

    frame: _Frame
    x: _Place
    y: _Place
    w: _Side
    h: _Side
    name: str | None = None


@dataclass(frozen=True)
class TrackTable:
    """The n rows of a track file, in its order, with 0-based frame numbers.

    `boxes` has x, y, w, h in pixels of the luma grid; `name` is the index into `names`, region
    names in order of first use, of which an empty one is not a region.
    """

    frame: NDArray[np.int64]  # n
    boxes: NDArray[np.float64]  # n, 4
    name: NDArray[np.int64]  # n
    names: tuple[str, ...]


def parse_track(data: bytes, source: str) -> TrackTable:
    """Read a track from the content of a file: JSON if it begins with ``[`` or ``{``, else CSV.

    `data` is UTF-8, with or without a byte order mark, of the file `source`. InputError for
    anything else than a table of boxes, with the line or box and the column.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        msg = f"{source}: not text in UTF-8 (byte {error.start})"
        raise InputError(msg, remedy="save the boxes as CSV or JSON text") from error
    rows = _json_rows if text.lstrip()[:1] in {"[", "{"} else _csv_rows
    numbers, indices, names = array("d"), array("q"), dict[str, int]()  # small for millions of rows
    for place, row in rows(text, source):
        try:
            box = _Row.model_validate(row)
        except ValidationError as error:
            msg = f"{place}: {first_fault(error, _Row.model_fields)}"
            raise InputError(msg, remedy=_REMEDY) from error
        name = check_name(box.name or "", f"{place}, name")
        indices.append(names.setdefault(name, len(names)))
        numbers.extend((box.frame, box.x, box.y, box.w, box.h))
    if not indices:
        msg = f"{source}: holds no boxes"
        raise InputError(msg, remedy=_REMEDY)
    values = np.array(numbers, dtype=np.float64).reshape(-1, len(_NUMBERS))
    return TrackTable(
        frame=values[:, 0].astype(np.int64),
        boxes=np.ascontiguousarray(values[:, 1:]),
        name=np.array(indices, dtype=np.int64),
        names=tuple(names),
    )


def _csv_rows(text: str, source: str) -> Iterator[tuple[str, object]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    columns: list[str] = []
    try:
        for row in filter(None, reader):
            place = f"{source}, line {reader.line_num}"
            if not columns:
                columns = [name.strip().lower() for name in row]
                expected = [*_NUMBERS, "name"] if "name" in columns else list(_NUMBERS)
                if sorted(columns) != sorted(expected):
                    msg = f"{place}: the columns are {short_repr(','.join(row))}"
                    raise InputError(msg, remedy=_REMEDY)
                continue
            if len(row) != len(columns):
                msg = f"{place}: {len(row)} values for {len(columns)} columns"
                raise InputError(msg, remedy=_REMEDY)
            pairs = zip(columns, row, strict=True)
            yield place, {key: cell if key == "name" else _number(cell) for key, cell in pairs}
    except csv.Error as error:
        msg = f"{source}, line {reader.line_num}: not CSV: {error}"
        raise InputError(msg, remedy=_REMEDY) from error


def _number(text: str) -> float | str:
    """Return a cell's number; what is not one is left for the validation."""
    try:
        # Python's float() also reads 1_000 and the digits of other scripts; CSV has neither.
        return float(text) if text.isascii() and "_" not in text else text
    except ValueError:
        return text


def _json_rows(text: str, source: str) -> Iterator[tuple[str, object]]:
    try:
        document: Any = strict_json.loads(text)
    except json.JSONDecodeError as error:
        msg = f"{source}, line {error.lineno}, column {error.colno}: not JSON: {error.msg}"
        raise InputError(msg, remedy=_REMEDY) from error
    except ValueError as error:
        msg = f"{source}: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    if isinstance(document, dict) and set(document) == {"boxes"}:
        document = document["boxes"]
    if not isinstance(document, list):
        msg = f'{source}: expected a list of boxes or {{"boxes": [...]}}'
        raise InputError(msg, remedy=_REMEDY)
    for index, row in enumerate(document):
        yield f"{source}, boxes[{index}]", row


class TrackSource(MaskSource):
    """Boxes that change from frame to frame (``--roi-track FILE``).

    Coordinates may be decimals; a box covers every pixel it touches by more than a millionth. A
    frame without boxes has an empty mask: the object is out of view. Names mean what they mean to
    `BoxesSource`.

    Parameters
    ----------
    path : Path
        CSV or JSON, at most 64 MiB; docs/masks.md has the format.
    width, height : int
        The frame's luma size in pixels, and the masks'.
    first_frame : int
        The number in the file of the frame that is frame 0 here; boxes before it are left out.

    Raises
    ------
    InputError
        The file is not a track, too large, or none of its boxes touches the frame.
    """

    def __init__(self, path: Path, *, width: int, height: int, first_frame: int = 0) -> None:
        file = SourceFile.examine(path, _OPTION)
        source = file.name
        data = read_bounded(file.location, MAX_BYTES)
        table = parse_track(data, source)
        self.label = f"roi-track:{printable(path)}"
        self.size = (height, width)
        self.region_names = region_names(table.names, source)
        self._source = source
        self._names = table.names
        self._provenance: dict[str, object] = {
            "kind": "track",
            "path": printable(path),
            "sha256": hashlib.sha256(data).hexdigest(),
            "boxes": len(table.frame),
            "first_frame": int(table.frame.min()),
            "last_frame": int(table.frame.max()),
            "regions": list(self.region_names),
        }
        self._frame, self._rows = self._clip(table)
        self._shown: bytes | None = None
        self._masks: tuple[Mask, ...] = ()
        self._empty = 0
        self._first = first_frame

    def _clip(self, table: TrackTable) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the frame numbers in order, and per box left, top, right, bottom, name inside."""
        height, width = self.size
        x, y, w, h = table.boxes.T
        outer = np.stack(
            [
                np.floor(x + _SLACK),
                np.floor(y + _SLACK),
                np.ceil(x + w - _SLACK),
                np.ceil(y + h - _SLACK),
            ],
            axis=1,
        ).astype(np.int64)
        outer[:, 2:] = np.maximum(outer[:, 2:], outer[:, :2] + 1)
        inner = np.clip(outer, 0, [width, height, width, height])
        inside = (inner[:, 0] < inner[:, 2]) & (inner[:, 1] < inner[:, 3])
        cut = inside & (inner != outer).any(axis=1)
        self._warn_of_edges(table.frame, cut, ~inside)
        rows = np.concatenate([inner, table.name[:, np.newaxis]], axis=1)[inside]
        frame = table.frame[inside]
        order = np.argsort(frame, kind="stable")
        frame, rows = frame[order], np.ascontiguousarray(rows[order])
        most, counts = np.unique(frame, return_counts=True)
        if counts.max() > MAX_BOXES_PER_FRAME:
            msg = (
                f"{self._source}: frame {most[counts.argmax()]} has {counts.max()} boxes, "
                f"more than {MAX_BOXES_PER_FRAME}"
            )
            raise InputError(msg, remedy="draw them into a mask clip and use --mask")
        return frame, rows

    def _warn_of_edges(
        self, frame: NDArray[np.int64], cut: NDArray[np.bool_], outside: NDArray[np.bool_]
    ) -> None:
        height, width = self.size
        if outside.all():
            msg = f"{self._source}: every box lies outside the {width}x{height} frame"
            raise InputError(msg, remedy="check that the boxes are in pixels of this video's size")
        for which, text in ((cut, "reach beyond"), (outside, "lie wholly outside")):
            if which.any():
                self._warn(
                    f"{int(which.sum())} of {len(frame)} boxes {text} the {width}x{height} frame, "
                    f"the first in frame {frame[which].min()}; clipped"
                )

    def _warn(self, text: str) -> None:
        self.warnings += (f"{self._source}: {text}",)

    def unused_boxes(self, frame_count: int) -> int:
        """Return how many boxes that touch the frame come after `frame_count` frames."""
        return len(self._frame) - self._end(frame_count)

    def _end(self, frame_count: int) -> int:
        """Return how many boxes that touch the frame come before the end of `frame_count`."""
        return int(np.searchsorted(self._frame, self._first + frame_count, side="left"))

    def _unseen_regions(self, frame_count: int) -> list[str]:
        """Return the regions of which no box lies in any of `frame_count` frames."""
        first = int(np.searchsorted(self._frame, self._first, side="left"))
        seen = {
            self._names[name] for name in np.unique(self._rows[first : self._end(frame_count), -1])
        }
        return [name for name in self.region_names if name not in seen]

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the masks of frame `index`; the same objects while the boxes stay the same."""
        del reference, session
        number = self._first + index
        first, end = np.searchsorted(self._frame, [number, number + 1], side="left")
        rows = self._rows[first:end]
        if first == end:
            self._empty += 1
        key = rows.tobytes()
        if key != self._shown:
            boxes = [
                Box(left, top, right - left, bottom - top, self._names[name])
                for left, top, right, bottom, name in rows.tolist()
            ]
            self._masks = draw_regions(boxes, self.region_names, self.size)
            self._shown = key
        return self._masks

    def provenance(self) -> dict[str, object]:
        """Return the file's facts and how many frames had no box so far."""
        return {**self._provenance, "empty_frames": self._empty}

    def finish(self, frame_count: int, *, whole: bool) -> None:
        """Warn of frames and regions without boxes, and of boxes without frames."""
        if self._empty:
            self._warn(
                f"{self._empty} of {frame_count} frames have no box; nothing is salient in them"
            )
        unused = self.unused_boxes(frame_count)
        if unused and whole:
            hint = ""
            if self._provenance["first_frame"] == 1:
                hint = "; frames count from 0, and this file has none"
            last = self._first + frame_count - 1
            first, final = self._frame[-unused], self._frame[-1]
            named = f"frame {first}" if first == final else f"frames {first} to {final}"
            boxes = "a box belongs" if unused == 1 else f"{unused} boxes belong"
            self._warn(f"{boxes} to {named}, after the last one, {last}{hint}")
        for name in self._unseen_regions(frame_count):
            self._warn(
                f"region {name!r} has no box in any frame: there the reference is scored against "
                "itself"
            )
