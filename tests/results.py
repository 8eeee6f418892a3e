"""A result made by hand, for tests of what is done with results."""

from __future__ import annotations

import json
from importlib import resources
from typing import Any

from roi_accel.results.build import blend, pool
from roi_accel.results.result import FrameScore, Result


def result_schema() -> dict[str, Any]:
    """Return the published JSON Schema of one result."""
    text = resources.files("roi_accel.data").joinpath("result.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def make_result(*, frames: int = 3, regions: tuple[str, ...] = (), **changes: Any) -> Result:
    """Return a whole result; `changes` replace its fields."""
    full = [60.0 + number for number in range(frames)]
    masked = [80.5 + number for number in range(frames)]
    saliency = [0.25 + number / 100 for number in range(frames)]
    alpha = [0.125] * frames
    series = {
        "vmaf_full": full,
        "vmaf_masked": masked,
        "vmaf_roi": [blend(f, m, 0.5) for f, m in zip(full, masked, strict=True)],
    }
    pooled = {name: pool(values, saliency) for name, values in series.items()}
    pooled["alpha_mean"] = pool(alpha, saliency)
    region = {
        name: {key: pooled[key]["mean"] for key in ("vmaf_masked", "vmaf_roi")}
        | {
            "pooled_metrics": {
                key: {k: v for k, v in pooled[key].items() if k != "saliency_weighted_mean"}
                for key in ("vmaf_masked", "vmaf_roi")
            }
        }
        for name in regions
    }
    video = {
        "width": 96,
        "height": 64,
        "pixel_format": "yuv420p",
        "colour_matrix": "bt601",
        "colour_range": "limited",
    }
    fields: dict[str, Any] = {
        "vmaf_full": pooled["vmaf_full"]["mean"],
        "vmaf_masked": pooled["vmaf_masked"]["mean"],
        "vmaf_roi": pooled["vmaf_roi"]["mean"],
        "weight": 0.5,
        "model": "vmaf_v0.6.1",
        "saliency_model": "synthetic",
        "reference": "ref.mp4",
        "distorted": "dist.mp4",
        "frames": tuple(
            FrameScore(
                frame_number=number,
                metrics={name: values[number] for name, values in series.items()},
                saliency_mean=saliency[number],
                alpha_mean=alpha[number],
                regions={
                    name: {key: series[key][number] for key in ("vmaf_masked", "vmaf_roi")}
                    for name in regions
                },
            )
            for number in range(frames)
        ),
        "pooled_metrics": pooled,
        "regions": region,
        "provenance": {
            "roi_accel": "0",
            "python": "3.11",
            "numpy": "2",
            "system": "Linux",
            "backend": {"name": "numpy", "device": "cpu"},
            "mask": {"kind": "constant", "fill": 1.0},
            "parameters": {
                "threshold": 0.3,
                "fade": 0.1,
                "weight": 0.5,
                "models": ["version=vmaf_v0.6.1"],
                "features": [],
                "subsample": 1,
                "frame_count": None,
                "shortest": False,
            },
            "vmaf": {"scorer": "vmaf", "scorer_version": "3", "found": "PATH", "libvmaf": "3"},
            "reference": video,
            "distorted": video,
        },
        "warnings": (),
        "parity": {
            "gate": "sample",
            "self_test": {"cases": 3, "values": 645198},
            "reference": "numpy",
            "frames": "frames 0 and 1, every 31st, and the last",
            "frames_checked": 2,
            "stages": [
                {
                    "stage": "substitute",
                    "compared_with": "numpy",
                    "values": 18432,
                    "largest_difference": 0.0,
                    "tolerance": 0.0,
                    "tolerance_source": "built-in table",
                }
            ],
            "notes": [],
        },
        "timing": {"seconds": 1.0, "frames_per_second": 3.0, "stages": {"other": 1.0}},
    }
    return Result(**(fields | changes))
