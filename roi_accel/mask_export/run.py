"""One run that finds masks and scores nothing: what `mask` looks at is what `score` would score."""

from __future__ import annotations

import sys
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from roi_accel._util.prefetch import ahead
from roi_accel._util.threads import share_threads
from roi_accel._util.timing import Stopwatch
from roi_accel._version import __version__
from roi_accel.backends.session import kernel_errors_as_unavailable
from roi_accel.errors import InputError
from roi_accel.masks.origin import reference_identity
from roi_accel.masks.place import MaskPlace
from roi_accel.report.contact_sheet import Legend
from roi_accel.results.provenance import video_facts
from roi_accel.results.warnings import another_reference
from roi_accel.run.frame_pipeline import QUEUE_DEPTH, Read, look, numbered
from roi_accel.run.frame_sync import read_together
from roi_accel.run.setup import (
    find_calibration,
    find_over_time,
    open_given_source,
    open_inputs,
    open_masking,
)
from roi_accel.video.info import shown

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterator
    from fractions import Fraction
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Mask
    from roi_accel.masks.over_time import OverTime
    from roi_accel.options import ScoreOptions
    from roi_accel.run.frame_pipeline import Progress
    from roi_accel.run.inputs import Inputs
    from roi_accel.run.setup import Masking
    from roi_accel.video import VideoInfo

_KNOWN_BEFORE = ("kind", "name", "path", "sha256", "saliency_size", "origin")
"""Facts of a source that do not wait for the first frame to be looked at."""


@dataclass(frozen=True)
class MaskedFrame:
    """A frame of the reference with the mask that it is scored with.

    Attributes
    ----------
    index : int
        0-based, as in a result's ``frames``.
    reference : Frame
    mask : uint16[mask_height, mask_width]
        The union's, 0..65535 for saliency 0..1.
    masked : Frame or None
        What VMAF would get to see of the distorted video, where there is one.
    """

    index: int
    reference: Frame
    mask: Mask
    masked: Frame | None


@contextmanager
def open_mask_run(
    reference: Path, distorted: Path | None, options: ScoreOptions
) -> Iterator[MaskRun]:
    """Open a run; what it holds is released at the end of the ``with``.

    Parameters
    ----------
    reference : Path
    distorted : Path or None
        The video to be masked, if any is.
    options : ScoreOptions
        Those that are VMAF's alone mean nothing here.

    Raises
    ------
    RoiAccelError
        As `score` would.
    """
    # As many threads as in a score: that a network's last bit may depend on them is no fault here.
    shares = share_threads(options.threads)
    videos = [] if distorted is None else [distorted]
    stopwatch = Stopwatch()
    with ExitStack() as resources:
        calibration = find_calibration(options)
        inputs = open_inputs((reference, *videos), options, shares, resources)
        over_time = find_over_time(inputs, options)
        given = open_given_source(inputs, options, resources)
        masking = open_masking(
            *(inputs, given, videos, options), *(shares, calibration, stopwatch, resources)
        )
        yield MaskRun(
            inputs=inputs,
            masking=masking,
            over_time=over_time,
            options=options,
            is_given=given is not None,
            stopwatch=stopwatch,
        )


