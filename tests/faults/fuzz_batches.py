"""Hostile manifests, and hostile files where a batch's output should be."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fuzz_mutation import HOSTILE_TEXTS, json_mutants, mutants
from hypothesis import strategies as st
from results import make_result

from roi_accel.batch.jobs import Failure, Scored
from roi_accel.batch.manifest import read_defaults, read_manifest
from roi_accel.batch.merge import merge_pieces
from roi_accel.batch.records import scored_record
from roi_accel.batch.results_file import ResultsFile
from roi_accel.batch.rows import BadRow, Pair, options_of
from roi_accel.errors import InputError, OutputError
from roi_accel.ladder.ladder import read_results

if TYPE_CHECKING:
    from pathlib import Path

_ROWS: list[dict[str, Any]] = [
    {"reference": "r.y4m", "distorted": ["a.y4m", "b.y4m"], "weight": 0.25, "ladder": "x264"},
    {"reference": "r.yuv", "distorted": "d.yuv", "width": 96, "height": 64, "pix_fmt": "yuv420p"},
    {"reference": "r.mp4", "distorted": "d.mp4", "roi": ["face=1,2,3,4"], "shortest": True},
    {"reference": "r.mp4", "distorted": "d.mp4", "model": "path=m.json:name=m", "crop": "auto"},
]


def csv_inputs() -> st.SearchStrategy[bytes]:
    """Return CSV manifests: mutants of good ones, and cells that mean harm."""
    names = "reference,distorted,weight,roi,model,saliency_size,start"
    rows = ["r.mp4,d.mp4,0.5,,,256,1", '/r.mp4,"[""a"",""b""]",,"[""1,2,3,4""]",path=m.json,,']
    good = "\n".join([names, *rows, ""]).encode()
    cell = st.one_of(st.sampled_from(HOSTILE_TEXTS), st.text(max_size=20))
    quoted = cell.map(lambda text: '"' + text.replace('"', '""') + '"')
    made = st.lists(st.lists(quoted, max_size=9).map(",".join), max_size=6).map(
        lambda lines: "\n".join([names, *lines]).encode("utf-8", "surrogatepass")
    )
    return st.one_of(mutants([good]), made)


def json_inputs() -> st.SearchStrategy[bytes]:
    """Return manifests of JSON lines."""
    line = json_mutants(_ROWS).map(lambda data: data.replace(b"\n", b" "))
    deep = st.integers(1, 100_000).map(lambda depth: b'{"roi":' * depth)
    return st.one_of(
        mutants([b"\n".join(json.dumps(row).encode() for row in _ROWS)]),
        st.lists(st.one_of(line, deep), max_size=5).map(b"\n".join),
    )


def read_rows(path: Path) -> None:
    """Read a manifest; each of its rows is a pair that can be asked for, or says why not."""
    for row in read_manifest(str(path)):
        assert row.line >= 1
        if isinstance(row, BadRow):
            assert str(row.error)
        else:
            options_of(row.keywords)
            json.dumps(dict(row.keywords), allow_nan=False)


def defaults_inputs() -> st.SearchStrategy[bytes]:
    """Return files of defaults."""
    return json_mutants(_ROWS)


def read_options(path: Path) -> None:
    """Read a file of defaults."""
    assert isinstance(read_defaults(path), dict)


def lines_inputs() -> st.SearchStrategy[bytes]:
    """Return what may lie where a batch is to go on, or be merged."""
    return st.one_of(
        mutants([b"".join(_line(record) for record in _records())]),
        st.lists(json_mutants(_records()).map(_one_line), max_size=4).map(b"".join),
    )


def read_lines(path: Path) -> None:
    """Read a batch's output in each of the ways in which it is read."""
    for reader in (read_results, lambda each: merge_pieces([_pair(2)], [each])):
        with suppress(InputError):
            reader(path)
    with ResultsFile(path, overwrite=False) as ledger:
        for identity, row in ledger.done:
            record = ledger.record(identity)
            assert record is not None
            assert (identity, row) is not None
    with ResultsFile(path, overwrite=False) as again:
        assert len(again.done) <= len(ledger.done)


REFUSALS = (InputError, OutputError)


def _pair(line: int) -> Pair:
    return Pair(
        line=line,
        reference="r.mp4",
        distorted=f"d{line}.mp4",
        ladder="x264",
        row=f"{line:064x}",
        keywords={},
    )


def _records() -> list[dict[str, Any]]:
    scored = Scored(result=make_result().to_dict(), bitrate=1e6)
    failed = Failure.of(InputError("bad", remedy="mend it"))
    return [
        scored_record(_pair(line), outcome, identity=f"{line:064x}", frames=3)
        for line, outcome in ((2, scored), (3, failed), (4, scored))
    ]


def _line(record: dict[str, Any]) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _one_line(data: bytes) -> bytes:
    return data.replace(b"\n", b" ") + b"\n"
