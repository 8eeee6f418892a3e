"""A short pair made on the spot, for a first score without any files."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.errors import ScorerError
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

WIDTH, HEIGHT, FRAMES, FRAMES_PER_SECOND = 640, 360, 48, 24

PAIR = ("reference.mp4", "distorted.mp4")
"""The names of the two videos."""

_LOSSLESS = ("-preset", "ultrafast", "-qp", "0")
_BAD = ("-preset", "veryfast", "-crf", "40")


def make_pair(folder: Path) -> tuple[Path, Path]:
    """Write ``reference.mp4`` and a badly encoded ``distorted.mp4`` into `folder`; return both.

    A striped, warm disc wanders over a gray-green texture: 48 frames of 640x360, H.264.

    Raises
    ------
    ScorerError
        There is no ffmpeg from imageio-ffmpeg, or it cannot encode.
    """
    reference, distorted = (folder / name for name in PAIR)
    frames = b"".join(frame.tobytes() for frame in _frames())
    _encode(frames, reference, _LOSSLESS)
    _encode(frames, distorted, _BAD)
    return reference, distorted


def _frames() -> Iterator[NDArray[np.uint8]]:
    """Yield the pictures as RGB, uint8[height, width, 3]."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float32)
    noise = np.random.default_rng(1).normal(0.0, 1.0, (HEIGHT, WIDTH)).astype(np.float32)
    texture = 110 + 14 * np.sin(x / 9 + y / 23) + 10 * np.sin(y / 5 - x / 31) + 7 * noise
    background = np.stack([texture * 0.92, texture, texture * 0.86], axis=-1)
    for number in range(FRAMES):
        turn = 2 * np.pi * number / FRAMES
        centre_x = WIDTH * (0.5 + 0.16 * np.cos(turn))
        centre_y = HEIGHT * (0.5 + 0.12 * np.sin(turn))
        dx, dy = x - centre_x, y - centre_y
        distance = np.hypot(dx, dy)
        stripes = 28 * np.sin((dx + dy) / 4)
        subject = np.stack([225 + stripes, 150 + stripes, 95 + stripes], axis=-1)
        inside = np.clip(80 - distance, 0, 1)[..., None]
        yield np.clip(background * (1 - inside) + subject * inside, 0, 255).astype(np.uint8)


def _encode(frames: bytes, path: Path, quality: tuple[str, ...]) -> None:
    ffmpeg = bundled_ffmpeg()
    if ffmpeg is None:
        msg = "the demo needs the ffmpeg of imageio-ffmpeg, which is not installed"
        raise ScorerError(msg, remedy='pip install "roi-accel[cpu]"')
    command = [ffmpeg, "-hide_banner", "-loglevel", "error", "-y"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{WIDTH}x{HEIGHT}"]
    command += ["-r", str(FRAMES_PER_SECOND), "-i", "pipe:0"]
    command += ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-pix_fmt", "yuv420p"]
    command += ["-colorspace", "bt709", "-color_range", "tv"]
    command += ["-c:v", "libx264", *quality, path.name]
    done = subprocess.run(  # noqa: S603 - a list, no shell
        command, input=frames, capture_output=True, cwd=path.parent, check=False
    )
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        msg = f"{ffmpeg} could not encode the demo's video: {said[-1] if said else 'no reason'}"
        raise ScorerError(msg, remedy="reinstall imageio-ffmpeg")
