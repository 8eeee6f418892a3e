"""The one loop over a run's frames: read side by side, given their masks, masked and checked.

One thread decodes each video, one finds masks, one or more mask frames, one per pipe feeds VMAF,
and VMAF runs in processes of its own. What each does to a frame depends on that frame alone, and
queues keep the order, so that scores never depend on timing.
"""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

from roi_accel._util.prefetch import mark_last, ordered_map, prefetch
from roi_accel._util.text import printable
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.frame import FrameSet
from roi_accel.backends.protocol import slots_of
from roi_accel.backends.session import in_turn, kernel_errors_as_unavailable
from roi_accel.errors import InputError
from roi_accel.masks.over_time import masks_over_time
from roi_accel.parity.gate import Gate
from roi_accel.run.inputs import synced_frames
from roi_accel.run.setup import open_given_source

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Iterator, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.results.result import Result
    from roi_accel.run.inputs import Inputs
    from roi_accel.run.setup import Run
    from roi_accel.video import VideoInfo

    Progress = Callable[[int, int | None], None]
    """Called with the frames done and, where it is known, how many there are."""

T = TypeVar("T")

QUEUE_DEPTH = 2
"""Frames that may wait between two stages: enough to even them out, and a bound to memory."""


def masked_frames(
    run: Run,
    *,
    per_region: bool = False,
    is_masked: bool = True,
    observe: Callable[[FrameSet], None] | None = None,
    progress: Progress | None = None,
) -> Generator[FrameSet, None, None]:
    """Yield every frame of a run with its masks, masked and checked.

    Once it is closed all threads have ended. At the end of the frames the gate and the mask source
    have found nothing wrong. A RoiAccelError comes from whatever stage, at its frame.

    Parameters
    ----------
    run : Run
    per_region : bool
        Whether to keep each region's mask too, and not the union's alone.
    is_masked : bool
        Whether to mask the distorted frames.
    observe : callable, optional
        Called by one thread with each frame in order, once its masks are known.
    progress : callable, optional
        Called by the caller's thread after each frame.
    """
    inputs, stopwatch = run.inputs, run.stopwatch
    total = _expected_count(inputs)
    count = 0

    def in_advance(items: Iterator[T], name: str) -> Generator[T, None, None]:
        return prefetch(items, QUEUE_DEPTH, name=name, watch=stopwatch.level(name))

    def observed() -> Iterator[FrameSet]:
        with closing(frames_with_masks(run)) as frames:
            for each in frames:
                if observe:
                    observe(each)
                yield each if per_region else replace(each, masks=each.masks[:1])

    with (
        closing(in_advance(observed(), "mask")) as with_masks,
        closing(
            ordered_map(
                partial(mask_frames, run), with_masks, slots_of(run.session), name="substitute"
            )
            if is_masked
            else with_masks
        ) as masked,
        closing(in_advance(masked, "substitute")) as ready,
    ):
        for frames in stopwatch.timed("wait_for_frames", ready):
            yield frames
            count += 1
            if progress:
                progress(count, total)
    if not count:
        msg = f"there is no frame to score in {run.info.path}"
        raise InputError(msg, remedy="check the file")
    run.finish(count, whole=inputs.frame_count is None and not run.options.shortest)


