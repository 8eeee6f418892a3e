"""The few lines that say what a score is and how it came about, for terminals and notebooks."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from roi_accel.results.result import Result

TITLES = {"vmaf_full": "full frame", "vmaf_masked": "salient part", "vmaf_roi": "blended"}
"""What people read in place of a score's key, in every table and chart."""

HEADINGS = tuple(f"{title}\n{key}" for key, title in TITLES.items())
"""Of the scores in a row: in words, and as the result has them."""


_SMALL = 0.1
"""Share of the frame below which a part of a percent is worth saying."""


def score_rows(results: Sequence[Result]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield a name and its scores per distorted video, and per region of it, which is indented."""
    for result in results:
        scores = {name: getattr(result, name) for name in TITLES}
        yield Path(result.distorted).name, _shown(scores)
        for name, region in result.regions.items():
            yield f"  {name}", _shown(scores | dict(region))


def _shown(scores: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(f"{scores[name]:.2f}" for name in TITLES)


def facts(result: Result) -> dict[str, str]:
    """Return what else is worth a look, by what it is about; all results of a run share it."""
    backend, mask = result.provenance["backend"], result.provenance["mask"]
    frames = len(result.frames)
    why = f" ({backend['reason']})" if backend.get("reason") else ""
    found = {
        "frames": f"{frames}, {result.timing['frames_per_second']:.1f} frames/s",
        "mask": masks(result),
        "counts": counted([frame.alpha_mean for frame in result.frames]),
        "VMAF": f"{result.model}, weight {result.weight:g}",
        "backend": f"{backend['name']} on {backend['device']}{why}",
    }
    if "providers_attached" in mask:
        found["network"] = f"on {', '.join(mask['providers_attached'])}"
    return found | {"gate": _gate_outcome(result.parity, frames)}


def masks(result: Result) -> str:
    """Return where the masks came from, and what was done to them over time."""
    parameters = result.provenance["parameters"]
    found = result.saliency_model
    stride = parameters.get("saliency_stride", 1)
    if stride > 1:
        found += f", inference on one frame in {stride}"
    if parameters.get("mask_smooth"):
        found += f", smoothed over {parameters['mask_smooth']:g} s"
    return found


def counted(alphas: Sequence[float]) -> str:
    """Return the coverage of the mask, where `alphas` are the frames' ``alpha_mean``."""
    low, high = percent(min(alphas)), percent(max(alphas))
    return f"{percent(fmean(alphas))} of the frame" + (f", {low} to {high}" if low != high else "")


def percent(share: float) -> str:
    """Return a share of the frame, in [0, 1], as people read it."""
    return f"{share:.0%}" if share == 0.0 or share >= _SMALL else f"{share:.1%}"


def _gate_outcome(parity: Mapping[str, Any], frames: int) -> str:
    """Return what the gate found, in a few words; a run in which it found a fault has no result."""
    if parity["gate"] == "off":
        return "off: nothing was checked"
    stages = [stage["stage"] for stage in parity["stages"]]
    if not stages:
        return "self-test passed"
    return (
        f"self-test passed, {parity['frames_checked']} of {frames} frames checked "
        f"({', '.join(stages)}), no difference"
    )
