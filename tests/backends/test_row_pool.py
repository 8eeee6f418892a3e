"""Rows shared among threads: each computed once, nobody kept waiting, no failure lost."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from roi_accel.backends.host import RowTask, RowThreadPool

if TYPE_CHECKING:
    from collections.abc import Iterator

MANY_SAMPLES = 1 << 24
TWO_RANGES = 1 << 18


@pytest.fixture
def pool() -> Iterator[RowThreadPool]:
    pool = RowThreadPool(2)
    yield pool
    pool.close()


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("samples", [1, TWO_RANGES, MANY_SAMPLES])
@pytest.mark.parametrize("height", [1, 2, 97])
def test_every_row_of_every_job_is_computed_once(threads: int, samples: int, height: int) -> None:
    rows: list[tuple[int, int]] = []

    def job(number: int) -> tuple[int, RowTask]:
        return height, lambda first, last: rows.extend((number, y) for y in range(first, last))

    pool = RowThreadPool(threads)
    pool.run([job(0), job(1)], samples)
    pool.close()
    assert sorted(rows) == [(number, y) for number in range(2) for y in range(height)]


def test_little_work_stays_in_the_callers_thread(pool: RowThreadPool) -> None:
    seen: list[threading.Thread] = []
    pool.run([(100, lambda *_: seen.append(threading.current_thread()))], samples=1000)
    assert seen == [threading.current_thread()]


def test_nobody_waits_for_a_helper_that_has_not_begun(pool: RowThreadPool) -> None:
    both_busy = threading.Barrier(3, timeout=30)
    release = threading.Event()

    def block(_first: int, _last: int) -> None:
        both_busy.wait()
        release.wait(30)

    other = threading.Thread(target=pool.run, args=([(2, block)], TWO_RANGES))
    other.start()
    rows: list[int] = []
    try:
        both_busy.wait()  # the one helper is now taken
        pool.run([(100, lambda first, last: rows.extend(range(first, last)))], MANY_SAMPLES)
        assert rows == list(range(100))
    finally:
        release.set()
        other.join()


@pytest.mark.parametrize("failing", ["caller", "helper"])
def test_a_failure_in_either_thread_reaches_the_caller(pool: RowThreadPool, failing: str) -> None:
    both_began = threading.Barrier(2, timeout=30)
    caller = threading.current_thread()

    def task(_first: int, _last: int) -> None:
        both_began.wait()
        if (threading.current_thread() is caller) == (failing == "caller"):
            raise ArithmeticError(failing)

    with pytest.raises(ArithmeticError, match=failing):
        pool.run([(2, task)], TWO_RANGES)
