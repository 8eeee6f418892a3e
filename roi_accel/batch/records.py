"""Lines of a batch's output: a result, or an error, and under ``batch`` whose it is.

A line of a scored pair is its result as `score` writes it with one more key, so that whatever reads
results reads these too. ``batch`` has:

- ``id``: the pair's identity, None where it could not be known;
- ``row``: what the manifest's row asked for, as a digest; ``line``: where it stands there;
- ``ladder``, ``bitrate``: the set of encodes it belongs to, and its video's bits per second;
- ``frames``: how many were scored;
- ``shard``: the part of the manifest that was scored, such as ``0/4``;
- ``worker``: who scored it (node, backend, device, driver, parity record).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

from roi_accel._util.text import in_json
from roi_accel.batch.outcome import Failure
from roi_accel.results.result import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.batch.outcome import Outcome
    from roi_accel.batch.rows import BadRow, Pair
    from roi_accel.batch.worker import Trust

KEY = "batch"


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A line's numbers, as a row of a table.

    Attributes
    ----------
    line : int
    reference, distorted, ladder : str or None
    vmaf_full, vmaf_masked, vmaf_roi : float or None
        None where there is no score.
    frames : int or None
    width, height : int or None
        In pixels, as scored.
    bitrate : float or None
        Bits per second of the distorted video; None for raw video.
    node, backend, device : str or None
        Where it was scored.
    seconds : float or None
        What the run took that scored it, with others of the same reference.
    error : str or None
    exit_code : int
        0, or what `score` would have ended with.
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


SUMMARY_TYPES = get_type_hints(Summary)
"""Of its fields, by their names and in their order."""


def scored_record(
    pair: Pair, outcome: Outcome, *, identity: str | None, **facts: object
) -> dict[str, Any]:
    """Return the line of a pair; `facts` are further keys of ``batch``."""
    whose = {"id": identity, "row": pair.row, "line": pair.line, "ladder": pair.ladder, **facts}
    if isinstance(outcome, Failure):
        return _failed(pair.reference, pair.distorted, outcome, whose)
    return {**outcome.result, KEY: whose}


def copied_record(record: Mapping[str, Any], pair: Pair, **facts: object) -> dict[str, Any]:
    """Return the line of a pair whose scores another row's line has; `facts` replace its own."""
    whose = {"row": pair.row, "line": pair.line, "ladder": pair.ladder, **facts}
    names = {"reference": pair.reference, "distorted": pair.distorted}
    return {**record, **names, KEY: {**record[KEY], **whose}}


def bad_row_record(row: BadRow, **facts: object) -> dict[str, Any]:
    """Return the line of a row that could not be used."""
    whose = {"id": None, "row": None, "line": row.line, "ladder": None, **facts}
    return _failed(row.reference, row.distorted, Failure.of(row.error), whose)


def _failed(
    reference: str | None, distorted: str | None, failure: Failure, whose: Mapping[str, object]
) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "reference": reference,
        "distorted": distorted,
        "error": asdict(failure),
        KEY: dict(whose),
    }


def worker_facts(trust: Trust | None) -> dict[str, Any] | None:
    """Return what a line says of its worker."""
    return None if trust is None else asdict(trust)


def is_failed(record: Mapping[str, Any]) -> bool:
    """Return whether a line is that of a pair without a score."""
    return "error" in record


def summary_of(record: Mapping[str, Any]) -> Summary:
    """Return a line's numbers, as they stand there.

    Raises
    ------
    KeyError, TypeError, AttributeError
        It is no line of a batch.
    """
    whose = record[KEY]
    worker = whose.get("worker") or {}
    failure = Failure(**record["error"]) if is_failed(record) else None
    video = record["provenance"]["reference"] if failure is None else {}
    timing = record.get("timing", {})
    return Summary(
        line=whose["line"],
        reference=record["reference"],
        distorted=record["distorted"],
        ladder=whose["ladder"],
        vmaf_full=record.get("vmaf_full"),
        vmaf_masked=record.get("vmaf_masked"),
        vmaf_roi=record.get("vmaf_roi"),
        frames=whose.get("frames"),
        width=video.get("width"),
        height=video.get("height"),
        bitrate=whose.get("bitrate"),
        node=worker.get("node"),
        backend=worker.get("backend"),
        device=worker.get("device"),
        seconds=timing.get("seconds"),
        error=None if failure is None else str(failure),
        exit_code=0 if failure is None else failure.exit_code,
    )


def to_line(record: Mapping[str, Any]) -> bytes:
    """Return a record as one line of strict JSON, its newline included."""
    text = json.dumps(record, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return in_json(text).encode() + b"\n"
