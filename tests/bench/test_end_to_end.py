"""The benchmark of whole runs measures what it says, on both sides alike."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from roi_accel.bench import commands
from roi_accel.bench.commands import Setting, as_raw, find_ffmpeg, make_pair, peak_mib
from roi_accel.bench.contender import ratios, time_commands
from roi_accel.bench.goals import judge_runs
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "roi_accel.bench.end_to_end", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_whole_runs_are_measured_beside_plain_ones(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench(
        *("--what", "ratio", "--sizes", "720p", "--depths", "10", "--inputs", "raw"),
        *("--frames", "3", "--repeats", "1", "--json", str(path)),
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(path.read_text())
    (row,) = report["ratio"]
    assert (row["size"], row["bit_depth"], row["input"], row["frames"]) == ("720p", 10, "raw", 3)
    plain, ours = row["seconds"]["two plain runs"], row["seconds"]["whole run"]
    assert row["median"] == ours[0] / plain[0]
    assert row["timing"]["stages"]["prepare"] > 0
    assert "two plain VMAF runs" in done.stdout


def test_vmaf_roi_scores_steps_are_timed_beside_ours(tiny_network: Path, tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench(
        *("--what", "plain", "--sizes", "720p", "--frames", "2", "--repeats", "1"),
        *("--saliency-models", str(tiny_network), "--json", str(path)),
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())["plain"]
    assert set(row["seconds"]) == {"vmaf-roi-score's steps", "whole run"}


def test_vmaf_roi_scores_steps_give_nearly_our_scores(tiny_network: Path, tmp_path: Path) -> None:
    # Both with the network at the frame's own size; the steps blend in float, and luma alone.
    scorer = find_ffmpeg()
    pair = as_raw(scorer, make_pair(scorer, tmp_path, 2, size=(320, 192)))
    setting = Setting(scorer.path, 1, 2, saliency_model=str(tiny_network), saliency_size="native")
    done = subprocess.run(
        commands.vmaf_roi_scores_way(setting, pair, tiny_network),
        capture_output=True,
        text=True,
        check=True,
    )
    theirs = json.loads(done.stdout)
    subprocess.run(commands.ours(setting, pair, pair.distorted), cwd=tmp_path, check=True)
    ours = json.loads((tmp_path / commands.RESULT).read_text())
    assert theirs["vmaf_full"] == pytest.approx(ours["vmaf_full"], abs=1e-5)
    assert theirs["vmaf_masked"] == pytest.approx(ours["vmaf_masked"], abs=0.5)
    assert ours["vmaf_masked"] > ours["vmaf_full"] + 1


def test_memory_is_that_of_our_process_alone(tmp_path: Path) -> None:
    child = "import subprocess, sys; b = bytearray(400 << 20); "
    child += "subprocess.run([sys.executable, '-c', 'b = bytearray(900 << 20)'])"
    assert 400 < peak_mib([sys.executable, "-c", child], tmp_path) < 600


def test_a_command_that_fails_has_no_peak(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="exit code 3"):
        peak_mib([sys.executable, "-c", "raise SystemExit(3)"], tmp_path)


def test_memory_is_told_for_each_length(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench(
        *("--what", "memory", "--sizes", "720p", "--frames", "2", "--backend", "numpy"),
        *("--json", str(path)),
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(path.read_text())["memory"]
    assert [(row["backend"], row["frames"]) for row in rows] == [("numpy", 2), ("numpy", 8)]
    assert all(row["median"] > 50 for row in rows)


def test_the_cost_of_the_gate_is_a_ratio_of_whole_runs(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    done = bench(
        *("--what", "gate", "--sizes", "720p", "--frames", "3", "--repeats", "1"),
        *("--backend", "numba", "--json", str(path)),
    )
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(path.read_text())["gate"]
    assert set(row["seconds"]) == {"with the gate", "without"}
    assert row["frames_checked"] == 3
    assert 0 < row["gate_seconds"] < row["seconds"]["with the gate"][0]


def test_goals_are_judged_by_the_worst_row() -> None:
    row = {"size": "1080p", "bit_depth": 8, "network": "student_v2", "input": "H.264"}
    report = {"shared": [row | {"median": 0.7}], "memory": [row | {"median": m} for m in (9, 900)]}
    goals = {goal["what"]: goal for goal in judge_runs(report)}
    shared = goals["4 distorted videos together / one by one"]
    assert (shared["measured"], shared["met"]) == (0.7, True)
    memory = goals["peak memory in MiB, VMAF's process not counted"]
    assert (memory["measured"], memory["met"]) == (900, False)
    steps = goals["vmaf-roi-score's steps / whole run"]
    assert (steps["measured"], steps["met"]) == (None, None)


def test_what_is_no_size_is_refused() -> None:
    done = bench("--sizes", "480i")
    assert done.returncode == 2
    assert "1080p" in done.stderr


def test_sides_take_turns_and_the_first_turn_does_not_count(tmp_path: Path) -> None:
    log = tmp_path / "log"
    sides = {
        name: [[sys.executable, "-c", f"open({str(log)!r}, 'a').write({name!r})"]] for name in "ab"
    }
    seconds = time_commands(sides, tmp_path, rounds=2)
    assert log.read_text() == "ab" + "ba" + "ab"
    assert {name: len(each) for name, each in seconds.items()} == {"a": 2, "b": 2}


def test_a_ratio_is_taken_turn_by_turn() -> None:
    found = ratios({"a": [2.0, 9.0, 4.0], "b": [1.0, 3.0, 4.0]}, "a", "b")
    assert found == {"median": 2.0, "min": 1.0, "max": 3.0}


def test_a_command_that_fails_is_an_error_with_its_last_words(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no such thing')"]
    with pytest.raises(InputError, match="no such thing"):
        time_commands({"a": [command]}, tmp_path, rounds=1)
