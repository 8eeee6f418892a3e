"""VMAF that fails, seen from the command line: code 5, its own cause, and nothing left behind."""

from __future__ import annotations

import os
import resource
import signal
from typing import TYPE_CHECKING

import pytest
from attempts import SHORT_STALL, Attempt, assert_failed, await_process
from clips import P8, smooth_frames, write_raw

from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Misbehave

    Prepare = Callable[..., Attempt]


def test_the_fake_scorer_itself_is_believed(
    attempt: Prepare, misbehave: Misbehave, pair: list[object]
) -> None:
    scorer = misbehave("write_logs(text_of_log(read_all()))")
    done = attempt().run("score", *pair, "--vmaf", scorer, "--quiet")
    assert done.returncode == 0, done.stderr
    assert '"vmaf_full": 90.0' in done.stdout


@pytest.mark.parametrize("frames", [0, 1, 5, 8])
def test_crash_at_a_frame_names_the_signal(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], frames: int
) -> None:
    scorer = misbehave(f"read({frames}); os.kill(os.getpid(), signal.SIGSEGV); time.sleep(60)")
    attempt().fail(5, "SIGSEGV", *pair, "--vmaf", scorer)


@pytest.mark.parametrize("frames", [0, 3])
def test_failure_at_a_frame_is_told_in_the_scorers_words_and_not_as_a_broken_pipe(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], frames: int
) -> None:
    scorer = misbehave(f"read({frames}); sys.exit('the model is odd')")
    said = attempt().fail(5, "(exit status 1): the model is odd", *pair, "--vmaf", scorer)
    assert "pipe" not in said.lower()


@pytest.mark.slow
@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(600)",
        "read(3); time.sleep(600)",
        "write_logs(text_of_log(read_all())); time.sleep(600)",
    ],
    ids=["opens no pipe", "at frame 3", "at the end"],
)
def test_hanging_scorer_is_ended(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], body: str
) -> None:
    scorer = misbehave(body)
    attempt(SHORT_STALL).fail(5, "took no input for", *pair, "--vmaf", scorer)


@pytest.mark.slow
def test_hanging_scorers_own_children_are_ended_too(
    attempt: Prepare, misbehave: Misbehave, pair: list[object]
) -> None:
    scorer = misbehave("subprocess.Popen(['sleep', '600'], close_fds=False); time.sleep(600)")
    attempt(SHORT_STALL).fail(5, "took no input for", *pair, "--vmaf", scorer)


_STALE = """
from pathlib import Path
from roi_accel.scorers.program import ProgramScorer
plan = ProgramScorer.plan
def plan_and_leave_a_log(scorer, request, folder):
    Path(folder, "variant1.json").write_text('{"version": "old", "frames": []}')
    return plan(scorer, request, folder)
ProgramScorer.plan = plan_and_leave_a_log
"""


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("read_all()", "no usable log"),
        ("write_logs(text_of_log(read_all())[:200])", "no usable log"),
        ("write_logs(text_of_log(read_all() - 1))", "scored 7 frames where 8 were expected"),
        ("write_logs(text_of_log(read_all() + 1))", "scored 9 frames where 8 were expected"),
        ("write_logs(text_of_log(read_all(), float('nan')))", "is nan, not a number"),
        ("write_logs(text_of_log(read_all(), None))", "is None, not a number"),
        ("read_all(); write_logs('')", "no usable log"),
    ],
    ids=["no log", "half a log", "too few", "too many", "NaN", "null", "empty"],
)
def test_success_without_a_whole_log_is_none(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], body: str, match: str
) -> None:
    attempt().fail(5, match, *pair, "--vmaf", misbehave(body))


def test_log_of_an_earlier_run_is_not_taken_for_this_ones(
    attempt: Prepare, misbehave: Misbehave, pair: list[object]
) -> None:
    scorer = misbehave("read_all()")
    attempt(_STALE).fail(5, "scored 0 frames where 8", *pair, "--vmaf", scorer)


