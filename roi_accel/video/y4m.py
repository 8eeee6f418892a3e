"""Y4M files: raw planar YUV with a text header, read without FFmpeg so that nothing is guessed.

The format is that of mjpegtools' yuv4mpeg(5), with the high bit depths as FFmpeg writes them.
Frames are also written, as Y4M or raw.
"""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from io import SEEK_CUR
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from roi_accel._util.text import printable
from roi_accel.backends.frame import PIXEL_FORMATS, ColourRange, PixelFormat
from roi_accel.errors import InputError, unreadable
from roi_accel.video.info import RawGeometry, VideoInfo, assumed_matrix, check_dimensions
from roi_accel.video.raw import RAW_SUFFIXES
from roi_accel.video.reader import CheckedReader, read_planar, truncated
from roi_accel.video.source import HEAD_BYTES, SourceFile

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from roi_accel.backends.frame import Frame

MAGIC = b"YUV4MPEG2"
_MARKER = b"FRAME"
_WRITE_AGAIN = "write it again, for example with ffmpeg -i INPUT OUTPUT.y4m"
_DEINTERLACE = "deinterlace both videos first, for example with ffmpeg -vf bwdif"
_CONVERT = "convert it, for example with ffmpeg -pix_fmt yuv420p"
_EXCERPT = 20  # bytes of a bad line that a message shows

COLOUR_SPACES: Mapping[str, PixelFormat] = {
    # The four 8-bit 4:2:0 names differ in where chroma is sited, which no sample depends on.
    **dict.fromkeys(("420", "420jpeg", "420mpeg2", "420paldv"), PixelFormat("420", 8)),
    **{
        f"{known.subsampling}p{known.bit_depth}".removesuffix("p8"): known
        for known in PIXEL_FORMATS
    },
}
"""The values of the C parameter that are read."""

Y4M_SUFFIX = ".y4m"
SUFFIXES = (".yuv", Y4M_SUFFIX, *sorted(RAW_SUFFIXES - {".yuv"}))

_CENTRED = "420jpeg"
"""What FFmpeg calls 8-bit 4:2:0 whose chroma siting nobody says; no sample depends on it."""


class Y4mReader(CheckedReader):
    """Frames of a Y4M file, after a header of `header_length` bytes."""

    def __init__(self, info: VideoInfo, source: SourceFile, header_length: int) -> None:
        super().__init__(info, source)
        self._header_length = header_length

    def _frames(self) -> Generator[Frame, None, None]:
        with self._source.open() as stream:
            stream.seek(self._header_length)
            index = 0
            while _read_marker(stream, self.info.path, index):
                yield read_planar(stream, self.info, index)
                index += 1


def open_y4m(source: SourceFile, head: bytes) -> Y4mReader:
    """Return the reader of a Y4M file whose first bytes are `head`.

    InputError if the header is malformed or asks for what is not read, no frame follows it, or the
    last one is truncated.
    """
    info, length = parse_header(head, source.path)
    if source.size == length:  # guard: y4m-header-only
        msg = f"{source.name}: holds a Y4M header but no frame"
        raise InputError(msg, remedy="copy or encode it again")
    frame_bytes = info.pixel_format.frame_bytes(info.width, info.height)
    # Markers with parameters make such a size, too; or what is left is half of a frame.
    count, rest = divmod(source.size - length, len(_MARKER) + 1 + frame_bytes)
    exact = _count_frames(source, length, frame_bytes) if rest else None
    info = replace(info, frame_count=exact, estimated_frame_count=count)
    return Y4mReader(info, source, length)


def _count_frames(source: SourceFile, start: int, frame_bytes: int) -> int:
    """Return how many frames follow the header, from marker to marker without reading samples."""
    index = 0
    try:
        with source.open() as stream:
            stream.seek(start)
            while _read_marker(stream, source.path, index):
                end = stream.seek(frame_bytes, SEEK_CUR)
                if end > source.size:  # guard: y4m-truncated-frame
                    raise truncated(source.path, index, end - source.size, frame_bytes)
                index += 1
    except OSError as error:
        raise unreadable(source.name, error) from error
    return index


