"""Claims about the file of finished pairs: whole lines are for good, and everything else goes."""

from __future__ import annotations

import resource
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from manifests import records
from results import make_result

from roi_accel.batch import results_file
from roi_accel.batch.jobs import Failure, Scored
from roi_accel.batch.locks import locked
from roi_accel.batch.records import scored_record, to_line
from roi_accel.batch.results_file import ResultsFile
from roi_accel.batch.rows import Pair
from roi_accel.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

    from roi_accel.batch.jobs import Outcome


def record(line: int, outcome: Outcome | None = None) -> dict[str, Any]:
    pair = Pair(
        line=line, reference="r.mp4", distorted="d.mp4", ladder=None, row=f"{line}", keywords={}
    )
    outcome = outcome or Scored(result=make_result().to_dict(), bitrate=None)
    return scored_record(pair, outcome, identity=f"{line:064x}", frames=3)


def write(path: Path, *found: dict[str, Any]) -> None:
    with ResultsFile(path, overwrite=False) as ledger:
        ledger.write(found)


def test_what_was_written_is_done(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    write(path, record(1), record(2))
    with ResultsFile(path, overwrite=False) as ledger:
        assert [summary.line for summary in ledger.done.values()] == [1, 2]
    assert [each["batch"]["line"] for each in records(path)] == [1, 2]


def test_a_line_that_was_cut_off_goes(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    write(path, record(1))
    whole = path.read_bytes()
    path.write_bytes(whole + to_line(record(2))[:-1])
    write(path, record(3))
    assert path.read_bytes() == whole + to_line(record(3))


def test_a_failure_goes_so_that_it_is_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    write(path, record(1), record(2, Failure.of(InputError("bad"))), record(3))
    with ResultsFile(path, overwrite=False) as ledger:
        assert [summary.line for summary in ledger.done.values()] == [1, 3]
    assert [each["batch"]["line"] for each in records(path)] == [1, 3]


def test_overwriting_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    write(path, record(1))
    with ResultsFile(path, overwrite=True) as ledger:
        assert not ledger.done
    assert path.read_bytes() == b""


@pytest.mark.parametrize(
    "line",
    [b"{}\n", b"notes\n", b"[]\n", b'{"batch": 7}\n', b"\xff\n", b"[" * 100_000 + b"\n"],
)
def test_another_file_is_left_as_it_is(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "out.ndjson"
    path.write_bytes(line)
    with pytest.raises(OutputError, match=r"line 1 is not a pair of a batch; name another output"):
        ResultsFile(path, overwrite=False)
    assert path.read_bytes() == line
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("change", [{"id": 7}, {"row": []}, {"line": "1"}])
def test_a_line_that_names_no_row_is_none_of_a_batch(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "out.ndjson"
    content = record(1)
    content["batch"] |= change
    path.write_bytes(to_line(content))
    with pytest.raises(OutputError, match=r"line 1 is not a pair of a batch"):
        ResultsFile(path, overwrite=False)


def test_a_result_of_one_score_is_no_ledger(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    path.write_text(make_result().to_json())
    with pytest.raises(OutputError, match="line 1 is not a pair of a batch"):
        ResultsFile(path, overwrite=False)


def test_nor_can_one_that_opened_it_as_the_other_began(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "out.ndjson"
    others = []

    def late(*arguments: Any, **more: Any) -> AbstractContextManager[None]:
        monkeypatch.setattr(results_file, "locked", locked)
        others.append(ResultsFile(path, overwrite=False))
        return locked(*arguments, **more)

    monkeypatch.setattr(results_file, "locked", late)
    with pytest.raises(OutputError, match="another batch is writing to it"):
        ResultsFile(path, overwrite=False)
    with others[0] as first:
        first.write([record(1)])
    assert len(records(path)) == 1


def test_two_batches_cannot_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    with ResultsFile(path, overwrite=False) as first:
        for overwrite in (False, True):
            with pytest.raises(OutputError, match="another batch is writing to it"):
                ResultsFile(path, overwrite=overwrite)
        first.write([record(1)])
    assert len(records(path)) == 1


@pytest.mark.parametrize("kind", ["link", "folder", "input"])
def test_what_score_would_not_write_to_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out.ndjson"
    other = tmp_path / "other"
    other.write_text("precious")
    if kind == "link":
        path.symlink_to(other)
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_text("precious")
    with pytest.raises(OutputError):
        ResultsFile(path, overwrite=True, inputs=[path] if kind == "input" else [])
    assert other.read_text() == "precious"


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    line = to_line(record(1))
    with ResultsFile(path, overwrite=False) as ledger:
        ledger.write([record(1)])
        with largest_file(len(line) + 100), pytest.raises(OutputError, match="cannot write"):
            ledger.write([record(2)])
    assert path.read_bytes() == line


def test_a_name_that_is_no_utf_8_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    pair = Pair(line=1, reference="r\udcff", distorted="d", ladder=None, row="r", keywords={})
    failed = scored_record(pair, Failure.of(InputError("bad")), identity=None)
    with ResultsFile(path, overwrite=False) as ledger:
        ledger.write([failed])
    assert records(path)[0]["reference"] == "r\\udcff"


def test_a_row_is_known_by_its_last_line(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    first, second = record(1), record(1)
    second["batch"] = {**second["batch"], "id": "f" * 64}
    write(path, first, second)
    with ResultsFile(path, overwrite=False) as ledger:
        assert list(ledger.done) == [("f" * 64, "1")]
        assert ledger.record(first["batch"]["id"]) == first
