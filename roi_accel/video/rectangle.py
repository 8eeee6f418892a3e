"""The part of a frame that is scored: a rectangle in whole pixels, and the black bars around it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.backends.frame import ColourRange, Frame
from roi_accel.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from roi_accel.backends.frame import PixelFormat
    from roi_accel.video.info import VideoInfo

_TEXT = re.compile(r"\s*([0-9]{1,6}):([0-9]{1,6}):([0-9]{1,6}):([0-9]{1,6})\s*")
_NEARLY = 8
"""8-bit codes above black that still count as black: noise, and what a codec leaves of it."""
_REMEDY = "write W:H:X:Y in pixels, such as 1920:800:0:140, or auto"


@dataclass(frozen=True)
class Rectangle:
    """Pixels [x, x + width) by [y, y + height) of the luma plane, counted from the top left."""

    width: int
    height: int
    x: int
    y: int

    @classmethod
    def parse(cls, text: str) -> Rectangle:
        """Return what ``W:H:X:Y`` names, as in FFmpeg's crop filter; InputError if it does not."""
        match = _TEXT.fullmatch(text)
        if match is None:
            msg = f"{text[:80]!r} is neither 'auto' nor four whole numbers W:H:X:Y"
            raise InputError(msg, remedy=_REMEDY)
        width, height, x, y = (int(group) for group in match.groups())
        if width < 1 or height < 1:
            msg = f"{text!r}: width and height must be at least 1"
            raise InputError(msg, remedy=_REMEDY)
        return cls(width, height, x, y)

    def __str__(self) -> str:
        return f"{self.width}:{self.height}:{self.x}:{self.y}"

    def aligned(self, pixel_format: PixelFormat, width: int, height: int) -> Rectangle:
        """Return the largest rectangle inside this one whose edges are those of chroma samples.

        Those of the frame, whose luma plane has `width` by `height` pixels, are always aligned.
        """
        across, down = pixel_format.chroma_steps
        left, top = -(-self.x // across) * across, -(-self.y // down) * down
        right, bottom = self.x + self.width, self.y + self.height
        right = right if right == width else right // across * across
        bottom = bottom if bottom == height else bottom // down * down
        return Rectangle(max(right - left, 0), max(bottom - top, 0), left, top)

    def check(self, pixel_format: PixelFormat, width: int, height: int) -> None:
        """Refuse a rectangle that is not inside the frame, or cuts through a chroma sample.

        Parameters
        ----------
        pixel_format : PixelFormat
        width, height : int
            The frame's luma size.
        """
        if self.x + self.width > width or self.y + self.height > height:
            msg = f"--crop {self} reaches beyond the {width}x{height} frame"
            raise InputError(msg, remedy="W:H:X:Y is a size, then the top left pixel from 0:0 on")
        aligned = self.aligned(pixel_format, width, height)
        if aligned != self:
            subsampling = ":".join(pixel_format.subsampling)
            msg = f"--crop {self} cuts through chroma samples of {subsampling} video"
            fits = aligned.width > 0 < aligned.height
            raise InputError(msg, remedy=f"--crop {aligned}" if fits else _REMEDY)

    def of(self, frame: Frame) -> Frame:
        """Return views of this part of `frame`; the rectangle has passed `check`."""
        across, down = frame.pixel_format.chroma_steps
        luma, *chroma = frame.planes
        rows, columns = frame.pixel_format.plane_shapes(self.width, self.height)[1]
        left, top = self.x // across, self.y // down
        u, v = (plane[top : top + rows, left : left + columns] for plane in chroma)
        y = luma[self.y : self.y + self.height, self.x : self.x + self.width]
        return Frame((y, u, v), frame.pixel_format)


class BarFinder:
    """Keeps the rows and columns at the edges that were black in every frame so far.

    Bars are the same in both videos, and VMAF's features average over them as over any picture:
    they change the score, mostly upwards. Only what may still be a bar is examined, which is
    nothing after a frame bright to its edges.
    """

    def __init__(self, info: VideoInfo) -> None:
        black = 16 if info.colour_range is ColourRange.LIMITED else 0
        self._limit = (black + _NEARLY) << (info.pixel_format.bit_depth - 8)
        self._width, self._height = info.width, info.height
        self._top = self._bottom = info.height
        self._left = self._right = info.width

    def look(self, frame: Frame) -> None:
        """Take in one frame; one that is black all over says nothing."""
        luma = frame.planes[0]
        self._top = self._black_lines(luma[: self._top], 1)
        self._bottom = self._black_lines(luma[self._height - self._bottom :][::-1], 1)
        self._left = self._black_lines(luma[:, : self._left], 0)
        self._right = self._black_lines(luma[:, self._width - self._right :][:, ::-1], 0)

    def _black_lines(self, strip: np.ndarray, along: int) -> int:
        """Return how many lines, from the first on, are black throughout."""
        if not strip.size:
            return 0
        is_bright = strip.max(axis=along) > self._limit
        return int(is_bright.argmax()) if is_bright.any() else len(is_bright)

    @property
    def picture(self) -> Rectangle | None:
        """What lies within the bars: the whole frame without any, None if all was black."""
        if self._top == self._height:
            return None
        return Rectangle(
            self._width - self._left - self._right,
            self._height - self._top - self._bottom,
            self._left,
            self._top,
        )

    @property
    def share(self) -> float:
        """The bars' share of the frame's area, in [0, 1]; 0 if all was black."""
        picture = self.picture
        if picture is None:
            return 0.0
        return 1 - picture.width * picture.height / (self._width * self._height)
