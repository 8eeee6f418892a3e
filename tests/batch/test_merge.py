"""Claims about merging: nothing of the pieces is lost, and what is missing is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from manifests import batch, records, write_csv
from results import make_result

from roi_accel.batch.jobs import Failure, Scored
from roi_accel.batch.manifest import read_manifest
from roi_accel.batch.records import bad_row_record, scored_record, to_line
from roi_accel.batch.rows import BadRow, Pair
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "m.csv", [("/r.mp4", f"/d{number}.mp4") for number in range(3)])


def line(manifest: Path, place: int, *, failed: bool = False, **changes: Any) -> bytes:
    """Return what a shard would write of the manifest's row number `place`."""
    pair = read_manifest(str(manifest))[place]
    assert isinstance(pair, Pair)
    facts = {"reference": pair.reference, "distorted": pair.distorted}
    scored = Scored(result=make_result(**facts, **changes).to_dict(), bitrate=None)
    outcome = Failure.of(InputError("bad")) if failed else scored
    return to_line(scored_record(pair, outcome, identity=f"{place:064x}", frames=3))


def records_of(lines: bytes) -> list[Any]:
    return [json.loads(each) for each in lines.splitlines()]


def merge(manifest: Path, *pieces: bytes, output: str = "all.ndjson") -> tuple[int, str, list[Any]]:
    folder = manifest.parent
    names = []
    for number, piece in enumerate(pieces):
        path = folder / f"part-{number}.ndjson"
        path.write_bytes(piece)
        names.append(path.name)
    done = batch("merge", manifest.name, *names, "-o", output, cwd=folder)
    path = folder / output
    return done.returncode, done.stderr, records(path) if path.exists() else []


def test_lines_come_in_the_manifests_order(manifest: Path) -> None:
    one, two, three = (line(manifest, place) for place in range(3))
    code, said, found = merge(manifest, three + one, two)
    assert (code, said) == (0, "3 of 3 pairs are there\n")
    assert [each["distorted"] for each in found] == ["/d0.mp4", "/d1.mp4", "/d2.mp4"]


def test_what_is_missing_is_named_and_the_rest_is_written(manifest: Path) -> None:
    code, said, found = merge(manifest, line(manifest, 0), line(manifest, 2))
    assert code == 2
    assert "roi-accel: line 3 is missing: /d1.mp4 against /r.mp4" in said
    assert "2 of 3 pairs are there" in said
    assert len(found) == 2


def shard_line(manifest: Path, place: int, shard: str | None) -> bytes:
    record = records_of(line(manifest, place))[0]
    record["batch"]["shard"] = shard
    return to_line(record)


def test_a_shard_that_is_missing_is_one_line(tmp_path: Path) -> None:
    rows = [(f"/r{number % 30}.mp4", f"/d{number}.mp4") for number in range(3_000)]
    manifest = write_csv(tmp_path / "m.csv", [*rows, rows[1]])
    parts = [
        b"".join(shard_line(manifest, place, f"{n}/3") for place in (n, n + 3)) for n in (0, 2)
    ]
    code, said, _ = merge(manifest, *parts)
    lines = said.splitlines()
    assert code == 2
    assert lines[0] == "roi-accel: shard 1/3 is missing: lines 3, 6, 9, ... (1,000 rows)"
    assert lines[1] == "roi-accel: line 8 is missing: /d6.mp4 against /r6.mp4"
    assert lines[-2] == "roi-accel: and 1,986 more are missing"
    assert len(lines) == 13


@pytest.mark.parametrize("shards", [("0/3", "1/2"), ("0/3", None), ("0/3", "x"), (None, None)])
def test_pieces_of_no_one_division_tell_of_no_shard(
    manifest: Path, shards: tuple[str | None, str | None]
) -> None:
    pieces = [shard_line(manifest, place, shard) for place, shard in enumerate(shards)]
    code, said, found = merge(manifest, *pieces)
    assert (code, len(found)) == (2, 2)
    assert "shard" not in said
    assert "line 4 is missing" in said


def test_a_shard_without_rows_is_not_missing(manifest: Path) -> None:
    pieces = [shard_line(manifest, place, "0/4") for place in range(3)]
    assert merge(manifest, *pieces)[:2] == (0, "3 of 3 pairs are there\n")


def test_a_score_wins_over_a_failure(manifest: Path) -> None:
    rest = line(manifest, 1) + line(manifest, 2)
    code, _, found = merge(manifest, line(manifest, 0, failed=True), line(manifest, 0) + rest)
    assert code == 0
    assert all("error" not in each for each in found)


