"""Which kind of file a video is, decided by content and name and never by trial decoding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.video.container import open_container
from roi_accel.video.raw import geometry_contradiction, geometry_missing, open_raw
from roi_accel.video.source import SourceFile
from roi_accel.video.y4m import MAGIC, open_y4m

if TYPE_CHECKING:
    import os

    from roi_accel.video.info import RawGeometry
    from roi_accel.video.reader import VideoReader

RAW_SUFFIXES = frozenset({".yuv", ".raw", ".i420", ".i422", ".i444"})
_CONTAINER_NAMES = """
    mp4 m4v mov qt 3gp 3g2 f4v mkv webm avi divx ts m2ts mts m2t mpg mpeg mpe vob m1v m2v flv wmv
    asf ogv ogg ogm nut mxf gxf dv ivf obu av1 h261 h263 h264 264 avc h265 265 hevc h266 266 vvc vc1
    cavs dnxhd mjpeg mjpg rm rmvb bik swf gif apng png jpg jpeg bmp tif tiff webp avif heic heif exr
    dpx jp2 j2k
"""
CONTAINER_SUFFIXES = frozenset(f".{name}" for name in _CONTAINER_NAMES.split())

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

    Returns
    -------
    VideoReader

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
        msg = f"{printable(source.path)}: is named Y4M but begins with {head[:10]!r}, not {MAGIC!r}"
        raise InputError(msg, remedy="write it again, or name it after what it is")
    elif is_container(head, suffix, may_be_other=raw is None):
        known = suffix if suffix in CONTAINER_SUFFIXES else ""
        reader = open_container(source, known, threads)
    elif raw is None:
        raise geometry_missing(source)
    else:
        return open_raw(source, raw)
    contradiction = None if raw is None else geometry_contradiction(reader.info, raw)
    if contradiction is not None:
        reader.close()
        raise contradiction
    return reader


def is_container(head: bytes, suffix: str, *, may_be_other: bool = False) -> bool:
    """Return whether a file is one for FFmpeg to open, and not planar video.

    Parameters
    ----------
    head : bytes
        Its first bytes, which are not those of Y4M.
    suffix : str
        Of its name, in lower case.
    may_be_other : bool
        The answer where neither tells: an unknown name with geometry is raw unless its content says
        otherwise. The geometry may be meant for the other file of the pair, and an MP4 read as raw
        would score as noise.
    """
    if suffix in RAW_SUFFIXES:
        return False
    if suffix in CONTAINER_SUFFIXES:
        return True
    return may_be_other or any(head.startswith(mark, at) for at, mark in _SIGNATURES)