def parse_header(head: bytes, path: Path) -> tuple[VideoInfo, int]:
    """Return what the header line at the start of `head` says, and its length with its newline.

    `head` is the first `HEAD_BYTES` of the file, or all of a shorter one. InputError for anything
    but a complete header of a progressive video in a known colour space.
    """
    end = head.find(b"\n", 0, HEAD_BYTES)  # guard: y4m-header-newline
    if end < 0:
        raise _refusal(path, f"has no newline in its first {min(len(head), HEAD_BYTES)} bytes")
    magic, *tokens = head[:end].decode("latin-1").split(" ")
    if magic.encode("latin-1") != MAGIC:
        raise _refusal(path, f"begins with {head[:_EXCERPT]!r}, not {MAGIC!r}")
    values: dict[str, str] = {}
    extensions: list[tuple[str, str]] = []
    for token in filter(None, tokens):
        key, value = token[0], token[1:]
        if key == "X":
            name, equals, value = value.partition("=")
            extensions += [(name, value)] * bool(equals)
        elif key not in "WHFIAC":
            raise _refusal(path, f"has an unknown parameter {_quoted(token)}")
        elif key in values:  # guard: y4m-parameter-repeated
            raise _refusal(path, f"repeats the parameter {key}")
        else:
            values[key] = value
    _check_progressive(values.get("I"), path)  # guard: y4m-interlaced
    width, height = _side(values, "W", path), _side(values, "H", path)
    # Without C, files of old mjpegtools name it in an extension, and 4:2:0 is the default.
    named = (value.lower() for name, value in extensions if name == "YSCSS")
    pixel_format = _pixel_format(values.get("C", next(named, "420")), path)
    check_dimensions(path, RawGeometry(width, height, pixel_format))  # guard: huge-y4m
    ranges = {value for name, value in extensions if name == "COLORRANGE"}
    if not (len(ranges) <= 1 and ranges <= {"FULL", "LIMITED"}):
        stated = _quoted(", ".join(sorted(ranges)))
        raise _refusal(path, f"gives {stated} as colour range; FULL or LIMITED is valid")
    info = VideoInfo(
        path=path,
        kind="y4m",
        width=width,
        height=height,
        pixel_format=pixel_format,
        colour_matrix=assumed_matrix(width, height),
        colour_range=ColourRange.FULL if "FULL" in ranges else ColourRange.LIMITED,
        colour_range_source="stream" if ranges else "assumed",
        frame_rate=_rate(values.get("F"), path),
    )
    return info, end + 1


def _refusal(path: Path, what: str, remedy: str = _WRITE_AGAIN) -> InputError:
    return InputError(f"{printable(path)}: the Y4M header {what}", remedy=remedy)


def _quoted(text: str) -> str:
    return ascii(text[:_EXCERPT])


def _side(values: dict[str, str], key: str, path: Path) -> int:
    name = {"W": "width", "H": "height"}[key]
    text = values.get(key)  # guard: y4m-size-missing
    if text is None:
        raise _refusal(path, f"lacks the {name} ({key})")
    if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) == 0:  # guard: y4m-size-number
        raise _refusal(path, f"gives {_quoted(text)} as {name}; a positive number was expected")
    return int(text)


def _rate(text: str | None, path: Path) -> Fraction | None:
    if text is None:
        return None
    match = re.fullmatch(r"([0-9]{1,12}):([0-9]{1,12})", text)
    if match is None:
        raise _refusal(path, f"gives {_quoted(text)} as frame rate; F25:1 is how one is written")
    numerator, denominator = int(match[1]), int(match[2])
    # 0:0 is the format's own "unknown"; a zero on one side only says no more than that.
    return Fraction(numerator, denominator) if numerator and denominator else None


def _check_progressive(text: str | None, path: Path) -> None:
    if text in {"t", "b", "m"}:
        what = f"says interlaced (I{text}); only progressive video is scored"
        raise _refusal(path, what, _DEINTERLACE)
    if text not in {None, "p", "?"}:
        raise _refusal(
            path, f"gives {_quoted(text or '')} as interlacing; p, t, b, m or ? is valid"
        )


def _pixel_format(text: str, path: Path) -> PixelFormat:
    known = COLOUR_SPACES.get(text)  # guard: y4m-unknown-chroma
    if known is not None:
        return known
    if text.startswith("mono"):
        raise _refusal(path, f"says luma only (C{text}), which holds no chroma planes", _CONVERT)
    spaces = ", ".join(COLOUR_SPACES)
    raise _refusal(path, f"names the colour space {_quoted(text)}; read are {spaces}", _CONVERT)


def _read_marker(stream: BinaryIO, path: Path, index: int) -> bool:
    """Read the line before a frame; return False at the end of the file."""
    offset = stream.tell()
    try:
        line = stream.readline(HEAD_BYTES)  # guard: y4m-frame-marker-limit
    except OSError as error:
        raise unreadable(printable(path), error) from error
    if not line:
        return False
    marker, *parameters = line.rstrip(b"\n").split(b" ")
    if marker != _MARKER or not line.endswith(b"\n"):  # guard: y4m-frame-marker
        msg = (
            f"{printable(path)}: frame {index} begins with {line[:_EXCERPT]!r} at byte {offset}; "
            f"{_MARKER!r} and a newline were expected"
        )
        raise InputError(msg, remedy="the file is damaged; write it again")
    for parameter in filter(None, parameters):
        if not parameter.startswith(b"X"):  # guard: y4m-frame-interlaced
            msg = (
                f"{printable(path)}: the FRAME marker at byte {offset} (frame {index}) has the "
                f"parameter {parameter[:_EXCERPT]!r}, which is for interlaced video"
            )
            raise InputError(msg, remedy=_DEINTERLACE)
    return True


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
            self._marker = _MARKER + b"\n"
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
