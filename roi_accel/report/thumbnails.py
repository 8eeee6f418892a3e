"""The report's pictures: of few frames, made while they pass by, small enough to live in a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from roi_accel.pictures import enlarge, mask_over, to_rgb
from roi_accel.report.curves import example_frames

if TYPE_CHECKING:
    from collections.abc import Collection

    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.result import Result
    from roi_accel.revisit import SeenFrame

WIDTH = 640
"""In pixels: what a screen of twice the usual density shows of a quarter of the page."""

WIDTH_OF_MANY = 400
MANY = 3
"""Distorted videos above which pictures become smaller, so that the page does not."""

_QUALITY = 85
"""WebP's; 640x360 takes about 30 kB, and adds no block that could be taken for the codec's."""


@dataclass(frozen=True)
class Pictures:
    """One frame in four pictures, each the ``src`` of an ``<img>``.

    Attributes
    ----------
    width, height : int
        Of each, in pixels.
    reference, distorted, mask, masked : str
        ``data:`` URLs.
    """

    width: int
    height: int
    reference: str
    distorted: str
    mask: str
    masked: str


class Thumbnails:
    """Takes the worst, median and best frame of each video out of the second look at them.

    Parameters
    ----------
    videos : int
        How many distorted videos there are.

    Attributes
    ----------
    taken : dict of (int, int) to Pictures
        By distorted video, counted from 0, and frame number.
    """

    def __init__(self, videos: int) -> None:
        self._width = WIDTH if videos <= MANY else WIDTH_OF_MANY
        self.taken: dict[tuple[int, int], Pictures] = {}

    def choose(self, result: Result) -> Collection[int]:
        """Return the frames of the lowest, middle and highest ROI score."""
        return example_frames(result).values()

    def take(self, video: int, frame: SeenFrame) -> None:
        """Make the pictures of a frame."""
        info = frame.info
        reference, distorted, masked = (
            to_rgb(each, info.colour_matrix, info.colour_range)
            for each in (frame.reference, frame.distorted, frame.masked)
        )
        mask = mask_over(reference, enlarge(frame.mask, info.height, info.width))
        width = min(self._width, info.width)
        height = max(1, round(info.height * width / info.width))
        self.taken[video, frame.index] = Pictures(
            width,
            height,
            *(_data_url(each, width, height) for each in (reference, distorted, mask, masked)),
        )


def _data_url(rgb: NDArray[np.uint8], width: int, height: int) -> str:
    with io.BytesIO() as file:
        picture = Image.fromarray(rgb).resize((width, height), Image.Resampling.LANCZOS)
        picture.save(file, "WEBP", quality=_QUALITY, method=4)
        return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
