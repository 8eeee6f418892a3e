"""What a raw file's name, size and content suggest of its geometry: told to people, never used."""

from __future__ import annotations

import re
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import PixelFormat
from roi_accel.video.info import PIXEL_FORMATS, RawGeometry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from roi_accel.video.source import SourceFile

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
_SAMPLED_AT = 5 / 13
"""What part of the file comes before: films begin in black, and frames with bars."""

_BYTE, _WORD = 8, 16
_BRIGHTER_THAN_BLACK = 64

_BYTES_ALIKE = 12
"""Codes of 8 bits by which neighbours in a picture differ on average, at most. The low bytes of
16-bit samples are as good as random, or all 0: they differ from the high ones by 16 and more.
"""

_ROWS_APART = 3.0
"""How much more the rows of a wrong width differ than those of the true one, at least, to be told:
3 to 1000 times in pictures, and once in noise. Twice the width has every second row, which differ
up to twice as much, so it goes untold.
"""


def suggest_geometries(
    source: SourceFile,
    named: PixelFormat | None = None,
    *,
    width: int | None = None,
    height: int | None = None,
) -> str:
    """Return geometries whose frame size divides the file's, likeliest first; "" if none does.

    Only those of the width and height that are given. First comes a size in the file's name. Of
    the others, first come those in the format that the user named, else in one in the file's name,
    else of the depth that its samples look like; among them those at whose width the rows are most
    alike.
    """
    name = source.path.name.lower()
    named_sizes = _sizes_in(name)
    by_length = sorted(PIXEL_FORMATS, key=lambda f: len(f.name), reverse=True)
    likely = named or next((f for f in by_length if f.name in name), None)
    sample = _sample(source)
    depth = _apparent_depth(sample)
    formats = sorted(PIXEL_FORMATS, key=lambda f: (f != likely, f.bit_depth != depth))
    given = ((width, height),) if width and height else ()
    found = [
        each
        for each in _fitting(source, formats, given)
        if width in (None, each.width) and height in (None, each.height)
    ]
    apart = [_rows_apart(sample, each) for each in found]
    least = min((each for each in apart if each), default=1.0)
    # Tenths: less is chance, and then the commoner size comes first.
    ranked = sorted(
        (
            (each.width, each.height) not in named_sizes,
            formats.index(each.pixel_format),
            round(10 * rows / least),
            number,
        )
        for number, (each, rows) in enumerate(zip(found, apart, strict=True))
    )
    return ", ".join(_in_words(source, found[rank[-1]]) for rank in ranked[:_MOST_SUGGESTIONS])


def doubt_geometry(source: SourceFile, geometry: RawGeometry) -> str:
    """Return why the geometry that was given looks wrong though the size fits, "" if it does not.

    Parameters
    ----------
    source : SourceFile
    geometry : RawGeometry
        As the user gave it.
    """
    sample = _sample(source)
    given = geometry.pixel_format
    depth = _apparent_depth(sample)
    if (given.bit_depth == _BYTE and depth != _BYTE) or (
        given.bit_depth == _WORD and (depth != _BYTE or _is_pairs_of_bytes(sample))
    ):
        better = PixelFormat(given.subsampling, depth).name
        return (
            f"is read as {given.name}, but its samples look like {depth} bits; "
            f"if they are, type --pix-fmt {better}"
        )
    found = [(_rows_apart(sample, each), each) for each in _fitting(source, [given])]
    least, best = min(found, key=itemgetter(0), default=(0.0, geometry))
    if not least or _rows_apart(sample, geometry) <= _ROWS_APART * least:
        return ""
    return (
        f"is read as {geometry.width}x{geometry.height}, but looks {best.width} pixels wide; "
        f"if it is, type -w {best.width} --height {best.height}, say"
    )


def _sizes_in(name: str) -> list[tuple[int, int]]:
    return [(int(w), int(h)) for w, h in re.findall(r"(?<!\d)(\d{2,5})x(\d{2,5})(?!\d)", name)]


def _fitting(
    source: SourceFile, formats: list[PixelFormat], given: Sequence[tuple[int, int]] = ()
) -> Iterator[RawGeometry]:
    """Yield sizes that are likely, each in the first of `formats` that divides the file."""
    sizes = (*given, *_sizes_in(source.path.name.lower()), *_COMMON_SIZES)
    for width, height in dict.fromkeys(sizes):
        for pixel_format in formats:
            frame_bytes = pixel_format.frame_bytes(width, height)
            if frame_bytes and source.size % frame_bytes == 0:
                yield RawGeometry(width, height, pixel_format)
                break


def _in_words(source: SourceFile, geometry: RawGeometry) -> str:
    width, height, pixel_format = geometry.width, geometry.height, geometry.pixel_format
    count = source.size // pixel_format.frame_bytes(width, height)
    frames = "1 frame" if count == 1 else f"{count} frames"
    return f"{width}x{height} {pixel_format.name} ({frames})"


def _sample(source: SourceFile) -> bytes:
    try:
        with source.location.open("rb") as file:
            file.seek(int(max(0, source.size - _SAMPLED_BYTES) * _SAMPLED_AT) // 2 * 2)
            return file.read(_SAMPLED_BYTES)
    except OSError:
        return b""


def _words(sample: bytes) -> NDArray[np.uint16]:
    return np.frombuffer(sample[: len(sample) // 2 * 2], "<u2")


def _apparent_depth(sample: bytes) -> int:
    """Return the bit depth that its samples look like: 8 unless all words are small.

    Two samples of 8 bits are hardly ever a small 16-bit word all over some rows of a picture,
    unless it is black there; then no low byte is large either.
    """
    words = _words(sample)
    largest = int(words.max(initial=0))
    if int((words & 0xFF).max(initial=0)) < _BRIGHTER_THAN_BLACK:
        return _BYTE
    return next((depth for depth in (10, 12) if largest < 1 << depth), _BYTE)


def _is_pairs_of_bytes(sample: bytes) -> bool:
    """Return whether the two bytes of a word are as alike as neighbours in a picture are.

    They are equal all over where 8 bits were spread over 16, which is no mistake.
    """
    words = _words(sample).astype(np.int32)
    high, low = words >> 8, words & 0xFF
    return bool((high != low).any() and low.any() and np.abs(high - low).mean() < _BYTES_ALIKE)


def _rows_apart(sample: bytes, geometry: RawGeometry) -> float:
    """Return by how much samples differ on average from those a row below; 0 if nobody knows."""
    depth = geometry.pixel_format.bit_depth
    samples = np.frombuffer(sample, np.uint8) if depth == _BYTE else _words(sample)
    if len(samples) <= geometry.width:
        return 0.0
    wide: NDArray[np.signedinteger] = samples.astype(np.int16 if depth == _BYTE else np.int32)
    apart = wide[geometry.width :] - wide[: -geometry.width]
    return float(np.abs(apart, out=apart).mean())
