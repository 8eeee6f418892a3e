"""Raw planar YUV files: frames back to back, and geometries to suggest where none is given.

A file's name, size and samples only serve messages: no geometry is ever guessed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import PIXEL_FORMATS, PixelFormat
from roi_accel.errors import InputError
from roi_accel.video.info import RawGeometry, VideoInfo, assumed_matrix, check_dimensions
from roi_accel.video.reader import CheckedReader, read_planar

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.video.source import SourceFile

RAW_SUFFIXES = frozenset({".yuv", ".raw", ".i420", ".i422", ".i444"})

# Sizes that raw test material comes in, most likely first.
_COMMON_SIZES = """
    1920x1080 3840x2160 1280x720 352x288 176x144 640x360 640x480 720x576 720x480 832x480 416x240
    854x480 960x540 576x324 704x576 352x240 1024x768 1920x1088 2560x1440 2560x1600 2048x1080
    4096x2160 7680x4320 320x240 480x270
"""
_SIZE = re.compile(r"(?<!\d)(\d{2,5})x(\d{2,5})(?!\d)")
_MOST_SUGGESTIONS = 4

_SAMPLED_BYTES = 1 << 15
_SAMPLED_AT = (5 / 13, 9 / 13, 1.0)
"""What part of the file comes before each sample: films begin in black, and the last is chroma."""

_BYTE, _WORD = 8, 16
_BRIGHTER_THAN_BLACK = 64


class RawReader(CheckedReader):
    """Frames of a raw planar YUV file."""

    def _frames(self) -> Generator[Frame, None, None]:
        with self._source.open() as stream:
            for index in range(self.info.frame_count or 0):
                yield read_planar(stream, self.info, index)


def open_raw(source: SourceFile, geometry: RawGeometry) -> RawReader:
    """Return the reader of a raw file.

    InputError if the frame size is impossible, or the file is not a whole number of frames; the
    remedy then names geometries that fit.
    """
    width, height, pixel_format = geometry.width, geometry.height, geometry.pixel_format
    check_dimensions(source.path, geometry)
    frame_bytes = pixel_format.frame_bytes(width, height)
    count, over = divmod(source.size, frame_bytes)
    if over:  # guard: raw-partial-frame
        msg = (
            f"{source.name}: {source.size} bytes are not a whole number of "
            f"{width}x{height} {pixel_format.name} frames of {frame_bytes} bytes: "
            f"frame {count} lacks {frame_bytes - over} bytes"
        )
        # guard: raw-geometry-suggestion
        fitting = _suggest_geometries(source, pixel_format)
        remedy = f"the size fits {fitting}" if fitting else "the file may be cut off"
        raise InputError(msg, remedy=remedy)
    info = VideoInfo(
        path=source.path,
        kind="raw",
        **vars(geometry),
        colour_matrix=assumed_matrix(width, height),
        frame_count=count,
        estimated_frame_count=count,
        doubt=_doubt_depth(source, pixel_format),
    )
    return RawReader(info, source)


def geometry_missing(
    source: SourceFile,
    missing: Sequence[str] = (),
    *,
    width: int | None = None,
    height: int | None = None,
) -> InputError:
    """Return the error for a raw file whose geometry was not given, or not all of it.

    Parameters
    ----------
    source : SourceFile
    missing : sequence of str
        The options that were not given, where others were.
    width, height : int, optional
        In pixels, where they were given.
    """
    fitting = _suggest_geometries(source, width=width, height=height)
    hint = f"; its size fits {fitting}" if fitting else ""
    if not missing:
        msg = f"{source.name}: raw video does not declare its size and pixel format"
        return InputError(msg, remedy=f"add --width, --height and --pix-fmt{hint}")
    msg = f"{source.name}: raw input also needs {' and '.join(missing)}"
    return InputError(msg, remedy=f"add {'it' if len(missing) == 1 else 'them'}{hint}")


def _suggest_geometries(
    source: SourceFile,
    named: PixelFormat | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
) -> str:
    """Return geometries whose frame size divides the file's, likeliest first; "" if none does.

    The format that the user named is tried first, then one in the file's name, then those of the
    depth that the samples look like. A size in the file's name comes before common ones; where the
    user named a side, no other is suggested.
    """
    name = source.path.name.lower()
    by_length = sorted(PIXEL_FORMATS, key=lambda known: len(known.name), reverse=True)
    likely = named or next((known for known in by_length if known.name in name), None)
    depth = _apparent_depth(_words(source))
    formats = sorted(PIXEL_FORMATS, key=lambda known: (known != likely, known.bit_depth != depth))
    named_sizes = _sizes_in(name)
    sizes = [(width, height)] if width and height else [*named_sizes, *_sizes_in(_COMMON_SIZES)]
    fitting: list[tuple[bool, int, str]] = []
    for w, h in dict.fromkeys(sizes):
        if width not in (None, w) or height not in (None, h) or not (w and h):
            continue
        for rank, pixel_format in enumerate(formats):
            count, rest = divmod(source.size, pixel_format.frame_bytes(w, h))
            if not rest:
                words = f"{w}x{h} {pixel_format.name} ({count} frame{'s' * (count != 1)})"
                fitting.append(((w, h) not in named_sizes, rank, words))
                break
    fitting.sort(key=lambda fit: fit[:2])
    return ", ".join(words for _, _, words in fitting[:_MOST_SUGGESTIONS])


def _sizes_in(text: str) -> list[tuple[int, int]]:
    return [(int(width), int(height)) for width, height in _SIZE.findall(text)]


def _doubt_depth(source: SourceFile, stated: PixelFormat) -> str:
    """Return why the bit depth that the user gave looks wrong, "" if it does not.

    Samples of 10 or 12 bits read as 8 or 16 give a plausible number of frames, and noise or black
    in each of them.
    """
    words = _words(source)
    depth = _apparent_depth(words)
    if depth == _BYTE or stated.bit_depth not in (_BYTE, _WORD):
        return ""
    # The bytes of a word belong together, which those of stripes do not: where the high byte of a
    # picture's words changes, the low one jumps, and the word does not.
    if np.abs(np.diff(words)).sum() >= np.abs(np.diff(words & 0xFF)).sum():
        return ""
    better = PixelFormat(stated.subsampling, depth).name
    return (
        f"is read as {stated.name}, but its samples look like {depth} bits; "
        f"if they are, type --pix-fmt {better}"
    )


def _words(source: SourceFile) -> np.ndarray:
    """Return some of the file's content as int32[n] of little-endian 16-bit words."""
    room = max(0, source.size - _SAMPLED_BYTES)
    pieces = []
    try:
        with source.open() as file:
            for part in _SAMPLED_AT:
                file.seek(int(room * part) // 2 * 2)
                piece = file.read(_SAMPLED_BYTES)
                pieces.append(piece[: len(piece) // 2 * 2])
    except (OSError, InputError):
        pass  # only a hint is lost; the reader reports the error
    return np.frombuffer(b"".join(pieces), "<u2").astype(np.int32)


def _apparent_depth(words: np.ndarray) -> int:
    """Return the bit depth that samples look like: 8 unless all words are small.

    Two samples of 8 bits are hardly ever a small 16-bit word all over some rows of a picture,
    unless it is black there; then no low byte is large either.
    """
    if int((words & 0xFF).max(initial=0)) < _BRIGHTER_THAN_BLACK:
        return _BYTE
    largest = int(words.max(initial=0))
    return next((depth for depth in (10, 12) if largest < 1 << depth), _BYTE)
