"""What a run notices about its videos while their frames pass: black bars and shifts in time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.diagnostics.temporal_offset import ShiftFinder
from roi_accel.video import BarFinder

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.backends.frame_set import FrameSet
    from roi_accel.video import VideoInfo

_WORTH_SAYING = 0.02
"""Share of the frame from which bars are reported: less is a few lines of blanking."""


class Inspector:
    """Sees each frame of a run once; no score depends on it.

    Parameters
    ----------
    infos : sequence of VideoInfo
        The reference's, then those of the distorted videos.
    skipped : (int, int)
        What ``--frame-skip-ref`` and ``--frame-skip-dist`` were, to advise others.
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
