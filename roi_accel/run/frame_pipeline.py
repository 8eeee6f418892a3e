"""The stages between a pair of videos and VMAF, all at work at once.

One thread decodes each video, one makes masks, one or more mask frames, one per pipe feeds VMAF,
and VMAF runs in processes of its own. What each does to a frame depends on that frame alone, and
queues keep the order, so that scores never depend on timing.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from roi_accel._util.prefetch import ahead, ordered_map, with_last
from roi_accel.backends.arithmetic import mean_alpha, mean_saliency
from roi_accel.backends.frame_set import FrameSet
from roi_accel.backends.kernel_errors import blaming_kernels
from roi_accel.backends.protocol import slots_of
from roi_accel.backends.tables import fade_table
from roi_accel.errors import InputError
from roi_accel.masks.over_time import OverTime, masks_over_time
from roi_accel.results.build import MaskMeans
from roi_accel.run.frame_sync import read_together
from roi_accel.scorers import scorer_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask, Session
    from roi_accel.diagnostics.inspector import Inspection
    from roi_accel.masks import MaskSource
    from roi_accel.parity.gate import Gate
    from roi_accel.scorers import Scoring
    from roi_accel.video import VideoReader

    Progress = Callable[[int, int | None], None]
    """Called with the frames done and, where it is known, how many there are."""

T = TypeVar("T")

QUEUE_DEPTH = 2
"""Frames that may wait between two stages: enough to even them out, and a bound to memory."""


@dataclass(frozen=True)
class Read:
    """One frame of each video."""

    index: int
    reference: Frame
    distorted: Sequence[Frame]
    is_last: bool


@dataclass(frozen=True)
class Looked(Read):
    """The same, once its masks are known: the union's first, then one per region."""

    masks: Sequence[Mask]


def numbered(together: Iterable[tuple[Frame, ...]]) -> Iterator[Read]:
    """Yield what `read_together` gives as frames that know their place."""
    for index, ((reference, *distorted), is_last) in enumerate(with_last(together)):
        yield Read(index, reference, distorted, is_last)


