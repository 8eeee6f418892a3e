"""Claims about jobs and shards: what is scored at once, and that parts make a whole."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.batch.identity import Contents
from roi_accel.batch.jobs import Failure, Job, Scored, Shard, Task, grouped
from roi_accel.batch.rows import BadRow, Pair
from roi_accel.errors import BackendUnavailable, InputError


def pair(line: int, reference: str, **keywords: object) -> Pair:
    return Pair(
        line=line,
        reference=reference,
        distorted=f"d{line}",
        ladder=None,
        row=f"{line}",
        keywords=keywords,
    )


def lines(groups: list[list[Pair]]) -> list[list[int]]:
    return [[each.line for each in group] for group in groups]


def test_pairs_of_one_reference_and_equal_options_are_scored_at_once() -> None:
    pairs = [pair(1, "a"), pair(2, "b"), pair(3, "a"), pair(4, "a", weight=0.1)]
    assert lines(grouped(pairs)) == [[1, 3], [2], [4]]


def test_no_more_than_so_many_are() -> None:
    assert lines(grouped([pair(n, "a") for n in range(5)], together=2)) == [[0, 1], [2, 3], [4]]


def test_only_what_a_device_could_not_do_goes_to_another() -> None:
    pairs = [pair(1, "a"), pair(2, "a"), pair(3, "a"), pair(4, "a", backend="numpy")]
    job = Job(tuple(Task(each, f"{each.line}", Contents(())) for each in pairs))
    lost, bad = Failure.of(BackendUnavailable("lost")), Failure.of(InputError("bad"))
    scored = Scored(result={}, bitrate=None)
    done, outcomes, left = job.divided([scored, lost, bad, lost], "cuda:0")
    # A row that names its backend has no other one to go to.
    assert [task.pair.line for task in done.tasks] == [1, 3, 4]
    assert outcomes == [scored, bad, lost]
    assert [[task.pair.line for task in each.tasks] for each in left] == [[2]]
    assert left[0].refused == {"cuda:0": lost}


@given(st.lists(st.sampled_from("abcdefg"), max_size=30), st.integers(1, 6))
def test_shards_are_a_partition_that_keeps_references_whole(names: list[str], count: int) -> None:
    rows = [pair(line, name) for line, name in enumerate(names)]
    parts = [Shard(index, count).of_rows(rows) for index in range(count)]
    assert sorted(row.line for part in parts for row in part) == list(range(len(rows)))
    owners = [{row.reference for row in part} for part in parts]
    assert sum(map(len, owners)) == len(set(names))


def test_a_bad_row_belongs_to_one_shard() -> None:
    bad = BadRow(line=1, reference=None, distorted=None, error=InputError("bad"))
    assert [Shard(index, 3).of_rows([bad]) for index in range(3)] == [[bad], [], []]


def test_a_shard_is_written_as_it_is_read() -> None:
    assert str(Shard.parse("2/3")) == "2/3"


@pytest.mark.parametrize("text", ["3/3", "1", "a/2", "-1/2", "1/0", "", "1/2/3", "²/3"])
def test_no_other_text_is_a_shard(text: str) -> None:
    with pytest.raises(InputError, match="--shard is i/n with i from 0 to n-1"):
        Shard.parse(text)
