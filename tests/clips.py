"""Small clips made on the spot: smooth pictures that VMAF can tell from their damaged copies."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import Frame, FrameSet, PixelFormat
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

P8 = PixelFormat("420", 8)


def smooth_frames(
    pixel_format: PixelFormat, width: int, height: int, count: int, *, seed: int = 0
) -> list[Frame]:
    """Return moving waves in all three planes, over most of the format's range."""
    phases = np.random.default_rng(seed).uniform(0, 6.28, (3, 3))
    half, frames = pixel_format.max_value / 2, []
    for number in range(count):
        planes = []
        for shape, (one, two, three) in zip(
            pixel_format.plane_shapes(width, height), phases, strict=True
        ):
            y, x = np.mgrid[: shape[0], : shape[1]]
            waves = np.sin(x / 5 + one + number / 20) * np.cos(y / 7 + two) + np.sin(x * y / 150)
            waves = waves + 0.3 * np.sin((x - y) / 2 + three - number / 20)
            planes.append((half + 0.4 * half * waves).astype(pixel_format.dtype))
        frames.append(Frame((planes[0], planes[1], planes[2]), pixel_format))
    return frames


def damaged(frames: Sequence[Frame], *, step: int = 12) -> list[Frame]:
    """Return the frames with coarse samples, as strong compression leaves them."""
    result = []
    for frame in frames:
        coarse = step << (frame.pixel_format.bit_depth - 8)
        y, u, v = ((plane // coarse * coarse).astype(plane.dtype) for plane in frame.planes)
        result.append(Frame((y, u, v), frame.pixel_format))
    return result


def raw_bytes(frames: Sequence[Frame]) -> bytes:
    return b"".join(plane.tobytes() for frame in frames for plane in frame.planes)


def write_raw(path: Path, frames: Sequence[Frame]) -> Path:
    path.write_bytes(raw_bytes(frames))
    return path


def write_y4m(path: Path, frames: Sequence[Frame]) -> Path:
    """Write 8-bit 4:2:0 frames as Y4M."""
    header = f"YUV4MPEG2 W{frames[0].width} H{frames[0].height} F25:1 Ip A1:1 C420jpeg\n"
    body = b"".join(b"FRAME\n" + raw_bytes([frame]) for frame in frames)
    path.write_bytes(header.encode() + body)
    return path


def run_ffmpeg(*arguments: object) -> None:
    program = bundled_ffmpeg()
    assert program, "the tests need imageio-ffmpeg"
    command = [program, "-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    subprocess.run([*command, *map(str, arguments)], check=True)


def frame_set(reference: Frame, *distorted: Frame) -> FrameSet:
    """Return what a scorer without masks is fed at one instant."""
    return FrameSet(0, is_last=False, reference=reference, distorted=distorted)
