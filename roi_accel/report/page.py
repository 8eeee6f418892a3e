"""A run's page: what its template is filled with; nothing is fetched."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from roi_accel.report.charts import compared_colour, draw
from roi_accel.report.curves import (
    column,
    example_frames,
    gather,
    region_column,
    series,
    worst_frames,
)
from roi_accel.report.shell import render, short_names
from roi_accel.results.summary import TITLES, facts
from roi_accel.video.rgb import VIRIDIS, enlarge, mask_over, to_rgb

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from roi_accel.backends.frame import FrameSet
    from roi_accel.report.curves import Curves
    from roi_accel.results.result import Result
    from roi_accel.video import VideoInfo

MOST_BYTES = 1_800_000
"""Of all pictures of a page together, so that it stays below 5 MB however many videos there are."""

_STEPS = ((640, 85), (480, 80), (360, 75), (240, 70), (160, 50))
"""Width in pixels and WebP's quality: the first that fits. 640 is what a screen of twice the usual
density shows of a quarter of the page, and 85 adds no block that could be taken for the codec's.
"""

_EXAMPLES = 3


@dataclass(frozen=True)
class Pictures:
    """One frame in four pictures, each the ``src`` of an ``<img>``.

    Attributes
    ----------
    width, height : int
        Of each, in pixels.
    reference, distorted, mask, masked : str
        ``data:`` URLs.
    """

    width: int
    height: int
    reference: str
    distorted: str
    mask: str
    masked: str


class Thumbnails:
    """Takes the worst, median and best frame of each video from the frames shown after a run.

    Parameters
    ----------
    videos : int
        How many distorted videos there are.

    Attributes
    ----------
    taken : dict of (int, int) to Pictures
        By distorted video, counted from 0, and frame number.
    """

    def __init__(self, videos: int) -> None:
        self._most = MOST_BYTES // (videos * _EXAMPLES)
        self.taken: dict[tuple[int, int], Pictures] = {}

    def choose(self, result: Result) -> Collection[int]:
        """Return the frames of the lowest, middle and highest blended score."""
        return example_frames(result).values()

    def take(self, video: int, frames: FrameSet, info: VideoInfo) -> None:
        """Make the pictures of a frame, as `roi_accel.run.frame_pipeline.FrameObserver` has it."""
        reference, distorted, masked = (
            to_rgb(each, info.colour_matrix, info.colour_range)
            for each in (frames.reference, frames.distorted[video], frames.masked[video][0])
        )
        mask = mask_over(reference, enlarge(frames.masks[0], info.height, info.width))
        pictures = [Image.fromarray(each) for each in (reference, distorted, mask, masked)]
        for step, quality in _STEPS:
            width = min(step, info.width)
            height = max(1, round(info.height * width / info.width))
            urls = [_data_url(each, width, height, quality) for each in pictures]
            if sum(map(len, urls)) <= self._most:
                break
        self.taken[video, frames.index] = Pictures(width, height, *urls)


def _data_url(picture: Image.Image, width: int, height: int, quality: int) -> str:
    with io.BytesIO() as file:
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
        small.save(file, "WEBP", quality=quality)
        return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()


_FEW = 10
"""Frames of which a tenth is none."""


def make_page(results: Sequence[Result], thumbnails: Thumbnails) -> bytes:
    """Return the report of a run, HTML in UTF-8.

    Parameters
    ----------
    results : sequence of Result
        One per distorted video, of one run.
    thumbnails : Thumbnails
        Those that were taken in that run.
    """
    curves = gather(results)
    charts = draw(results, curves)
    names = short_names([result.distorted for result in results])
    return render(
        "page.html",
        charts,
        styles=["page.css"],
        script="page.js",
        eyebrow="How it looks where people look",
        colours=[f"#{colour}" for colour in VIRIDIS.split()],
        title=_title(names),
        reference=results[0].reference,
        note=_thinning(curves),
        facts=_facts(results[0]),
        warnings=list(dict.fromkeys(line for result in results for line in result.warnings)),
        titles=TITLES,
        compared=[
            {"column": column(number, "vmaf_roi"), "colour": compared_colour(number), "name": name}
            for number, name in enumerate(names)
        ],
        videos=[
            _video(number, name, result, thumbnails)
            for number, (name, result) in enumerate(zip(names, results, strict=True))
        ],
    )


def _title(names: Sequence[str]) -> str:
    if len(names) > 2:  # noqa: PLR2004 - two are named in full
        return f"{names[0]}, {names[1]} and {len(names) - 2} more"
    return " and ".join(names)


def _thinning(curves: Curves) -> str:
    drawn = len(curves.frames)
    if drawn == curves.scored:
        return ""
    return (
        f"{drawn:,} of {curves.scored:,} frames are drawn: the lowest and highest of every curve "
        "in each short stretch. Scores, marks and histograms are of all frames."
    )


def _video(number: int, name: str, result: Result, thumbnails: Thumbnails) -> dict[str, Any]:
    roi = {frame.frame_number: frame.metrics["vmaf_roi"] for frame in result.frames}
    worst = worst_frames(result)
    pools, found = result.pooled_metrics, facts(result)
    return {
        "id": f"v{number}",
        "name": name,
        "path": result.distorted,
        "scores": [
            {
                "metric": metric,
                "name": title,
                "column": column(number, metric),
                "colour": f"--{metric}",
                "value": pools[metric]["mean"],
                "pools": pools[metric],
            }
            for metric, title in TITLES.items()
        ],
        "weight": result.weight,
        "frames": len(result.frames),
        "counts": found["counts"],
        "verdict": found["gate"],
        "is_verified": result.parity["gate"] != "off",
        "notes": result.parity["notes"],
        "worst": [{"frame": frame, "roi": roi[frame]} for frame in worst],
        "spread": _spread(result),
        "regions": [
            {
                "name": region,
                "column": region_column(number, place),
                "colour": compared_colour(place),
                **summary,
            }
            for place, (region, summary) in enumerate(result.regions.items())
        ],
        "examples": [
            {
                "which": which,
                "frame": frame,
                "roi": roi[frame],
                "pictures": thumbnails.taken[number, frame],
            }
            for which, frame in example_frames(result).items()
            if (number, frame) in thumbnails.taken
        ],
        "provenance": [
            (group, list(_leaves(content))) for group, content in _groups(result.provenance)
        ],
        "parity": list(_leaves(result.parity)),
    }


def _spread(result: Result) -> str:
    """Return the histogram in a sentence, for who does not see it."""
    roi = sorted(series(result, "vmaf_roi").tolist())
    last = len(roi) - 1
    if last == 0:
        return f"one frame, of {roi[0]:.2f}"
    if last < _FEW:
        return f"{len(roi)} frames, from {roi[0]:.2f} to {roi[last]:.2f}"
    low, middle, high = (roi[round(last * share)] for share in (0.1, 0.5, 0.9))
    return (
        f"a tenth of the frames has {low:.2f} or less, half {middle:.2f} or less, "
        f"a tenth {high:.2f} or more"
    )


def _facts(result: Result) -> list[tuple[str, str]]:
    """Return what was run, in the few lines that people ask for first."""
    provenance = result.provenance
    reference, vmaf = provenance["reference"], provenance["vmaf"]
    parameters = provenance["parameters"]
    colour = f"{reference['colour_matrix']} {reference['colour_range']}"
    video = f"{reference['width']}x{reference['height']} {reference['pixel_format']}, {colour}"
    cuts = f", one of every {parameters['subsample']}" if parameters["subsample"] > 1 else ""
    found = facts(result)
    return [
        ("frames", f"{len(result.frames):,} scored{cuts}"),
        ("video", video),
        ("where people look", found["mask"]),
        ("threshold, fade", f"{parameters['threshold']:g}, {parameters['fade']:g}"),
        ("VMAF", f"{result.model}, libvmaf {vmaf['libvmaf']}"),
        ("computed by", found["backend"]),
        *([("network", found["network"])] if "network" in found else []),
        ("roi-accel", str(provenance["roi_accel"])),
    ]


def _groups(provenance: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield the blocks of a provenance, what stands alone in it first."""
    alone = {key: value for key, value in provenance.items() if not isinstance(value, dict)}
    yield "run", alone
    for key, value in provenance.items():
        if isinstance(value, dict):
            yield key, value


def _leaves(content: object, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield every value in `content` with the way to it, such as ``stages.0.values``."""
    if isinstance(content, dict | list) and content:
        items = content.items() if isinstance(content, dict) else enumerate(content)
        for key, value in items:
            yield from _leaves(value, f"{path}.{key}" if path else str(key))
        return
    yield path, content if isinstance(content, str) else json.dumps(content)