def frames_with_masks(
    run: Run, wanted: Collection[int] | None = None, *, progress: Progress | None = None
) -> Generator[FrameSet, None, None]:
    """Yield a run's frames with their masks, not masked: all, or those of the numbers `wanted`.

    The gate compares each of the wanted frames, and after the last of them the run is finished.
    Only decoding has threads of its own. Where a mask does not depend on the frames before, the
    network sees the wanted frames alone. `progress` is called after each frame that was read on the
    way.

    Raises
    ------
    InputError
        There are fewer frames than the last one that is wanted.
    """
    limit, shortest = run.inputs.frame_count, run.options.shortest
    if wanted is not None:
        limit, shortest = run.over_time.frames_for(max(wanted), limit or sys.maxsize), True
    # A given source is a stream that cannot skip; so are masks that depend on earlier ones.
    is_stream = run.given is not None or run.over_time.in_order
    count = 0

    def due() -> Iterator[FrameSet]:
        nonlocal count
        for count, ((reference, *distorted), is_last) in enumerate(mark_last(together), 1):
            index = count - 1
            if progress:
                progress(count, limit if run.inputs.frame_count else None)
            if wanted is None or is_stream or index in wanted:
                yield FrameSet(
                    index=index,
                    # The gate always checks the last frame, and so each one that is wanted.
                    is_last=is_last if wanted is None else index in wanted,
                    reference=reference,
                    distorted=tuple(distorted),
                )

    together = synced_frames(
        run.inputs.readers,
        frame_count=limit,
        shortest=shortest,
        stopwatch=run.stopwatch,
        depth=QUEUE_DEPTH,
    )
    with closing(together):
        frames = masks_over_time(
            due(),
            run.source,
            run.session,
            run.over_time,
            gate=run.gate,
            stopwatch=run.stopwatch,
            batch=run.source.batch(run.session) if wanted is None else 1,
        )
        for each in frames:
            if wanted is None or each.index in wanted:
                yield each
    if wanted is not None:
        require_frame(run, max(wanted), count)
        run.finish(count, whole=False)


def mask_frames(run: Run, frames: FrameSet, videos: Collection[int] | None = None) -> FrameSet:
    """Return `frames` with the distorted frames masked by each of its masks, as VMAF sees them.

    Only those of `videos`, counted from 0, are masked if they are given.

    Raises
    ------
    BackendUnavailable, ParityError
        The device failed, or the gate found a difference.
    """
    with run.stopwatch.stage("substitute", frames.index):
        expected = run.gate.expect_masked(frames)
        masked = tuple(
            tuple(_mask(run, frames, expected, video, n) for n in range(len(frames.masks)))
            if videos is None or video in videos
            else ()
            for video in range(len(frames.distorted))
        )
        frames = replace(frames, masked=masked)
        run.gate.check_masked(frames, expected)
    return frames


def _mask(run: Run, frames: FrameSet, expected: FrameSet | None, video: int, number: int) -> Frame:
    name = run.inputs.readers[video + 1].info.path
    # guard: backend-failure
    what = f"frame {frames.index}: {run.gate.device} failed in substitute of {name}"
    with in_turn(run.session, run.lock), kernel_errors_as_unavailable(what):
        distorted, mask = frames.distorted[video], frames.masks[number]
        masked = run.session.substitute(frames.reference, distorted, mask)
    run.gate.check_unwritten(frames, expected, video=video, number=number)
    return masked


def require_frame(run: Run, number: int, count: int) -> None:
    """Raise InputError if `number` is beyond the last of `count` frames."""
    if number >= count:
        path = printable(run.info.path)
        msg = f"{path}: has {count} frames, 0 to {count - 1}, but no frame {number}"
        raise InputError(msg, remedy=f"--frame {count // 2} is in the middle")


def _expected_count(inputs: Inputs) -> int | None:
    counts = [
        reader.info.frame_count or reader.info.estimated_frame_count for reader in inputs.readers
    ]
    known = [count for count in (*counts, inputs.frame_count) if count is not None]
    return min(known) if known else None


class FrameObserver(Protocol):
    """Is shown some frames of a run after it."""

    def choose(self, result: Result) -> Collection[int]:
        """Return the numbers of the frames of a distorted video to show."""
        ...

    def take(self, video: int, frames: FrameSet, info: VideoInfo) -> None:
        """Take in a frame that was chosen for the distorted video `video`, counted from 0.

        It has the union's mask and that video's masked frame, and is good until the next one is
        taken; `info` is the reference's, with the colours that the mask was found in.
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
