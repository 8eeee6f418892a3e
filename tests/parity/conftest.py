"""Installing a backend with a planted fault as another package's would be."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faulty_backend import FAULT_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Mapping[str, str]]:
    """Return a function that plants a fault in ``faulty``, a backend behind an entry point.

    It holds for this process; what is returned makes it hold for another.
    """
    site = tmp_path / "site"
    facts = site / "faulty_backend-1.0.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: faulty-backend\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text(
        "[roi_accel.backends]\n"
        "faulty = faulty_backend:FaultyBackend\n"
        "one-slot = one_slot_backend:OneSlotBackend\n"
    )
    monkeypatch.syspath_prepend(str(site))
    importlib.invalidate_caches()

    def plant(fault: str) -> Mapping[str, str]:
        monkeypatch.setenv(FAULT_VARIABLE, fault)
        path = os.pathsep.join((str(site), str(Path(__file__).parent)))
        return {FAULT_VARIABLE: fault, "PYTHONPATH": path}

    return plant
