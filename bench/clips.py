"""Pairs to measure with: made on the spot, so that anybody can repeat a figure."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel.bench.sizes import SIZES
from roi_accel.errors import InputError
from roi_accel.scorers import find_scorer
from roi_accel.scorers.ffmpeg import FfmpegScorer

if TYPE_CHECKING:
    from collections.abc import Sequence


_QUALITIES = (36, 40, 32, 44, 30, 46, 34, 42)
"""x264's CRF of each distorted video, which all differ."""


@dataclass(frozen=True)
class Pair:
    """A reference and its distorted videos, H.264 in MP4 or raw YUV.

    Attributes
    ----------
    reference : Path
    distorted : tuple of Path
    width, height : int
    pixel_format : str
        FFmpeg's name.
    is_raw : bool
    """

    reference: Path
    distorted: tuple[Path, ...]
    width: int
    height: int
    pixel_format: str
    is_raw: bool = False


def find_ffmpeg(requested: str | None = None) -> FfmpegScorer:
    """Return the ffmpeg that `find_scorer` finds.

    Raises
    ------
    InputError
        It finds another scorer.
    ScorerError
        It finds none.
    """
    scorer = find_scorer(requested)
    if not isinstance(scorer, FfmpegScorer):
        msg = f"{scorer.name} reads no video files, so there is nothing plain to compare with"
        raise InputError(msg, remedy="name an ffmpeg with libvmaf: --vmaf FFMPEG")
    return scorer


def make_pair(
    scorer: FfmpegScorer,
    folder: Path,
    frames: int,
    *,
    size: tuple[int, int] = SIZES["1080p"],
    bit_depth: int = 8,
    distorted: int = 1,
) -> Pair:
    """Make a test pattern with noise, and so many badly encoded copies, all H.264.

    Raises
    ------
    InputError
        ffmpeg fails.
    """
    width, height = size
    pixel_format = "yuv420p" if bit_depth == 8 else f"yuv420p{bit_depth}le"  # noqa: PLR2004
    source = f"testsrc2=size={width}x{height}:rate=25,noise=alls=12:allf=t,format={pixel_format}"
    ffmpeg = [str(scorer.path), "-hide_banner", "-loglevel", "error", "-y"]
    encode = ["-c:v", "libx264", "-preset", "veryfast"]
    reference = folder / "reference.mp4"
    made = ["-f", "lavfi", "-i", source, "-frames:v", str(frames)]
    run([*ffmpeg, *made, *encode, "-crf", "12", reference.name], folder)
    copies = []
    for number, quality in enumerate(_QUALITIES[:distorted]):
        copies.append(folder / f"distorted{number}.mp4")
        command = [*ffmpeg, "-i", reference.name, *encode, "-crf", str(quality), copies[-1].name]
        run(command, folder)
    return Pair(reference, tuple(copies), width, height, pixel_format)


def as_raw(scorer: FfmpegScorer, pair: Pair) -> Pair:
    """Return `pair` as raw YUV files beside it, which need no decoding.

    Raises
    ------
    InputError
        ffmpeg fails.
    """
    files = []
    for path in (pair.reference, *pair.distorted):
        raw = path.with_suffix(".yuv")
        command = [str(scorer.path), "-hide_banner", "-loglevel", "error", "-y", "-i", path.name]
        run([*command, "-f", "rawvideo", raw.name], path.parent)
        files.append(raw)
    return Pair(files[0], tuple(files[1:]), pair.width, pair.height, pair.pixel_format, is_raw=True)


def run(command: Sequence[str], folder: Path) -> None:
    """Run `command` in `folder`; InputError with its last words if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - a list, no shell
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        msg = f"{Path(command[0]).name} failed: {said[-1] if said else done.returncode}"
        raise InputError(msg, remedy="try the command by hand: " + " ".join(command))
