"""What decided a score, so that a result can be told from another and made again."""

from __future__ import annotations

import platform
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._util.files import sha256_of
from roi_accel._version import __version__
from roi_accel.scorers import parse_models
from roi_accel.video.info import HDR_TRANSFERS

if TYPE_CHECKING:
    from roi_accel.devices.dispatch import Choice
    from roi_accel.masks import MaskSource
    from roi_accel.options import ScoreOptions
    from roi_accel.scorers import Scorer
    from roi_accel.video import VideoInfo


def provenance(
    reference: VideoInfo,
    source: MaskSource,
    choice: Choice,
    options: ScoreOptions,
    scorer: Scorer,
    libvmaf: str,
) -> dict[str, Any]:
    """Return the result's ``provenance`` block, but for the distorted video; strict JSON."""
    return {
        "roi_accel": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "mask": source.provenance(),
        "parameters": {
            **options.recorded(),
            "model_sha256": {
                str(model.path): sha256_of(model.path)
                for model in parse_models(options.model)
                if model.path
            },
        },
        "vmaf": {
            "scorer": scorer.name,
            "scorer_version": scorer.version,
            "found": scorer.source,
            "libvmaf": libvmaf,
        },
        "backend": {
            "name": choice.backend.name,
            "device": choice.backend.device,
            "description": choice.status.description,
            "driver": choice.status.driver,
            "reason": choice.reason,
        },
        "reference": video_facts(reference),
    }


def video_facts(info: VideoInfo) -> dict[str, Any]:
    """Return what a result says of one video: its frames as they were scored, and its file."""
    scaled = info.scaled_from and dict(zip(("width", "height"), info.scaled_from, strict=True))
    return {
        "width": info.width,
        "height": info.height,
        "pixel_format": info.pixel_format.name,
        "colour_matrix": info.colour_matrix.value,
        "colour_matrix_source": info.colour_matrix_source,
        "colour_range": info.colour_range.value,
        "colour_range_source": info.colour_range_source,
        "transfer": info.transfer,
        "hdr": HDR_TRANSFERS.get(info.transfer or ""),
        "frame_rate": str(info.frame_rate) if info.frame_rate else None,
        "codec": info.codec,
        "skipped_frames": info.skipped,
        "scaled_from": scaled,
        "crop": asdict(info.crop) if info.crop else None,
    }
