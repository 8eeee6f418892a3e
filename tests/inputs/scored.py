"""Scores per frame, and what was said, for comparing one way of scoring with another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import roi_accel

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from roi_accel import Result


def metrics(result: Result) -> list[dict[str, float]]:
    """Return each frame's metrics and regions, and nothing of what surrounds them."""
    return [
        {**frame.metrics, **{f"{n}.{k}": v for n, r in frame.regions.items() for k, v in r.items()}}
        for frame in result.frames
    ]


def score(reference: Path, distorted: Path, **options: Any) -> Result:
    """Score with a mask that is everywhere the same, unless `options` name another."""
    if not {"roi", "mask", "roi_track", "saliency_model"} & set(options):
        options = {"synthetic_mask": 1, **options}
    return roi_accel.score(reference, distorted, **options)