def test_a_failure_gives_the_exit_code(manifest: Path) -> None:
    rest = line(manifest, 1) + line(manifest, 2)
    assert merge(manifest, line(manifest, 0, failed=True) + rest)[0] == 2


def test_two_scores_of_one_row_must_agree(manifest: Path) -> None:
    other = line(manifest, 0, frames=4)
    code, said, found = merge(manifest, line(manifest, 0), other)
    assert code == 2
    assert "part-1.ndjson: has other scores for line 2 than an earlier piece" in said
    assert found == []


def test_of_a_row_that_was_scored_again_the_later_line_counts(manifest: Path) -> None:
    again = line(manifest, 0, frames=4)
    _, said, found = merge(manifest, line(manifest, 0) + again)
    assert "other scores" not in said
    assert found == records_of(again)


def test_rows_need_not_be_whole(tmp_path: Path) -> None:
    manifest = write_csv(tmp_path / "m.csv", [("/r.yuv", "/d.yuv", "yuv420p")], "pix_fmt")
    rows = read_manifest(str(manifest), defaults={"width": 64, "height": 64})
    assert isinstance(rows[0], Pair)
    scored = Scored(result=make_result().to_dict(), bitrate=None)
    piece = to_line(scored_record(rows[0], scored, identity="0" * 64, frames=3))
    code, said, found = merge(manifest, piece)
    assert (code, said, len(found)) == (0, "1 of 1 pairs are there\n", 1)


def test_a_row_that_could_not_be_used_is_there(tmp_path: Path) -> None:
    manifest = write_csv(tmp_path / "m.csv", [("/r.mp4", "/d.mp4", "7")], "weight")
    (row,) = read_manifest(str(manifest))
    assert isinstance(row, BadRow)
    code, said, found = merge(manifest, to_line(bad_row_record(row)))
    assert (code, said, len(found)) == (2, "1 of 1 pairs are there\n", 1)


def test_a_reference_may_come_from_defaults(tmp_path: Path) -> None:
    manifest = tmp_path / "m.csv"
    manifest.write_text("distorted\n/d.mp4\n")
    (tmp_path / "d.json").write_text('{"reference": "/r.mp4"}')
    (row,) = read_manifest(str(manifest), defaults={"reference": "/r.mp4"})
    assert isinstance(row, Pair)
    scored = Scored(result=make_result().to_dict(), bitrate=None)
    (tmp_path / "p.ndjson").write_bytes(to_line(scored_record(row, scored, identity="0" * 64)))
    done = batch("merge", "m.csv", "p.ndjson", "--defaults", "d.json", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "1 of 1 pairs are there\n")


def test_a_line_that_was_cut_off_is_said(manifest: Path) -> None:
    code, said, _ = merge(manifest, line(manifest, 0) + line(manifest, 1)[:50])
    assert code == 2
    assert "part-0.ndjson: line 2 is cut off, left out" in said


def test_lines_of_another_manifest_are_said(manifest: Path) -> None:
    row = records_of(line(manifest, 0))[0]["batch"]["row"].encode()
    stranger = line(manifest, 0).replace(row, b"0" * 64)
    _, said, found = merge(manifest, line(manifest, 0) + stranger)
    assert "part-0.ndjson: has 1 lines of another manifest, left out" in said
    assert len(found) == 1


def test_another_file_is_refused(manifest: Path) -> None:
    code, said, _ = merge(manifest, b"{}\n")
    assert code == 2
    assert "part-0.ndjson: line 1 is not a pair of a batch" in said


def test_a_manifest_may_be_read_from_anywhere(manifest: Path) -> None:
    """Its rows are the same ones: what they say is, not where it leads from here."""
    relative = write_csv(manifest.parent / "rel.csv", [("r.mp4", "d.mp4")])
    here = batch("merge", relative.name, "none.ndjson", cwd=manifest.parent)
    assert "none.ndjson: no such file" in here.stderr
    (one,) = read_manifest(str(relative))
    piece = manifest.parent / "part.ndjson"
    assert isinstance(one, Pair)
    piece.write_bytes(
        to_line(
            scored_record(
                one,
                Scored(result=make_result().to_dict(), bitrate=None),
                identity="0" * 64,
                frames=3,
            )
        )
    )
    for name, cwd in ((relative.name, manifest.parent), (str(relative), manifest.parent.parent)):
        assert batch("merge", name, piece, cwd=cwd).returncode == 0
