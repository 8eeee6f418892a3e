"""Claims about `roi-accel score`: JSON on stdout, all else on stderr, files whole or absent."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import jsonschema
import pytest
from commands import assert_one_line, run, run_json
from results import result_schema
from terminal import on_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

HEAVY = ("cupy", "pyopencl", "numba", "onnxruntime", "av", "imageio_ffmpeg", "pooch")


@pytest.fixture
def arguments(tiny_pair: Pair) -> list[object]:
    """Return the shortest way to a score."""
    pair = ["-r", tiny_pair.reference, "-d", tiny_pair.distorted]
    return ["score", *pair, "--synthetic-mask", "1"]


def test_stdout_is_one_json_document_that_keeps_the_schema(arguments: list[object]) -> None:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    jsonschema.Draft202012Validator(result_schema()).validate(content)
    assert done.stdout.endswith("}\n")
    assert done.stderr == ""


def test_quiet_leaves_warnings_where_they_are(tiny_pair: Pair) -> None:
    done = run(
        *("score", "-r", tiny_pair.reference, "-d", tiny_pair.reference),
        *("--synthetic-mask", "1", "--quiet"),
    )
    (warning,) = json.loads(done.stdout)["warnings"]
    assert done.stderr == f"warning: {warning}\n"
    assert "warnings and errors stay" in run("score", "--help").stdout


def test_quiet_leaves_stderr_empty(arguments: list[object]) -> None:
    done = run(*arguments, "--quiet", "--summary")
    assert done.stderr == ""
    assert json.loads(done.stdout)["vmaf_full"] > 0


def test_several_distorted_videos_give_an_array(arguments: list[object], tiny_pair: Pair) -> None:
    results = run_json(*arguments, "-d", tiny_pair.reference)
    assert [result["distorted"] for result in results] == [
        str(tiny_pair.distorted),
        str(tiny_pair.reference),
    ]


def test_python_dash_m_is_the_same_command(arguments: list[object]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "roi_accel", *map(str, arguments), "--quiet"],
        capture_output=True,
        check=True,
    )
    assert json.loads(done.stdout)["frames"] == run_json(*arguments, "--quiet")["frames"]


def test_options_reach_the_result(tiny_pair: Pair, tiny_network: Path) -> None:
    result = run_json(
        *("score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted),
        *("--saliency-model", tiny_network, "--saliency-size", "64", "--threshold", "0.4"),
        *("--fade", "0.2", "--weight", "0.75", "-m", "version=vmaf_v0.6.1neg"),
        *("--feature", "psnr", "--subsample", "2", "--frame-count", "5", "--threads", "1"),
    )
    assert result["provenance"]["parameters"] == {
        "threshold": 0.4,
        "fade": 0.2,
        "weight": 0.75,
        "models": ["version=vmaf_v0.6.1neg"],
        "model_sha256": {},
        "features": ["psnr"],
        "fps": None,
        "scale": None,
        "scale_to": None,
        "crop": None,
        "frame_skip_ref": 0,
        "frame_skip_dist": 0,
        "start": None,
        "duration": None,
        "saliency_stride": 1,
        "mask_smooth": None,
        "subsample": 2,
        "frame_count": 5,
        "shortest": False,
    }
    assert [frame["frameNum"] for frame in result["frames"]] == [0, 2, 4]
    assert result["provenance"]["mask"]["input_width"] == 64
    assert "psnr_y_masked" in result["pooled_metrics"]


def test_raw_geometry_can_be_said_in_two_ways(tmp_path: Path, tiny_pair: Pair) -> None:
    raw = tmp_path / "raw.yuv"
    frames = tiny_pair.distorted.read_bytes().split(b"FRAME\n")[1:]
    raw.write_bytes(b"".join(frames))
    size = ("score", "-r", raw, "-d", raw, "--synthetic-mask", 1, "-w", 96, "--height", 64)
    one = run_json(*size, "--pix-fmt", "yuv420p")
    other = run_json(*size, "-p", "420", "-b", 8)
    assert one["frames"] == other["frames"]
    assert len(one["frames"]) == tiny_pair.frames


# Files


def test_output_holds_what_stdout_would_and_stdout_nothing(
    tmp_path: Path, arguments: list[object]
) -> None:
    path, table = tmp_path / "result.json", tmp_path / "frames.csv"
    done = run(*arguments, "-o", path, "--csv", table)
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    written, printed = json.loads(path.read_text("utf-8")), run_json(*arguments)
    del written["timing"], printed["timing"]
    assert written == printed
    assert len(table.read_text().splitlines()) == 1 + len(printed["frames"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["frames.csv", "result.json"]


@pytest.mark.parametrize("option", ["--output", "--csv"])
def test_existing_output_is_refused_before_any_work(
    tmp_path: Path, arguments: list[object], option: str
) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    # The scorer that does not exist would be the next error.
    done = run(*arguments, option, path, "--vmaf", "/no/such/vmaf")
    assert done.returncode == 6
    assert_one_line(done.stderr)
    assert "--overwrite" in done.stderr
    assert path.read_text() == "old"


def test_overwrite_replaces_old_output(tmp_path: Path, arguments: list[object]) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    assert run(*arguments, "-o", path, "--overwrite").returncode == 0
    assert json.loads(path.read_text())["schema_version"] == 1


def test_failed_run_leaves_old_output_as_it_was(tmp_path: Path, arguments: list[object]) -> None:
    path = tmp_path / "old"
    path.write_text("old")
    done = run(*arguments, "-o", path, "--overwrite", "-m", "version=no_such_model")
    assert done.returncode == 5
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["old"]


@pytest.mark.parametrize("role", ["reference", "network", "vmaf model"])
def test_no_input_is_ever_replaced(
    tmp_path: Path, tiny_pair: Pair, tiny_network: Path, role: str
) -> None:
    copies = {"reference": tiny_pair.reference, "network": tiny_network, "vmaf model": tiny_network}
    path = tmp_path / "input"
    path.write_bytes(copies[role].read_bytes())
    reference = path if role == "reference" else tiny_pair.reference
    network = path if role == "network" else tiny_network
    done = run(
        *("score", "-r", reference, "-d", tiny_pair.distorted, "--saliency-model", network),
        *(("-m", f"path={path}") if role == "vmaf model" else ()),
        *("-o", path, "--overwrite"),
    )
    assert done.returncode == 6
    assert "is also an input" in done.stderr
    assert path.read_bytes() == copies[role].read_bytes()


def test_output_and_csv_must_differ(tmp_path: Path, arguments: list[object]) -> None:
    done = run(*arguments, "-o", tmp_path / "x", "--csv", f"{tmp_path}/./x")
    assert done.returncode == 2
    assert_one_line(done.stderr)


def test_file_names_with_leading_dashes_and_other_traps_work(
    tmp_path: Path, tiny_pair: Pair
) -> None:
    names = ["-r.y4m", "it's [a]: b,c;\\.y4m"]
    for name, source in zip(names, (tiny_pair.reference, tiny_pair.distorted), strict=True):
        (tmp_path / name).write_bytes(source.read_bytes())
    done = run(
        "score", f"--reference={names[0]}", "-d", names[1], "--synthetic-mask", "1", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["distorted"] == names[1]


# What people see


def test_help_names_every_option_with_its_default() -> None:
    done = run("score", "--help", env={"COLUMNS": "160"})
    assert done.returncode == 0
    for default in ("center-surround", "256", "0.3", "0.1", "0.5", "version=vmaf_v0.6.1", "stdout"):
        assert f"[default: {default}]" in done.stdout.replace("(", "").replace(")", "")
    for option in ("--reference", "--roi-track", "--synthetic-mask", "--backend", "--overwrite"):
        assert option in done.stdout


def test_bar_is_shown_on_a_terminal(arguments: list[object]) -> None:
    shown, status = on_terminal(*arguments)
    assert status == 0
    assert "scoring" in shown


@pytest.mark.parametrize("option", ["--no-progress", "--quiet"])
def test_bar_can_be_switched_off(arguments: list[object], option: str) -> None:
    shown, status = on_terminal(*arguments, option)
    assert status == 0
    assert "scoring" not in shown


@pytest.mark.parametrize("force_color", [{}, {"FORCE_COLOR": "1"}])
def test_no_bar_where_stderr_is_no_terminal(
    arguments: list[object], force_color: dict[str, str]
) -> None:
    assert "scoring" not in run(*arguments, env=force_color).stderr


def test_bar_can_be_asked_for_anywhere(arguments: list[object]) -> None:
    done = run(*arguments, "--progress")
    assert "scoring" in done.stderr
    json.loads(done.stdout)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import roi_accel, sys; print([name for name in {!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code.format(HEAVY)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import sys\nfrom roi_accel.cli import main\nassert main(['score', '--help']) == 0\n"
        "print([name for name in {!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code.format(HEAVY)], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_a_command_loads_no_other_commands_modules() -> None:
    code = (
        "import sys\nfrom roi_accel.cli import main\nassert main(['score', '--help']) == 0\n"
        "names = [f'roi_accel.cli.{name}' for name in ('bench', 'devices', 'models', 'parity')]\n"
        "print([name for name in names if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
