"""Masks over time: on which frames the network runs, interpolation between them, and smoothing.

Both change the score on purpose and are off by default. What they compute from masks is integers,
on the host (backends/temporal.py), so that every backend gets the same masks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from roi_accel._util.prefetch import batched
from roi_accel.backends.arithmetic import (
    MAX_FRAMES_APART,
    WEIGHT_BITS,
    between,
    codes_of,
    smooth,
    smoothing_weight,
    state_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.frame import FrameSet
    from roi_accel.backends.protocol import Mask, Session
    from roi_accel.masks.source import MaskSource
    from roi_accel.parity.gate import Gate

    Masks = tuple[Mask, ...]

MAX_STRIDE = MAX_FRAMES_APART
"""Frames of every video wait for the next inference; more would be gigabytes at 4K."""

MAX_SMOOTH = Fraction(60)
"""Seconds; far beyond how long people look at one thing, and so short that rounding stays small."""


@dataclass(frozen=True)
class Smoothing:
    """Exponential smoothing: each mask is drawn towards the next by the same share of the way.

    `seconds` is the time constant, above 0: so long after a step 63 % of it are done; `rate` is in
    frames per second.
    """

    seconds: Fraction
    rate: Fraction

    @property
    def weight(self) -> int:
        """The share of the way, in units of 2**-30."""
        return smoothing_weight(self.seconds * self.rate)

    def facts(self) -> dict[str, float | str | int]:
        """Return what the result records."""
        return {
            "seconds": float(self.seconds),
            "frame_rate": str(self.rate),
            "weight": self.weight,
            "weight_bits": WEIGHT_BITS,
        }


@dataclass(frozen=True, kw_only=True)
class OverTime:
    """How a run makes the masks of frames between inferences, and then smooths them.

    The network runs on frames 0, stride, 2 * stride, ... and on the last; the masks of those
    between are interpolated. `stride` is in 1..MAX_STRIDE.
    """

    stride: int = 1
    smoothing: Smoothing | None = None

    @property
    def in_order(self) -> bool:
        """Whether a frame's masks depend on those of others."""
        return self.stride > 1 or self.smoothing is not None

    def facts(self) -> dict[str, float | str | int] | None:
        """Return what the result records of the smoothing, None where there is none."""
        return None if self.smoothing is None else self.smoothing.facts()

    def frames_for(self, last: int, count: int) -> int:
        """Return how many frames, from the first, decide the masks of frame `last` of `count`."""
        return min(-(-last // self.stride) * self.stride, count - 1) + 1


def masks_over_time(
    frames: Iterable[FrameSet],
    source: MaskSource,
    session: Session,
    over_time: OverTime,
    *,
    gate: Gate,
    stopwatch: Stopwatch,
    batch: int = 1,
) -> Iterator[FrameSet]:
    """Yield each of `frames` with the masks that it is scored with.

    At most `batch` times the stride of `frames` wait.

    Parameters
    ----------
    frames : iterable of FrameSet
        From the first on in order, where masks depend on one another; else any.
    source : MaskSource
    session : Session
        The backend's.
    over_time : OverTime
    gate : Gate
        Learns which frames are about to go through the network.
    stopwatch : Stopwatch
        Counts the stages ``interpolate`` and ``smooth``, where there are any.
    batch : int
        Frames that `source` takes in at once, as `MaskSource.batch` returned.

    Raises
    ------
    RoiAccelError
        As `source` and `session` do.
    """
    filled = _filled(frames, source, session, over_time.stride, gate, stopwatch, batch)
    if over_time.smoothing is None:
        yield from filled
        return
    smoother = Smoother(over_time.smoothing.weight)
    for each in filled:
        with stopwatch.stage("smooth", each.index):
            smoothed = smoother.next(each.masks)
        yield replace(each, masks=smoothed)


def _filled(
    frames: Iterable[FrameSet],
    source: MaskSource,
    session: Session,
    stride: int,
    gate: Gate,
    stopwatch: Stopwatch,
    batch: int,
) -> Iterator[FrameSet]:
    """Yield each frame with the source's masks, or with those between two of them."""

    def is_due(each: FrameSet) -> bool:
        return each.index % stride == 0

    before = 0
    earlier: Masks = ()
    for group in batched(frames, batch, counted=is_due):
        last = group[-1].index
        due = [each for each in group if is_due(each) or each.index == last]
        for each in due:
            # The last frame may come between two strides, and takes the next turn.
            gate.announce_network(each.index, turn=-(-each.index // stride), is_last=each.is_last)
            if len(due) == batch > 1:
                source.look(each.index, each.reference, session)
        del due
        waiting: list[FrameSet] = []
        # Taken out, so that a frame is free once it has been used, not when all of its group are.
        while group:
            each = group.pop(0)
            if not (is_due(each) or each.index == last):
                waiting.append(each)
                continue
            masks = source.masks(each.index, each.reference, session)
            while waiting:
                skipped = waiting.pop(0)
                step, steps = skipped.index - before, each.index - before
                with stopwatch.stage("interpolate", skipped.index):
                    interpolated = _between(earlier, masks, step, steps)
                yield replace(skipped, masks=interpolated)
            before, earlier = each.index, masks
            yield replace(each, masks=masks)


def _between(first: Masks, second: Masks, step: int, steps: int) -> Masks:
    return tuple(
        _read_only(between(*pair, step, steps)) for pair in zip(first, second, strict=True)
    )


class Smoother:
    """The masks of one run, smoothed by a `smoothing_weight`; each region has its own state."""

    def __init__(self, weight: int) -> None:
        self._weight = weight
        self._lines: list[_Line] = []

    def next(self, masks: Masks) -> Masks:
        """Return the masks of the next frame, smoothed; the same object while one stays the same.

        All of the run's masks are uint16[height, width], as many in every frame.
        """
        if not self._lines:
            self._lines = [_Line(state_of(mask), mask, mask) for mask in masks]
            return masks
        pairs = zip(self._lines, masks, strict=True)
        return tuple(line.next(mask, self._weight) for line, mask in pairs)


@dataclass
class _Line:
    """One mask through the frames."""

    state: NDArray[np.int64]
    last: Mask
    smoothed: Mask
    is_at_rest: bool = True

    def next(self, mask: Mask, weight: int) -> Mask:
        if mask is self.last and self.is_at_rest:
            return self.smoothed
        self.is_at_rest = not smooth(self.state, mask, weight)
        self.last = mask
        smoothed = codes_of(self.state)
        if not np.array_equal(smoothed, self.smoothed):
            self.smoothed = _read_only(smoothed)
        return self.smoothed


def _read_only(mask: Mask) -> Mask:
    mask.setflags(write=False)
    return mask
