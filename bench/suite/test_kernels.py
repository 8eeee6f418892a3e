"""Our kernels and their peers under pytest-benchmark, in groups by kernel, size and format.

Run by ``pytest bench --benchmark-json FILE``. Within a group all are measured on the same frames,
one after the other; for ratios, `roi-accel bench` has them take turns.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from conftest import QUICK_VARIABLE

from roi_accel.backends.frame import PixelFormat
from roi_accel.bench.contender import Absent
from roi_accel.bench.gpu import DEVICE_PEERS
from roi_accel.bench.inputs import (
    KERNELS,
    ON_DEVICE,
    ON_DEVICE_BACKEND,
    BenchCase,
    bytes_to_move,
    cases_of,
)
from roi_accel.bench.ours import our_contender
from roi_accel.bench.peers import PEERS
from roi_accel.bench.run import default_cases, differences, digest_of, exact_outputs
from roi_accel.devices.dispatch import backend_names

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import ExitStack

    from pytest_benchmark.fixture import BenchmarkFixture

    from roi_accel.bench.contender import Contender
    from roi_accel.bench.inputs import Inputs

IS_QUICK = bool(os.environ.get(QUICK_VARIABLE))
FORMATS = [(320, 180, PixelFormat("420", 8))] if IS_QUICK else default_cases()


def everyone(case: BenchCase) -> list[str]:
    if case.kernel == ON_DEVICE:
        return [ON_DEVICE_BACKEND, *DEVICE_PEERS]
    return [*backend_names(), *(PEERS if case.kernel == "substitute" else ())]


def contender(
    name: str, case: BenchCase, inputs: Inputs, threads: int, stack: ExitStack
) -> Contender | Absent:
    peers = PEERS | DEVICE_PEERS
    if name in peers:
        return peers[name](inputs, threads, stack)
    return our_contender(name, case.kernel, inputs, threads, stack)


@pytest.mark.parametrize(
    ("case", "name"),
    [
        pytest.param(c, n, id=f"{c.name}, {n}")
        for c in cases_of(FORMATS, KERNELS)
        for n in everyone(c)
    ],
)
def test_throughput(
    case: BenchCase,
    name: str,
    benchmark: BenchmarkFixture,
    inputs_of: Callable[[BenchCase], Inputs],
    threads: int,
    stack: ExitStack,
    copy_gigabytes_per_second: Callable[[Contender], float | None],
) -> None:
    inputs = inputs_of(case)
    found = contender(name, case, inputs, threads, stack)
    if isinstance(found, Absent):
        pytest.skip(f"not measured: {found.reason}")
    (exact,), alphas = exact_outputs(case.kernel, inputs, frames=1, masks=1)
    planes = found.planes(0)
    is_exact = digest_of(exact) == digest_of(planes)
    needed = bytes_to_move(case.kernel, inputs.plan, alphas)
    benchmark.group = case.name
    benchmark.pedantic(
        found.run_many,
        args=(1,),
        rounds=3 if IS_QUICK else 30,
        warmup_rounds=max(3, found.frames),
        iterations=1,
    )
    seconds = benchmark.stats.stats.median
    copied = copy_gigabytes_per_second(found) if found.role == "backend" else None
    extra: dict[str, Any] = {
        **found.facts,
        "threads": found.threads,
        "bytes_to_move": needed,
        "gigabytes_per_second": needed / seconds / 1e9,
        "copy_gigabytes_per_second": copied,
        "share_of_copy": None if copied is None else needed / seconds / 1e9 / copied,
        "digest": digest_of(planes),
        "equals_reference": is_exact,
    }
    if found.role == "peer":
        extra["difference"] = differences(exact, planes)
    benchmark.extra_info.update(extra)
    assert is_exact or found.role == "peer"
