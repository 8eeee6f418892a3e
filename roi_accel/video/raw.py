"""Raw planar YUV files: frames back to back, with nothing to say what they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import ColourRange
from roi_accel.errors import InputError
from roi_accel.video.colour import assumed_matrix
from roi_accel.video.info import (
    PIXEL_FORMATS,
    RawGeometry,
    VideoInfo,
    check_dimensions,
    geometry_text,
    shown,
)
from roi_accel.video.planes import read_planar
from roi_accel.video.reader import CheckedReader
from roi_accel.video.source import SourceFile, unreadable

if TYPE_CHECKING:
    from collections.abc import Generator

    from roi_accel.backends.frame import Frame, PixelFormat

# Sizes that raw test material comes in, most likely first.
_COMMON_SIZES = (
    (1920, 1080),
    (3840, 2160),
    (1280, 720),
    (352, 288),
    (176, 144),
    (640, 360),
    (640, 480),
    (720, 576),
    (720, 480),
    (832, 480),
    (416, 240),
    (854, 480),
    (960, 540),
    (576, 324),
    (704, 576),
    (352, 240),
    (1024, 768),
    (1920, 1088),
    (2560, 1440),
    (2560, 1600),
    (2048, 1080),
    (4096, 2160),
    (7680, 4320),
    (320, 240),
    (480, 270),
)
_MOST_SUGGESTIONS = 4
_SAMPLED_BYTES = 1 << 16
_BYTE = 8
_BRIGHTER_THAN_BLACK = 64


class RawReader(CheckedReader):
    """Frames of a raw planar YUV file."""

    def _frames(self) -> Generator[Frame, None, None]:
        info = self._info
        try:
            stream = self._source.location.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(info.path, error) from error
        with stream:
            for index in range(info.frame_count or 0):
                yield read_planar(stream, info, index)


def open_raw(source: SourceFile, geometry: RawGeometry) -> RawReader:
    """Return the reader of a raw file.

    Raises
    ------
    InputError
        If the frame size is impossible, or the file is not a whole number of frames; the remedy
        then names geometries that fit.
    """
    path, width, height = source.path, geometry.width, geometry.height
    check_dimensions(path, width, height, geometry.pixel_format)
    frame_bytes = geometry.pixel_format.frame_bytes(width, height)
    count, over = divmod(source.size, frame_bytes)
    if over:
        msg = (
            f"{shown(path)}: {source.size} bytes are not a whole number of "
            f"{width}x{height} {geometry.pixel_format.name} frames of {frame_bytes} bytes: "
            f"frame {count} lacks {frame_bytes - over} bytes"
        )
        fitting = suggest_geometries(source, geometry.pixel_format)
        remedy = f"the size fits {fitting}" if fitting else "the file may be cut off"
        raise InputError(msg, remedy=remedy)
    info = VideoInfo(
        path=path,
        kind="raw",
        width=width,
        height=height,
        pixel_format=geometry.pixel_format,
        colour_matrix=assumed_matrix(width, height),
        colour_matrix_source="assumed",
        colour_range=ColourRange.LIMITED,
        colour_range_source="assumed",
        frame_count=count,
        estimated_frame_count=count,
        doubt=_doubt(source, geometry.pixel_format),
    )
    return RawReader(info, source)


def geometry_missing(source: SourceFile) -> InputError:
    """Return the error for a raw file whose geometry was not given."""
    fitting = suggest_geometries(source)
    hint = f"; its size fits {fitting}" if fitting else ""
    return InputError(
        f"{shown(source.path)}: raw video does not say its size and pixel format",
        remedy=f"add --width, --height and --pix-fmt{hint}",
    )


def geometry_contradiction(info: VideoInfo, geometry: RawGeometry) -> InputError | None:
    """Return the error for raw options that contradict what a file declares, None if they agree."""
    declared = RawGeometry(info.width, info.height, info.pixel_format)
    if declared == geometry:
        return None
    return InputError(
        f"{shown(info.path)}: is {geometry_text(info.width, info.height, info.pixel_format)} by "
        "its own header, but the options say "
        f"{geometry_text(geometry.width, geometry.height, geometry.pixel_format)}",
        remedy="correct --width, --height and --pix-fmt, or leave them out",
    )


def suggest_geometries(source: SourceFile, named: PixelFormat | None = None) -> str:
    """Return geometries whose frame size divides the file's, likeliest first; "" if none does.

    First comes the format that the user named, else one in the file's name, else those of the depth
    that the first samples look like; and a size in the name. These are suggestions to a person;
    nothing is ever read by them.
    """
    name = source.path.name.lower()
    named_sizes = [
        (int(w), int(h)) for w, h in re.findall(r"(?<!\d)(\d{2,5})x(\d{2,5})(?!\d)", name)
    ]
    by_length = sorted(PIXEL_FORMATS, key=lambda f: len(f.name), reverse=True)
    named_format = next((f for f in by_length if f.name in name), None)
    likely = named or named_format
    depth = _apparent_depth(source)
    formats = sorted(PIXEL_FORMATS, key=lambda f: (f != likely, f.bit_depth != depth))
    found: list[tuple[int, int, str]] = []
    for size_rank, (width, height) in enumerate(dict.fromkeys((*named_sizes, *_COMMON_SIZES))):
        for format_rank, pixel_format in enumerate(formats):
            frame_bytes = pixel_format.frame_bytes(width, height)
            if frame_bytes and source.size % frame_bytes == 0:
                count = source.size // frame_bytes
                frames = "1 frame" if count == 1 else f"{count} frames"
                text = f"{width}x{height} {pixel_format.name} ({frames})"
                rank = 0 if (width, height) in named_sizes else format_rank + 1
                found.append((rank, size_rank, text))
                break
    return ", ".join(text for _, _, text in sorted(found)[:_MOST_SUGGESTIONS])


def _doubt(source: SourceFile, pixel_format: PixelFormat) -> str:
    """Say so where samples read as 8 bits look like wider ones, whose bytes would be compared."""
    depth = _apparent_depth(source)
    if pixel_format.bit_depth != _BYTE or depth == _BYTE:
        return ""
    return f"is read as {pixel_format.name}, but its samples look like {depth} bits; see --pix-fmt"


def _apparent_depth(source: SourceFile) -> int:
    """Return the bit depth that the file's first samples look like: 8 unless all words are small.

    Two samples of 8 bits are hardly ever a small 16-bit word all over a picture's first rows,
    unless it is black there; then no low byte is large either.
    """
    try:
        with source.location.open("rb") as file:
            sampled = file.read(_SAMPLED_BYTES)
    except OSError:
        return _BYTE
    words = np.frombuffer(sampled[: len(sampled) // 2 * 2], "<u2")
    largest = int(words.max(initial=0))
    if int((words & 0xFF).max(initial=0)) < _BRIGHTER_THAN_BLACK:
        return _BYTE
    return next((depth for depth in (10, 12) if largest < 1 << depth), _BYTE)
