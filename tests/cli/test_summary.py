"""Claims about the table after a run: where it is shown, and that it says what the result says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest
from commands import run
from results import make_result
from terminal import on_terminal

from roi_accel.cli import console
from roi_accel.results.summary import counted

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

TITLE = "VMAF where people look"


@pytest.fixture
def arguments(tiny_pair: Pair) -> list[object]:
    """Return the shortest way to a score."""
    pair = ["-r", tiny_pair.reference, "-d", tiny_pair.distorted]
    return ["score", *pair, "--synthetic-mask", "1"]


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in re.split("[│┃]", line)[1:-1]]


def rows(shown: str) -> list[list[str]]:
    """Return the cells of the table's rows."""
    return [cells(line) for line in shown.splitlines() if line.startswith("│")]


# Where it is shown


def test_it_is_shown_on_a_terminal(arguments: list[object]) -> None:
    shown, status = on_terminal(*arguments)
    assert status == 0
    assert TITLE in shown


@pytest.mark.parametrize("option", [["--no-summary"], ["--quiet"], ["--quiet", "--summary"]])
def test_it_can_be_switched_off_and_quiet_wins(arguments: list[object], option: list[str]) -> None:
    shown, status = on_terminal(*arguments, *option)
    assert status == 0
    assert TITLE not in shown


@pytest.mark.parametrize("force_color", [{}, {"FORCE_COLOR": "1"}])
def test_it_is_not_shown_where_stderr_is_no_terminal(
    arguments: list[object], force_color: dict[str, str]
) -> None:
    assert run(*arguments, env=force_color).stderr == ""


def test_it_can_be_asked_for_anywhere_and_leaves_stdout_to_the_json(
    arguments: list[object],
) -> None:
    done = run(*arguments, "--summary")
    assert TITLE in done.stderr
    json.loads(done.stdout)


# What it says


def test_it_says_the_scores_of_every_video_and_region(
    tiny_pair: Pair,
) -> None:
    done = run(
        *("score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted, "-d", tiny_pair.reference),
        *("--roi", "left=0,0,48,64", "--roi", "right=48,0,48,64", "--summary"),
    )
    expected = []
    for result in json.loads(done.stdout):
        expected.append([result["distorted"].rpartition("/")[2], *three(result)])
        expected += [
            [name, *three(region | {"vmaf_full": result["vmaf_full"]})]
            for name, region in result["regions"].items()
        ]
    assert [row[0] for row in expected][:3] == ["distorted.y4m", "left", "right"]
    assert rows(done.stderr) == expected


def three(scores: dict[str, float]) -> list[str]:
    return [f"{scores[name]:.2f}" for name in ("vmaf_full", "vmaf_masked", "vmaf_roi")]


def test_it_says_frames_speed_backend_device_and_the_gates_verdict(
    arguments: list[object],
) -> None:
    done = run(*arguments, "--summary", "--backend", "numba", "--gate", "all")
    speed = json.loads(done.stdout)["timing"]["frames_per_second"]
    facts = dict(re.findall(r"^(\w+) +(.*?) *$", done.stderr, re.MULTILINE))
    assert facts["frames"] == f"8, {speed:.1f} frames/s"
    assert facts["mask"] == "synthetic"
    assert facts["backend"] == "numba on cpu (asked for)"
    assert facts["gate"].startswith("self-test passed, 8 of 8 frames checked (substitute)")
    assert "network" not in facts


def test_it_says_how_much_of_the_frame_counts(tiny_pair: Pair) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    done = run("score", *pair, "--summary", "--roi", "0,0,48,64")
    assert re.search(r"^counts +50% of the frame *$", done.stderr, re.MULTILINE)


@pytest.mark.parametrize(
    ("alphas", "said"),
    [
        ([0.47, 0.63, 0.31], "47% of the frame, 31% to 63%"),
        ([0.371, 0.374], "37% of the frame"),
        ([0.0, 0.012], "0.6% of the frame, 0% to 1.2%"),
        ([0.0], "0% of the frame"),
        ([1.0], "100% of the frame"),
    ],
)
def test_small_shares_are_told_more_finely(alphas: list[float], said: str) -> None:
    assert counted(alphas) == said


def test_it_says_which_execution_provider_ran_the_network(tiny_pair: Pair) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    done = run("score", *pair, "--summary", "--ep", "cpu", "--saliency-size", "64")
    assert re.search(r"^network +on CPUExecutionProvider", done.stderr, re.MULTILINE)


def test_it_says_which_files_were_written(arguments: list[object], tmp_path: Path) -> None:
    options = ("--trace", "--html", "-o", "--csv")
    files = {option: tmp_path / f"made{option}" for option in options}
    done = run(*arguments, "--summary", *(word for pair in files.items() for word in pair))
    assert done.stdout == ""
    told = ", ".join(str(files[option]) for option in ("-o", "--csv", "--html", "--trace"))
    # A long line is folded where it has spaces.
    assert " ".join(done.stderr.split()).endswith(f" written {told}")
    assert all(path.stat().st_size for path in files.values())


def test_it_says_of_no_file_where_none_was_written(arguments: list[object]) -> None:
    assert "written" not in run(*arguments, "--summary").stderr


def test_it_says_that_nothing_was_checked(arguments: list[object]) -> None:
    done = run(*arguments, "--summary", "--gate", "off")
    assert re.search(r"^gate +off: nothing was checked", done.stderr, re.MULTILINE)


def test_names_draw_nothing_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    trap = "[red]a\x1b[2J\nb"
    console.print_summary(
        [make_result(distorted=trap, regions=(trap,), saliency_model=trap, model=trap)]
    )
    shown = capsys.readouterr().err
    assert "\x1b[2J" not in shown
    assert "[red]a" in shown


@pytest.mark.parametrize("columns", [40, 60, 80])
def test_a_narrow_terminal_cuts_no_score(arguments: list[object], columns: int) -> None:
    shown, status = on_terminal(*arguments, "--no-progress", columns=columns)
    assert status == 0
    assert "…" not in shown
