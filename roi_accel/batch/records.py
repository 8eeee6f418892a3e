"""Lines of a batch's output: a result or an error, and under ``batch`` which pair it is of.

A line of a scored pair is its result as `score` writes it with one more key, so that whatever reads
results reads these too. ``batch`` has:

- ``id``: the pair's identity, None where it could not be known;
- ``row``: what the manifest's row asked for, as a digest; ``line``: its place in the manifest;
- ``ladder``, ``bitrate``: the set of encodes it belongs to, and its video's bits per second;
- ``frames``: how many were scored;
- ``shard``: the part of the manifest that was scored, such as ``0/4``;
- ``worker``: where it was scored (node, backend, device, driver, parity record).

`Summary` is a line as a row of a table, which is written as CSV or Parquet.
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple, get_args, get_type_hints

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from roi_accel._util import strict_json
from roi_accel._util.error_translation import require
from roi_accel._util.text import in_json, in_table
from roi_accel.batch.jobs import Failure
from roi_accel.errors import InputError
from roi_accel.results.result import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import BinaryIO

    from roi_accel.batch.jobs import Outcome
    from roi_accel.batch.rows import BadRow, Pair

KEY = "batch"

_FAILED = TypeAdapter(str | None)
_SCORED = TypeAdapter(tuple[str, str, dict[str, Any]])
"""A line's row; a scored one's identity, row and pooled metrics."""


@dataclass(frozen=True, kw_only=True, config=ConfigDict(strict=True))
class Summary:
    """A line's numbers, as a row of a table; None for what it does not have.

    `width` and `height` are pixels as scored, `bitrate` bits per second of the distorted video,
    `seconds` what the run took that scored it with others of its reference, `exit_code` that of
    `score`.
    """

    line: int
    reference: str | None
    distorted: str | None
    ladder: str | None
    vmaf_full: float | None
    vmaf_masked: float | None
    vmaf_roi: float | None
    frames: int | None
    width: int | None
    height: int | None
    bitrate: float | None
    node: str | None
    backend: str | None
    device: str | None
    seconds: float | None
    error: str | None
    exit_code: int


_COLUMNS = get_type_hints(Summary)


class Line(NamedTuple):
    """One line: its bytes, its content, and its numbers."""

    data: bytes
    record: dict[str, Any]
    summary: Summary


def scored_record(
    pair: Pair, outcome: Outcome, *, identity: str | None, **more: object
) -> dict[str, Any]:
    """Return the line of a pair; `more` are further keys of ``batch``."""
    whose = {"id": identity, **_place(pair), **more}
    if isinstance(outcome, Failure):
        return _failed(pair, outcome, whose)
    return {**outcome.result, KEY: whose}


def copied_record(record: Mapping[str, Any], pair: Pair, **more: object) -> dict[str, Any]:
    """Return the line of a pair whose scores another row's line has; `more` replace its own."""
    names = {"reference": pair.reference, "distorted": pair.distorted}
    return {**record, **names, KEY: {**record[KEY], **_place(pair), **more}}


def bad_row_record(row: BadRow, **more: object) -> dict[str, Any]:
    """Return the line of a row that could not be used."""
    whose = {"id": None, "row": None, "line": row.line, "ladder": None, **more}
    return _failed(row, Failure.of(row.error), whose)


def _place(pair: Pair) -> dict[str, object]:
    return {"row": pair.row, "line": pair.line, "ladder": pair.ladder}


def _failed(row: Pair | BadRow, failure: Failure, whose: dict[str, object]) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "reference": row.reference,
        "distorted": row.distorted,
        "error": asdict(failure),
        KEY: whose,
    }


def summary_of(record: Mapping[str, Any]) -> Summary:
    """Return a line's numbers.

    Raises
    ------
    ValueError, KeyError, TypeError, AttributeError
        `record` is not a line of a batch.
    """
    whose = record[KEY]
    worker = whose.get("worker") or {}
    failure = Failure(**record["error"]) if "error" in record else None
    video = record["provenance"]["reference"] if failure is None else {}
    return Summary(
        line=whose["line"],
        reference=record["reference"],
        distorted=record["distorted"],
        ladder=whose["ladder"],
        **{name: record.get(name) for name in ("vmaf_full", "vmaf_masked", "vmaf_roi")},
        **{name: whose.get(name) for name in ("frames", "bitrate")},
        **{name: video.get(name) for name in ("width", "height")},
        **{name: worker.get(name) for name in ("node", "backend", "device")},
        seconds=record.get("timing", {}).get("seconds"),
        error=None if failure is None else str(failure),
        exit_code=0 if failure is None else failure.exit_code,
    )


def to_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as one line of strict JSON, its newline included."""
    text = json.dumps(record, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return in_json(text).encode() + b"\n"


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
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            msg = f"{path}: line {number} is not a pair of a batch"
            raise InputError(msg, remedy="name a file that 'roi-accel batch -o' wrote") from error
        yield line


def _line(data: bytes) -> Line:
    record = strict_json.loads_object(data)
    summary, whose = summary_of(record), record[KEY]
    if summary.exit_code:
        _FAILED.validate_python(whose["row"], strict=True)
    else:
        scored = (whose["id"], whose["row"], record["pooled_metrics"])
        _SCORED.validate_python(scored, strict=True)
    return Line(data, record, summary)


def in_order(summaries: Sequence[Summary]) -> list[Summary]:
    """Return the rows in the order of the manifest."""
    return sorted(summaries, key=lambda row: (row.line, row.distorted or ""))


def to_csv(summaries: Sequence[Summary]) -> str:
    """Return a table with a row per pair; what is not known is empty."""
    with io.StringIO(newline="") as text:
        writer = csv.DictWriter(text, fieldnames=list(_COLUMNS), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(asdict, in_order(summaries)))
        return in_table(text.getvalue())


def require_parquet() -> None:
    """Raise InputError where pyarrow, which writes Parquet, is missing or broken."""
    require("pyarrow.parquet", "parquet", "--parquet")


def to_parquet(summaries: Sequence[Summary]) -> bytes:
    """Return the same table as Parquet, typed as `Summary` is; InputError as `require_parquet`."""
    require_parquet()
    import pyarrow as pa  # noqa: PLC0415 - an extra, and a large one
    from pyarrow import parquet  # noqa: PLC0415 - as above

    kinds = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    # A column has one type, or None.
    schema = pa.schema(
        [(name, kinds[(get_args(kind) or (kind,))[0]]) for name, kind in _COLUMNS.items()]
    )
    rows = [
        {
            name: in_table(value) if isinstance(value, str) else value
            for name, value in asdict(row).items()
        }
        for row in in_order(summaries)
    ]
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), buffer)
    return buffer.getvalue()
