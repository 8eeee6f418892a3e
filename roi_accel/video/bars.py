"""Black bars around the picture, found on frames that are read anyway.

Bars are the same in both videos, and VMAF's features average over them as over any picture: they
change the score, mostly upwards.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.backends.frame import ColourRange
from roi_accel.video.rectangle import Rectangle

if TYPE_CHECKING:
    import numpy as np

    from roi_accel.backends.frame import Frame
    from roi_accel.video.info import VideoInfo

_NEARLY = 8
"""8-bit codes above black that still count as black: noise, and what a codec leaves of it."""


class BarFinder:
    """Keeps the rows and columns at the edges that were black in every frame so far.

    Only what may still be a bar is examined, which is nothing after a frame bright to its edges.

    Parameters
    ----------
    info : VideoInfo
        Of the frames that it will see.
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
