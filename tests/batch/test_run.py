"""Claims about a batch between its engine's threads and its lines: none is lost."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from roi_accel.batch import run
from roi_accel.batch.identity import Identifier
from roi_accel.batch.jobs import Job
from roi_accel.batch.local import _JobQueue, make_slots
from roi_accel.batch.rows import Pair
from roi_accel.errors import BackendUnavailable, InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from roi_accel.batch.jobs import Event, JobFactory


class _Drawing:
    """An engine that looks at all pairs at once, a thread for each draw, and does no job."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    def run(self, draws: Iterator[JobFactory]) -> Iterator[Event]:
        with ThreadPoolExecutor(16) as threads:
            found = [threads.submit(draw) for draw in draws]
        self.jobs = [job for each in found if (job := each.result()) is not None]
        return iter(())

    def close(self) -> None: ...


class _Lines(list[Any]):
    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        self.extend(records)

    def record(self, identity: str) -> None: ...


def test_who_stops_need_not_wait_for_a_large_file(tmp_path: Path) -> None:
    path = tmp_path / "large.y4m"
    path.write_bytes(bytes(1 << 21))
    identifier = Identifier()
    identifier.stop()
    pair = Pair(line=1, reference=str(path), distorted=str(path), ladder=None, row="", keywords={})
    with pytest.raises(InputError, match="was not read to its end"):
        identifier.identify(pair)


def test_a_pair_that_fails_while_others_are_written_keeps_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pair = Pair(line=1, reference="/no", distorted="/no", ladder=None, row="r", keywords={})
    lines = _Lines()
    engine = _Drawing()
    batch = run.Batch([pair], engine, lines)
    made = run.scored_record

    def meanwhile(*arguments: Any, **facts: Any) -> dict[str, Any]:
        batch._write_early()  # noqa: SLF001 - as the thread that writes does at any moment
        return made(*arguments, **facts)

    monkeypatch.setattr(run, "scored_record", meanwhile)
    batch.run()
    assert engine.jobs == []
    assert [each["batch"]["line"] for each in lines] == [1]


def test_files_are_read_by_several_threads_and_each_of_them_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without that the second of two files is never begun, and the wait for it fails."""
    for name in ("one", "other", "ref"):
        (tmp_path / name).write_bytes(name.encode())
    both = threading.Barrier(2, timeout=60)
    reads = []
    read = Identifier._read  # noqa: SLF001 - what reads a file to its end

    def reading(self: Identifier, path: str) -> str:
        reads.append(path)
        if not path.endswith("ref"):
            both.wait()
        return read(self, path)

    monkeypatch.setattr(Identifier, "_read", reading)
    pairs = [_pair(tmp_path, line, name) for line, name in enumerate(("one", "other") * 4)]
    engine = _Drawing()
    batch = run.Batch(pairs, engine, _Lines())
    with pytest.raises(BackendUnavailable, match="no worker is left for 8 pairs"):
        batch.run()
    assert sorted(Path(each).name for each in reads) == ["one", "other", "ref"]
    assert len(engine.jobs) == 2


def test_of_equal_pairs_only_one_is_at_work(tmp_path: Path) -> None:
    """Two that look for a line at once are both at work; the first waits a while for a second."""
    two = threading.Barrier(2)

    class Lines(_Lines):
        def record(self, _: str) -> None:
            with suppress(threading.BrokenBarrierError):
                two.wait(timeout=0.5)

    for number in range(16):
        (tmp_path / f"{number}").write_bytes(b"equal")
    (tmp_path / "ref").write_bytes(b"ref")
    pairs = [_pair(tmp_path, number, str(number)) for number in range(16)]
    engine = _Drawing()
    with pytest.raises(BackendUnavailable, match="no worker is left for 16 pairs"):
        run.Batch(pairs, engine, Lines()).run()
    assert len(engine.jobs) == 1


def test_no_worker_waits_for_the_files_of_another() -> None:
    both = threading.Barrier(2, timeout=60)
    job = Job(())

    def looking() -> Job:
        both.wait()
        return job

    slots = make_slots(["numpy"], 2)
    board = _JobQueue(slots)
    board.factories = iter([lambda: None, looking, lambda: None, looking])
    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(board.take, slots)) == [job, job]
        for slot in slots:
            board.give_back(slot, [])
        assert list(threads.map(board.take, slots)) == [None, None]


def _pair(folder: Path, line: int, name: str) -> Pair:
    return Pair(
        line=line,
        reference=str(folder / "ref"),
        distorted=str(folder / name),
        ladder=None,
        row=f"{line}",
        keywords={"synthetic_mask": 0.5},
    )
