"""Frames and pixel formats: planar YUV samples as every backend and reader sees them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Literal

import numpy as np

from roi_accel._util.suggest import did_you_mean

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Mask

Subsampling = Literal["420", "422", "444"]

CHROMA_STEPS: dict[Subsampling, tuple[int, int]] = {"420": (2, 2), "422": (2, 1), "444": (1, 1)}
"""For each subsampling, by libvmaf's name: the luma columns and rows per chroma sample."""

BIT_DEPTHS = (8, 10, 12, 16)


@dataclass(frozen=True)
class PixelFormat:
    """Planar YUV: how chroma is subsampled, by libvmaf's names, and how many bits a sample has.

    8 bits are stored in one byte, 10, 12 and 16 in two, little-endian.
    """

    subsampling: Subsampling
    bit_depth: int

    def __post_init__(self) -> None:
        if self.subsampling not in CHROMA_STEPS:
            msg = f"subsampling must be one of {tuple(CHROMA_STEPS)}, not {self.subsampling!r}"
            raise ValueError(msg)
        if self.bit_depth not in BIT_DEPTHS:
            msg = f"bit depth must be one of {BIT_DEPTHS}, not {self.bit_depth!r}"
            raise ValueError(msg)

    @classmethod
    def from_name(cls, name: str) -> PixelFormat:
        """Return the format that FFmpeg calls `name`, such as ``yuv420p10le``; else ValueError."""
        formats = {known.name: known for known in PIXEL_FORMATS}
        if name in formats:
            return formats[name]
        msg = f"unknown pixel format {name!r}; {did_you_mean(name, formats)}known are "
        raise ValueError(msg + ", ".join(formats))

    @property
    def name(self) -> str:
        """FFmpeg's name, such as ``yuv420p`` or ``yuv422p10le``."""
        suffix = "" if self.bit_depth == 8 else f"{self.bit_depth}le"  # noqa: PLR2004
        return f"yuv{self.subsampling}p{suffix}"

    @property
    def dtype(self) -> np.dtype[np.uint8] | np.dtype[np.uint16]:
        """The NumPy type of one sample: uint8, or little-endian uint16."""
        return np.dtype("u1") if self.bit_depth == 8 else np.dtype("<u2")  # noqa: PLR2004

    @property
    def max_value(self) -> int:
        """The largest sample, ``2**bit_depth - 1``."""
        return (1 << self.bit_depth) - 1

    @property
    def chroma_steps(self) -> tuple[int, int]:
        """Luma columns and luma rows that share one chroma sample."""
        return CHROMA_STEPS[self.subsampling]

    def plane_shapes(self, width: int, height: int) -> tuple[tuple[int, int], ...]:
        """Return (height, width) of Y, U and V, chroma rounded up at odd sizes."""
        columns, rows = self.chroma_steps
        chroma_width = -(-width // columns)  # guard: odd-width-round-up
        chroma_height = -(-height // rows)  # guard: odd-height-round-up
        return (height, width), (chroma_height, chroma_width), (chroma_height, chroma_width)

    def frame_bytes(self, width: int, height: int) -> int:
        """Return the size in bytes of one frame without padding."""
        samples = sum(h * w for h, w in self.plane_shapes(width, height))
        return samples * self.dtype.itemsize


PIXEL_FORMATS = tuple(PixelFormat(s, b) for s in CHROMA_STEPS for b in BIT_DEPTHS)
"""Every supported format: 4:2:0 before the others, and shallow before deep.

How containers pack them is in `roi_accel/video/layouts.py`.
"""


class ColourMatrix(Enum):
    """Which YUV to RGB matrix a stream declares (ITU-R BT.601, BT.709, BT.2020 non-constant)."""

    BT601 = "bt601"
    BT709 = "bt709"
    BT2020 = "bt2020"


class ColourRange(Enum):
    """Whether luma spans 16..235 (limited) or 0..255 (full), scaled to the bit depth."""

    LIMITED = "limited"
    FULL = "full"


@dataclass(frozen=True)
class Frame:
    """One picture: planes Y, U and V of one pixel format.

    They are uint8 or little-endian uint16, with the shapes of `PixelFormat.plane_shapes`. They may
    be read-only views with padded rows; nothing in this package writes to them.
    """

    planes: tuple[np.ndarray, np.ndarray, np.ndarray]
    pixel_format: PixelFormat

    @property
    def width(self) -> int:
        """Luma width in pixels."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Luma height in pixels."""
        return int(self.planes[0].shape[0])


@dataclass(frozen=True)
class FrameSet:
    """One frame of each video, with what is known of it so far; `index` is 0-based.

    `masks` are the union's, then one per named region; empty before they are known. `masked` has,
    per distorted video, its masked frames in the order of `masks`; empty before substitution, and
    where the scorer needs none.
    """

    index: int
    is_last: bool
    reference: Frame
    distorted: tuple[Frame, ...]
    masks: tuple[Mask, ...] = ()
    masked: tuple[tuple[Frame, ...], ...] = ()
