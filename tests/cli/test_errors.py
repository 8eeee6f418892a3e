"""Claims about failures: a code, one line, no traceback, and nothing left behind."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clips import P8, smooth_frames, write_raw
from commands import assert_one_line, command, environment, run, run_here
from support import console_script

from roi_accel.cli import app
from roi_accel.errors import InternalError

if TYPE_CHECKING:
    from conftest import Pair


@pytest.fixture
def arguments(tiny_pair: Pair) -> list[object]:
    pair = ["-r", tiny_pair.reference, "-d", tiny_pair.distorted]
    return ["score", *pair, "--synthetic-mask", "1"]


@pytest.mark.parametrize(
    ("changes", "code", "match"),
    [
        (["-d", "/no/such/video.mp4"], 2, "no such file; check the path"),
        (["--calibration", "/no/such.toml"], 2, "/no/such.toml: no such file; check the path"),
        (["-d", "a.mp4", "-d", "./a.mp4"], 2, "-d a.mp4 is given 2 times; name every distorted"),
        (["--weight", "1.5"], 2, "weight must be from 0 to 1, not 1.5"),
        (["--threshold", "nan"], 2, "threshold must be from 0 to 1, not"),
        (["--threads", "0"], 2, "--threads must be at least 1"),
        (["--saliency-size", "huge"], 2, "'huge' is neither 'native' nor"),
        (["--synthetic-mask", "2"], 2, "--synthetic-mask must be from 0 to 1, not 2"),
        (["--roi", "0,0,8,8"], 2, "--roi and --synthetic-mask were given"),
        (["-w", "96"], 2, "is for raw input only, and this one lacks --height and --pix-fmt"),
        (["-w", "96", "--height", "64", "-p", "421", "-b", "8"], 2, "subsampling must be one of"),
        (["-w", "96", "--height", "64", "--pix-fmt", "nv12"], 2, "unknown pixel format 'nv12'"),
        (["-m", "vmaf_v0.6.1"], 2, "built-in version or a file"),
        (["--feature", "a;b"], 2, "may hold only"),
        (["--backend", "abacus"], 4, "there is no backend 'abacus'"),
        (["--vmaf", "/no/such/vmaf"], 5, "'/no/such/vmaf', which is not an executable"),
        (["-m", "version=vmaf_v9"], 5, "vmaf_v9"),
        (["-o", "/no/such/folder/result.json"], 6, "no folder /no/such/folder"),
        (["-o", "/"], 6, "is a folder"),
    ],
)
def test_failure_has_its_code_and_one_line(
    arguments: list[object], changes: list[str], code: int, match: str
) -> None:
    done = run_here(*arguments, *changes)
    assert done.returncode == code, done.stderr
    assert_one_line(done.stderr)
    assert match in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        (["-d", "/no/such/video.mp4"], 2),
        (["--backend", "abacus"], 4),
        (["--vmaf", "/no/such/vmaf"], 5),
        (["-o", "/"], 6),
    ],
)
def test_the_process_of_a_failure_ends_with_its_code(
    arguments: list[object], changes: list[str], code: int
) -> None:
    done = run(*arguments, *changes)
    assert done.returncode == code, done.stderr
    assert_one_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (
            ["-w", "640", "--height", "360"],
            "ref.yuv: raw input also needs --pix-fmt; add it; its size fits 640x360 yuv420p (2 fr",
        ),
        (["--pix-fmt", "yuv420p"], "also needs --width and --height; add them; its size fits "),
        (["-w", "640", "--height", "360", "-p", "420"], "also needs --bitdepth; add it; its size"),
        (["-w", "7", "--height", "7"], "ref.yuv: raw input also needs --pix-fmt; add it\n"),
    ],
)
@pytest.mark.parametrize("command", ["score", "mask"])
def test_a_raw_file_is_told_what_its_geometry_lacks(
    tmp_path: Path, command: str, given: list[str], said: str
) -> None:
    write_raw(tmp_path / "ref.yuv", smooth_frames(P8, 640, 360, 2))
    outputs = ["-d", "ref.yuv"] if command == "score" else ["-o", "mask.mkv"]
    done = run_here(command, "-r", "ref.yuv", *outputs, *given, cwd=tmp_path)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert said in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["score", "-d", "c.mp4"],
        ["mask", "-o", "mask.png"],
        ["batch", "pairs.csv", "-o", "out.ndjson"],
        ["batch", "merge", "pairs.csv", "out.ndjson"],
    ],
)
def test_a_second_reference_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    done = run_here(*arguments, "-r", "a.mp4", "--reference", "b.mp4", cwd=tmp_path)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert "-r is given 2 times, a.mp4 and b.mp4, and there is one reference; for p" in done.stderr


@pytest.mark.parametrize(
    ("name", "match"), [("no-such-network", "no-such-network"), ("./absent.onnx", "absent.onnx")]
)
def test_missing_network_is_a_model_error(tiny_pair: Pair, name: str, match: str) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    done = run("score", *pair, "--saliency-model", name)
    assert done.returncode == 3
    assert_one_line(done.stderr)
    assert match in done.stderr


def test_network_of_nan_is_a_model_error_that_names_the_frame(
    tmp_path: Path, tiny_pair: Pair
) -> None:
    networks = pytest.importorskip("networks")
    path = networks.write_network_of_nan(tmp_path / "nan.onnx")
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    done = run("score", *pair, "--saliency-model", path)
    assert done.returncode == 3
    assert_one_line(done.stderr)
    assert "frame 0" in done.stderr


@pytest.mark.parametrize(
    "usage",
    [["score"], ["score", "--nonsense"], ["nonsense"], ["score", "-r", "a", "--threads", "x"]],
)
def test_wrong_usage_is_code_2_and_one_line_that_names_the_help(usage: list[str]) -> None:
    done = run(*usage)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert "--help" in done.stderr
    assert done.stdout == ""


def test_debug_shows_the_traceback_and_keeps_the_code(arguments: list[object]) -> None:
    done = run(*arguments, "--vmaf", "/no/such/vmaf", "--debug")
    assert done.returncode == 5
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("roi-accel: ")


def test_fault_of_our_own_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        msg = "one\ntwo"
        raise RuntimeError(msg)

    monkeypatch.setattr("roi_accel.cli.score.score_all", fail)
    assert app.main(["score", "-r", "a", "-d", "b"]) == InternalError.exit_code
    assert_one_line(capsys.readouterr().err)


def test_control_characters_of_a_file_name_never_reach_the_terminal(tmp_path: Path) -> None:
    name = "a\nb\x1b[2J[red]\x07.mp4"
    done = run("score", "-r", name, "-d", name, "-o", tmp_path / name)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert "\x1b" not in done.stderr
    assert "[red]" in done.stderr


# Stdout and stderr that cannot be written


def shell(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", line],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(),
    )


@pytest.mark.parametrize(
    ("redirection", "match"),
    [("| head -c1 >&2", "Broken pipe"), (">/dev/full", "No space left"), (">&-", "is closed")],
)
def test_stdout_that_cannot_be_written_is_an_output_error(
    arguments: list[object], redirection: str, match: str
) -> None:
    line = shlex.join(command(*arguments, "--frame-count", 8, "--quiet"))
    if redirection.startswith("|"):
        # The reader must be gone before the result comes, and not merely be slow.
        redirection = "> >(exec head -c0)"
    done = shell(f"{line} {redirection}; exit $?")
    assert done.returncode == 6, done.stderr
    assert_one_line(done.stderr)
    assert match in done.stderr


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
def test_stderr_that_cannot_be_written_does_not_lose_the_result(
    arguments: list[object], redirection: str
) -> None:
    done = shell(f"{shlex.join(command(*arguments))} {redirection}")
    assert done.returncode == 0
    assert json.loads(done.stdout)["vmaf_full"] > 0


# Interruption

WRAPPER = """#!{python} -ISE
import os, sys
if len(sys.argv) > 4:
    open({note!r}, "w").write(str(os.getpid()))
