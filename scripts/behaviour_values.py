"""What a command left behind as values that can be compared: what is exact, wording, or volatile.

`read_file` turns a file into plain values by its suffix; `differences` compares two values leaf by
leaf. The two tables say which leaves are wording, and which differ between equal runs.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import av
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# Leaves, by the end of their path, that differ between two runs of one version.
VOLATILE = {
    r"\btiming\.|\]\.seconds$": "seconds; those of a table's rows too",
    r"\.(roi_accel|date|timestamp)$": "version and date of the run",
    r"\.seal$": "a record's digest of itself, its date included",
    # A digest over the version among others; which rows share one is compared.
    r"\bbatch\.id$": "identity of a pair",
    r"\b(load_before|load_after)$": "the machine's load",
    r"testsuite@.*\b(time|timestamp)$|testcase@.*\btime$": "seconds and date",
}

# Leaves, by the end of their path, that are sentences for people.
WORDING = {
    r"(^|\.)(message|remedy|reason|explanation|absent_because|summary)$": "sentences",
    r"(^|\.)\w+_reason$": "sentences",
    r"\]\.error$": "sentences, in the tables of a batch",
    r"(^|\.)(warnings|notes|errors)\[\d+\]$": "sentences",
    r"\bparity\.frames$": "which frames the gate checks, in words",
    r"(^|\.)(unit|tolerance_source|source)$": "words beside a number",
    r"\bfacts\.(digests|maps)$": "where golden values come from",
    r"^(backends|devices)\.\w+\[\d+\]\.description$": "a device, or why there is none",
    r"^auto$": "which backend is taken, and why",
}

# Words in text that differ between two runs of one version.
VOLATILE_TEXT = {
    r"\b\d+(\.\d+)?( ?ms| s\b| seconds| frames/s *)": "<time>",
    r"\b\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(\+00:00|Z)?)?\b": "<date>",
    r"\b(0x)[0-9a-f]{6,}\b": "<address>",
}


@dataclass(frozen=True)
class Words:
    """Text for people: a difference in it is one of wording."""

    text: str


@dataclass(frozen=True)
class Difference:
    """One leaf that the two sides do not share; `wording` where only its words differ."""

    where: str
    old: object
    new: object
    wording: bool = False

    def __str__(self) -> str:
        """Return the difference on one line."""
        return f"{self.where}: {_short(self.old)} -> {_short(self.new)}"


class _Absent:
    def __repr__(self) -> str:
        return "(absent)"


ABSENT = _Absent()


def differences(old: object, new: object, where: str = "") -> Iterator[Difference]:
    """Yield what differs between two values of dictionaries, lists, `Words` and plain leaves."""
    one, other = dict(_leaves(old, where)), dict(_leaves(new, where))
    for path in dict.fromkeys([*one, *other]):
        before, after = one.get(path, ABSENT), other.get(path, ABSENT)
        if repr(before) == repr(after):  # So 1 is not 1.0, and NaN is NaN.
            continue
        # A message that comes or goes is more than wording.
        words = [bool(each.text) for each in (before, after) if isinstance(each, Words)]
        yield Difference(path, before, after, words in ([True, True], [False, False]))


def shape(value: object) -> object:
    """Return a value's keys alone: lists as what their items have between them, leaves as null."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    if isinstance(value, list):
        merged: dict[str, object] = {}
        for item in map(shape, value):
            merged |= item if isinstance(item, dict) else {}
        return merged or None
    return None


