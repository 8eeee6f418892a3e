"""The report's pictures: of few frames, made while they pass by, small enough to live in a page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PIL import Image

from roi_accel.report.curves import example_frames
from roi_accel.video.rgb import enlarge, mask_over, to_rgb

if TYPE_CHECKING:
    from collections.abc import Collection

    from roi_accel.backends.frame_set import FrameSet
    from roi_accel.results.result import Result
    from roi_accel.video import VideoInfo

MOST_BYTES = 1_800_000
"""Of all pictures of a page together, so that it stays below 5 MB however many videos there are."""

_STEPS = ((640, 85), (480, 80), (360, 75), (240, 70), (160, 50))
"""Width in pixels and WebP's quality: the first that fits. 640 is what a screen of twice the usual
density shows of a quarter of the page, and 85 adds no block that could be taken for the codec's.
"""

_EXAMPLES = 3


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
    """Takes the worst, median and best frame of each video from the frames shown after a run.

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
        self._most = MOST_BYTES // (videos * _EXAMPLES)
        self.taken: dict[tuple[int, int], Pictures] = {}

    def choose(self, result: Result) -> Collection[int]:
        """Return the frames of the lowest, middle and highest blended score."""
        return example_frames(result).values()

    def take(self, video: int, frames: FrameSet, info: VideoInfo) -> None:
        """Make the pictures of a frame, as `roi_accel.run.replay.FrameObserver` has it."""
        reference, distorted, masked = (
            to_rgb(each, info.colour_matrix, info.colour_range)
            for each in (frames.reference, frames.distorted[video], frames.masked[video][0])
        )
        mask = mask_over(reference, enlarge(frames.masks[0], info.height, info.width))
        pictures = [Image.fromarray(each) for each in (reference, distorted, mask, masked)]
        for step, quality in _STEPS:
            width = min(step, info.width)
            height = max(1, round(info.height * width / info.width))
            urls = [_data_url(each, width, height, quality) for each in pictures]
            if sum(map(len, urls)) <= self._most:
                break
        self.taken[video, frames.index] = Pictures(width, height, *urls)


def _data_url(picture: Image.Image, width: int, height: int, quality: int) -> str:
    with io.BytesIO() as file:
        small = picture.resize((width, height), Image.Resampling.LANCZOS)
        small.save(file, "WEBP", quality=quality)
        return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
