"""Claims about the command `ladder`, called as the command line calls it."""

from __future__ import annotations

import csv
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer
from ladders import ANCHOR, record, write_results
from typer.testing import CliRunner

from roi_accel.cli.batch_ladder import ladder
from roi_accel.errors import InputError, OutputError, RoiAccelError
from roi_accel.ladder.ladder import METRICS

if TYPE_CHECKING:
    from pathlib import Path

    from typer.testing import Result


def run(*arguments: object) -> Result:
    app = typer.Typer()
    app.command()(ladder)
    return CliRunner().invoke(app, [str(each) for each in arguments])


def refusal(*arguments: object) -> RoiAccelError:
    error = run(*arguments).exception
    assert isinstance(error, RoiAccelError)
    return error


@pytest.fixture
def results(tmp_path: Path) -> Path:
    lines: list[dict[str, Any]] = []
    for name, factor in (("a", 1.0), ("b", 0.5)):
        for rate, score in ANCHOR:
            lines.append(record(len(lines) + 1, rate * factor, score, ladder=name))
    return write_results(tmp_path / "results.ndjson", lines)


def test_it_prints_json_of_encodes_hulls_and_bd_rates(results: Path) -> None:
    content = json.loads(run(results).stdout)
    (found,) = content["references"]
    assert len(found["encodes"]) == 10
    assert {each["test"]: each["percent"] for each in found["bd_rates"]} == {
        "b": pytest.approx(-50)
    }
    assert [each["on_hull_of_all"]["vmaf_roi"] for each in found["encodes"]] == (
        [False] * 5 + [True] * 5
    )


def test_an_anchor_turns_the_sign(results: Path) -> None:
    content = json.loads(run(results, "--anchor", "b").stdout)
    assert content["references"][0]["bd_rates"][0]["percent"] == pytest.approx(100)


def test_tables_are_shown_where_they_are_asked_for(results: Path) -> None:
    shown = run(results, "--summary").stderr
    assert "-50.00 %" in shown
    assert "40.00 **" in shown
    assert run(results, "--quiet", "--summary").stderr == ""


def test_a_note_of_several_rows_is_told_once(
    results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    done = run(results, "--summary")
    assert done.stderr.count("bjontegaard,") == 1
    assert done.stderr.count("as above") == len(METRICS) - 1
    rates = json.loads(done.stdout)["references"][0]["bd_rates"]
    assert all("needs bjontegaard" in each["reason"] for each in rates)


def test_it_writes_all_files(results: Path, tmp_path: Path) -> None:
    names = {option: tmp_path / f"out.{option}" for option in ("output", "csv", "html")}
    done = run(results, *(part for name, path in names.items() for part in (f"--{name}", path)))
    assert (done.exit_code, done.stdout) == (0, "")
    rows = list(csv.DictReader(names["csv"].read_text("utf-8").splitlines()))
    assert [(row["ladder"], row["vmaf_roi_hull"]) for row in rows] == (
        [("a", "own")] * 5 + [("b", "all")] * 5
    )
    assert json.loads(names["output"].read_text("utf-8"))["schema_version"] == 1
    assert names["html"].read_text("utf-8").startswith("<!doctype html>")


def test_output_that_exists_is_kept_unless_it_may_go(results: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text("old")
    assert isinstance(refusal(results, "-o", path), OutputError)
    assert path.read_text() == "old"
    assert run(results, "-o", path, "--overwrite").exit_code == 0


def test_the_results_are_never_replaced(results: Path) -> None:
    before = results.read_bytes()
    assert "is also an input" in str(refusal(results, "-o", results, "--overwrite"))
    assert results.read_bytes() == before


def test_two_options_may_not_name_one_file(results: Path, tmp_path: Path) -> None:
    error = refusal(results, "-o", tmp_path / "x", "--csv", tmp_path / "x")
    assert "both name" in str(error)


def test_an_unknown_anchor_writes_nothing(results: Path, tmp_path: Path) -> None:
    error = refusal(results, "--anchor", "z", "-o", tmp_path / "x")
    assert isinstance(error, InputError)
    assert error.exit_code == 2
    assert not (tmp_path / "x").exists()