def look(
    frames: Iterable[Read],
    *,
    source: MaskSource,
    session: Session,
    gate: Gate,
    over_time: OverTime,
    stopwatch: Stopwatch,
    batch: int,
) -> Generator[Looked, None, None]:
    """Yield each of `frames` with the masks that it is scored with.

    Parameters
    ----------
    frames : iterable of Read
    source : MaskSource
    session : Session
    gate : Gate
        Checks what is made of the frames that are looked at.
    over_time : OverTime
    stopwatch : Stopwatch
    batch : int
        Frames that `source` looks at at once, as it says itself.
    """

    def looking(frame: Read) -> AbstractContextManager[None]:
        turn = -(-frame.index // over_time.stride)  # the last one may come between two
        return gate.frame(frame.index, frame.distorted, is_last=frame.is_last, turn=turn)

    found = masks_over_time(
        *(frames, source, session, over_time), looking=looking, stopwatch=stopwatch, batch=batch
    )
    for each, masks in found:
        yield Looked(each.index, each.reference, each.distorted, each.is_last, masks)


class MaskMeter:
    """Takes the means of masks, which are of the size, threshold and fade of `plan`."""

    def __init__(self, plan: Plan) -> None:
        self._fade = fade_table(plan.threshold_code, plan.fade_code)
        self._last: tuple[Mask, MaskMeans] | None = None

    def __call__(self, mask: Mask) -> MaskMeans:
        """Return the mask's means; a mask that has not changed is the same array as before."""
        if self._last is None or self._last[0] is not mask:
            self._last = mask, MaskMeans(mean_saliency(mask), mean_alpha(mask, self._fade))
        return self._last[1]


@dataclass
class Stages:
    """One run's stages, and what they learn about the masks on the way.

    Parameters
    ----------
    readers : sequence of VideoReader
        The reference, then the distorted videos.
    source : MaskSource
    session : Session
        Used by as many threads as it has slots, and at least two.
    gate : Gate
    scoring : Scoring
    stopwatch : Stopwatch
    progress : callable, optional
    inspection : Inspection
        Shown every frame before it is masked.
    over_time : OverTime
        How the masks hang together in time.

    Attributes
    ----------
    means : list of MaskMeans
        Of every frame so far.
    """

    readers: Sequence[VideoReader]
    source: MaskSource
    session: Session
    gate: Gate
    scoring: Scoring
    stopwatch: Stopwatch
    progress: Progress | None
    inspection: Inspection
    over_time: OverTime

    def __post_init__(self) -> None:
        self._measure = MaskMeter(self.session.plan)
        self.means: list[MaskMeans] = []

    def feed_all(self, *, frame_count: int | None, shortest: bool) -> None:
        """Read, mask and feed every frame; all threads have ended on return.

        Parameters
        ----------
        frame_count : int or None
            Stop after so many frames.
        shortest : bool
            Stop where the shortest video ends; otherwise unequal lengths are an error.

        Raises
        ------
        RoiAccelError
            From whatever stage, at its frame.
        """
        total = _expected_frames(self.readers, frame_count)
        together = read_together(
            self.readers,
            frame_count=frame_count,
            shortest=shortest,
            stopwatch=self.stopwatch,
            depth=QUEUE_DEPTH,
        )
        with (
            closing(self._ahead(self._look(together), "mask")) as looked,
            closing(
                ordered_map(self._mask, looked, slots_of(self.session), name="substitute")
            ) as masked,
            closing(self._ahead(masked, "substitute")) as streams,
        ):
            for index, each in enumerate(self.stopwatch.timed("wait_for_frames", streams)):
                with self.stopwatch.stage("vmaf_feed", index), scorer_errors(self.scoring.scorer):
                    self.scoring.feed(each)
                if self.progress:
                    self.progress(index + 1, total)
        if not self.means:
            msg = f"there is no frame to score in {self.readers[0].info.path}"
            raise InputError(msg, remedy="check the file")

    def _ahead(self, items: Iterator[T], name: str) -> Generator[T, None, None]:
        return ahead(items, QUEUE_DEPTH, name=name, watch=self.stopwatch.level(name))

    def _look(self, together: Generator[tuple[Frame, ...], None, None]) -> Iterator[Looked]:
        """Yield each frame with its masks, once both have been looked at by whoever counts."""
        with closing(together):
            looked = look(
                numbered(together),
                source=self.source,
                session=self.session,
                gate=self.gate,
                over_time=self.over_time,
                stopwatch=self.stopwatch,
                batch=self.source.batch(self.session),
            )
            for each in looked:
                with self.stopwatch.stage("inspect", each.index):
                    self.inspection.look(each.index, each.reference, each.distorted)
                self.means.append(self._measure(each.masks[0]))
                yield each

    def _mask(self, looked: Looked) -> FrameSet:
        """Return the frames with their masks, and masked too where the scorer needs that."""
        frames = FrameSet(
            looked.index,
            is_last=looked.is_last,
            reference=looked.reference,
            distorted=tuple(looked.distorted),
            masks=tuple(looked.masks),
        )
        if self.scoring.scorer.needs == "weights":
            return frames
        with (
            self.stopwatch.stage("substitute", looked.index),
            self.gate.frame(looked.index, looked.distorted, is_last=looked.is_last),
            blaming_kernels(f"frame {looked.index}: "),
        ):
            masked = tuple(
                tuple(self.session.substitute(looked.reference, frame, m) for m in looked.masks)
                for frame in looked.distorted
            )
        return replace(frames, masked=masked)


def _expected_frames(readers: Sequence[VideoReader], frame_count: int | None) -> int | None:
    counts = [reader.info.frame_count or reader.info.estimated_frame_count for reader in readers]
    known = [count for count in (*counts, frame_count) if count is not None]
    return min(known) if known else None
