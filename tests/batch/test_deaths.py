"""Claims about batches that are killed: every pair is scored, once, and equals a single score."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from manifests import batch, processes_under, records, result_in, single, write_csv
from support import console_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Bench

pytestmark = pytest.mark.slow

MASK = ("--synthetic-mask", "0.6", "--worker", "numpy", "--no-records")
SLOW = ("--together", "1", "--workers", "2", "--threads", "1")


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    return folder


def start(bench: Bench, output: Path, temporary: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [console_script(), "batch", bench.manifest, "-o", str(output), *MASK, *SLOW, *more],
        cwd=bench.folder,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(temporary)},
        start_new_session=True,
    )


def wait_until(condition: Callable[[], object], *, seconds: float = 60.0) -> None:
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        time.sleep(0.02)
    pytest.fail("it did not come to that")


def wait_for_a_line(output: Path, process: subprocess.Popen[str]) -> None:
    wait_until(lambda: lines_in(output) or process.poll() is not None)


def assert_all_gone(session: int) -> None:
    """Hold the processes of a batch to the two seconds that they may take to end."""
    wait_until(lambda: not living(session), seconds=2.0)


def lines_in(output: Path) -> list[bytes]:
    return output.read_bytes().splitlines(keepends=True) if output.exists() else []


def living(session: int) -> list[int]:
    """Return the numbers of the processes of a session that has been started for a batch."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def assert_equal_to_single_scores(bench: Bench, output: Path) -> None:
    found = records(output)
    assert sorted((each["reference"], each["distorted"]) for each in found) == sorted(bench.pairs)
    for each in found:
        assert result_in(each) == single(
            bench.folder,
            each["reference"],
            each["distorted"],
            synthetic_mask=0.6,
            backend="numpy",
        )


def test_a_killed_worker_costs_no_pair(bench: Bench, tmp_path: Path, temporary: Path) -> None:
    output = tmp_path / "out.ndjson"
    process = start(bench, output, temporary)
    wait_for_a_line(output, process)
    workers = processes_under(process.pid)
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 0, said
    assert "was ended by SIGKILL" in said
    assert_equal_to_single_scores(bench, output)
    assert not list(temporary.iterdir())
    assert_all_gone(process.pid)


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_killed_batch_goes_on_where_it_stopped(
    bench: Bench, tmp_path: Path, temporary: Path, delay: float
) -> None:
    output = tmp_path / "out.ndjson"
    process = start(bench, output, temporary)
    wait_for_a_line(output, process)
    time.sleep(delay)
    process.kill()
    process.communicate()
    before = [line for line in lines_in(output) if line.endswith(b"\n")]
    # Its workers see that it is gone, and go too, with their VMAF.
    wait_until(lambda: not living(process.pid))
    again = start(bench, output, temporary)
    _, said = again.communicate(timeout=120)
    assert again.returncode == 0, said
    # Not one that was there was scored again: its times are still the ones it had.
    assert lines_in(output)[: len(before)] == before
    assert_equal_to_single_scores(bench, output)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_ends_its_workers_and_says_how_to_go_on(
    bench: Bench, tmp_path: Path, temporary: Path, number: signal.Signals
) -> None:
    output = tmp_path / "out.ndjson"
    process = start(bench, output, temporary)
    wait_for_a_line(output, process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, said = process.communicate(timeout=30)
    if process.returncode != 0:
        assert process.returncode == 128 + number
        assert said.count("\n") == 1
        assert "pairs are done; the same command goes on from there" in said
    assert_all_gone(process.pid)
    assert not list(temporary.iterdir())
    for line in lines_in(output):
        json.loads(line)


_KILLS_ITSELF = """
import os, signal
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.batch import worker

score_all = worker.score_all

def deadly(reference, distorted, options, **more):
    if any({name!r} in str(path) for path in distorted):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_all(reference, distorted, options, **more)

worker.score_all = deadly
"""


@pytest.fixture
def poisoned(tmp_path: Path, bench: Bench) -> dict[str, str]:
    """Return the environment in which whoever scores the second pair is killed."""
    folder = tmp_path / "poison"
    folder.mkdir()
    patch = _KILLS_ITSELF.format(name=bench.pairs[1][1])
    hook = f"import sys\nif 'spawn_main' in ' '.join(sys.orig_argv):\n    exec({patch!r})\n"
    (folder / "sitecustomize.py").write_text(hook)
    return {"PYTHONPATH": str(folder)}


def test_a_pair_that_kills_its_workers_fails_alone(
    bench: Bench, tmp_path: Path, poisoned: dict[str, str]
) -> None:
    output = tmp_path / "out.ndjson"
    done = batch(
        *(bench.manifest, "-o", output, *MASK[:-1], "--workers", 1, "--together", 4),
        cwd=bench.folder,
        env=poisoned,
    )
    assert done.returncode == 4, done.stderr
    failed = [each for each in records(output) if "error" in each]
    assert [each["distorted"] for each in failed] == [bench.pairs[1][1]]
    assert (
        "3 workers died over it, the last one was ended by SIGKILL"
        in (failed[0]["error"]["message"])
    )
    assert len(records(output)) == len(bench.pairs)


def test_a_manifest_of_one_row_needs_no_second_worker(bench: Bench, tmp_path: Path) -> None:
    manifest = write_csv(bench.folder / "one.csv", bench.pairs[:1])
    done = batch(
        manifest, "-o", tmp_path / "o", *MASK[:-1], "--workers", 2, "--summary", cwd=bench.folder
    )
    assert done.returncode == 0, done.stderr
