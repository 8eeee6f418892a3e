"""Claims about a batch between its engine's threads and its lines: none is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from roi_accel.batch import run
from roi_accel.batch.identity import Identifier
from roi_accel.batch.rows import Pair
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from roi_accel.batch.events import Event
    from roi_accel.batch.jobs import Job


class _Drawing:
    """An engine that finds no job to do."""

    def run(self, jobs: Iterator[Job]) -> Iterator[Event]:
        assert not list(jobs)
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
    batch = run.Batch([pair], _Drawing(), lines)
    made = run.scored_record

    def meanwhile(*arguments: Any, **facts: Any) -> dict[str, Any]:
        batch._write_early()  # noqa: SLF001 - as the thread that writes does at any moment
        return made(*arguments, **facts)

    monkeypatch.setattr(run, "scored_record", meanwhile)
    batch.run()
    assert [each["batch"]["line"] for each in lines] == [1]
