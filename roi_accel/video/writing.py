"""Frames as files, written as they come: plain planes, or Y4M."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from roi_accel.backends.frame import ColourRange
from roi_accel.video.opening import RAW_SUFFIXES
from roi_accel.video.y4m import COLOUR_SPACES, MAGIC

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.video.info import VideoInfo

Y4M_SUFFIX = ".y4m"
SUFFIXES = (".yuv", Y4M_SUFFIX, *sorted(RAW_SUFFIXES - {".yuv"}))

_CENTRED = "420jpeg"
"""What FFmpeg calls 8-bit 4:2:0 whose chroma siting nobody says; no sample depends on it."""


class FrameWriter:
    """Writes a video's frames to `file`, Y4M or raw by the name `path`, with one of `SUFFIXES`.

    Only Y4M says the frames per second, `rate`; None where nobody knows.
    """

    def __init__(
        self, path: Path, file: BinaryIO, info: VideoInfo, *, rate: Fraction | None
    ) -> None:
        self._file = file
        self._marker = b""
        if path.suffix.lower() == Y4M_SUFFIX:
            self._marker = b"FRAME\n"
            file.write(_header(info, rate))

    def write(self, frame: Frame) -> None:
        """Write one frame, without padding."""
        self._file.write(self._marker)
        for plane in frame.planes:
            self._file.write(np.ascontiguousarray(plane).data)


def _header(info: VideoInfo, rate: Fraction | None) -> bytes:
    names = {pixel_format: name for name, pixel_format in COLOUR_SPACES.items()}
    space = names[info.pixel_format]
    if COLOUR_SPACES[_CENTRED] == info.pixel_format:
        space = _CENTRED
    # 0:0 is the format's own "unknown".
    shown = f"F{rate.numerator}:{rate.denominator}" if rate else "F0:0"
    words = [f"W{info.width}", f"H{info.height}", shown, "Ip", f"C{space}"]
    if info.colour_range_source == "stream":
        full = info.colour_range is ColourRange.FULL
        words.append(f"XCOLORRANGE={'FULL' if full else 'LIMITED'}")
    return b" ".join([MAGIC, *(word.encode() for word in words)]) + b"\n"
