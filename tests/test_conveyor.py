"""Stages that run at once give what they would give one after the other."""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel._util.prefetch import batched, ordered_map, prefetch

if TYPE_CHECKING:
    from collections.abc import Iterator


def threads() -> int:
    return threading.active_count()


@given(st.lists(st.integers()), st.integers(1, 9), st.integers(1, 9))
def test_order_is_kept_whatever_the_depth_and_the_workers(
    items: list[int], depth: int, workers: int
) -> None:
    assert list(prefetch(items, depth)) == items
    assert list(ordered_map(lambda item: item * 2, items, workers)) == [2 * i for i in items]


@given(st.lists(st.integers()), st.integers(1, 9))
def test_batches_keep_the_order_and_only_the_last_is_shorter(items: list[int], size: int) -> None:
    batches = list(batched(items, size))
    assert [item for batch in batches for item in batch] == items
    assert all(len(batch) == size for batch in batches[:-1])
    assert all(1 <= len(batch) <= size for batch in batches)


def test_a_batch_takes_no_more_than_its_items() -> None:
    items = iter(range(100))
    assert next(batched(items, 8)) == list(range(8))
    assert next(items) == 8


def test_what_is_raised_in_the_middle_of_a_batch_comes_after_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        msg = "cut off"
        raise OSError(msg)

    batches = batched(items(), 3)
    assert [next(batches), next(batches)] == [[0, 1, 2], [3, 4]]
    with pytest.raises(OSError, match="cut off"):
        next(batches)


def test_order_does_not_depend_on_timing() -> None:
    chance = random.Random(4)  # noqa: S311 - no secret

    def slowly(item: int) -> int:
        time.sleep(chance.random() / 100)
        return item

    mapped = ordered_map(slowly, prefetch(map(slowly, range(50)), 3), 4)
    assert list(prefetch(mapped, 2)) == list(range(50))


@pytest.mark.parametrize("depth", [1, 4])
def test_a_thread_runs_no_further_ahead_than_it_may(depth: int) -> None:
    made: list[int] = []

    def items() -> Iterator[int]:
        for index in range(100):
            made.append(index)
            yield index

    stage = prefetch(items(), depth)
    assert next(stage) == 0
    time.sleep(0.3)
    # One in the consumer's hand, `depth` queued, one in the producer's.
    assert len(made) <= depth + 2
    stage.close()


def test_two_stages_run_at_the_same_time() -> None:
    meeting = threading.Barrier(2, timeout=30)

    def items() -> Iterator[int]:
        yield 0
        meeting.wait()
        yield 1

    stage = prefetch(items(), 1)
    assert next(stage) == 0
    meeting.wait()
    assert next(stage) == 1
    stage.close()


def test_workers_run_at_the_same_time() -> None:
    meeting = threading.Barrier(3, timeout=30)
    assert len(list(ordered_map(lambda _: meeting.wait(), range(3), 3))) == 3


def broken() -> Iterator[int]:
    yield 0
    yield 1
    msg = "the third"
    raise ValueError(msg)


def test_an_error_comes_after_the_items_before_it() -> None:
    stage = prefetch(ordered_map(lambda item: item, prefetch(broken(), 2), 2), 2)
    assert [next(stage), next(stage)] == [0, 1]
    with pytest.raises(ValueError, match="the third"):
        next(stage)


def test_a_workers_error_comes_in_its_turn() -> None:
    def check(item: int) -> int:
        if item == 2:
            msg = "not two"
            raise ValueError(msg)
        return item

    stage = ordered_map(check, range(9), 3)
    assert [next(stage), next(stage)] == [0, 1]
    with pytest.raises(ValueError, match="not two"):
        next(stage)


def test_whoever_stops_early_leaves_no_thread_and_everything_closed() -> None:
    before = threads()
    closed = threading.Event()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.set()

    stage = prefetch(ordered_map(lambda item: item, prefetch(endless(), 2), 3), 2)
    assert next(stage) == 1
    stage.close()
    assert closed.is_set()
    assert threads() == before


def test_an_error_leaves_no_thread() -> None:
    before = threads()
    with pytest.raises(ValueError, match="the third"):
        list(prefetch(broken(), 1))
    assert threads() == before
