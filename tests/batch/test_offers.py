"""Claims about what a machine offers to a cluster, and what a pair asks of one."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest
from support import console_script

from roi_accel.backends.protocol import DeviceStatus
from roi_accel.batch.ray.node import ResourceRequest, devices_in_order
from roi_accel.batch.rows import Pair

if TYPE_CHECKING:
    from pathlib import Path

NVIDIA, INTEL = 0x10DE, 0x8086
CPU = DeviceStatus("ready", "cpu")
MACHINE = {
    "numpy": [CPU],
    "numba": [CPU],
    "opencl": [
        DeviceStatus("ready", "opencl:0.0", kind="cpu", several_vendors=True),
        DeviceStatus("ready", "opencl:1.0", kind="gpu", vendor_id=INTEL, several_vendors=True),
    ],
    "cuda": [
        DeviceStatus("ready", "cuda:0", kind="gpu", vendor_id=NVIDIA),
        DeviceStatus("broken", "cuda:1", kind="gpu", vendor_id=NVIDIA),
        DeviceStatus("ready", "cuda:2", kind="gpu", vendor_id=NVIDIA),
    ],
}
ALL = ("roi_numpy", "roi_numba", "roi_cuda", "roi_opencl", "roi_opencl_intel", "roi_opencl_cpu")


def pair(**keywords: str) -> Pair:
    return Pair(line=1, row="", reference="r", distorted="d", ladder=None, keywords=keywords)


@pytest.mark.parametrize(
    ("wanted", "resources"),
    [
        (ResourceRequest.of_pair(pair()), ("roi",)),
        (ResourceRequest.of_pair(pair(backend="auto")), ("roi",)),
        (ResourceRequest.of_pair(pair(device="cpu")), ("roi",)),
        (ResourceRequest.of_pair(pair(backend="cuda")), ("roi", "roi_cuda")),
        (ResourceRequest.of_pair(pair(device="cuda:1")), ("roi", "roi_cuda")),
        (
            ResourceRequest.of_pair(pair(backend="opencl", device="opencl:0.1")),
            ("roi", "roi_opencl"),
        ),
        (ResourceRequest.of_name("auto"), ("roi",)),
        (ResourceRequest.of_name("numba"), ("roi", "roi_numba")),
        (ResourceRequest.of_name("opencl:intel"), ("roi", "roi_opencl_intel")),
        (ResourceRequest.of_name("opencl:0.0"), ("roi", "roi_opencl")),
    ],
)
def test_a_pair_asks_for_what_its_backend_needs(
    wanted: ResourceRequest, resources: tuple[str]
) -> None:
    assert wanted.resources == resources


def test_gpus_come_first_and_alike_ones_together() -> None:
    assert devices_in_order(MACHINE, ALL) == [
        [ResourceRequest("cuda", "cuda:0"), ResourceRequest("cuda", "cuda:2")],
        [ResourceRequest("opencl", "opencl:1.0")],
        [ResourceRequest("numba")],
        [ResourceRequest("numpy")],
        [ResourceRequest("opencl", "opencl:0.0")],
    ]


@pytest.mark.parametrize(
    ("offered", "found"),
    [
        (("roi_numpy",), [[ResourceRequest("numpy")]]),
        (("roi_opencl", "roi_opencl_intel"), [[ResourceRequest("opencl", "opencl:1.0")]]),
        (("roi_opencl", "roi_opencl_nvidia"), []),
        ((), []),
    ],
)
def test_a_device_that_a_machine_does_not_offer_is_not_used(
    offered: tuple[str, ...], found: list[list[ResourceRequest]]
) -> None:
    assert devices_in_order(MACHINE, offered) == found


def devices(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [console_script(), "devices", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


def test_devices_prints_what_ray_start_takes(tmp_path: Path) -> None:
    done = devices("--ray", "--workers", "3", cwd=tmp_path)
    found = json.loads(done.stdout)
    assert found["roi"] == found["roi_numpy"] == found["roi_numba"] == 3
    assert set(found.values()) == {3}
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workers", "2"], "--workers is for --ray"),
        (["--ray", "--json"], "--ray and --json are two forms"),
        (["--ray", "--workers", "0"], "--workers must be at least 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = devices(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
