"""Frames shown again once the scores are known: decoded and masked as they were scored.

Which frames deserve a picture shows only at the end, and keeping a whole clip until then would
take memory without bound. Decoding is a small part of a run's work, so it is done twice.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from roi_accel._util.timing import Stopwatch
from roi_accel.parity.gate import Gate
from roi_accel.run.frame_pipeline import frames_with_masks, mask_frames
from roi_accel.run.setup import open_given_source

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from roi_accel.backends.frame_set import FrameSet
    from roi_accel.results.result import Result
    from roi_accel.run.setup import Run
    from roi_accel.video import VideoInfo


class FrameObserver(Protocol):
    """Is shown some frames of a run after it."""

    def choose(self, result: Result) -> Collection[int]:
        """Return the numbers of the frames of a distorted video to show."""
        ...

    def take(self, video: int, frames: FrameSet, info: VideoInfo) -> None:
        """Take in a chosen frame.

        Parameters
        ----------
        video : int
            The distorted video, counted from 0, that the frame was chosen for.
        frames : FrameSet
            With the union's mask and that video's masked frame; good until the next one is taken.
        info : VideoInfo
            The reference's, with the colours that the mask was found in.
        """
        ...


def replay_frames(run: Run, observer: FrameObserver, results: Sequence[Result]) -> None:
    """Decode the videos up to the last frame that `observer` chooses, and show it those it chose.

    The videos are read from their first frame on: only counting finds the same frame again in every
    kind of file. Masks come from the network, or from the given source opened anew.

    Parameters
    ----------
    run : Run
        The run that scored, still open.
    observer : FrameObserver
    results : sequence of Result
        One per distorted video.

    Raises
    ------
    RoiAccelError
        A file changed since it was scored, or the device fails now.
    """
    chosen = [frozenset(observer.choose(result)) for result in results]
    wanted = frozenset[int]().union(*chosen)
    if not wanted:
        return
    with open_given_source(run.inputs, run.options) as given:
        again = replace(
            run,
            source=given or run.source,
            gate=Gate("off", run.choice.backend),
            stopwatch=Stopwatch(),
        )
        with closing(frames_with_masks(again, wanted)) as frames:
            for each in frames:
                videos = [video for video, numbers in enumerate(chosen) if each.index in numbers]
                masked = mask_frames(again, replace(each, masks=each.masks[:1]), videos)
                for video in videos:
                    observer.take(video, masked, run.info)
