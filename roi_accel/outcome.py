"""What a result says of its run in a sentence, for the summary on a terminal and for the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any


def where_it_ran(provenance: Mapping[str, Any]) -> str:
    """Return on which device and provider, and why there."""
    backend, mask = provenance["backend"], provenance["mask"]
    where = f"backend {backend['name']} on {backend['device']}"
    if "providers_attached" in mask:
        where += f", network on {mask['providers_attached'][0]}"
    return f"{where} ({backend['reason']})"


def gate_outcome(parity: Mapping[str, Any], frames: int) -> str:
    """Return what the gate found, in a few words; a run in which it found a fault has no result."""
    if parity["gate"] == "off":
        return "gate off: nothing was checked"
    stages = [stage["stage"] for stage in parity["stages"]]
    if not stages:
        return "gate: self-test passed"
    return (
        f"gate: self-test passed, {parity['frames_checked']} of {frames} frames checked "
        f"({', '.join(stages)}), no difference"
    )
