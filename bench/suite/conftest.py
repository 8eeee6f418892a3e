"""What the suite shares: its cases, and the copy's bandwidth, measured in the same run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from roi_accel.backends.host import available_cores
from roi_accel.bench.inputs import make_inputs
from roi_accel.bench.ours import copy_bytes, device_copy, host_copy
from roi_accel.bench.timing import Effort, Spread, alternate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from roi_accel.bench.contender import Contender
    from roi_accel.bench.inputs import BenchCase, Inputs

QUICK_VARIABLE = "ROI_ACCEL_BENCH_QUICK"
"""Set, the suite shows that it works on a small picture; the figures mean nothing."""

_COPY_EFFORT = Effort(rounds=9, turn_seconds=0.02)


@pytest.fixture(scope="session")
def threads() -> int:
    """Return how many threads backends and peers get."""
    return available_cores()


@pytest.fixture(scope="session")
def copied_bytes() -> int:
    """Return how large the array is whose copying gives the bandwidth."""
    return 1 << 20 if os.environ.get(QUICK_VARIABLE) else copy_bytes()


@pytest.fixture(scope="session")
def inputs_of() -> Callable[[BenchCase], Inputs]:
    """Return a function from a case to its inputs; only the latest are kept, they are large."""
    kept: dict[str, Inputs] = {}
    frames = 2 if os.environ.get(QUICK_VARIABLE) else None

    def find(case: BenchCase) -> Inputs:
        if case.name not in kept:
            kept.clear()
            kept[case.name] = make_inputs(case, frames=frames)
        return kept[case.name]

    return find


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """Return what closes sessions after each test."""
    with ExitStack() as opened:
        yield opened


@pytest.fixture
def copy_gigabytes_per_second(
    threads: int, copied_bytes: int
) -> Callable[[Contender], float | None]:
    """Return a function that copies on a contender's own device, with as many threads."""

    def measure(contender: Contender) -> float | None:
        with ExitStack() as opened:
            if contender.threads:
                copy = host_copy(contender.threads, copied_bytes, opened)
            else:
                found = device_copy(contender.name, threads, copied_bytes, opened)
                if found is None:
                    return None
                copy = found
            seconds = alternate([copy], _COPY_EFFORT)[copy.name]
        return 2 * copied_bytes / Spread.of(seconds).median / 1e9

    return measure
