"""The comparer of two versions passes equal ones, and notices what another does otherwise."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Stands in for `python -m roi_accel`: ignores what it is asked and does what the line says.
STANDIN = """#!{python} -S
import json, pathlib, sys
{body}
"""
BODY = """
result = {"vmaf_roi": 51.123456, "warnings": ["it is dark"], "timing": {"seconds": 1.5}}
print(json.dumps(result))
print("done at last", file=sys.stderr)
where = str(pathlib.Path.cwd() / "ref.y4m")  # Each side has a folder of its own.
pathlib.Path("where.json").write_text(json.dumps({"reference": where}))
pathlib.Path("out.csv").write_text("frame,vmaf_roi\\n0,51.123456\\n")
sys.exit(0)
"""


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the script and its modules."""
    monkeypatch.syspath_prepend(ROOT / "scripts")
    import behaviour_cases  # noqa: PLC0415 - importable since the line above
    import behaviour_values  # noqa: PLC0415 - as above
    import compare_behaviour  # noqa: PLC0415 - as above

    return SimpleNamespace(script=compare_behaviour, cases=behaviour_cases, values=behaviour_values)


@pytest.fixture
def compared(modules: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return what compares a stand-in with one whose code was changed, and returns the tally."""
    (tmp_path / "inputs").mkdir()

    def compare(found: str = "", planted: str = "", *, keys_only: bool = False) -> Any:
        assert found in BODY
        sides = []
        for label, body in (("old", BODY), ("new", BODY.replace(found, planted, 1))):
            python = tmp_path / label
            python.write_text(STANDIN.format(python=sys.executable, body=body))
            python.chmod(0o755)
            sides.append(modules.script.Side(label, python, tmp_path / "package", tmp_path))
        options = SimpleNamespace(jobs=2, keep=None, no_wording=False)
        cases = [modules.cases.Case("one/case", ("score",), keys_only)]
        return modules.script.compare_all(cases, sides, tmp_path, options)

    return compare


def test_an_equal_pair_passes(compared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    tally = compared()
    assert (tally.run, tally.differing, tally.wording) == (1, 0, 0)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("found", "planted", "where"),
    [
        ('51.123456, "warn', '51.123457, "warn', "stdout.vmaf_roi: 51.123456 -> 51.123457"),
        ('"vmaf_roi": 51.123456, ', "", "stdout.vmaf_roi: 51.123456 -> (absent)"),
        ('"timing"', '"more": 1, "timing"', "stdout.more: (absent) -> 1"),
        ('["it is dark"]', "[]", "stdout.warnings"),
        ("sys.exit(0)", "sys.exit(2)", "exit code: 0 -> 2"),
        ("0,51.123456", "0,51.12345", "file out.csv[0].vmaf_roi: '51.123456' -> '51.12345'"),
        ('"out.csv"', '"else.csv"', "file else.csv"),
        ('print("done at last", file=sys.stderr)', "", "stderr: 'done at last"),
        ("sys.exit(0)", "raise ValueError", "traceback: False -> True"),
    ],
)
def test_a_planted_difference_is_found(
    compared: Any, capsys: pytest.CaptureFixture[str], found: str, planted: str, where: str
) -> None:
    tally = compared(found, planted)
    assert (tally.run, tally.differing) == (1, 1)
    output = capsys.readouterr().out
    assert "DIFFERS one/case: score" in output
    assert where in output


@pytest.mark.parametrize(
    ("found", "planted"), [("done at last", "at last, done"), ("it is dark", "dark it is")]
)
def test_other_words_are_shown_and_no_failure(
    compared: Any, capsys: pytest.CaptureFixture[str], found: str, planted: str
) -> None:
    tally = compared(found, planted)
    assert (tally.differing, tally.wording) == (0, 1)
    output = capsys.readouterr().out
    assert f"- {found}" in output
    assert f"+ {planted}" in output


def test_seconds_are_not_compared(compared: Any) -> None:
    assert not compared('"seconds": 1.5', '"seconds": 2.5').differing
    assert compared('"seconds": 1.5', '"minutes": 1.5').differing


def test_keys_alone_are_compared_where_values_are_not_for_ever(compared: Any) -> None:
    assert not compared("51.123456", "1", keys_only=True).differing
    assert compared('"vmaf_roi"', '"vmaf"', keys_only=True).differing


def test_arrays_are_compared_and_not_how_they_are_packed(modules: Any, tmp_path: Path) -> None:
    masks = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    made = {"plain": masks, "packed": masks, "other": masks[::-1], "wide": masks.astype(np.int32)}
    read = {}
    for name, array in made.items():
        save = np.savez_compressed if name == "packed" else np.savez
        save(tmp_path / f"{name}.npz", masks=array)
        read[name] = modules.values.read_file(tmp_path / f"{name}.npz")
    assert read["plain"] == read["packed"]
    assert list(modules.values.differences(read["plain"], read["other"]))
    assert list(modules.values.differences(read["plain"], read["wide"]))


def test_a_batch_is_compared_in_the_order_of_its_manifest(modules: Any, tmp_path: Path) -> None:
    lines = [
        {"vmaf_roi": 50.0 + line, "batch": {"line": line, "id": f"{line % 2}"}}
        for line in (2, 3, 4)
    ]
    orders = {"one": lines, "turned": lines[::-1], "unlike": [*lines[:2], lines[0]]}
    read = {}
    for name, order in orders.items():
        path = tmp_path / f"{name}.ndjson"
        path.write_text("".join(json.dumps(line) + "\n" for line in order))
        read[name] = modules.values.read_file(path)
    assert read["one"] == read["turned"]
    assert list(modules.values.differences(read["one"], read["unlike"]))


def test_a_page_is_compared_by_its_data(modules: Any, tmp_path: Path) -> None:
    page = (
        '<p>{words} {number}</p><script type="application/json">{chart}</script><img src="{src}">'
    )
    plain = {
        "words": "blended",
        "number": "51.12",
        "chart": '{"name": "ColumnDataSource", "id": "p1", "attributes": {"data": [1, 2]}}',
        "src": "data:1",
    }

    def read(**changes: str) -> Any:
        (tmp_path / "page.html").write_text(page.format(**(plain | changes)))
        return modules.values.read_file(tmp_path / "page.html")

    (words,) = modules.values.differences(read(), read(words="mixed"))
    assert words.wording
    assert read() == read(chart=plain["chart"].replace("p1", "p2"))
    for changes in (
        {"number": "51.13"},
        {"chart": plain["chart"].replace("2", "3")},
        {"src": "data:2"},
    ):
        found = list(modules.values.differences(read(), read(**changes)))
        assert any(not each.wording for each in found), changes


def test_the_table_has_every_command_and_no_name_twice(
    modules: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert modules.script.main(["--list"]) == 0
    assert int(capsys.readouterr().out.splitlines()[-1].split()[0]) >= 80
    names = [case.name for case in modules.cases.CASES]
    assert len(set(names)) == len(names)
    commands = [command for case in modules.cases.CASES for command in case.commands]
    for command in commands:
        if command.startswith(modules.cases.PYTHON):
            compile(modules.script.python_code(command), command, "exec")
    for word in (
        "score",
        "mask",
        "batch run",
        "batch merge",
        "batch ladder",
        "parity record",
        "demo",
    ):
        assert f"{word} " in " ".join(commands)


def test_the_inputs_are_the_same_every_time(modules: Any, tmp_path: Path) -> None:
    for name in ("one", "other"):
        modules.script.write_inputs(tmp_path / name)
    one, other = (modules.script.snapshot(tmp_path / name) for name in ("one", "other"))
    assert one.keys() == other.keys()
    assert one["ref.y4m"] == other["ref.y4m"]


def test_what_is_no_version_is_refused(modules: Any, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="not an interpreter, a folder or a revision"):
        modules.script.make_side("no-such-revision", "old", tmp_path)
