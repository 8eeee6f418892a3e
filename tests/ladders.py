"""Lines of a batch's results made by hand, for tests of what is done with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from results import make_result

from roi_accel.ladder.ladder import Encode, Ladder, ReferenceLadders

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ANCHOR = ((100e3, 40.0), (200e3, 60.0), (400e3, 75.0), (800e3, 85.0), (1600e3, 90.0))
"""Bitrates in bits per second and scores of a ladder as most are: rising, and bending down."""


def ladder(name: str, points: Iterable[tuple[float | None, float]], *, first: int = 1) -> Ladder:
    """Return a ladder whose scores are all three the same."""
    encodes = (
        encode(line, bitrate, score, f"{name}-{line}.mp4")
        for line, (bitrate, score) in enumerate(points, first)
    )
    ordered = sorted(encodes, key=lambda each: each.bitrate or float("inf"))
    return Ladder(name, tuple(ordered))


def encode(line: int, bitrate: float | None, score: float, distorted: str) -> Encode:
    scores = dict.fromkeys(("vmaf_full", "vmaf_masked", "vmaf_roi"), score)
    return Encode(line, distorted, bitrate, scores)


def group(*ladders: Ladder, reference: str = "ref.mp4") -> ReferenceLadders:
    return ReferenceLadders(reference, ladders)


def record(
    line: int, bitrate: float | None, score: float, *, ladder: str | None = None, **changes: Any
) -> dict[str, Any]:
    """Return a finished pair's line: a whole result, and where it stood in the manifest."""
    content = make_result(frames=1, distorted=f"{ladder}-{line}.mp4").to_dict()
    content["vmaf_full"], content["vmaf_masked"] = score - 2, score + 2
    content["vmaf_roi"] = score
    content["batch"] = {
        "id": f"{line:064x}",
        "row": f"{line:064x}",
        "line": line,
        "ladder": ladder,
        "bitrate": bitrate,
    }
    return content | changes


def failure(line: int, message: str, *, ladder: str | None = None) -> dict[str, Any]:
    return {
        "reference": "ref.mp4",
        "distorted": f"{ladder}-{line}.mp4",
        "error": {"message": message, "exit_code": 2},
        "batch": {"id": None, "row": f"{line:064x}", "line": line, "ladder": ladder},
    }


def write_results(path: Path, records: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(each) + "\n" for each in records), "utf-8")
    return path
