"""The command lines that whole runs are measured with: plain VMAF, ours, vmaf-roi-score's way."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.bench.clips import Pair
    from roi_accel.scorers.ffmpeg import FfmpegScorer

RESULT = "result.json"
"""Where `ours` leaves its result, in the folder that it runs in."""


@dataclass(frozen=True)
class Setting:
    """What every side of a comparison is given alike.

    Attributes
    ----------
    scorer : FfmpegScorer
        The ffmpeg that both sides score with.
    threads : int
    frames : int
    saliency_model : str
        A name or a path.
    saliency_size : str
    backend : str
    """

    scorer: FfmpegScorer
    threads: int
    frames: int
    saliency_model: str = "center-surround"
    saliency_size: str = "256"
    backend: str = "auto"


def plain(setting: Setting, pair: Pair, distorted: Path) -> list[str]:
    """Return one plain VMAF run of ffmpeg, from the files."""
    command = [str(setting.scorer.path), "-hide_banner", "-nostdin", "-loglevel", "error"]
    for path in (distorted, pair.reference):
        if pair.is_raw:
            command += ["-f", "rawvideo", "-pixel_format", pair.pixel_format]
            command += ["-video_size", f"{pair.width}x{pair.height}"]
        command += ["-i", f"file:{path}"]
    graph = f"libvmaf=log_fmt=json:log_path=plain.json:n_threads={setting.threads}"
    return [*command, "-frames:v", str(setting.frames), "-lavfi", graph, "-f", "null", "-"]


def ours(setting: Setting, pair: Pair, distorted: tuple[Path, ...]) -> list[str]:
    """Return one whole `roi-accel score`."""
    command = [sys.executable, "-m", "roi_accel", "score", "--quiet", "--overwrite"]
    command += ["-r", str(pair.reference), "-o", RESULT, "--backend", setting.backend]
    for path in distorted:
        command += ["-d", str(path)]
    if pair.is_raw:
        command += ["-w", str(pair.width), "--height", str(pair.height)]
        command += ["--pix-fmt", pair.pixel_format]
    command += ["--vmaf", str(setting.scorer.path), "--threads", str(setting.threads)]
    command += ["--frame-count", str(setting.frames)]
    command += ["--saliency-model", setting.saliency_model]
    return [*command, "--saliency-size", setting.saliency_size]


def vmaf_roi_scores_way(setting: Setting, pair: Pair, network: Path) -> list[str]:
    """Return the steps of vmaf-roi-score on raw files, written plainly (`plain_steps`)."""
    command = [sys.executable, "-m", "roi_accel.bench.plain_steps", str(pair.reference)]
    command += [str(pair.distorted[0]), str(network), "--ffmpeg", str(setting.scorer.path)]
    command += ["--width", str(pair.width), "--height", str(pair.height)]
    command += ["--pixel-format", pair.pixel_format, "--frames", str(setting.frames)]
    return [*command, "--threads", str(setting.threads)]
