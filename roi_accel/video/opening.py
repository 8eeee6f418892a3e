"""Which kind of file a video is, by content and name and never by trial decoding; its bit rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.errors import InputError
from roi_accel.video.container import open_container
from roi_accel.video.decoding import demuxed, opened
from roi_accel.video.raw import RAW_SUFFIXES, geometry_missing, open_raw
from roi_accel.video.source import SourceFile
from roi_accel.video.y4m import MAGIC, open_y4m

if TYPE_CHECKING:
    import os
    from fractions import Fraction

    from roi_accel.video.info import RawGeometry
    from roi_accel.video.reader import VideoReader

_CONTAINER_NAMES = """
    mp4 m4v mov qt 3gp 3g2 f4v mkv webm avi divx ts m2ts mts m2t mpg mpeg mpe vob m1v m2v flv wmv
    asf ogv ogg ogm nut mxf gxf dv ivf obu av1 h261 h263 h264 264 avc h265 265 hevc h266 266 vvc vc1
    cavs dnxhd mjpeg mjpg rm rmvb bik swf gif apng png jpg jpeg bmp tif tiff webp avif heic heif exr
    dpx jp2 j2k
"""
_CONTAINER_SUFFIXES = frozenset(f".{name}" for name in _CONTAINER_NAMES.split())

# (offset, bytes) that no planar video begins with by chance worth considering.
_SIGNATURES = (
    (4, b"ftyp"),
    (4, b"moov"),
    (0, b"\x1a\x45\xdf\xa3"),  # Matroska, WebM
    (8, b"AVI "),
    (0, b"FLV\x01"),
    (0, b"OggS"),
    (0, b"DKIF"),  # IVF
    (0, b"nut/multimedia container\0"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01"),  # MXF
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # ASF
    (0, b"\x89PNG\r\n\x1a\n"),
    (0, b"\x00\x00\x01\xba"),  # MPEG program stream
)


def open_video(
    path: str | os.PathLike[str], *, raw: RawGeometry | None = None, threads: int = 0
) -> VideoReader:
    """Open a video and read what it says about itself.

    Parameters
    ----------
    path : str or os.PathLike
        Always a file name: never a protocol, a pattern or an option.
    raw : RawGeometry, optional
        Size and pixel format of raw video. A Y4M file or a container brings its own, which must
        then agree.
    threads : int, default 0
        Of the decoder; 0 for as many as FFmpeg finds right.

    Raises
    ------
    InputError
        If the file is missing, unreadable, cut off, not a video, raw without geometry, or holds
        what cannot be repacked into planar YUV without loss.
    """
    if threads < 0:
        msg = f"the number of decoder threads is {threads}; 0 (automatic) or more was expected"
        raise InputError(msg, remedy="leave it out for the default")
    source = SourceFile.examine(path)
    head = source.head()
    suffix = source.path.suffix.lower()
    reader: VideoReader
    if head.startswith(MAGIC):
        reader = open_y4m(source, head)
    elif suffix == ".y4m":
        msg = f"{source.name}: is named Y4M but begins with {head[:10]!r}, not {MAGIC!r}"
        raise InputError(msg, remedy="write it again, or name it after what it is")
    elif _is_container(head, suffix, may_be_other=raw is None):
        reader = open_container(source, _known(suffix), threads)
    elif raw is None:
        raise geometry_missing(source)
    else:
        return open_raw(source, raw)
    if raw not in (None, reader.info.geometry):
        reader.close()
        msg = f"{source.name}: declares {reader.info.geometry}, but the options say {raw}"
        raise InputError(msg, remedy="correct --width, --height and --pix-fmt, or leave them out")
    return reader


def _is_container(head: bytes, suffix: str, *, may_be_other: bool = False) -> bool:
    """Return whether a file, which is not Y4M, is one for FFmpeg to open; else it is planar video.

    Where neither content nor name tells, the answer is `may_be_other`: an unknown name with
    geometry is raw. The geometry may be meant for the other file of the pair, and an MP4 read as
    raw would score as noise, so its content is asked first.
    """
    if suffix in RAW_SUFFIXES:
        return False
    if suffix in _CONTAINER_SUFFIXES:
        return True
    return may_be_other or any(head.startswith(mark, at) for at, mark in _SIGNATURES)


def _known(suffix: str) -> str:
    return suffix if suffix in _CONTAINER_SUFFIXES else ""


def bitrate_of(
    path: str | os.PathLike[str],
    *,
    frames: int | None = None,
    frame_rate: Fraction | float | None = None,
) -> float | None:
    """Return the bits per second of a file's first video stream; None of raw video and Y4M.

    That is the size of all its packets over its duration, frames by frame rate; sound and the
    container's overhead are left out. The whole file is read, and nothing is decoded. It is None,
    too, without a frame rate. InputError if the file cannot be read, is cut off, or has no video
    stream.

    Parameters
    ----------
    path : str or os.PathLike
    frames : int, optional
        How many frames the whole file has, of which perhaps not all were scored. Default: as many
        as packets are shown, which is wrong only where a packet holds a field.
    frame_rate : fractions.Fraction or float, optional
        Frames per second. Default: the stream's own average, which an elementary stream may not
        have, or not truly; the reference's is then the one to give.
    """
    source = SourceFile.examine(path)
    suffix = source.path.suffix.lower()
    head = source.head()
    if head.startswith(MAGIC) or not _is_container(head, suffix):
        return None
    with opened(source, _known(suffix)) as (container, stream):
        sizes, count = 0, 0
        for packet in demuxed(container, stream, source.path):
            sizes += packet.size
            count += not packet.is_discard
        rate = frame_rate or stream.average_rate or stream.guessed_rate
    frames = count if frames is None else frames
    if frames < 1 or sizes < 1:
        msg = f"{source.name}: has a video stream without a single frame"
        raise InputError(msg, remedy="copy or encode the file again")
    return float(sizes * 8 * rate / frames) if rate else None
