"""Claims about many scores in one process: nothing is left behind, and nothing changes."""

from __future__ import annotations

import importlib.util
import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT

import roi_accel

if TYPE_CHECKING:
    from conftest import Pair

    from roi_accel.backends.protocol import Backend

pytestmark = pytest.mark.slow

MIB_IN_KIB = 1024


@pytest.fixture(scope="module")
def soak() -> Any:
    """Return scripts/soak.py as a module."""
    specification = importlib.util.spec_from_file_location("soak", ROOT / "scripts" / "soak.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["soak"] = module  # where its dataclasses look for themselves
    specification.loader.exec_module(module)
    return module


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that temporary files go to, this test's own."""
    if not Path("/proc/self/status").exists():
        pytest.skip("what a process holds is read from Linux's /proc")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_scores_and_failures_leave_nothing_behind(
    soak: Any, tmp_path: Path, temporary: Path
) -> None:
    turns = soak.ways(soak.write_pair(tmp_path))
    for turn in turns:  # imports, pools of threads, compiled kernels
        turn()
    before = soak.held(temporary)
    for turn in turns * 3:
        turn()
    after = soak.held(temporary)
    grown = after.pop("resident KiB") - before.pop("resident KiB")
    assert after == before
    assert grown < 64 * MIB_IN_KIB


def test_commands_leave_nothing_behind_and_agree(
    soak: Any, tmp_path: Path, temporary: Path
) -> None:
    assert soak.soak_commands(soak.write_pair(tmp_path), 3, temporary) == []


@pytest.mark.parametrize("what", ["descriptors", "temporary files"])
def test_a_leak_is_found(
    soak: Any, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    kept: list[Any] = []

    def leak() -> None:
        number = len(kept)
        if what == "descriptors":
            kept.append(Path("/dev/null").open("rb"))  # noqa: SIM115 - the leak
        else:
            (temporary / str(number)).touch()
            kept.append(number)

    monkeypatch.setattr(soak, "ways", lambda _: [leak])
    faults = soak.soak_api((tmp_path / "a", tmp_path / "b"), 40, temporary)
    for each in kept:
        if what == "descriptors":
            each.close()
    assert [fault for fault in faults if fault.startswith(what)]


# Not by a leak in this process: memory that earlier tests have freed would hide it.
@pytest.mark.parametrize(("kib_per_score", "leaks"), [(0, False), (1, False), (3, True)])
def test_memory_that_grows_steadily_is_a_leak(soak: Any, kib_per_score: int, leaks: bool) -> None:
    samples = soak.Samples()
    for moment in range(0, 2000, 20):
        samples.add(moment, {"resident KiB": 200_000 + kib_per_score * moment})
    assert bool(samples.faults()) is leaks


@pytest.mark.parametrize(
    "options", [{"roi": "face=8,8,24,24"}, {"saliency_size": 64}], ids=["boxes", "network"]
)
def test_repeated_runs_give_the_same_bytes_but_for_timing(
    tiny_pair: Pair, backend: Backend, options: dict[str, Any]
) -> None:
    def run() -> bytes:
        result = roi_accel.score(
            tiny_pair.reference, tiny_pair.distorted, backend=backend.name, **options
        )
        content = json.loads(result.to_json())
        assert content.pop("timing")
        return json.dumps(content).encode()

    assert len({run() for _ in range(4)}) == 1
