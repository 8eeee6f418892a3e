"""Any gray picture that FFmpeg decodes, as a 16-bit mask, in exact integers of our own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.plan import MASK_MAX
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from av.video.frame import VideoFrame
    from numpy.typing import NDArray

    from roi_accel.masks.source import Mask

CHROMA_TOLERANCE = 4
"""8-bit codes by which chroma may miss neutral: what lossy codecs leave in a gray picture."""

_PLANAR = re.compile(
    r"(?P<family>gray|yuvj?4[0-9]{2}p|yuva4[0-9]{2}p|gbra?p|nv(?:12|21|16|24|42))"
    r"(?P<depth>9|1[0246])?(?P<order>le|be)?"
)
_PACKED_8 = (
    "rgb24",
    "bgr24",
    "rgba",
    "bgra",
    "argb",
    "abgr",
    "rgb0",
    "bgr0",
    "0rgb",
    "0bgr",
    "ya8",
)
_PACKED_16 = re.compile(r"(?P<family>rgb48|bgr48|rgba64|bgra64|ya16)(?P<order>le|be)")
_REMEDY = "export the mask as gray, such as: ffmpeg -i MASK -pix_fmt gray16le -c:v ffv1 mask.mkv"


@dataclass(frozen=True)
class _Picture:
    """The planes of one picture: luma or red, green and blue; chroma; alpha."""

    depth: int
    colour: Sequence[NDArray[np.unsignedinteger]]
    chroma: Sequence[NDArray[np.unsignedinteger]] = ()
    alpha: NDArray[np.unsignedinteger] | None = None


@lru_cache(maxsize=8)
def expansion(depth: int, *, limited: bool) -> NDArray[np.uint16]:
    """Return the mask code of every sample code, as a read-only uint16[2**depth].

    Full range: round(v * 65535 / (2**depth - 1)). Limited range, where black is 16 and white is
    235 scaled to `depth` (ITU-R BT.709-6, 4.6): the same between these, clamped outside. Ties,
    which only limited range has, round up.
    """
    black, white = (16 << depth - 8, 235 << depth - 8) if limited else (0, (1 << depth) - 1)
    span = white - black
    code = np.clip(np.arange(1 << depth, dtype=np.int64) - black, 0, span)
    table = ((2 * MASK_MAX * code + span) // (2 * span)).astype(np.uint16)
    table.setflags(write=False)
    return table


def to_mask(frame: VideoFrame, where: str) -> Mask:
    """Return a decoded picture as a mask.

    Gray of 1 to 16 bits, YUV with neutral chroma, and RGB with three equal channels are gray. YUV
    that does not say its range is limited, as FFmpeg takes it; gray and RGB that do not are full.

    Parameters
    ----------
    frame : av.VideoFrame
        Any pixel format with integer samples.
    where : str
        The file, and the frame in it, for messages.

    Returns
    -------
    uint16[height, width]
        Read-only, 0..65535; the samples themselves for full-range gray of 16 bits.

    Raises
    ------
    InputError
        The picture is coloured, transparent, rotated, of an unsupported pixel format, or has
        samples above its depth.
    """
    from av.video.reformatter import ColorRange  # noqa: PLC0415 (av is heavy and optional)

    if frame.rotation:
        msg = f"{where}: is stored with a rotation of {frame.rotation} degrees"
        raise InputError(msg, remedy="save it upright")
    name = frame.format.name
    picture = _read(frame, where)
    _check_gray(picture, where)  # guard: mask-file-type
    luma = picture.colour[0]
    unspecified = frame.color_range not in (ColorRange.MPEG, ColorRange.JPEG)
    limited = frame.color_range == ColorRange.MPEG or (
        unspecified and name.startswith(("yuv", "nv")) and not name.startswith("yuvj")
    )
    if picture.depth < 8:  # noqa: PLR2004 (1-bit pictures have no limited range)
        limited = False
    mask: Mask
    if picture.depth == 16 and not limited:  # noqa: PLR2004
        mask = luma.astype(np.uint16)
    else:
        mask = expansion(picture.depth, limited=limited)[luma]
    mask.setflags(write=False)
    return mask


def _read(frame: VideoFrame, where: str) -> _Picture:
    """Return views of the samples of `frame`; InputError for a pixel format without gray."""
    name = frame.format.name
    if name == "pal8":
        # A table look-up, exact in FFmpeg; the palette itself is out of PyAV's sight.
        frame, name = frame.reformat(format="rgba"), "rgba"
    if name in ("monob", "monow"):
        bits = _plane(frame, 0, np.dtype("u1"), -(-frame.width // 8), where)
        ones = np.unpackbits(bits, axis=1)[:, : frame.width]
        return _Picture(1, (ones if name == "monob" else 1 - ones,))
    if name in _PACKED_8:
        return _packed(frame, name.removesuffix("24").removesuffix("8"), np.dtype("u1"), where)
    if match := _PACKED_16.fullmatch(name):
        channels = match["family"].rstrip("0123456789")
        return _packed(frame, channels, _samples(16, match["order"]), where)
    if match := _PLANAR.fullmatch(name):
        return _planar(frame, match["family"], int(match["depth"] or 8), match["order"], where)
    msg = f"{where}: pixel format {name} is not supported as a mask"
    raise InputError(msg, remedy=_REMEDY)


def _samples(depth: int, order: str | None) -> np.dtype[np.unsignedinteger]:
    if depth <= 8:  # noqa: PLR2004
        return np.dtype("u1")
    return np.dtype(">u2" if order == "be" else "<u2")


def _planar(frame: VideoFrame, family: str, depth: int, order: str | None, where: str) -> _Picture:
    dtype = _samples(depth, order)
    if family.startswith("gbr"):
        planes = [_plane(frame, at, dtype, frame.width, where) for at in range(len(frame.planes))]
        return _Picture(depth, planes[:3], alpha=planes[3] if "a" in family else None)
    luma = _plane(frame, 0, dtype, frame.width, where)
    chroma, alpha = [], None
    if family.startswith("nv"):
        # U and V take turns in one plane; both must be neutral, so they need not be told apart.
        chroma = [_plane(frame, 1, dtype, 2 * frame.planes[1].width, where)]
    elif family != "gray":
        chroma = [_plane(frame, at, dtype, frame.planes[at].width, where) for at in (1, 2)]
        if family.startswith("yuva"):
            alpha = _plane(frame, 3, dtype, frame.width, where)
    return _Picture(depth, (luma,), chroma, alpha)


def _packed(
    frame: VideoFrame, channels: str, dtype: np.dtype[np.unsignedinteger], where: str
) -> _Picture:
    """Return the channels, `channels` naming them in order of storage, of interleaved samples."""
    count = len(channels)
    pixels = _plane(frame, 0, dtype, count * frame.width, where)
    by_name = {
        channel: pixels[:, at::count] for at, channel in enumerate(channels) if channel != "0"
    }
    alpha = by_name.pop("a", None)
    return _Picture(8 * dtype.itemsize, tuple(by_name.values()), alpha=alpha)


def _plane(
    frame: VideoFrame, index: int, dtype: np.dtype[np.unsignedinteger], samples: int, where: str
) -> NDArray[np.unsignedinteger]:
    """Return a view [rows, samples] of one plane without the padding at the end of its rows."""
    plane = frame.planes[index]
    if plane.line_size < samples * dtype.itemsize:
        # Some decoders hand out bottom-up pictures with negative line sizes.
        msg = f"{where}: rows are stored bottom-up, which is not supported"
        raise InputError(msg, remedy="save it as PNG")
    raw = np.frombuffer(memoryview(plane), dtype=np.uint8, count=plane.line_size * plane.height)
    rows = raw.reshape(plane.height, plane.line_size)[:, : samples * dtype.itemsize]
    return rows.view(dtype)


def _check_gray(picture: _Picture, where: str) -> None:
    """Raise InputError unless `picture` is opaque, gray, and within its depth."""
    top = (1 << picture.depth) - 1
    if picture.alpha is not None and int(picture.alpha.min()) != top:
        msg = f"{where}: has transparent pixels, and no rule says what is behind them"
        raise InputError(msg, remedy="flatten it onto black")
    first = picture.colour[0]
    for other in picture.colour[1:]:
        if not np.array_equal(first, other):
            y, x = np.unravel_index(int(np.argmax(first != other)), first.shape)
            msg = f"{where}: not a gray picture: red, green and blue differ at x={x}, y={y}"
            raise InputError(msg, remedy=_REMEDY)
    for plane in picture.chroma:
        neutral, slack = 1 << picture.depth - 1, CHROMA_TOLERANCE << picture.depth - 8
        if int(plane.min()) < neutral - slack or int(plane.max()) > neutral + slack:
            msg = f"{where}: not a gray picture: its chroma is not neutral"
            raise InputError(msg, remedy=_REMEDY)
    if int(first.max()) > top:
        msg = f"{where}: sample {int(first.max())} is above {top}, the most in {picture.depth} bits"
        raise InputError(msg, remedy=_REMEDY)
