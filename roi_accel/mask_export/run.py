"""One run that finds masks and scores nothing: `mask` shows what `score` would score."""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from roi_accel._util.timing import Stopwatch
from roi_accel._version import __version__
from roi_accel.masks.origin import reference_identity
from roi_accel.masks.source import MaskPlace
from roi_accel.report.contact_sheet import Legend
from roi_accel.results.provenance import video_facts
from roi_accel.results.warnings import other_reference
from roi_accel.run.setup import Run, open_inputs, open_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from fractions import Fraction
    from pathlib import Path

    from roi_accel.options import ScoreOptions

_KNOWN_BEFORE = ("kind", "name", "path", "sha256", "saliency_size", "origin")
"""Facts of a source that are known before the first frame."""


@contextmanager
def open_mask_run(
    reference: Path, distorted: Path | None, options: ScoreOptions
) -> Iterator[MaskRun]:
    """Open a run; what it holds is released at the end of the ``with``.

    Parameters
    ----------
    reference : Path
    distorted : Path or None
        The video to mask, if any.
    options : ScoreOptions
        VMAF's own are ignored.

    Raises
    ------
    RoiAccelError
        As `score` would.
    """
    paths = [reference] if distorted is None else [reference, distorted]
    with open_inputs(paths, options, Stopwatch()) as opened, open_run(opened) as run:
        yield MaskRun(**vars(run))


class MaskRun(Run):
    """A run, and what its files say about its masks."""

    @property
    def rate(self) -> Fraction | None:
        """Frames per second, None where neither file nor option says."""
        return self.info.frame_rate or self.options.fps

    @property
    def label(self) -> str:
        """What the masks come from, as in a result's ``saliency_model``."""
        return self.source.label

    @property
    def legend(self) -> Legend:
        """What a picture of these masks says about them."""
        plan = self.session.plan
        return Legend(info=self.info, rate=self.rate, label=self.label, plan=plan)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the masks."""
        return self.source.size

    @property
    def place(self) -> MaskPlace:
        """Where the masks belong in the reference's file."""
        return MaskPlace(first_frame=self.info.skipped, crop=self.inputs.crop)

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know that is not a failure; complete after the last frame."""
        source = self.source
        doubts = other_reference(source, self.info.path)
        return source.warnings + self.inputs.notes + doubts

    def origin(self) -> dict[str, Any]:
        """Return what makes the masks, as far as it is known before the first; strict JSON.

        Raises
        ------
        InputError
            The reference, which is read for its SHA-256, cannot be.
        """
        source, over_time = self.source, self.over_time
        earlier = source.origin
        smoothed = {"seconds": earlier.smoothed} if earlier and earlier.smoothed else None
        facts = source.provenance()
        return {
            "roi_accel": __version__,
            "saliency_model": self.label,
            "mask": {key: facts[key] for key in _KNOWN_BEFORE if key in facts},
            "saliency_stride": over_time.stride,
            "smoothing": over_time.facts() or smoothed,
            "backend": self.choice.backend.name,
            "reference": {
                "path": str(self.info.path),
                **reference_identity(self.info.path),
                **video_facts(self.info),
            },
        }

    def about(self) -> dict[str, Any]:
        """Return what replaces parts of `origin` after the last frame."""
        return {"mask": self.source.provenance()}

    def count(self) -> int:
        """Return how many frames there are, decoding the reference where its size does not say."""
        most = self.inputs.frame_count
        known = self.info.frame_count
        if known is None:
            with closing(iter(self.inputs.readers[0])) as frames:  # type: ignore[type-var]
                return sum(1 for _ in islice(frames, most))
        return known if most is None else min(known, most)
