"""What is known of a video before its first frame is scored, and what its colour tags mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from roi_accel._util.text import printable
from roi_accel.backends.frame import ColourMatrix, ColourRange
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction
    from pathlib import Path

    from roi_accel.backends.frame import PixelFormat
    from roi_accel.video.rectangle import Rectangle

MAX_SIDE = 16384
"""The largest width or height that is read: twice 8K. One 16-bit 4:4:4 frame is then 1.6 GB."""

MIN_SCORABLE_SIDE = 32  # guard: small-side-limit
"""libvmaf crashes or gives random scores when a side is smaller."""

Origin = Literal["stream", "assumed"]

# The numbers are FFmpeg's AVColorSpace, AVColorRange and AVColorTransferCharacteristic
# (libavutil/pixfmt.h), which are the code points of ITU-T H.273.
MATRICES: Mapping[int, ColourMatrix] = {
    1: ColourMatrix.BT709,
    4: ColourMatrix.BT601,  # fcc
    5: ColourMatrix.BT601,  # bt470bg
    6: ColourMatrix.BT601,  # smpte170m
    9: ColourMatrix.BT2020,  # bt2020nc
    10: ColourMatrix.BT2020,  # bt2020c
}
MATRIX_NAMES = (
    *("gbr", "bt709", "unspecified", "reserved", "fcc", "bt470bg", "smpte170m", "smpte240m"),
    *("ycgco", "bt2020nc", "bt2020c", "smpte2085", "chroma-derived-nc", "chroma-derived-c"),
    *("ictcp", "ipt-c2", "ycgco-re", "ycgco-ro"),
)
RANGES: Mapping[int, ColourRange] = {1: ColourRange.LIMITED, 2: ColourRange.FULL}
TRANSFERS = (
    *(None, "bt709", None, None, "bt470m", "bt470bg", "smpte170m", "smpte240m", "linear"),
    *("log100", "log316", "iec61966-2-4", "bt1361e", "iec61966-2-1", "bt2020-10", "bt2020-12"),
    *("smpte2084", "smpte428", "arib-std-b67"),
)
HDR_TRANSFERS: Mapping[str | None, str] = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
"""The transfers of high dynamic range (ITU-R BT.2100), by FFmpeg's name."""

# mpv's rule (mp_csp_guess_colorspace) and common FFmpeg practice for streams that declare nothing:
# high definition is BT.709, all else BT.601. BT.2020 is never assumed.
_HD_WIDTH, _HD_HEIGHT = 1280, 720


def assumed_matrix(width: int, height: int) -> ColourMatrix:
    """Return the matrix taken for a stream that declares none (mpv's rule, by the frame size)."""
    is_hd = width >= _HD_WIDTH or height >= _HD_HEIGHT
    return ColourMatrix.BT709 if is_hd else ColourMatrix.BT601


@dataclass(frozen=True)
class RawGeometry:
    """What raw video does not say about itself: the luma size in pixels, and how it is stored."""

    width: int
    height: int
    pixel_format: PixelFormat

    def __str__(self) -> str:
        """Return it in words, such as ``576x324 4:2:0 10-bit``."""
        subsampling = ":".join(self.pixel_format.subsampling)
        return f"{self.width}x{self.height} {subsampling} {self.pixel_format.bit_depth}-bit"


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a video says about itself, and what had to be assumed.

    Parameters
    ----------
    path : pathlib.Path
        As the user gave it.
    width, height : int
        Luma size in pixels.
    pixel_format : PixelFormat
        Of the frames that the reader gives, after lossless repacking.
    colour_matrix_source, colour_range_source : {"stream", "assumed"}
        Whether the stream declares it. An undeclared matrix is BT.709 from 1280 pixels of width or
        720 of height on and BT.601 below, an undeclared range is limited.
    frame_count : int or None
        Exact, where it can be known without decoding (raw video), else None.
    estimated_frame_count : int or None
        For a progress bar only.
    frame_rate : fractions.Fraction or None
        Frames per second.
    codec, transfer : str or None
        FFmpeg's names; None for raw video and Y4M, or if unspecified.
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
    kind: Literal["raw", "y4m", "container"]
    width: int
    height: int
    pixel_format: PixelFormat
    colour_matrix: ColourMatrix
    colour_matrix_source: Origin = "assumed"
    colour_range: ColourRange = ColourRange.LIMITED
    colour_range_source: Origin = "assumed"
    frame_count: int | None = None
    estimated_frame_count: int | None = None
    frame_rate: Fraction | None = None
    codec: str | None = None
    transfer: str | None = None
    doubt: str = ""
    skipped: int = 0
    scaled_from: tuple[int, int] | None = None
    crop: Rectangle | None = None

    @property
    def geometry(self) -> RawGeometry:
        """What would have to be said of these frames if they were raw video."""
        return RawGeometry(self.width, self.height, self.pixel_format)


def check_dimensions(path: Path, geometry: RawGeometry) -> None:
    """Refuse a frame size that is not positive or beyond `MAX_SIDE`, before memory is taken."""
    width, height, pixel_format = geometry.width, geometry.height, geometry.pixel_format
    if width < 1 or height < 1:
        size = f"a frame of {width}x{height} is empty"
        msg = f"{printable(path)}: {size}; width and height start at 1"
        raise InputError(msg, remedy="correct --width and --height")
    if width > MAX_SIDE or height > MAX_SIDE:  # guard: huge-frame
        size = f"{pixel_format.frame_bytes(width, height) / 1e9:.1f} GB"
        msg = (
            f"{printable(path)}: frames of {width}x{height} {pixel_format.name} would take "
            f"{size} each; the largest side that is read is {MAX_SIDE}"
        )
        raise InputError(msg, remedy="check the size, or scale both videos down first")


def check_scorable(info: VideoInfo) -> None:
    """Refuse a video with a side under 32 pixels, which libvmaf cannot score."""
    if min(info.width, info.height) < MIN_SCORABLE_SIDE:  # guard: small-side
        msg = (
            f"{printable(info.path)}: {info.width}x{info.height} is too small to score; "
            f"VMAF needs at least {MIN_SCORABLE_SIDE} pixels on either side"
        )
        raise InputError(msg, remedy="scale both videos up before scoring")


def check_same_geometry(reference: VideoInfo, distorted: VideoInfo) -> None:
    """Refuse a pair that differs in size, bit depth or chroma subsampling."""
    one, other = (
        {
            "size": (info.width, info.height),
            "bit depth": info.pixel_format.bit_depth,
            "chroma subsampling": info.pixel_format.subsampling,
        }
        for info in (reference, distorted)
    )
    differing = [name for name in one if one[name] != other[name]]
    if not differing:  # guard: geometry-differs
        return
    msg = (
        f"the videos differ in {' and '.join(differing)}: reference {printable(reference.path)} is "
        f"{reference.geometry}, distorted {printable(distorted.path)} is {distorted.geometry}"
    )
    remedy = (
        f"let score scale the distorted one, with --scale bicubic; or do so first: ffmpeg -i "
        f"DISTORTED -vf scale={reference.width}:{reference.height}:flags=bicubic+accurate_rnd "
        "-c:v ffv1 scaled.mkv"
        if differing == ["size"]
        else f"convert one of them, for example to {reference.pixel_format.name}"
    )
    raise InputError(msg, remedy=remedy)
