"""Our kernels, their peers and plain copies under pytest-benchmark, grouped by case.

Run by ``pytest bench --benchmark-json FILE``; pytest-benchmark's own options save and compare runs.
Within a group all get the same frames, one after the other; in `roi-accel bench` they take turns.
With ROI_ACCEL_BENCH_QUICK set, a small picture shows that it works; the figures are meaningless.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import pytest

from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.host import available_cores
from roi_accel.bench.contender import Absent, contend
from roi_accel.bench.inputs import (
    KERNELS,
    ON_DEVICE,
    ON_DEVICE_BACKEND,
    BenchCase,
    bytes_to_move,
    cases_of,
    make_inputs,
)
from roi_accel.bench.ours import copy_bytes, device_copy, host_copy, our_contender
from roi_accel.bench.run import ALL_PEERS, DEFAULT_CASES, differences, exact_outputs, peers_of
from roi_accel.devices.dispatch import backend_names
from roi_accel.errors import BackendUnavailable
from roi_accel.parity.cases import digest

if TYPE_CHECKING:
    from pytest_benchmark.fixture import BenchmarkFixture

    from roi_accel.bench.contender import Contender

IS_QUICK = bool(os.environ.get("ROI_ACCEL_BENCH_QUICK"))
FORMATS = [(320, 180, PixelFormat("420", 8))] if IS_QUICK else DEFAULT_CASES
COPIED_BYTES = 1 << 20 if IS_QUICK else copy_bytes()
THREADS = available_cores()
inputs_of = lru_cache(maxsize=1)(partial(make_inputs, frames=2 if IS_QUICK else None))


@pytest.mark.parametrize(
    ("case", "name"),
    [
        pytest.param(case, name, id=f"{case.name}, {name}")
        for case in cases_of(FORMATS, KERNELS)
        for name in (
            *([ON_DEVICE_BACKEND] if case.kernel == ON_DEVICE else backend_names()),
            *peers_of(case.kernel),
        )
    ],
)
def test_throughput(case: BenchCase, name: str, benchmark: BenchmarkFixture) -> None:
    inputs = inputs_of(case)
    (exact,), alphas = exact_outputs(case.kernel, inputs, 1, 1)
    with ExitStack() as stack:
        if name in ALL_PEERS:
            contender = contend(name, "peer", partial(ALL_PEERS[name], inputs, THREADS), stack)
        else:
            contender = our_contender(name, case.kernel, inputs, THREADS, stack)
        if isinstance(contender, Absent):
            pytest.skip(f"not measured: {contender.reason}")
        planes = contender.planes(0)
        is_exact = digest(*planes) == digest(*exact)
        measure(contender, case.name, bytes_to_move(case.kernel, inputs.plan, alphas), benchmark)
    benchmark.extra_info |= {"digest": digest(*planes), "equals_reference": is_exact}
    if contender.role == "peer":
        benchmark.extra_info["difference"] = differences(exact, planes)
    assert is_exact or contender.role == "peer"


@pytest.mark.parametrize("name", ["host", *backend_names()])
def test_copy(name: str, benchmark: BenchmarkFixture) -> None:
    with ExitStack() as stack:
        try:
            if name == "host":
                copy: Contender | None = host_copy(THREADS, COPIED_BYTES, stack)
            else:
                copy = device_copy(name, THREADS, COPIED_BYTES, stack)
        except BackendUnavailable as error:
            pytest.skip(f"not measured: {error}")
        if copy is None:
            pytest.skip("its memory is the host's")
        measure(copy, "copy", 2 * COPIED_BYTES, benchmark)


def measure(contender: Contender, group: str, moved: float, benchmark: BenchmarkFixture) -> None:
    benchmark.group = group
    benchmark.pedantic(
        contender.run_many,
        args=(1,),
        rounds=3 if IS_QUICK else 30,
        warmup_rounds=max(3, contender.frames),
        iterations=1,
    )
    benchmark.extra_info |= {
        **contender.facts,
        "threads": contender.threads,
        "bytes_to_move": moved,
        "gigabytes_per_second": moved / benchmark.stats.stats.median / 1e9,
    }
