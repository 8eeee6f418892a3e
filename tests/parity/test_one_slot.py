"""Claims about a session of one slot: it keeps the network, and one thread at a time enters it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from one_slot_backend import Log, OneSlotBackend

import roi_accel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair


@pytest.fixture
def log(plant: Callable[[str], object], monkeypatch: pytest.MonkeyPatch) -> Log:
    """Install the backend behind its entry point; return what goes on in its sessions."""
    plant("")
    log = Log()
    monkeypatch.setattr(OneSlotBackend, "log", log)
    return log


def score(pair: Pair, **options: Any) -> roi_accel.Result:
    result: roi_accel.Result = roi_accel.score(
        pair.reference, pair.distorted, saliency_size=64, **options
    )
    return result


@pytest.mark.parametrize("gate", ["off", "sample", "all"])
def test_the_network_runs_in_a_one_slot_sessions_memory(
    log: Log, tiny_pair: Pair, gate: str
) -> None:
    result = score(tiny_pair, backend="one-slot", gate=gate)
    assert log.count("infer") == tiny_pair.frames
    mask = result.provenance["mask"]
    assert mask["tensors"] == "device"
    assert "in the device's memory" in mask["batch_reason"]
    assert result.frames == score(tiny_pair, backend="numpy").frames


def test_masks_come_from_a_one_slot_sessions_memory_too(
    log: Log, tiny_pair: Pair, tmp_path: Path
) -> None:
    roi_accel.mask(tiny_pair.reference, tmp_path / "m.npz", backend="one-slot", saliency_size=64)
    assert log.count("infer") == tiny_pair.frames


@pytest.mark.parametrize("gate", ["off", "all"])
def test_no_two_threads_are_in_a_one_slot_session_at_once(
    log: Log, tiny_pair: Pair, gate: str
) -> None:
    score(tiny_pair, backend="one-slot", gate=gate)
    inferring, masking = (
        {thread for name, thread in log.calls if name == wanted}
        for wanted in ("infer", "substitute")
    )
    inferring.add(threading.get_ident())  # which runs the self-test
    assert masking - inferring, "one thread did it all, so that nothing was tried"
    assert log.overlaps == []
