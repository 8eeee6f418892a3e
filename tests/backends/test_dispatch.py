"""Choosing a backend: what is asked for is what is used, and `auto` says why it chose."""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import exact
import numpy as np
import pytest
from support import ROOT, console_script, random_frame

from roi_accel import BackendUnavailable, get_backend
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.cli import main
from roi_accel.devices import dispatch
from roi_accel.devices.dispatch import choose_backend, probe, probe_all
from roi_accel.devices.inventory import take_inventory
from roi_accel.scorers.vmaf_tool import VmafTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pair

    Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a module with a backend where Python and its entry points find it, as pip would."""

    def put(name: str, target: str, source: str) -> None:
        module = target.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(source)
        facts = tmp_path / f"{module}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[roi_accel.backends]\n{name} = {target}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def fake(
    monkeypatch: pytest.MonkeyPatch, statuses: dict[str, list[DeviceStatus]]
) -> dict[str, object]:
    """Give the table these backends with these probes; return what each was opened with."""
    opened: dict[str, object] = {}

    def make(name: str, found: list[DeviceStatus]) -> type:
        class Fake:
            def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
                opened[name] = device
                self.name, self.device, self.threads = name, device or "default", threads

            @classmethod
            def probe(cls) -> list[DeviceStatus]:
                return found

        return Fake

    classes = {name: make(name, found) for name, found in statuses.items()}
    monkeypatch.setattr(dispatch, "BACKENDS", dict.fromkeys(classes, "faked"))
    monkeypatch.setattr(dispatch, "_backend_class", classes.__getitem__)
    return opened


MISSING = DeviceStatus("not installed", description="no module", remedy="pip install it")
CPU = DeviceStatus("ready", "cpu", "a processor")
OPENCL_CPU = DeviceStatus("ready", "opencl:0.0", "PoCL", kind="cpu")
OPENCL_GPU = DeviceStatus("ready", "opencl:1.0", "a GPU", kind="gpu")
CUDA = DeviceStatus("ready", "cuda:0", "a GPU", kind="gpu")


@pytest.mark.parametrize(
    ("statuses", "name", "device"),
    [
        (
            {"numpy": [CPU], "numba": [CPU], "opencl": [OPENCL_GPU], "cuda": [CUDA]},
            "cuda",
            "cuda:0",
        ),
        (
            {"numpy": [CPU], "numba": [CPU], "opencl": [OPENCL_CPU, OPENCL_GPU], "cuda": [MISSING]},
            "opencl",
            "opencl:1.0",
        ),
        ({"numpy": [CPU], "numba": [CPU], "opencl": [OPENCL_CPU]}, "numba", "cpu"),
        ({"numpy": [CPU], "numba": [MISSING], "opencl": [MISSING]}, "numpy", "cpu"),
    ],
)
def test_auto_takes_cuda_then_an_opencl_gpu_then_numba_then_numpy(
    monkeypatch: pytest.MonkeyPatch,
    statuses: dict[str, list[DeviceStatus]],
    name: str,
    device: str,
) -> None:
    fake(monkeypatch, statuses)
    choice = choose_backend("auto")
    assert (choice.backend.name, choice.backend.device) == (name, device)


def test_auto_says_what_it_chose_and_what_it_passed_over(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fake(monkeypatch, {"numpy": [CPU], "opencl": [OPENCL_CPU], "cuda": [MISSING]})
    with caplog.at_level(logging.INFO, "roi_accel"):
        choice = choose_backend()
    assert "cuda: not installed; opencl: no GPU" in choice.reason
    assert choice.reason in caplog.text


def test_an_explicit_choice_never_falls_back(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = fake(monkeypatch, {"numpy": [CPU], "cuda": [MISSING]})
    with pytest.raises(BackendUnavailable, match="not installed, no module") as caught:
        get_backend("cuda")
    assert caught.value.remedy == "pip install it"
    assert not opened


def test_the_variable_decides_where_nothing_else_does(monkeypatch: pytest.MonkeyPatch) -> None:
    fake(monkeypatch, {"numpy": [CPU], "numba": [CPU]})
    monkeypatch.setenv("ROI_ACCEL_BACKEND", "numpy")
    assert get_backend().name == "numpy"
    assert get_backend("numba").name == "numba"
    assert get_backend("auto").name == "numba"
    monkeypatch.setenv("ROI_ACCEL_BACKEND", "nonsense")
    with pytest.raises(BackendUnavailable, match="no backend 'nonsense'"):
        get_backend()


def test_a_device_brings_its_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = fake(monkeypatch, {"numpy": [CPU], "numba": [CPU], "opencl": [OPENCL_CPU]})
    assert get_backend(device="opencl:intel").name == "opencl"
    assert opened["opencl"] == "opencl:intel"
    assert get_backend(device="cpu").name == "numba"


@pytest.mark.parametrize(
    ("name", "device", "message"),
    [
        ("numpy", "opencl:0.0", "belongs to the opencl backend"),
        ("auto", "banana", "does not say which backend"),
        ("banana", None, "there is no backend 'banana'; there are numpy"),
    ],
)
def test_nonsense_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str, device: str | None, message: str
) -> None:
    fake(monkeypatch, {"numpy": [CPU], "opencl": [OPENCL_CPU]})
    with pytest.raises(BackendUnavailable, match=message):
        get_backend(name, device=device)


def test_another_device_than_cpu_is_refused_by_the_real_numpy_backend() -> None:
    with pytest.raises(BackendUnavailable, match="no device 'gpu'"):
        get_backend("numpy", device="gpu")


def test_probing_everything_never_raises() -> None:
    found = probe_all()
    assert set(found) >= set(dispatch.BACKENDS)
    assert all(isinstance(status, DeviceStatus) for each in found.values() for status in each)
    assert found["numpy"][0].state == "ready"


@pytest.mark.parametrize(
    "source", ["raise RuntimeError('boom')", "class Bad:\n    probe = 3\n", "import absent_module"]
)
def test_a_broken_package_breaks_only_its_own_backend(install: Install, source: str) -> None:
    install("bad", "bad_backend:Bad", source)
    assert probe("bad")[0].state == "broken"
    with pytest.raises(BackendUnavailable, match="the bad backend cannot be used: broken"):
        get_backend("bad")
    assert get_backend("numpy").name == "numpy"


def worked_example() -> str:
    text = (ROOT / "docs" / "adding-a-backend.md").read_text("utf-8")
    found = re.search(r"```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


def test_the_documents_worked_example_keeps_the_contract(install: Install) -> None:
    install("plain", "plain_backend:PlainBackend", worked_example())
    backend = get_backend("plain")
    assert backend.name == "plain"
    pixel_format = PixelFormat("420", 10)
    rng = np.random.default_rng(8)
    mask = rng.integers(0, 65536, (16, 24), dtype=np.uint16)
    plan = Plan(
        pixel_format=pixel_format,
        width=97,
        height=61,
        mask_width=24,
        mask_height=16,
        model=ModelSize(24, 16, 24, 16),
    )
    reference, distorted = (random_frame(rng, pixel_format, 97, 61) for _ in range(2))
    with backend.open(plan) as session:
        masked = session.substitute(reference, distorted, mask)
        assert np.array_equal(session.preprocess(reference), exact.preprocess(reference, plan))
    assert all(
        map(np.array_equal, masked.planes, exact.substitute(reference, distorted, mask, plan))
    )


def test_the_documents_worked_example_refuses_what_the_contract_refuses(install: Install) -> None:
    install("plain", "plain_backend:PlainBackend", worked_example())
    with pytest.raises(BackendUnavailable, match="no device 'gpu7'"):
        get_backend("plain", device="gpu7")
    pixel_format = PixelFormat("420", 8)
    rng = np.random.default_rng(1)
    plan = Plan(pixel_format=pixel_format, width=64, height=48, mask_width=8, mask_height=6)
    fits, other = random_frame(rng, pixel_format, 64, 48), random_frame(rng, pixel_format, 66, 48)
    mask = np.zeros((6, 8), np.uint16)
    with get_backend("plain").open(plan) as session:
        for arguments in ((other, fits, mask), (fits, other, mask), (fits, fits, mask[1:])):
            with pytest.raises(ValueError, match="but the plan"):
                session.substitute(*arguments)


def test_a_backend_in_this_repository_is_one_file_and_one_line(
    tmp_path: Path, tiny_pair: Pair
) -> None:
    copy = tmp_path / "roi_accel"
    for package in ("roi_accel", "roi_accel.backends", "roi_accel.parity", "roi_accel.bench"):
        folder = Path(str(importlib.import_module(package).__file__)).parent
        target = tmp_path.joinpath(*package.split("."))
        shutil.copytree(folder, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.pyc"))
    text = (ROOT / "docs" / "adding-a-backend.md").read_text("utf-8")
    line = re.search(r"```text\n(.*)\n```", text)
    assert line
    (copy / "backends" / "plain_backend.py").write_text(worked_example())
    table = copy / "devices" / "dispatch.py"
    before = table.read_text()
    table.write_text(before.replace("HOST_BACKENDS = {\n", f"HOST_BACKENDS = {{\n    {line[1]}\n"))
    assert len(table.read_text().splitlines()) == len(before.splitlines()) + 1

    def run(*arguments: object) -> dict[str, Any]:
        code = (
            "import sys, roi_accel; from roi_accel.cli import main;"
            f"assert roi_accel.__file__.startswith({str(copy)!r}); sys.exit(main(sys.argv[1:]))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    assert run("devices", "--json")["backends"]["plain"][0]["state"] == "ready"
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--synthetic-mask", "0.35")
    ours, plain = (run("score", *pair, "--backend", name) for name in ("numpy", "plain"))
    assert plain["provenance"]["backend"]["name"] == "plain"
    assert plain["vmaf_masked"] == ours["vmaf_masked"]


def test_a_misspelt_backend_is_guessed_and_the_variable_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(BackendUnavailable, match="did you mean numba"):
        get_backend("nunba")
    monkeypatch.setenv("ROI_ACCEL_BACKEND", "nmpy")
    with pytest.raises(BackendUnavailable, match=r"'nmpy' \(ROI_ACCEL_BACKEND\); .*mean numpy"):
        get_backend()


def test_auto_never_takes_another_packages_backend(install: Install) -> None:
    install("plain", "plain_backend:PlainBackend", worked_example())
    assert choose_backend("auto").backend.name in dispatch.BACKENDS
    assert "plain" in probe_all()


def run_devices(*arguments: str) -> str:
    done = subprocess.run(
        [console_script(), "devices", *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_devices_as_json_has_every_backend_provider_and_vmaf() -> None:
    found = json.loads(run_devices("--json"))
    assert set(found["backends"]) >= set(dispatch.BACKENDS)
    assert "CPUExecutionProvider" in found["execution_providers"]
    assert {match["device"] for match in found["provider_matches"]} >= {"cpu"}
    assert found["vmaf"][0]["libvmaf"]
    assert not found["vmaf"][0]["libvmaf"].startswith("unusable")
    assert found["auto"].split()[0] in dispatch.BACKENDS


def test_devices_says_which_provider_each_device_asks_for_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu = DeviceStatus("ready", "opencl:1.0", "a GPU", kind="gpu", vendor_id=0x10DE)
    fake(monkeypatch, {"numpy": [CPU], "opencl": [gpu], "cuda": [MISSING]})
    processor, opencl = take_inventory().matches
    assert (processor.device, processor.provider, processor.remedy) == (
        "cpu",
        "CPUExecutionProvider",
        "",
    )
    assert (opencl.device, opencl.provider) == ("opencl:1.0", "CUDAExecutionProvider")
    assert "NVIDIA" in opencl.reason
    assert "roi-accel[cuda13]" in opencl.remedy


def test_devices_as_a_table_names_what_is_there() -> None:
    shown = run_devices()
    assert "NumPy" in shown
    assert "auto takes" in shown
    assert "CPUExecutionProvider" in shown


def test_what_is_there_to_copy_stands_whole_on_a_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path("/opt") / "/".join(["a-folder-with-a-name"] * 8) / "vmaf"
    scorer = VmafTool(path, "3.2.0", "PATH")
    monkeypatch.setattr("roi_accel.devices.inventory.installed_programs", lambda: [scorer])
    fake(monkeypatch, {"numpy": [CPU], "cuda": [MISSING]})
    monkeypatch.setenv("COLUMNS", "60")
    assert main(["devices"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"vmaf: {path}" in lines
    assert any(line.endswith(MISSING.remedy) for line in lines)


def test_without_a_vmaf_the_table_has_the_whole_command_that_brings_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roi_accel.devices.inventory.installed_programs", list)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["devices"]) == 0
    assert 'pip install "roi-accel[cpu]" brings one' in capsys.readouterr().out
