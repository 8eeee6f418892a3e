"""OpenCL devices: finding, naming and sharing them, and what is said where one fails."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import random_frame

from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.opencl.backend import OpenclBackend, OpenclDevice
from roi_accel.backends.plan import Plan
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.protocol import Backend

PLAN = Plan(pixel_format=PixelFormat("420", 8), width=64, height=48, mask_width=8, mask_height=6)

on_a_device = pytest.mark.parametrize("backend", ["opencl"], indirect=True)

PRINT_STATUSES = """
from roi_accel.backends.opencl.backend import OpenclBackend
from roi_accel.errors import BackendUnavailable
for status in OpenclBackend.probe():
    print(status.state, "|", status.description, "|", status.remedy)
try:
    OpenclBackend()
except BackendUnavailable as error:
    print("refused:", error, error.exit_code)
"""


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        env=os.environ | environment,
    )


def a_device(number: str, name: str, kind: Any = "gpu", problem: str = "") -> OpenclDevice:
    title = f"{name}, A Platform"
    state = "broken" if problem else "ready"
    status = DeviceStatus(state, f"opencl:{number}", title, kind=kind)
    return OpenclDevice(status=status, name=name, title=title, problem=problem, handle=None)


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> list[OpenclDevice]:
    """Return the devices of an imagined machine, which a test may change."""
    pytest.importorskip("pyopencl", reason="choosing a device needs pyopencl")
    found = [
        a_device("0.0", "Some CPU", "cpu"),
        a_device("1.0", "Intel Arc A770"),
        a_device("1.1", "NVIDIA RTX 4090"),
    ]
    monkeypatch.setattr(OpenclBackend, "_find", lambda: found)
    return found


@pytest.mark.parametrize(
    ("wanted", "number"),
    [
        (None, "1.0"),
        ("opencl", "1.0"),
        ("opencl:0.0", "0.0"),
        ("opencl:1.1", "1.1"),
        ("1.1", "1.1"),
        ("opencl:intel", "1.0"),
        ("opencl:rtx 4090", "1.1"),
    ],
)
def test_a_device_is_named_by_number_or_by_a_part_of_its_name(
    devices: list[OpenclDevice], wanted: str | None, number: str
) -> None:
    assert OpenclBackend.choose(wanted).device_id == f"opencl:{number}"
    assert len(devices) == 3


def test_without_a_gpu_the_first_device_is_taken(devices: list[OpenclDevice]) -> None:
    del devices[1:]
    assert OpenclBackend.choose(None).device_id == "opencl:0.0"


def test_a_broken_gpu_is_passed_over_unless_it_is_named(devices: list[OpenclDevice]) -> None:
    devices[1] = a_device("1.0", "Intel Arc A770", problem="its driver has no compiler")
    assert OpenclBackend.choose(None).device_id == "opencl:1.1"
    with pytest.raises(BackendUnavailable, match=r"opencl:1\.0.* no compiler"):
        OpenclBackend.choose("opencl:1.0")


@pytest.mark.parametrize(
    ("version", "driver", "state"),
    [
        ("OpenCL 3.0 PoCL HSTR: pthread-x86_64-unknown-linux-gnu-generic", "3.0-rc2", "broken"),
        ("OpenCL 1.2 pocl HSTR: pthread-x86_64-pc-linux-gnu-generic", "1.8", "broken"),
        ("OpenCL 3.0 PoCL HSTR: pthread-x86_64-pc-linux-gnu-skylake-avx512", "3.1+debian", "ready"),
        ("OpenCL 3.0 PoCL HSTR: cpu-x86_64-pc-linux-gnu-generic", "5.0", "ready"),
        ("OpenCL 1.2 pocl HSTR: pthread-aarch64-unknown-linux-gnu-generic", "1.6-pre", "ready"),
    ],
)
def test_a_pocl_that_is_older_than_the_processor_is_called_broken(
    monkeypatch: pytest.MonkeyPatch, version: str, driver: str, state: str
) -> None:
    cl = pytest.importorskip("pyopencl", reason="finding devices needs pyopencl")
    handle = SimpleNamespace(
        name="a processor",
        version=version,
        driver_version=driver,
        type=cl.device_type.CPU,
        available=True,
        compiler_available=True,
        endian_little=True,
        global_mem_size=2**30,
    )
    platform = SimpleNamespace(name="Portable Computing Language", get_devices=lambda: [handle])
    monkeypatch.setattr(cl, "get_platforms", lambda: [platform])
    (status,) = OpenclBackend.probe()
    assert status.state == state
    assert ("older than the processor" in status.description) == (state == "broken")
    assert ("pocl-opencl-icd" in status.remedy) == (state == "broken")


@pytest.mark.parametrize("wanted", ["opencl:2.0", "opencl:0.1", "opencl:amd", "opencl:1"])
def test_an_unknown_device_is_refused_with_all_that_there_are(
    devices: list[OpenclDevice], wanted: str
) -> None:
    with pytest.raises(BackendUnavailable) as caught:
        OpenclBackend.choose(wanted)
    assert "does not match any OpenCL device" in str(caught.value)
    assert all(f"{d.device_id} is {d.name}" in str(caught.value) for d in devices)


def test_a_name_of_several_devices_is_refused_with_the_candidates(
    devices: list[OpenclDevice],
) -> None:
    with pytest.raises(BackendUnavailable) as caught:
        OpenclBackend.choose("opencl:A")
    assert "means several" in str(caught.value)
    del devices[2]
    with pytest.raises(BackendUnavailable, match=r"opencl:1\.0 is Intel"):
        OpenclBackend.choose("opencl:platform")


def test_without_pyopencl_the_probe_says_what_to_install() -> None:
    blocked = "import sys, importlib.util as u; f = u.find_spec\n"
    blocked += "u.find_spec = lambda n, *a: None if n == 'pyopencl' else f(n, *a)\n"
    blocked += "sys.modules['pyopencl'] = None\n"
    out = python(blocked + PRINT_STATUSES).stdout
    assert out.startswith("not installed | pyopencl is not installed")
    assert 'pip install "roi-accel[opencl]"' in out
    assert 'pip install "roi-accel[pocl]"' in out
    assert out.rstrip().endswith(" 4")


def test_a_pyopencl_that_does_not_load_is_broken_with_its_reason(tmp_path: Path) -> None:
    (tmp_path / "pyopencl.py").write_text("raise OSError('libOpenCL.so.1: no such file')")
    out = python(PRINT_STATUSES, PYTHONPATH=str(tmp_path)).stdout
    assert out.startswith("broken | pyopencl is installed but does not work: OSError: libOpenCL")
    assert "refused:" in out


def test_without_a_platform_the_probe_hints_at_vendors_and_pocl(tmp_path: Path) -> None:
    pytest.importorskip("pyopencl", reason="looking for platforms needs pyopencl")
    # pyopencl's wheel brings a loader that also looks for PoCL's wheel below PYOPENCL_HOME.
    without_pocl = f"import os, pyopencl\nos.environ['PYOPENCL_HOME'] = {str(tmp_path)!r}\n"
    out = python(without_pocl + PRINT_STATUSES, OCL_ICD_VENDORS=str(tmp_path)).stdout
    assert out.startswith("no device | there is no OpenCL platform")
    assert "OCL_ICD_VENDORS" in out
    assert "roi-accel[pocl]" in out
    assert out.rstrip().endswith(" 4")


@on_a_device
def test_every_device_says_what_it_is(backend: Backend) -> None:
    statuses = OpenclBackend.probe()
    assert isinstance(backend, OpenclBackend)
    assert backend.device in [status.device for status in statuses]
    for status in statuses:
        assert isinstance(status, DeviceStatus)
        assert re.fullmatch(r"opencl:\d+\.\d+", status.device)
        assert re.search(r".+, .+, OpenCL \d\.\d", status.description)
        assert status.driver
        assert status.memory_bytes
        assert (status.vendor_id is None) == (status.kind == "cpu")


@on_a_device
def test_the_package_and_the_probe_table_load_no_pyopencl(backend: Backend) -> None:
    code = "import sys, roi_accel, roi_accel.devices.dispatch, roi_accel.backends.opencl.backend\n"
    code += "import roi_accel.backends.kernel_calls\nprint('pyopencl' in sys.modules)"
    assert python(code).stdout.strip() == "False"
    assert backend.device.startswith("opencl:")


@on_a_device
def test_a_processor_can_be_used_in_part(backend: Backend) -> None:
    rng = np.random.default_rng(0)
    frames = [random_frame(rng, PLAN.pixel_format, PLAN.width, PLAN.height) for _ in range(2)]
    mask = rng.integers(0, 65536, (6, 8), dtype=np.uint16)
    with backend.open(PLAN) as session:
        whole = session.substitute(*frames, mask)
    with OpenclBackend(device=backend.device, threads=1).open(PLAN) as session:
        part = session.substitute(*frames, mask)
    assert all(map(np.array_equal, whole.planes, part.planes))
    with pytest.raises(ValueError, match="at least 1"):
        OpenclBackend(threads=0)


@on_a_device
def test_the_devices_own_seconds_are_counted(backend: Backend) -> None:
    frame = random_frame(np.random.default_rng(0), PLAN.pixel_format, PLAN.width, PLAN.height)
    mask = np.full((6, 8), 30000, np.uint16)
    assert isinstance(backend, OpenclBackend)
    with backend.open(PLAN) as session:
        session.substitute(frame, frame, mask)
        first = session.event_seconds
        session.substitute(frame, frame, mask)
        second = session.event_seconds
    assert set(first) == {"upload", "widen", "substitute", "download"}
    assert all(second[kind] > first[kind] > 0 for kind in ("widen", "substitute"))


@on_a_device
def test_a_closed_session_refuses_work(backend: Backend) -> None:
    session = backend.open(PLAN)
    session.close()
    session.close()
    with pytest.raises(ValueError, match="closed"):
        session.upsample(np.zeros((6, 8), np.uint16))


@on_a_device
def test_pocl_without_a_writable_home_still_has_its_device(
    backend: Backend, tmp_path: Path
) -> None:
    assert backend.device
    if not any("Portable Computing" in s.description for s in OpenclBackend.probe()):
        pytest.skip("there is no PoCL here")
    (tmp_path / "home").write_text("a file, so that nothing can be made below it")
    code = PRINT_STATUSES + "import os; print(os.environ['POCL_CACHE_DIR'])"
    done = python(code, XDG_CACHE_HOME=str(tmp_path / "home"))
    assert done.stdout.startswith("ready")
    assert "are not kept" in done.stderr
    assert not os.path.exists(done.stdout.splitlines()[-1])  # noqa: PTH110 - text from a process
