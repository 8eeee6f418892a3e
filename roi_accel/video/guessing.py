"""What a raw file's name, size and content suggest of its geometry: told to people, never used."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import PIXEL_FORMATS, PixelFormat
from roi_accel.video.info import RawGeometry

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
_SAMPLED_BYTES = 1 << 15
_SAMPLED_AT = (5 / 13, 9 / 13, 1.0)
"""What part of the file comes before each sample: films begin in black, and the last is chroma."""

_BYTE, _WORD = 8, 16
_BRIGHTER_THAN_BLACK = 64

_BYTES_ALIKE = 12
"""Codes of 8 bits by which neighbours in a picture differ on average, at most. The low bytes of
16-bit samples are as good as random, or all 0: they differ from the high ones by 16 and more.
"""

_LUMA_SAMPLES, _AGREED = 3, 2
"""Places in luma, and how many must speak for another width, while none speaks for the given."""

_STEP = 8
"""Samples between the two whose difference is texture. That is compared with the row below, since
brightness makes any narrower width look better where rows are uniform: fewer shifts cross an edge.
"""

_ROWS_APART = 3.0
"""How much more other widths' rows differ than those of the true one, at least, to be told: 3 to
1000 times in pictures, and once in noise. Twice the width has every second row, which differ up to
twice as much, so it goes untold.
"""

_BESIDE = tuple(sign * by for by in range(6, 17) for sign in (-1, 1))
"""From a width to those beside it: far enough to differ in smooth pictures, and of many periods."""

_STANDING_OUT = 1.2
"""By how much rows at a width differ from those at the widths beside it, at least, if the samples
have to do with one another: 1.7 to 7 times in pictures, and up to 1.07 times at wrong widths.
"""

_SPREAD = 0.1
"""Part of the samples that differ at a wrong width, at least: few do beside mere lines."""


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
    sample = _spread_sample(source)
    depth = _apparent_depth(sample)
    formats = sorted(PIXEL_FORMATS, key=lambda f: (f != likely, f.bit_depth != depth))
    given = ((width, height),) if width and height else ()
    found = [
        each
        for each in _fitting(source, formats, given)
        if width in (None, each.width) and height in (None, each.height)
    ]
    apart = [_apart(_values(sample, each.pixel_format), each.width) for each in found]
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
    given = geometry.pixel_format
    sample = _spread_sample(source)
    depth = _doubtful_depth(sample, given.bit_depth)
    if depth:
        better = PixelFormat(given.subsampling, depth).name
        return (
            f"is read as {given.name}, but its samples look like {depth} bits; "
            f"if they are, type --pix-fmt {better}"
        )
    found = [each for each in _fitting(source, [given]) if _fits_better(source, each, geometry)]
    if not found:
        return ""
    values = _values(sample, given)
    best = min(found, key=lambda each: _apart(values, each.width))
    return (
        f"is read as {geometry.width}x{geometry.height}, but looks {best.width} pixels wide; "
        f"if it is, type -w {best.width} --height {best.height}, say"
    )


def _doubtful_depth(sample: bytes, given: int) -> int:
    """Return the depth that samples clearly have, where it is not the given one, else 0."""
    depth = _apparent_depth(sample)
    if depth != _BYTE:
        return depth if given in (_BYTE, _WORD) and _is_words(sample) else 0
    return _BYTE if given == _WORD and _is_pairs_of_bytes(sample) else 0


def _fits_better(source: SourceFile, other: RawGeometry, given: RawGeometry) -> bool:
    """Return whether the luma that there is in the `other` geometry speaks for its width.

    Chroma of twice the width would speak against it: there, its rows are of the width given.
    """
    pixel_format = given.pixel_format
    frame_bytes = pixel_format.frame_bytes(other.width, other.height)
    sample_bytes = np.dtype(pixel_format.dtype).itemsize
    count = source.size // frame_bytes
    agreed = 0
    for number in range(_LUMA_SAMPLES):
        at = frame_bytes * (count * number // _LUMA_SAMPLES)
        at += sample_bytes * other.width * other.height * (number + 1) // (_LUMA_SAMPLES + 1)
        values = _values(_sample(source, at), pixel_format)
        texture = values[_STEP:] - values[:-_STEP]
        if _stands_out(texture, given.width):
            return False
        agreed += _looks_better(texture, given.width, other.width)
    return agreed >= _AGREED


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


def _sample(source: SourceFile, start: int) -> bytes:
    try:
        with source.location.open("rb") as file:
            file.seek(start // 2 * 2)
            return file.read(_SAMPLED_BYTES)
    except OSError:
        return b""


def _spread_sample(source: SourceFile) -> bytes:
    room = max(0, source.size - _SAMPLED_BYTES)
    return b"".join(_sample(source, int(room * part)) for part in _SAMPLED_AT)


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


def _is_words(sample: bytes) -> bool:
    """Return whether the bytes of a word belong together, which those of stripes do not.

    Where the high byte of a picture's words changes, the low one jumps, and the word does not.
    """
    words = _words(sample).astype(np.int32)
    return bool(np.abs(np.diff(words)).sum() < np.abs(np.diff(words & 0xFF)).sum())


def _is_pairs_of_bytes(sample: bytes) -> bool:
    """Return whether the two bytes of a word are as alike as neighbours in a picture are.

    They are equal all over where 8 bits were spread over 16, which is no mistake.
    """
    words = _words(sample).astype(np.int32)
    high, low = words >> 8, words & 0xFF
    return bool((high != low).any() and low.any() and np.abs(high - low).mean() < _BYTES_ALIKE)


def _values(sample: bytes, pixel_format: PixelFormat) -> NDArray[np.signedinteger]:
    if pixel_format.bit_depth == _BYTE:
        return np.frombuffer(sample, np.uint8).astype(np.int16)
    return _words(sample).astype(np.int32)


def _apart(values: NDArray[np.signedinteger], width: int) -> float:
    """Return by how much a row differs from the one below on average; 0 if there is only one."""
    if not 0 < width < len(values):
        return 0.0
    apart = values[width:] - values[:-width]
    return float(np.abs(apart, out=apart).mean())


def _stands_out(texture: NDArray[np.signedinteger], width: int) -> bool:
    """Return whether rows are clearly more or less alike at this width than at those beside it."""
    here = _apart(texture, width)
    beside = sum(_apart(texture, width + by) for by in _BESIDE) / len(_BESIDE)
    return max(here, beside) > _STANDING_OUT * min(here, beside)


def _looks_better(texture: NDArray[np.signedinteger], width: int, other: int) -> bool:
    """Return whether rows fit at the `other` width, and neither at `width` nor beside the other."""
    if max(width, other) + max(_BESIDE) >= len(texture):
        return False
    if np.count_nonzero(texture[width:] != texture[:-width]) < _SPREAD * len(texture):
        return False
    enough = _ROWS_APART * _apart(texture, other)
    return all(_apart(texture, each) > enough for each in (width, *(other + by for by in _BESIDE)))
