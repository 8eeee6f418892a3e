"""Several videos read side by side: one frame of each at a time, and none has more than another."""

from __future__ import annotations

from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from roi_accel._util.prefetch import prefetch
from roi_accel.errors import InputError
from roi_accel.video.time_range import rates_differ

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.frame import Frame
    from roi_accel.video import VideoReader

_REMEDY = "check that both are the same cut, or score the common part with --shortest"
_RATE_REMEDY = "encode it at the reference's rate: frames are compared by their order"


def check_known_counts(readers: Sequence[VideoReader]) -> None:
    """Raise InputError if the files' sizes alone show that their lengths differ."""
    reference = readers[0].info
    for reader in readers[1:]:
        counts = reference.frame_count, reader.info.frame_count
        if None not in counts and counts[0] != counts[1]:
            raise _unequal(readers[0], counts[0] or 0, reader, counts[1] or 0)


def synced_frames(
    readers: Sequence[VideoReader],
    *,
    frame_count: int | None,
    shortest: bool,
    stopwatch: Stopwatch,
    depth: int = 2,
) -> Generator[tuple[Frame, ...], None, None]:
    """Yield one frame of each reader at a time, the reference's first.

    Each video is decoded by a thread of its own, which has ended when the generator has.

    Parameters
    ----------
    readers : sequence of VideoReader
        The reference, then the distorted videos.
    frame_count : int or None
        Stop after so many frames.
    shortest : bool
        Stop where the shortest video ends; otherwise unequal lengths are an InputError with all of
        them.
    stopwatch : Stopwatch
        Counts the stage ``decode``.
    depth : int
        Frames of each video that may wait.
    """
    with ExitStack() as threads:
        iterators = [
            threads.enter_context(
                closing(
                    prefetch(
                        stopwatch.timed("decode", reader),
                        depth,
                        name=f"decode {_role(number)}",
                        watch=stopwatch.level(f"decoded {_role(number)}"),
                    )
                )
            )
            for number, reader in enumerate(readers)
        ]
        count = 0
        while frame_count is None or count < frame_count:
            frames = [next(iterator, None) for iterator in iterators]
            present = tuple(frame for frame in frames if frame is not None)
            if len(present) < len(frames):
                if present and not shortest:  # guard: unequal-lengths
                    _raise_unequal(readers, iterators, frames, count)
                return
            yield present
            count += 1


def _role(number: int) -> str:
    return f"distorted {number}" if number else "reference"


def _raise_unequal(
    readers: Sequence[VideoReader],
    iterators: Sequence[Iterator[Frame]],
    frames: Sequence[Frame | None],
    count: int,
) -> None:
    """Decode the longer videos to their ends, so that the error can name every length."""
    totals = [
        count if frame is None else count + 1 + sum(1 for _ in iterator)
        for frame, iterator in zip(frames, iterators, strict=True)
    ]
    for reader, total in zip(readers[1:], totals[1:], strict=True):
        if total != totals[0]:
            raise _unequal(readers[0], totals[0], reader, total)


def _unequal(
    reference: VideoReader, reference_count: int, distorted: VideoReader, distorted_count: int
) -> InputError:
    counts = (
        f"the reference {reference.info.path} has {reference_count} frames, "
        f"the distorted {distorted.info.path} has {distorted_count}"
    )
    if reference.info.skipped or distorted.info.skipped:
        skipped = f"{reference.info.skipped} and {distorted.info.skipped}"
        counts += f", after the {skipped} that are skipped"
    rates = reference.info.frame_rate, distorted.info.frame_rate
    if rates_differ(*rates):
        one, other = (f"{float(rate or 0):.6g}" for rate in rates)
        counts += f", at {one} and {other} frames per second"
        return InputError(counts, remedy=_RATE_REMEDY)
    doubts = [
        f"{each.path} {each.doubt}" for each in (reference.info, distorted.info) if each.doubt
    ]
    return InputError(counts, remedy="; ".join([_REMEDY, *doubts]))
