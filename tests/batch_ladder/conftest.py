"""Two ladders of the demo's clip, encoded and scored for real, as a batch would."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clips import run_ffmpeg
from ladders import write_results

import roi_accel
from roi_accel.cli.demo import make_pair
from roi_accel.video.opening import bitrate_of

if TYPE_CHECKING:
    from pathlib import Path

LADDERS = {
    "x264-ultrafast": ("-c:v", "libx264", "-preset", "ultrafast"),
    "x264-slow": ("-c:v", "libx264", "-preset", "slow"),
}
QUALITIES = (24, 28, 32, 36, 40)
FRAMES = 12


@pytest.fixture(scope="session")
def encodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a reference of 320x180, 12 frames, and five encodes of each ladder."""
    folder = tmp_path_factory.mktemp("encodes")
    full, _ = make_pair(folder)
    size = ("-vf", "scale=320:180:flags=bicubic+bitexact", "-frames:v", FRAMES)
    reference = folder / "ref.mp4"
    run_ffmpeg("-i", full, *size, "-c:v", "libx264", "-qp", 0, reference)
    for name, codec in LADDERS.items():
        for quality in QUALITIES:
            path = folder / f"{name}-{quality}.mp4"
            run_ffmpeg("-i", reference, *codec, "-crf", quality, path)
    return folder


@pytest.fixture(scope="session")
def real_results(encodes: Path) -> Path:
    """Return the results of a batch of these encodes."""
    reference = encodes / "ref.mp4"
    named = [(name, quality) for name in LADDERS for quality in QUALITIES]
    records = []
    for line, (name, quality) in enumerate(named, 1):
        distorted = encodes / f"{name}-{quality}.mp4"
        content = roi_accel.score(reference, distorted, gate="off").to_dict()
        bitrate = bitrate_of(distorted, frames=FRAMES)
        content["batch"] = {
            "id": f"{line:064x}",
            "row": f"{line:064x}",
            "line": line,
            "ladder": name,
            "bitrate": bitrate,
        }
        records.append(content)
    return write_results(encodes / "results.ndjson", records)
