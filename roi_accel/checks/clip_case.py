"""The user's own pair of videos as a case of the parity matrix."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from roi_accel._util.timing import Stopwatch
from roi_accel.backends.plan import Plan
from roi_accel.errors import InputError
from roi_accel.inference.network import DEFAULT_SIZE, SaliencySize
from roi_accel.parity.cases import Sample, SeededCase
from roi_accel.run.frame_sync import synced_frames
from roi_accel.video import check_same_geometry, open_video
from roi_accel.video.info import MIN_SCORABLE_SIDE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from roi_accel.video import RawGeometry


class ClipCase:
    """A reference and a distorted video, with masks from the corpus.

    What the pixels are masked with does not depend on where a mask is from, so the masks are noise
    and ramps in turn, at the size that the default network would give.

    Parameters
    ----------
    reference, distorted : Path
    raw : RawGeometry or None
        Of raw video.
    frames : int
        How many to take, from the beginning.

    Raises
    ------
    InputError
        A file cannot be read, or the two do not have the same geometry.
    """

    def __init__(
        self, reference: Path, distorted: Path, *, raw: RawGeometry | None, frames: int
    ) -> None:
        self._paths = (reference, distorted)
        self._raw = raw
        self._frames = frames
        with ExitStack() as resources:
            one, other = (
                resources.enter_context(open_video(path, raw=raw)).info for path in self._paths
            )
            check_same_geometry(one, other)
        model = SaliencySize(DEFAULT_SIZE).for_frame(one.width, one.height)
        self.name = f"{reference.name} and {distorted.name}"
        try:
            self.plan = Plan(
                pixel_format=one.pixel_format,
                width=one.width,
                height=one.height,
                mask_width=model.width,
                mask_height=model.height,
                colour_matrix=one.colour_matrix,
                colour_range=one.colour_range,
                model=model,
            )
        except ValueError as error:
            raise InputError(str(error), remedy="use a smaller video") from error
        self.has_pictures = min(one.width, one.height) >= MIN_SCORABLE_SIDE

    def samples(self) -> Iterator[Sample]:
        """Yield the first frames.

        Raises
        ------
        InputError
            A file is damaged, or one ends before the other.
        """
        masks = [
            next(SeededCase(f"{kind} for a clip", self.plan, "noise", kind).samples()).mask
            for kind in ("ramp", "noise")
        ]
        with ExitStack() as resources:
            readers = [
                resources.enter_context(open_video(path, raw=self._raw)) for path in self._paths
            ]
            pairs = synced_frames(
                readers, frame_count=self._frames, shortest=False, stopwatch=Stopwatch()
            )
            number = -1
            for number, (reference, distorted) in enumerate(pairs):
                yield Sample(reference, distorted, masks[number % len(masks)])
            if number < 0:
                msg = f"there is no frame in {self._paths[0]}"
                raise InputError(msg, remedy="check the file")