@dataclass(frozen=True, kw_only=True)
class MaskRun:
    """What `open_mask_run` opened, for one pass over its frames."""

    inputs: Inputs
    masking: Masking
    over_time: OverTime
    options: ScoreOptions
    is_given: bool
    stopwatch: Stopwatch

    @property
    def info(self) -> VideoInfo:
        """The reference's frames as they are scored."""
        return self.inputs.readers[0].info

    @property
    def rate(self) -> Fraction | None:
        """Frames per second, None where nobody says."""
        return self.info.frame_rate or self.options.fps

    @property
    def label(self) -> str:
        """What the masks come from, as a result's ``saliency_model`` says it."""
        return self.masking.source.label

    def legend(self) -> Legend:
        """Return what a picture of these masks says about them."""
        return Legend(
            info=self.info,
            rate=self.rate,
            label=self.label,
            plan=self.masking.session.plan,
        )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks."""
        return self.masking.source.size

    @property
    def place(self) -> MaskPlace:
        """Where the masks belong in the reference's file."""
        return MaskPlace(first_frame=self.info.skipped, crop=self.inputs.crop)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know that is no failure; complete after the last frame."""
        source = self.masking.source
        doubts = another_reference(source, self.info.path)
        return source.warnings + self.inputs.notes + doubts

    def origin(self) -> dict[str, Any]:
        """Return what makes the masks, as far as it is known before the first; strict JSON.

        Raises
        ------
        InputError
            The reference, which is read for its SHA-256, cannot be.
        """
        earlier = self.masking.source.origin
        smoothed = {"seconds": earlier.smoothed} if earlier and earlier.smoothed else None
        facts = self.masking.source.provenance()
        return {
            "roi_accel": __version__,
            "saliency_model": self.label,
            "mask": {key: facts[key] for key in _KNOWN_BEFORE if key in facts},
            "saliency_stride": self.over_time.stride,
            "smoothing": self.over_time.facts() or smoothed,
            "backend": self.masking.choice.backend.name,
            "reference": {
                "path": str(self.info.path),
                **reference_identity(self.info.path),
                **video_facts(self.info),
            },
        }

    def about(self) -> dict[str, Any]:
        """Return what is to be said beyond `origin`, or in its place, after the last frame."""
        return {"mask": self.masking.source.provenance()}

    def count(self) -> int:
        """Return how many frames there are, decoding the reference where its size does not say."""
        most = self.inputs.frame_count
        known = self.info.frame_count
        if known is None:
            with closing(iter(self.inputs.readers[0])) as frames:  # type: ignore[type-var]
                return sum(1 for _ in islice(frames, most))
        return known if most is None else min(known, most)

    def frames(self, progress: Progress | None) -> Generator[MaskedFrame, None, None]:
        """Yield every frame; at the end of them the source and the gate are content.

        Raises
        ------
        RoiAccelError
            As `score` would, at the frame.
        """
        together = read_together(
            self.inputs.readers,
            frame_count=self.inputs.frame_count,
            shortest=self.options.shortest,
            stopwatch=self.stopwatch,
        )
        total = self._expected()
        done = 0
        batch = self.masking.source.batch(self.masking.session)
        with (
            closing(together),
            closing(ahead(self._masked(numbered(together), batch), QUEUE_DEPTH)) as masked,
        ):
            for each in masked:
                yield each
                done += 1
                if progress:
                    progress(done, total)
        self.masking.gate.finish()
        whole = self.inputs.frame_count is None and not self.options.shortest
        self.masking.source.finish(done, whole=whole)

    def chosen(
        self, numbers: Collection[int], progress: Progress | None
    ) -> Generator[MaskedFrame, None, None]:
        """Yield the frames of these numbers, and look at no other where that can be.

        Raises
        ------
        InputError
            The reference has fewer frames.
        RoiAccelError
            As `score` would, at the frame.
        """
        last = max(numbers)
        all_of_them = self.is_given or self.over_time.in_order
        limit = self.over_time.frames_for(last, self.inputs.frame_count or sys.maxsize)
        together = read_together(
            self.inputs.readers[:1], frame_count=limit, shortest=True, stopwatch=self.stopwatch
        )
        seen = 0

        def due() -> Iterator[Read]:
            nonlocal seen
            for each in numbered(together):
                seen = each.index + 1
                if progress:
                    progress(seen, limit if self.inputs.frame_count else None)
                if all_of_them or each.index in numbers:
                    # Each that is shown counts as the last, which the gate always checks.
                    is_last = each.index in numbers
                    yield Read(each.index, each.reference, each.distorted, is_last)

        with closing(together):
            for each in self._masked(due(), 1):
                if each.index in numbers:
                    yield each
        self.require_frame(last, seen)
        self.masking.gate.finish()
        self.masking.source.finish(seen, whole=False)

    def require_frame(self, number: int, count: int) -> None:
        """Raise InputError if `number` is beyond the last of `count` frames."""
        if number >= count:
            path = shown(self.info.path)
            msg = f"{path}: has {count} frames, 0 to {count - 1}, but no frame {number}"
            raise InputError(msg, remedy=f"--frame {count // 2} is in the middle")

    def _masked(self, frames: Iterator[Read], batch: int) -> Iterator[MaskedFrame]:
        session, gate = self.masking.session, self.masking.gate
        looked = look(
            frames,
            source=self.masking.source,
            session=session,
            gate=gate,
            over_time=self.over_time,
            stopwatch=self.stopwatch,
            batch=batch,
        )
        for each in looked:
            masked = None
            if each.distorted:
                with (
                    gate.frame(each.index, each.distorted, is_last=each.is_last),
                    kernel_errors_as_unavailable(f"frame {each.index}: "),
                ):
                    masked = session.substitute(each.reference, each.distorted[0], each.masks[0])
            yield MaskedFrame(each.index, each.reference, each.masks[0], masked)

    def _expected(self) -> int | None:
        counts = (self.info.frame_count or self.info.estimated_frame_count, self.inputs.frame_count)
        known = [count for count in counts if count is not None]
        return min(known) if known else None
