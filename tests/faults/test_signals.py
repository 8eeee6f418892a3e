"""Ctrl-C and SIGTERM at any moment: an end within 2 s, and a result that is whole or absent."""

from __future__ import annotations

import json
import random
import signal
import time
from typing import TYPE_CHECKING

import pytest
from attempts import Attempt, assert_failed, await_process, processes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Prepare = Callable[..., Attempt]

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def heed_ctrl_c() -> Iterator[None]:
    """Heed SIGINT where a shell's `&` told us to ignore it, which children inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


@pytest.mark.parametrize("number", CODES, ids=lambda number: number.name)
@pytest.mark.parametrize("seed", range(4))
def test_a_signal_at_a_random_moment_ends_everything_within_two_seconds(
    attempt: Prepare, endless: list[object], number: signal.Signals, seed: int
) -> None:
    one = attempt()
    with one.start("score", "-o", one.output, *endless) as process:
        await_process(one.mark, ["-filter_complex"])
        time.sleep(random.Random(seed).uniform(0, 1))  # noqa: S311 - no secret
        sent = time.monotonic()
        process.send_signal(number)
        done = one.finish(process)
        assert time.monotonic() - sent < 2
    assert done.returncode == CODES[number], done.stderr
    assert "interrupted" in done.stderr
    assert not one.output.exists()


def test_a_second_ctrl_c_is_at_once(attempt: Prepare, endless: list[object]) -> None:
    # A clean-up that takes for ever is what the second one is for.
    stuck = (
        "import time\n"
        "from roi_accel.scorers.scoring import ProgramScoring\n"
        "close = ProgramScoring.close\n"
        "def never(self):\n"
        "    close(self)\n"
        "    print('closing', file=sys.stderr, flush=True)\n"
        "    time.sleep(600)\n"
        "ProgramScoring.close = never\n"
        "feed = ProgramScoring.feed\n"
        "def told(self, frames):\n"
        "    print('feeding', file=sys.stderr, flush=True)\n"
        "    ProgramScoring.feed = feed\n"
        "    feed(self, frames)\n"
        "ProgramScoring.feed = told\n"
    )
    one = attempt(stuck)
    with one.start("score", *endless) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == "feeding\n"
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "closing\n"
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        finally:
            process.kill()
        assert time.monotonic() - sent < 2
    assert process.returncode == -signal.SIGINT
    assert processes(one.mark) == {}


_SIGNAL_WHILE_WRITING = """
import os, signal
import roi_accel.cli._options as outputs
write = outputs.write_together
def interrupted(*arguments, **keywords):
    {before}
    write(*arguments, **keywords)
    {after}
outputs.write_together = interrupted
"""
_SEND = "os.kill(os.getpid(), signal.SIGTERM)"


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_while_the_result_takes_its_place_comes_too_late(
    attempt: Prepare, pair: list[object], when: str
) -> None:
    one = attempt(_SIGNAL_WHILE_WRITING.format(**({"before": "", "after": ""} | {when: _SEND})))
    done = one.run("score", *pair, "-o", one.output)
    assert done.returncode == 0, done.stderr
    assert json.loads(one.output.read_text())["vmaf_full"] > 0


_SIGNAL_WHILE_MASKS_ARE_PLACED = """
import os, signal
from roi_accel._util.files import StagedFiles
commit = StagedFiles.commit
def interrupted(self):
    {before}
    commit(self)
    {after}
StagedFiles.commit = interrupted
"""


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_signal_while_masks_take_their_place_comes_too_late(
    attempt: Prepare, pair: list[object], tmp_path: Path, when: str
) -> None:
    patch = _SIGNAL_WHILE_MASKS_ARE_PLACED.format(**({"before": "", "after": ""} | {when: _SEND}))
    output = tmp_path / "masks.npz"
    done = attempt(patch).run("mask", *pair[:2], *pair[4:], "-o", output)
    assert done.returncode == 0, done.stderr
    assert output.exists()


def test_a_signal_after_the_result_is_there_ends_with_0(
    attempt: Prepare, pair: list[object]
) -> None:
    patch = (
        "import os, signal, time\n"
        "import roi_accel.cli.score as score\n"
        f"score.print_summary = lambda _, written: ({_SEND}, time.sleep(600))\n"
    )
    one = attempt(patch)
    done = one.run("score", *pair, "-o", one.output, "--summary")
    assert done.returncode == 0, done.stderr
    assert json.loads(one.output.read_text())["vmaf_full"] > 0


def test_a_signal_after_the_last_line_of_the_command_ends_with_0(
    attempt: Prepare, pair: list[object]
) -> None:
    patch = f"import atexit, os, signal\natexit.register(lambda: {_SEND})\n"
    one = attempt(patch)
    done = one.run("score", *pair, "-o", one.output)
    assert done.returncode == 0, done.stderr
    assert json.loads(one.output.read_text())["vmaf_full"] > 0


def test_a_signal_that_compiled_code_turns_into_an_error_is_still_an_interruption(
    attempt: Prepare, pair: list[object]
) -> None:
    patch = (
        "import os, signal\n"
        "from roi_accel.errors import ModelError\n"
        "import roi_accel.run.score as pipeline\n"
        "def wrapped(*_, **__):\n"
        "    try:\n"
        f"        {_SEND}\n"
        "        time.sleep(60)\n"
        "    except BaseException as error:\n"
        "        raise ModelError('returned a result with an exception set') from error\n"
        "import time\n"
        "pipeline.masked_frames = wrapped\n"
    )
    one = attempt(patch)
    done = one.run("score", *pair, "-o", one.output)
    assert_interrupted(done.returncode, done.stderr)
    assert not one.output.exists()


def test_a_signal_while_writing_fails_leaves_nothing(attempt: Prepare, pair: list[object]) -> None:
    before = f"{_SEND}; os.mkdir(next(iter(arguments[0])))"
    one = attempt(_SIGNAL_WHILE_WRITING.format(before=before, after=""))
    done = one.run("score", *pair, "-o", one.output)
    assert_interrupted(done.returncode, done.stderr)
    assert one.output.is_dir()


def assert_interrupted(code: int, stderr: str) -> None:
    assert code == 143, stderr
    assert stderr.count("\n") == 1, stderr
    assert "interrupted" in stderr


def test_usage_of_these_tests_is_a_working_command(attempt: Prepare) -> None:
    assert_failed(attempt().run("score", "-r", "absent.y4m", "-d", "absent.y4m"), 2, "no such file")
