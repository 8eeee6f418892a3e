"""Whether a container file is as long as its own structure says.

FFmpeg ends quietly where a file is cut off, as a player should; a scorer must not score the half
that is left. MP4, Matroska and AVI write the lengths of their outermost elements, so that a cut is
found before anything is decoded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import BinaryIO

_EBML_ID = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID = b"\x18\x53\x80\x67"
_MP4_FIRST = {b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"sidx"}
_MP4_ESSENTIAL = {b"moov", b"moof", b"mdat"}
_MP4_HEADER = 8
_MP4_LARGE_HEADER = 16
_MP4_LARGE = 1  # the 32-bit size that announces a 64-bit one
_RIFF_UNKNOWN = (0, 0xFFFFFFFF)
_MOST_ELEMENTS = 1_000_000  # an hour of one-frame fragments; bounds the walk through hostile files


def missing_bytes(stream: BinaryIO, size: int) -> int:
    """Return how many bytes the outermost elements of a container reach beyond its end.

    That is 0 if the file, of `size` bytes, is complete, or of a kind that does not say.
    """
    stream.seek(0)
    head = stream.read(64)
    if head[4:8] in _MP4_FIRST:
        end = _mp4_end(stream, size)
    elif head.startswith(_EBML_ID):
        end = _matroska_end(head)
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        end = _riff_end(stream, size)
    else:
        end = 0
    return max(0, end - size)


def _mp4_end(stream: BinaryIO, size: int) -> int:
    """Return the end of the last box that matters, walking the top level (ISO/IEC 14496-12)."""
    position = end = 0
    for _ in range(_MOST_ELEMENTS):
        stream.seek(position)
        header = stream.read(_MP4_LARGE_HEADER)
        if len(header) < _MP4_HEADER:
            break
        length = int.from_bytes(header[:4], "big")
        if length == _MP4_LARGE:
            if len(header) < _MP4_LARGE_HEADER:
                break
            length = int.from_bytes(header[8:16], "big")
        if length < _MP4_HEADER:  # 0 is "to the end of the file", the rest is not a box
            break
        position += length
        # What follows the last known box may be anything: some cameras leave bytes behind.
        if header[4:8] in _MP4_ESSENTIAL:
            end = position
        if position >= size:
            break
    return end


def _matroska_end(head: bytes) -> int:
    """Return the end of the Segment, 0 if it says unknown, as live recordings do (RFC 8794)."""
    header = _vint(head, len(_EBML_ID))
    if header is None:
        return 0
    segment = header[1] + header[0]
    if head[segment : segment + 4] != _SEGMENT_ID:
        return 0
    length = _vint(head, segment + 4)
    return 0 if length is None else length[1] + length[0]


def _vint(data: bytes, at: int) -> tuple[int, int] | None:
    """Return an EBML length at `at` and the offset after it; None if unknown or malformed."""
    if at >= len(data) or data[at] == 0:
        return None
    width = 9 - data[at].bit_length()
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(data[at : at + width], "big") & mask
    return None if value == mask or at + width > len(data) else (value, at + width)


def _riff_end(stream: BinaryIO, size: int) -> int:
    """Return the end of the last RIFF list; OpenDML files have several."""
    position = end = 0
    for _ in range(_MOST_ELEMENTS):
        stream.seek(position)
        header = stream.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in _RIFF_UNKNOWN:
            break
        end = position + 8 + length
        position = end + (length & 1)
        if position >= size:
            break
    return end
