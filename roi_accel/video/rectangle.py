"""The part of a frame that is scored: a rectangle in whole pixels, on the grid of the chroma."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.backends.frame import Frame
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from roi_accel.backends.frame import PixelFormat

_TEXT = re.compile(r"\s*([0-9]{1,6}):([0-9]{1,6}):([0-9]{1,6}):([0-9]{1,6})\s*")
_REMEDY = "write W:H:X:Y in pixels, such as 1920:800:0:140, or auto"


@dataclass(frozen=True)
class Rectangle:
    """Pixels [x, x + width) by [y, y + height) of the luma plane.

    Parameters
    ----------
    width, height : int
        In pixels, at least 1.
    x, y : int
        The top left pixel, counted from 0.
    """

    width: int
    height: int
    x: int
    y: int

    @classmethod
    def parse(cls, text: str) -> Rectangle:
        """Return the rectangle that ``W:H:X:Y`` names, FFmpeg's order for its crop filter.

        Raises
        ------
        InputError
            The text is not of that form, or a side is 0.
        """
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

        Parameters
        ----------
        pixel_format : PixelFormat
        width, height : int
            The frame's luma size; its own right and bottom edge always count as aligned.
        """
        across, down = pixel_format.chroma_steps
        left, top = -(-self.x // across) * across, -(-self.y // down) * down
        right, bottom = self.x + self.width, self.y + self.height
        right = right if right == width else right // across * across
        bottom = bottom if bottom == height else bottom // down * down
        return Rectangle(max(right - left, 0), max(bottom - top, 0), left, top)

    def check(self, pixel_format: PixelFormat, width: int, height: int) -> None:
        """Refuse a rectangle that is not inside the frame, or cuts through a chroma sample.

        Raises
        ------
        InputError
            With the nearest rectangle that would do.
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

    def to_dict(self) -> dict[str, int]:
        """Return the rectangle as the result has it."""
        return {"width": self.width, "height": self.height, "x": self.x, "y": self.y}
