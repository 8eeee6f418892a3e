"""Claims about hostile input: whatever parses refuses with a documented error or gives a value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

if TYPE_CHECKING:
    from pathlib import Path

fuzz_targets = pytest.importorskip("fuzz_targets", reason="fuzzing needs av, onnx and hypothesis")

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", fuzz_targets.TARGETS)
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_hostile_file_is_refused_or_gives_a_valid_value(
    name: str, tmp_path: Path, data: st.DataObject
) -> None:
    target = fuzz_targets.TARGETS[name]
    path = tmp_path / f"input{target.suffix}"
    path.write_bytes(data.draw(target.inputs()))
    assert fuzz_targets.hold(target, path) in {"accepted", "refused"}