def with_texts(value: object, change: Callable[[str], str]) -> object:
    """Return a value with every text in it changed, keys aside."""
    if isinstance(value, dict):
        return {key: with_texts(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [with_texts(item, change) for item in value]
    if isinstance(value, Words):
        return Words(change(value.text))
    return change(value) if isinstance(value, str) else value


def parse_text(text: str) -> object:
    """Return output as JSON, as a list of JSON lines, or else as `Words`."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        lines = [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return Words(text)
    return _in_order(lines) if lines else Words("")


def read_file(path: Path) -> object:
    """Return a file's content as values, by its suffix; of no known suffix, as a digest."""
    reader = READERS.get(path.suffix)
    try:
        return reader(path) if reader else _digest(path.read_bytes())
    except (ValueError, OSError, ET.ParseError) as error:
        return {"unreadable": type(error).__name__, "bytes": _digest(path.read_bytes())}


def _leaves(value: object, where: str) -> Iterator[tuple[str, object]]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{where}[{number}]")
    elif any(re.search(pattern, where) for pattern in VOLATILE):
        yield where, "<volatile>"
    elif isinstance(value, str) and any(re.search(pattern, where) for pattern in WORDING):
        yield where, Words(value)
    else:
        yield where, value


def _in_order(lines: list[Any]) -> list[Any]:
    """Return a batch's lines in the manifest's order, whichever was done first, with their ids."""
    if not all(isinstance(line, dict) and "batch" in line for line in lines):
        return lines
    lines = sorted(lines, key=lambda line: (line["batch"]["line"] or 0, str(line.get("distorted"))))
    ids = list(dict.fromkeys(line["batch"]["id"] for line in lines))
    return [{**line, "identity": ids.index(line["batch"]["id"])} for line in lines]


def _digest(content: bytes) -> dict[str, object]:
    return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def _read_json(path: Path) -> object:
    content = json.loads(path.read_text("utf-8"))
    # A timeline's events depend on the machine's load; what an event has does not.
    return shape(content) if isinstance(content, dict) and "traceEvents" in content else content


def _read_csv(path: Path) -> object:
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"))))
    return [dict(row) for row in rows] or path.read_text("utf-8")


def _read_words(path: Path) -> object:
    return Words(path.read_text("utf-8"))


def _read_lines(path: Path) -> object:
    return parse_text(path.read_text("utf-8"))


def _array(values: np.ndarray[Any, Any]) -> object:
    if values.dtype.kind == "U":
        return parse_text(str(values))
    about = {"dtype": values.dtype.str, "shape": list(values.shape)}
    return about | {"mean": float(values.mean()), **_digest(values.tobytes())}


def _read_npz(path: Path) -> object:
    with np.load(path, allow_pickle=False) as archive:
        return {name: _array(archive[name]) for name in archive.files}


def _read_video(path: Path) -> object:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return {
            "codec": stream.codec_context.name,
            "rate": str(stream.average_rate),
            "tags": {name: parse_text(text) for name, text in container.metadata.items()},
            "frames": [
                {"format": frame.format.name, "pixels": _array(frame.to_ndarray())}
                for frame in container.decode(stream)
            ],
        }


def _read_picture(path: Path) -> object:
    with av.open(str(path)) as container:
        (frame,) = container.decode(video=0)
        return {"format": frame.format.name, "pixels": _array(frame.to_ndarray())}


def _read_xml(path: Path) -> object:
    """Return tags, attributes and texts in order; a failure's message is wording."""
    found: list[object] = []
    for element in ET.parse(path).iter():  # noqa: S314 - written a moment ago by our command
        attributes = {f"{element.tag}@.{name}": text for name, text in element.attrib.items()}
        found.append(
            {"tag": element.tag, **attributes, "text": Words((element.text or "").strip())}
        )
    return found


def _read_parquet(path: Path) -> object:
    import pyarrow.parquet as pq  # noqa: PLC0415 - only batches that are asked for it write it

    table = pq.read_table(path)
    return {"types": {f.name: str(f.type) for f in table.schema}, "rows": table.to_pylist()}


class _Page(HTMLParser):
    """The data of a report: its charts' columns, its pictures, and its numbers and words."""

    def __init__(self) -> None:
        super().__init__()
        self.words: list[str] = []
        self.pictures: list[object] = []
        self.columns: list[object] = []
        self._inside = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in {"script", "style"}:
            self._inside = given.get("type") or tag
        if tag == "img":
            self.pictures.append(_digest((given.get("src") or "").encode()))

    def handle_endtag(self, tag: str) -> None:
        if tag in {"script", "style"}:
            self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "application/json":
            self.columns.extend(_columns(json.loads(data)))
        elif not self._inside and data.strip():
            self.words.append(data.strip())


def _columns(node: object) -> Iterator[object]:
    """Yield the columns of every data source in a document of Bokeh, without its running ids."""
    if isinstance(node, dict):
        if node.get("name") == "ColumnDataSource":
            yield _without_ids(node["attributes"].get("data"))
        else:
            for item in node.values():
                yield from _columns(item)
    elif isinstance(node, list):
        for item in node:
            yield from _columns(item)


def _without_ids(node: object) -> object:
    if isinstance(node, dict):
        return {key: _without_ids(item) for key, item in node.items() if key != "id"}
    return [_without_ids(item) for item in node] if isinstance(node, list) else node


def _read_page(path: Path) -> object:
    page = _Page()
    page.feed(path.read_text("utf-8"))
    words = "\n".join(page.words)
    return {
        "numbers": re.findall(r"-?\d+(?:\.\d+)?", clean_text(words)),
        "pictures": page.pictures,
        "charts": page.columns,
        "words": Words(clean_text(words)),
    }


def clean_text(text: str) -> str:
    """Return text with what differs between two runs of one version replaced."""
    for pattern, word in VOLATILE_TEXT.items():
        text = re.sub(pattern, word, text)
    return text


def _short(value: object, longest: int = 160) -> str:
    text = repr(value.text) if isinstance(value, Words) else repr(value)
    return text if len(text) <= longest else f"{text[: longest - 3]}..."


READERS = {
    ".json": _read_json,
    ".ndjson": _read_lines,
    ".csv": _read_csv,
    ".md": _read_words,
    ".npz": _read_npz,
    ".mkv": _read_video,
    ".mp4": _read_video,
    ".png": _read_picture,
    ".html": _read_page,
    ".xml": _read_xml,
    ".parquet": _read_parquet,
}