def test_log_in_the_working_folder_is_not_taken_for_the_scorers(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], tmp_path: Path
) -> None:
    whole = [f'{{"frameNum": {n}, "metrics": {{"vmaf": 99.0}}}}' for n in range(8)]
    text = f'{{"version": "old", "frames": [{", ".join(whole)}]}}'
    for number in (1, 2):
        (tmp_path / f"variant{number}.json").write_text(text)
    scorer = misbehave("read_all()")
    done = attempt().run("score", *pair, "--vmaf", scorer, cwd=tmp_path)
    assert_failed(done, 5, "no usable log")


def test_scorer_on_a_full_disk_fails(
    attempt: Prepare, misbehave: Misbehave, pair: list[object]
) -> None:
    body = (
        "frames = read_all()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "write_logs(text_of_log(frames))"
    )
    attempt().fail(5, "File too large", *pair, "--vmaf", misbehave(body))


def test_scorer_that_does_not_notice_the_full_disk_is_not_believed(
    attempt: Prepare, misbehave: Misbehave, pair: list[object]
) -> None:
    body = (
        "frames = read_all()\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))\n"
        "try: write_logs(text_of_log(frames))\n"
        "except OSError: os._exit(0)"
    )
    attempt().fail(5, "no usable log", *pair, "--vmaf", misbehave(body))


def test_odd_size_is_refused_where_the_tool_was_named(
    attempt: Prepare, misbehave: Misbehave, tmp_path: Path
) -> None:
    path = tmp_path / "odd.yuv"
    write_raw(path, smooth_frames(P8, 97, 65, 2))
    scorer = misbehave("write_logs(text_of_log(read_all()))")
    geometry = ("-w", 97, "--height", 65, "--pix-fmt", "yuv420p", "--backend", "numpy")
    arguments = ["-r", path, "-d", path, *geometry, "--synthetic-mask", "1", "--vmaf", scorer]
    if scorer.name == "vmaf":
        attempt().fail(2, "--vmaf ffmpeg", *arguments)
    else:
        done = attempt().run("score", *arguments, "--vmaf", bundled_ffmpeg(), "--quiet")
        assert done.returncode == 0, done.stderr


# The real one


def test_real_ffmpeg_on_a_full_disk_fails(attempt: Prepare, pair: list[object]) -> None:
    def little_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (500, 500))

    attempt().fail(5, "ffmpeg", *pair, preexec=little_room)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_real_ffmpeg_killed_midway_is_named(
    attempt: Prepare, endless: list[object], number: signal.Signals
) -> None:
    one = attempt()
    with one.start("score", "-o", one.output, *endless) as process:
        os.kill(await_process(one.mark, ["-filter_complex"]), number)
        done = one.finish(process)
    assert_failed(done, 5, number.name)
    assert not one.output.exists()


@pytest.mark.slow
def test_real_ffmpeg_that_is_stopped_is_taken_for_hung(
    attempt: Prepare, endless: list[object]
) -> None:
    one = attempt(SHORT_STALL)
    with one.start("score", "-o", one.output, *endless) as process:
        os.kill(await_process(one.mark, ["-filter_complex"]), signal.SIGSTOP)
        done = one.finish(process)
    assert_failed(done, 5, "took no input for")
    assert not one.output.exists()


# Before anything is decoded

_NO_DECODING = """
import roi_accel.run.score as pipeline
def refuse(*_, **__):
    raise RuntimeError("a frame was asked for")
pipeline.masked_frames = refuse
"""


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        (["-m", "version=vmaf_v9"], "vmaf_v9"),
        (["--feature", "nonsense"], "nonsense"),
        (["-m", "version=vmaf_v0.6.1", "-m", "version=vmaf_v9:name=b"], "vmaf_v9"),
        (["--vmaf", "/bin/false"], "/bin/false does not answer like vmaf"),
        (["--vmaf", "/no/such/vmaf"], "is not an executable"),
    ],
)
def test_what_no_scorer_can_do_is_refused_before_decoding(
    attempt: Prepare, pair: list[object], changes: list[str], match: str
) -> None:
    said = attempt(_NO_DECODING).fail(5, match, *pair, *changes)
    assert "0x" not in said


def test_model_file_that_is_none_is_refused_before_decoding(
    attempt: Prepare, pair: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "model.json"
    path.write_text("{}")
    attempt(_NO_DECODING).fail(5, "model", *pair, "-m", f"path={path}")