os.execv({program!r}, [{program!r}, *sys.argv[1:]])
"""


@pytest.fixture(scope="module")
def endless(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a raw video of 640x360 whose score takes far longer than any test."""
    path = tmp_path_factory.mktemp("endless") / "endless.yuv"
    write_raw(path, smooth_frames(P8, 640, 360, 4) * 150)
    return path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["SIGINT", "SIGTERM"]
)
def test_interruption_ends_everything_within_two_seconds(
    tmp_path: Path, endless: Path, number: signal.Signals, code: int
) -> None:
    from roi_accel.scorers.ffmpeg import bundled_ffmpeg  # noqa: PLC0415

    note, temporary = tmp_path / "pid", tmp_path / "temporary"
    temporary.mkdir()
    scorer = tmp_path / "ffmpeg"
    scorer.write_text(
        WRAPPER.format(python=sys.executable, note=str(note), program=bundled_ffmpeg())
    )
    scorer.chmod(0o755)
    output = tmp_path / "result.json"
    geometry = ("-w", 640, "--height", 360, "--pix-fmt", "yuv420p")
    process = subprocess.Popen(
        command(
            *("score", "-r", endless, "-d", endless, *geometry, "--roi", "0,0,99,99"),
            *("--vmaf", scorer, "-o", output),
        ),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(TMPDIR=str(temporary)),
    )
    deadline = time.monotonic() + 20
    while not (note.exists() and "-filter_complex" in command_line(note)):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.3)
    assert list(temporary.iterdir())
    started = time.monotonic()
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=20)
    assert time.monotonic() - started < 2
    assert process.returncode == code
    assert stdout == ""
    assert_one_line(stderr)
    assert "interrupted" in stderr
    assert command_line(note) == ""
    assert list(temporary.iterdir()) == []
    assert not output.exists()


def command_line(note: Path) -> str:
    """Return the command line of the process whose id is in `note`; empty once it has ended."""
    try:
        return Path(f"/proc/{note.read_text()}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def test_signal_that_we_were_told_to_ignore_stays_ignored(arguments: list[object]) -> None:
    # As `nohup` and a script's `&` do; a second one would have its default effect otherwise.
    line = shlex.join(command(*arguments, "--quiet"))
    done = shell(f"trap '' INT; ({line}) & child=$!; sleep 0.3; kill -INT $child; wait $child")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["vmaf_full"] > 0


def test_environment_of_these_tests_has_a_command() -> None:
    assert os.access(command()[0], os.X_OK)


def test_h_is_not_taken_for_help_where_it_may_mean_the_height() -> None:
    done = subprocess.run(
        [console_script(), "score", "-r", "r.yuv", "-d", "d.yuv", "-w", "640", "-h", "360"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "-h" in done.stderr
    assert done.stdout == ""
