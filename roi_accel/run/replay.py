"""Frames seen once more when the scores are known: decoded and masked again, as they were scored.

Which frames are worth a picture shows only at the end, and keeping all of a clip until then would
take memory without bound. Decoding is a small part of a run's work, so it is done twice.
"""

from __future__ import annotations

from contextlib import closing, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from roi_accel._util.timing import Stopwatch
from roi_accel.masks.over_time import masks_over_time
from roi_accel.run.frame_sync import read_together

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Mask, Session
    from roi_accel.masks import MaskSource
    from roi_accel.masks.over_time import OverTime
    from roi_accel.results.result import Result
    from roi_accel.video import VideoInfo, VideoReader


@dataclass(frozen=True)
class _Again:
    """One frame of each video, before its mask is known."""

    index: int
    reference: Frame
    distorted: Sequence[Frame]


@dataclass(frozen=True)
class SeenFrame:
    """One frame as VMAF saw it, and the mask that made it so.

    Attributes
    ----------
    index : int
        0-based.
    info : VideoInfo
        The reference's, whose colours the mask was found in.
    reference, distorted, masked : Frame
        Good until the next frame is taken.
    mask : uint16[mask_height, mask_width]
        The union's, 0..65535 for saliency 0..1.
    """

    index: int
    info: VideoInfo
    reference: Frame
    distorted: Frame
    masked: Frame
    mask: Mask


class Revisit(Protocol):
    """Who wants to see frames again."""

    def choose(self, result: Result) -> Collection[int]:
        """Return which frames of a video to show, by their numbers."""
        ...

    def take(self, video: int, frame: SeenFrame) -> None:
        """Look at a chosen frame of distorted video `video`, counted from 0, and let it go."""
        ...


def look_again(
    revisit: Revisit,
    results: Sequence[Result],
    *,
    readers: Sequence[VideoReader],
    source: MaskSource,
    masks_in_order: bool,
    over_time: OverTime,
    frame_count: int,
    session: Session,
) -> None:
    """Decode the videos up to the last frame that `revisit` chooses, and show it those it chose.

    Parameters
    ----------
    revisit : Revisit
    results : sequence of Result
        One per distorted video.
    readers : sequence of VideoReader
        The reference, then the distorted videos; they are read from their first frame on, for only
        counting finds the same frame again in every kind of file.
    source : MaskSource
        One that has given no mask yet where `masks_in_order`.
    masks_in_order : bool
        Whether the source must be asked for every frame's mask, or only for those that are shown.
    over_time : OverTime
        How the masks hang together in time.
    frame_count : int
        How many frames were scored.
    session : Session
        The one that masked the frames for VMAF.

    Raises
    ------
    RoiAccelError
        A file changed since it was scored, or the device fails now.
    """
    chosen = [frozenset(revisit.choose(result)) for result in results]
    wanted = frozenset[int]().union(*chosen)
    if not wanted:
        return
    stopwatch = Stopwatch()
    together = read_together(
        readers,
        frame_count=over_time.frames_for(max(wanted), frame_count),
        shortest=True,
        stopwatch=stopwatch,
    )
    with closing(together):
        frames = (
            _Again(index, reference, distorted)
            for index, (reference, *distorted) in enumerate(together)
            if masks_in_order or over_time.in_order or index in wanted
        )
        found = masks_over_time(
            frames,
            source,
            session,
            over_time,
            looking=lambda _: nullcontext(),
            stopwatch=stopwatch,
        )
        for each, (mask, *_) in found:
            for video, (frame, numbers) in enumerate(zip(each.distorted, chosen, strict=True)):
                if each.index in numbers:
                    seen = SeenFrame(
                        index=each.index,
                        info=readers[0].info,
                        reference=each.reference,
                        distorted=frame,
                        masked=session.substitute(each.reference, frame, mask),
                        mask=mask,
                    )
                    revisit.take(video, seen)
