"""Claims about `scorers.scoring` with scorers that fail: one error, and nothing is left."""

from __future__ import annotations

import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clips import P8, frame_set, smooth_frames

from roi_accel.errors import OutputError, ScorerError
from roi_accel.scorers import ScoringRequest, parse_models, scoring
from roi_accel.scorers.scoring import QUEUE_DEPTH, ProgramScoring

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import WriteFake

    from roi_accel.scorers import ScoreLog
    from roi_accel.scorers.program import ProgramScorer

WIDTH, HEIGHT = 1280, 1088
"""A frame of 2 MB is twice as large as the largest pipe."""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "_EXIT_SECONDS", 0.4)
    monkeypatch.setattr(scoring, "_RELEASE_SECONDS", 0.2)


def children() -> set[str]:
    """Return the living and dead processes whose parent is this one."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(stat.parent.name)
    return found


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture(autouse=True)
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Compare processes, threads, open files and temporary files before and after each test."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    before = children(), threading.active_count(), open_files()
    yield folder
    after = children(), threading.active_count(), open_files()
    assert after == before
    assert list(folder.iterdir()) == []


def run(
    scorer: ProgramScorer, frames: int = 12, *, variants: int = 1, stall_seconds: float = 30.0
) -> list[ScoreLog]:
    request = ScoringRequest(
        pixel_format=P8,
        width=WIDTH,
        height=HEIGHT,
        videos=variants,
        models=parse_models(("version=vmaf_v0.6.1",)),
    )
    (frame,) = smooth_frames(P8, WIDTH, HEIGHT, 1)
    with ProgramScoring(scorer, request, stall_seconds=stall_seconds) as running:
        for _ in range(frames):
            running.feed(frame_set(*[frame] * (variants + 1)))
        return [video.full for video in running.finish()]


def is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_well_behaved_scorer_is_believed(fake_scorer: WriteFake) -> None:
    (log,) = run(fake_scorer("write_log(read_all())"), 5)
    assert log.frame_numbers == (0, 1, 2, 3, 4)


@pytest.mark.parametrize("frames", [1, 12])
def test_crash_at_once_is_told_in_the_scorers_own_words(
    fake_scorer: WriteFake, frames: int
) -> None:
    scorer = fake_scorer("print('no such', 'model', file=sys.stderr); sys.exit(3)")
    with pytest.raises(ScorerError, match=r"\(exit status 3\): no such model") as caught:
        run(scorer, frames)
    assert "Broken pipe" not in str(caught.value)


@pytest.mark.parametrize("frames", [1, 3, 12])
def test_crash_after_some_bytes_is_told(fake_scorer: WriteFake, frames: int) -> None:
    scorer = fake_scorer("streams()[0].read(1000); sys.stderr.write('half way'); sys.exit(7)")
    with pytest.raises(ScorerError, match=r"\(exit status 7\): half way"):
        run(scorer, frames)


def test_crash_of_one_of_several_processes_ends_them_all(fake_scorer: WriteFake) -> None:
    scorer = fake_scorer(
        "sys.exit('second') if 'variant2' in option('--output') else write_log(read_all())"
    )
    with pytest.raises(ScorerError, match=r"\(exit status 1\): second"):
        run(scorer, variants=3)


@pytest.mark.parametrize(
    ("number", "name"), [(signal.SIGSEGV, "SIGSEGV"), (signal.SIGKILL, "SIGKILL"), (40, "40")]
)
def test_death_by_a_signal_names_it(fake_scorer: WriteFake, number: int, name: str) -> None:
    scorer = fake_scorer(f"os.kill(os.getpid(), {int(number)}); time.sleep(60)")
    with pytest.raises(ScorerError, match=name):
        run(scorer)


def test_memory_addresses_in_a_scorers_words_are_left_out(fake_scorer: WriteFake) -> None:
    says = "sys.exit('[libvmaf @ 0x55d0c8a3b2c0] could not load model')"
    with pytest.raises(ScorerError, match="libvmaf: could not load model") as caught:
        run(fake_scorer(says))
    assert "0x55d0" not in caught.value.message


def test_only_the_last_lines_of_a_long_lament_are_shown(fake_scorer: WriteFake) -> None:
    scorer = fake_scorer("for n in range(100_000): print('line', n, file=sys.stderr)\nsys.exit(1)")
    with pytest.raises(ScorerError, match=r"line 99998 \| line 99999") as caught:
        run(scorer)
    assert len(str(caught.value)) < 500
    assert "\n" not in str(caught.value)


def test_scorer_that_floods_stderr_is_not_held_up(fake_scorer: WriteFake) -> None:
    scorer = fake_scorer("sys.stderr.write('x' * 3_000_000); write_log(read_all())")
    assert len(run(scorer, 4)[0].frame_numbers) == 4


def test_scorer_that_never_reads_is_ended(fake_scorer: WriteFake) -> None:
    started = time.monotonic()
    with pytest.raises(ScorerError, match="took no input for"):
        run(fake_scorer("time.sleep(60)"), stall_seconds=0.3)
    assert time.monotonic() - started < 5


def test_scorer_that_stops_reading_midway_is_ended(fake_scorer: WriteFake) -> None:
    body = "r, d = streams()\nfor n in range(2): r.read(SIZE); d.read(SIZE)\ntime.sleep(60)"
    with pytest.raises(ScorerError, match="took no input for"):
        run(fake_scorer(body), stall_seconds=0.5)


def test_scorer_that_stays_after_its_last_frame_is_ended(fake_scorer: WriteFake) -> None:
    with pytest.raises(ScorerError, match="took no input for"):
        run(fake_scorer("write_log(read_all()); time.sleep(60)"), 2, stall_seconds=0.5)


def test_slow_scorer_is_not_taken_for_hung(fake_scorer: WriteFake) -> None:
    body = (
        "r, d = streams()\n"
        "for n in range(8): r.read(SIZE); d.read(SIZE); time.sleep(0.15)\n"
        "write_log(8)"
    )
    assert len(run(fake_scorer(body), 8, stall_seconds=0.9)[0].frame_numbers) == 8


@pytest.mark.parametrize(
    ("body", "match"),
    [
        ("read_all()", "no usable log"),
        ("write_log(read_all() - 1)", "scored 3 frames where 4 were expected"),
        ("write_log(read_all() + 1)", "scored 5 frames where 4 were expected"),
        ("write_log(0 * read_all())", "scored 0 frames"),
        ("write_log(read_all(), float('nan'))", "is nan, not a number"),
        ("write_log(read_all(), None)", "is None, not a number"),
        (
            "write_log(read_all()); name = option('--output'); os.truncate(name, 60)",
            "no usable log",
        ),
        ("write_log(4)", "."),
    ],
)
def test_success_without_a_whole_log_is_no_success(
    fake_scorer: WriteFake, body: str, match: str
) -> None:
    with pytest.raises(ScorerError, match=match):
        run(fake_scorer(body), 4)


def test_whole_log_of_a_failed_scorer_is_not_believed(fake_scorer: WriteFake) -> None:
    with pytest.raises(ScorerError, match="exit status 9"):
        run(fake_scorer("write_log(read_all()); sys.exit(9)"), 4)


def test_scorer_that_closes_one_pipe_early_is_an_error(fake_scorer: WriteFake) -> None:
    body = (
        "r, d = streams()\n"
        "for name in ('--reference', '--distorted'): os.close(int(option(name)[8:]))\n"
        "r.read(SIZE); r.close()\n"
        "while d.read(SIZE): pass\n"
        "time.sleep(60)"
    )
    with pytest.raises(ScorerError, match=r"stopped reading \(but went on running\)"):
        run(fake_scorer(body))


@pytest.mark.parametrize("ahead", [0, 1, 2])
@pytest.mark.parametrize("first", ["reference", "distorted"])
def test_scorer_that_reads_one_stream_ahead_of_the_other_cannot_deadlock(
    fake_scorer: WriteFake, first: str, ahead: int
) -> None:
    assert ahead < QUEUE_DEPTH
    body = (
        f"a, b = streams() if {first!r} == 'reference' else streams()[::-1]\n"
        f"for n in range({ahead}): assert read_exactly(a, SIZE)\n"
        "while read_exactly(b, SIZE): read_exactly(a, SIZE)\n"
        "write_log(12)"
    )
    assert len(run(fake_scorer(body), stall_seconds=5)[0].frame_numbers) == 12


def test_scorer_that_wants_all_of_one_stream_first_is_ended_instead_of_waited_for(
    fake_scorer: WriteFake,
) -> None:
    body = "r, d = streams()\nwhile read_exactly(r, SIZE): pass\nwrite_log(12)"
    with pytest.raises(ScorerError, match="took no input for"):
        run(fake_scorer(body), stall_seconds=0.5)


def test_program_that_cannot_be_started_is_an_error(fake_scorer: WriteFake) -> None:
    scorer = fake_scorer("")
    scorer.path.unlink()
    with pytest.raises(ScorerError, match="fake-vmaf cannot be started"):
        run(scorer, variants=2)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["sys.exit(5)", "os.kill(os.getpid(), signal.SIGKILL)"])
@pytest.mark.parametrize("stderr", ["None", "subprocess.DEVNULL"])
def test_program_left_behind_by_a_dead_wrapper_is_ended_too(
    fake_scorer: WriteFake, tmp_path: Path, how: str, stderr: str
) -> None:
    note = tmp_path / "pid"
    body = (
        f"child = subprocess.Popen(['sleep', '60'], close_fds=False, stderr={stderr})\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\n{how}"
    )
    started = time.monotonic()
    with pytest.raises(ScorerError, match=r"exit status 5|SIGKILL"):
        run(fake_scorer(body))
    assert time.monotonic() - started < 5
    deadline = time.monotonic() + 2
    while is_alive(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(int(note.read_text()))


def test_leaving_early_ends_the_scorer_and_all_it_started(
    fake_scorer: WriteFake, tmp_path: Path, nothing_left: Path
) -> None:
    note = tmp_path / "pid"
    body = (
        "child = subprocess.Popen(['sleep', '60'], close_fds=False)\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\ntime.sleep(60)"
    )
    request = ScoringRequest(
        pixel_format=P8,
        width=WIDTH,
        height=HEIGHT,
        videos=1,
        models=parse_models(("version=vmaf_v0.6.1",)),
    )
    with ProgramScoring(fake_scorer(body), request) as running:
        running.feed(frame_set(*smooth_frames(P8, WIDTH, HEIGHT, 1) * 2))
        while not (note.exists() and note.read_text()):
            time.sleep(0.01)
        assert list(nothing_left.iterdir())
    deadline = time.monotonic() + 2
    while is_alive(int(note.read_text())) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(int(note.read_text()))


def test_closing_twice_does_no_harm(fake_scorer: WriteFake) -> None:
    request = ScoringRequest(
        pixel_format=P8,
        width=WIDTH,
        height=HEIGHT,
        videos=1,
        models=parse_models(("version=vmaf_v0.6.1",)),
    )
    running = ProgramScoring(fake_scorer("time.sleep(60)"), request)
    running.close()
    running.close()


def test_temporary_folder_that_cannot_be_made_is_an_output_error(
    fake_scorer: WriteFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/no/such/folder")
    with pytest.raises(OutputError, match="no temporary folder") as caught:
        run(fake_scorer("write_log(read_all())"), 1)
    assert "TMPDIR" in caught.value.remedy
