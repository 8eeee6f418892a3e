"""What a run notices about its videos while their frames pass: black bars and shifts in time."""

from __future__ import annotations

import math
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.video import BarFinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame, FrameSet
    from roi_accel.video import VideoInfo

    Samples = NDArray[np.float32]

REACH = 2
"""Frames before and after that are tried."""

_STEP = 4
"""Every so many luma rows and columns are compared: a sixteenth of the pixels."""

_FIRST_GAP = 5
"""Probes lie at frames 2, 7, 14, 28, 56 and on, doubling: 17 in a film of two hours."""

_GAIN = 2.0
"""How many times smaller the squared error must be at another offset: 3 dB of PSNR."""

_MOVED = 0.5
"""The share of the squared error that the reference's own motion must be able to explain."""

_STILL = 0.05
"""Mean squared change, in 8-bit codes, below which a picture stands still."""


@dataclass(frozen=True)
class Shift:
    """By how many frames the distorted video seems to be late, -2 to 2; negative if it is early.

    PSNR is `gain` dB higher there, or more, at the `agreeing` of the `probes` at which the
    reference moved.
    """

    frames: int
    gain: float
    probes: int
    agreeing: int


class ShiftFinder:
    """Examines some frames of a pair as they pass.

    At a probe the mean squared error between the reference's frame and those of the distorted
    video up to two frames away is taken, each without its mean, so that a change of brightness is
    none of time. An offset is believed if its error is half of that at 0 or less (3 dB), and if the
    reference moves so much between the two moments that a shift can explain the difference: then
    neither noise, nor a better encoded frame in a still picture, nor a freeze is one. And it must
    be so at more than half of the probes at which the reference moves at all.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[Samples, Samples]] = deque(maxlen=2 * REACH + 1)
        self._probe = REACH
        self._gains: list[tuple[int, float]] = []

    def look(self, index: int, reference: Frame, distorted: Frame) -> None:
        """Take in frame `index` of both videos; to be called with 0, 1, 2, ... in order."""
        if index < self._probe - REACH:
            return
        self._recent.append((_samples(reference), _samples(distorted)))
        if index == self._probe + REACH:
            self._compare()
            self._recent.clear()
            self._probe += max(_FIRST_GAP, self._probe)

    def _compare(self) -> None:
        offsets = [offset for offset in range(-REACH, REACH + 1) if offset]
        reference = self._recent[REACH][0]
        motion = {offset: _error(reference, self._recent[REACH + offset][0]) for offset in offsets}
        if max(motion.values()) < _STILL:
            return
        present = _error(reference, self._recent[REACH][1])
        errors = {offset: _error(reference, self._recent[REACH + offset][1]) for offset in offsets}
        best = min(offsets, key=lambda offset: (errors[offset], abs(offset)))
        # Shifted by `best`, what now lies beside the reference's frame is its frame at -best.
        if present >= _GAIN * errors[best] and motion[-best] >= _MOVED * present > 0:
            self._gains.append((best, 10 * math.log10(present / max(errors[best], _STILL))))
        else:
            self._gains.append((0, 0.0))

    @property
    def shift(self) -> Shift | None:
        """The shift that most probes agree on, None if there is no such."""
        if not self._gains:
            return None
        ((frames, count),) = Counter(frames for frames, _ in self._gains).most_common(1)
        if not frames or 2 * count <= len(self._gains):
            return None
        gain = min(gain for offset, gain in self._gains if offset == frames)
        return Shift(frames, gain, len(self._gains), count)


def _samples(frame: Frame) -> Samples:
    """Return a sixteenth of the luma samples, in 8-bit codes, less their mean."""
    luma = frame.planes[0][::_STEP, ::_STEP].astype(np.float32)
    luma -= luma.mean()
    luma *= 1 / (1 << (frame.pixel_format.bit_depth - 8))
    return luma


def _error(one: Samples, other: Samples) -> float:
    """Return the mean squared difference."""
    difference = (one - other).ravel()
    return float(difference @ difference) / difference.size


_WORTH_SAYING = 0.02
"""Share of the frame from which bars are reported: less is a few lines of blanking."""


class Inspector:
    """Sees each frame of a run once; no score depends on it.

    `infos` are the reference's, then those of the distorted videos; `skipped` is what
    ``--frame-skip-ref`` and ``--frame-skip-dist`` were, to advise others.
    """

    def __init__(self, infos: Sequence[VideoInfo], *, skipped: tuple[int, int] = (0, 0)) -> None:
        self._infos = infos
        self._skipped = skipped
        self._bars = BarFinder(infos[0])
        self._shifts = [ShiftFinder() for _ in infos[1:]]

    def take(self, frames: FrameSet) -> None:
        """Take in the next frame of every video, from the first on in order."""
        self._bars.look(frames.reference)
        for finder, frame in zip(self._shifts, frames.distorted, strict=True):
            finder.look(frames.index, frames.reference, frame)

    def warnings(self, number: int) -> tuple[str, ...]:
        """Return what there is to say of distorted video `number`, from 0, and its reference."""
        return (*self._bars_warning(), *self._shift_warning(number))

    def _bars_warning(self) -> tuple[str, ...]:
        picture, info = self._bars.picture, self._infos[0]
        if picture is None or self._bars.share < _WORTH_SAYING:
            return ()
        sides = {
            "top": picture.y,
            "bottom": info.height - picture.y - picture.height,
            "left": picture.x,
            "right": info.width - picture.x - picture.width,
        }
        named = ", ".join(f"{lines} at the {side}" for side, lines in sides.items() if lines)
        bars = f"{named}, {self._bars.share:.0%} of the frame, which are scored too"
        return (f"the reference has black bars: {bars}; leave them out with --crop auto",)

    def _shift_warning(self, number: int) -> tuple[str, ...]:
        shift = self._shifts[number].shift
        if shift is None:
            return ()
        count = abs(shift.frames)
        is_late = shift.frames > 0
        seems = f"{count} frame{'s' * (count > 1)} {'late' if is_late else 'early'}"
        why = f"PSNR is {shift.gain:.1f} dB higher there, or more"
        option = "--frame-skip-dist" if is_late else "--frame-skip-ref"
        remedy = f"{option} {count + self._skipped[is_late]} --shortest"
        path = self._infos[number + 1].path
        where = f"at {shift.agreeing} of {shift.probes} moments"
        return (f"{path} seems to be {seems}: {why}, {where}; if so, try {remedy}",)
