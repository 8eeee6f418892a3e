"""Reports made of results by hand, with scores that go up and down, and pictures of real frames."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from clips import P8, damaged, smooth_frames
from results import make_result

from roi_accel.backends.frame import ColourMatrix, ColourRange, FrameSet
from roi_accel.report.page import Thumbnails, make_page
from roi_accel.results.build import blend, pool
from roi_accel.results.result import FrameScore
from roi_accel.video import VideoInfo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.results.result import Result


def wavy_result(frames: int, *, seed: int = 0, **changes: Any) -> Result:
    """Return a result whose scores change from frame to frame, in six digits as VMAF gives them."""
    rng = np.random.default_rng(seed)
    wave = 12 * np.sin(np.arange(frames) / (frames / 25 + 1)) + rng.normal(0, 2, frames)
    full = np.round(70 + wave, 6).tolist()
    masked = np.round(84 + 0.6 * wave, 6).tolist()
    series = {
        "vmaf_full": full,
        "vmaf_masked": masked,
        "vmaf_roi": [blend(f, m, 0.5) for f, m in zip(full, masked, strict=True)],
    }
    plain = make_result(frames=frames, **changes)
    regions = tuple(plain.regions)
    scores = tuple(
        FrameScore(
            frame_number=number,
            metrics={name: values[number] for name, values in series.items()},
            saliency_mean=0.25,
            alpha_mean=0.125,
            regions={
                region: {
                    "vmaf_masked": masked[number] - place,
                    "vmaf_roi": series["vmaf_roi"][number] - place,
                }
                for place, region in enumerate(regions)
            },
        )
        for number in range(frames)
    )
    pooled = {name: pool(values, [1.0] * frames) for name, values in series.items()}
    means = {name: pools["mean"] for name, pools in pooled.items()}
    backend = {"name": "numpy", "device": "cpu", "reason": "asked for"}
    provenance = {"provenance": plain.provenance | {"backend": backend}} | changes
    return replace(
        plain,
        frames=scores,
        pooled_metrics=pooled,
        provenance=provenance["provenance"],
        **means,
    )


def thumbnails(results: Sequence[Result], *, width: int = 160, height: int = 96) -> Thumbnails:
    """Return the pictures of the frames that a report of `results` shows."""
    taker = Thumbnails(len(results))
    info = VideoInfo(
        path=Path("reference.y4m"),
        kind="y4m",
        width=width,
        height=height,
        pixel_format=P8,
        colour_matrix=ColourMatrix.BT601,
        colour_matrix_source="assumed",
        colour_range=ColourRange.LIMITED,
        colour_range_source="assumed",
    )
    (frame,) = smooth_frames(P8, width, height, 1)
    (bad,) = damaged([frame], step=40)
    mask = np.linspace(0, 65535, 160).reshape(10, 16).astype(np.uint16)
    videos = len(results)
    frames = FrameSet(
        index=0,
        is_last=False,
        reference=frame,
        distorted=(bad,) * videos,
        masks=(mask,),
        masked=((bad,),) * videos,
    )
    for video, result in enumerate(results):
        for number in taker.choose(result):
            taker.take(video, replace(frames, index=number), info)
    return taker


def write_report(path: Path, results: Sequence[Result], **size: int) -> Path:
    path.write_bytes(make_page(results, thumbnails(results, **size)))
    return path
