"""One run that finds masks and scores nothing: `mask` shows what `score` would score."""

from __future__ import annotations

from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any

from roi_accel._util.timing import Stopwatch
from roi_accel._version import __version__
from roi_accel.masks.origin import reference_identity
from roi_accel.results.build import video_facts
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
    """Open a run, with `distorted` if it is to be masked; the end of the ``with`` releases it.

    VMAF's options are ignored. Raises what `score` would.
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
    def warnings(self) -> tuple[str, ...]:
        """What the user should know that is not a failure; complete after the last frame."""
        doubts = other_reference(self.source, self.info.path)
        return self.source.warnings + self.inputs.notes + doubts

    def origin(self) -> dict[str, Any]:
        """Return what makes the masks, as far as it is known before the first; strict JSON.

        Reads the reference for its SHA-256; InputError if it cannot be read.
        """
        source, over_time = self.source, self.over_time
        earlier = source.origin
        smoothed = {"seconds": earlier.smoothed} if earlier and earlier.smoothed else None
        facts = source.provenance()
        return {
            "roi_accel": __version__,
            "saliency_model": source.label,
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

    def count(self) -> int:
        """Return how many frames there are, decoding the reference where its size does not say."""
        most = self.inputs.frame_count
        known = self.info.frame_count
        if known is None:
            with closing(iter(self.inputs.readers[0])) as frames:  # type: ignore[type-var]
                return sum(1 for _ in islice(frames, most))
        return known if most is None else min(known, most)
