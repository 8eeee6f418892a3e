"""Claims about reading reports of `roi-accel bench` that anything may have written."""

from __future__ import annotations

import json
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

from roi_accel.bench.regression import (
    MAX_BYTES,
    Report,
    check_settings,
    compare_reports,
    read_report,
)
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def report(ratio: Any = 1.5) -> dict[str, Any]:
    row = {"name": "numba", "ratios": {"ffmpeg": {"median": ratio}}}
    case = {"name": "substitute", "rows": [row]}
    return {"schema_version": 1, "settings": {"threads": 2}, "cases": [case]}


def test_a_whole_report_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    path.write_text(json.dumps(report(3.0)))
    (change,) = compare_reports(read_report(path), Report.of(report(1.5)))
    assert change.change == pytest.approx(-0.5)


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b'{"cases":' * 2000, "is not JSON"),
        (b"\xff", "is not JSON"),
        (b'{"cases": 1, "cases": 1}', "is not JSON: duplicate key"),
        (b"[]", "is not JSON: expected an object"),
        (b'{"cases": {}, "settings": {}, "schema_version": 1}', "damaged: 'cases'"),
        (b'{"cases": [], "settings": [], "schema_version": 1}', "damaged: 'settings'"),
        (b'{"cases": [], "settings": {}}', "damaged: 'schema_version' is missing"),
        (b'{"cases": [], "settings": {}, "schema_version": "\\ud800"}', "expected 1"),
    ],
)
def test_what_is_no_report_is_refused_on_one_printable_line(
    tmp_path: Path, content: bytes, match: str
) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=match) as caught:
        read_report(path)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


@pytest.mark.parametrize(
    "content",
    [
        b'"cases": [' + b"3," * 300_000 + b"3]",
        b'"cases": [{"name": "a", "rows": [{"name": "b", "ratios": {'
        + b",".join(b'"%d": 3' % number for number in range(100_000))
        + b"}}]}]",
    ],
    ids=["cases", "peers"],
)
def test_a_report_with_very_many_faults_takes_little_memory(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "old.json"
    path.write_bytes(b'{"schema_version": 1, "settings": {}, ' + content + b"}")
    assert path.stat().st_size < MAX_BYTES
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match="damaged"):
            read_report(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 30 << 20


def test_a_report_of_more_than_16_mib_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    with pytest.raises(InputError, match="larger than 16 MiB"):
        read_report(path)


@pytest.mark.parametrize(
    "ratio", [0, -1, True, None, "1", [], {}, float("nan"), float("inf"), 10**400]
)
def test_a_ratio_that_is_no_positive_number_is_refused(ratio: object) -> None:
    with pytest.raises(InputError, match="a report is damaged"):
        Report.of(report(ratio))


@pytest.mark.parametrize("rows", [None, 3, [3], [{"ratios": []}], [{"ratios": {"f": 1}}], {"a": 1}])
def test_a_case_of_another_form_is_refused(rows: object) -> None:
    broken = report()
    broken["cases"][0]["rows"] = rows
    with pytest.raises(InputError, match="a report"):
        Report.of(broken)


def test_a_huge_setting_is_shown_short() -> None:
    old = report()
    old["settings"]["threads"] = "x" * 10**6
    with pytest.raises(InputError, match="the old report was made with threads") as caught:
        check_settings(Report.of(old), {"threads": 2})
    assert len(str(caught.value)) < 300
