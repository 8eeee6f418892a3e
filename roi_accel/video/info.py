"""What is known of a video before its first frame is scored, as readers and callers share it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roi_accel._util.text import printable
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from fractions import Fraction
    from pathlib import Path

    from roi_accel.backends.frame import ColourMatrix, ColourRange, PixelFormat
    from roi_accel.video.rectangle import Rectangle

MAX_SIDE = 16384
"""The largest width or height that is read: twice 8K. One 16-bit 4:4:4 frame is then 1.6 GB."""

MIN_SCORABLE_SIDE = 32  # guard: small-side-limit
"""libvmaf crashes or gives random scores when a side is smaller."""

Origin = Literal["stream", "assumed"]
Kind = Literal["raw", "y4m", "container"]


@dataclass(frozen=True)
class RawGeometry:
    """What raw video does not say about itself.

    Parameters
    ----------
    width, height : int
        Luma size in pixels.
    pixel_format : PixelFormat
    """

    width: int
    height: int
    pixel_format: PixelFormat


@dataclass(frozen=True)
class VideoInfo:
    """What a video says about itself, and what had to be assumed.

    Parameters
    ----------
    path : pathlib.Path
        As the user gave it.
    kind : {"raw", "y4m", "container"}
    width, height : int
        Luma size in pixels.
    pixel_format : PixelFormat
        Of the frames that the reader gives, after lossless repacking.
    colour_matrix, colour_range : ColourMatrix, ColourRange
    colour_matrix_source, colour_range_source : {"stream", "assumed"}
        Whether the stream declares it. An undeclared matrix is BT.709 from 1280 pixels of width or
        720 of height on and BT.601 below, an undeclared range is limited.
    frame_count : int or None
        Exact, where it can be known without decoding (raw video), else None.
    estimated_frame_count : int or None
        For a progress bar only.
    frame_rate : fractions.Fraction or None
        Frames per second.
    codec : str or None
        FFmpeg's name; None for raw video and Y4M.
    transfer : str or None
        FFmpeg's name of the transfer characteristic, such as ``smpte2084``; None if unspecified.
    doubt : str
        Why the geometry that the user gave looks wrong, "" if it does not.
    skipped : int
        Frames at the beginning that are left out.
    scaled_from : (int, int) or None
        Width and height before scaling, where the frames are scaled.
    crop : Rectangle or None
        What part of the frames, after scaling, is given, where it is a part.
    """

    path: Path
    kind: Kind
    width: int
    height: int
    pixel_format: PixelFormat
    colour_matrix: ColourMatrix
    colour_matrix_source: Origin
    colour_range: ColourRange
    colour_range_source: Origin
    frame_count: int | None = None
    estimated_frame_count: int | None = None
    frame_rate: Fraction | None = None
    codec: str | None = None
    transfer: str | None = None
    doubt: str = ""
    skipped: int = 0
    scaled_from: tuple[int, int] | None = None
    crop: Rectangle | None = None


def geometry_text(width: int, height: int, pixel_format: PixelFormat) -> str:
    """Return size, subsampling and depth in words, such as ``576x324 4:2:0 10-bit``."""
    subsampling = ":".join(pixel_format.subsampling)
    return f"{width}x{height} {subsampling} {pixel_format.bit_depth}-bit"


def check_dimensions(path: Path, width: int, height: int, pixel_format: PixelFormat) -> None:
    """Refuse a frame size that is not positive or beyond `MAX_SIDE`, before memory is taken.

    Raises
    ------
    InputError
        With the memory that one frame would take.
    """
    if width < 1 or height < 1:
        msg = (
            f"{printable(path)}: a frame of {width}x{height} is empty; width and height start at 1"
        )
        raise InputError(msg, remedy="correct --width and --height")
    if width > MAX_SIDE or height > MAX_SIDE:  # guard: huge-frame
        size = pixel_format.frame_bytes(width, height)
        msg = (
            f"{printable(path)}: frames of {width}x{height} {pixel_format.name} would take "
            f"{size / 1e9:.1f} GB each; the largest side that is read is {MAX_SIDE}"
        )
        raise InputError(msg, remedy="check the size, or scale both videos down first")


def check_scorable(info: VideoInfo) -> None:
    """Refuse a video that libvmaf cannot score whatever its content.

    Raises
    ------
    InputError
        When a side is under 32 pixels: libvmaf crashes there or gives random scores.
    """
    if min(info.width, info.height) < MIN_SCORABLE_SIDE:  # guard: small-side
        msg = (
            f"{printable(info.path)}: {info.width}x{info.height} is too small to score; "
            f"VMAF needs at least {MIN_SCORABLE_SIDE} pixels on either side"
        )
        raise InputError(msg, remedy="scale both videos up before scoring")


def check_same_geometry(reference: VideoInfo, distorted: VideoInfo) -> None:
    """Refuse a pair that differs in size, bit depth or chroma subsampling.

    Raises
    ------
    InputError
        Naming what differs and printing both geometries.
    """
    differing = [
        name
        for name, one, other in (
            ("size", (reference.width, reference.height), (distorted.width, distorted.height)),
            ("bit depth", reference.pixel_format.bit_depth, distorted.pixel_format.bit_depth),
            (
                "chroma subsampling",
                reference.pixel_format.subsampling,
                distorted.pixel_format.subsampling,
            ),
        )
        if one != other
    ]
    if not differing:  # guard: geometry-differs
        return
    msg = (
        f"the videos differ in {' and '.join(differing)}: reference {printable(reference.path)} is "
        f"{geometry_text(reference.width, reference.height, reference.pixel_format)}, "
        f"distorted {printable(distorted.path)} is "
        f"{geometry_text(distorted.width, distorted.height, distorted.pixel_format)}"
    )
    remedy = (
        f"let score scale the distorted one, with --scale bicubic; or do so first: ffmpeg -i "
        f"DISTORTED -vf scale={reference.width}:{reference.height}:flags=bicubic+accurate_rnd "
        "-c:v ffv1 scaled.mkv"
        if differing == ["size"]
        else f"convert one of them, for example to {reference.pixel_format.name}"
    )
    raise InputError(msg, remedy=remedy)
