"""VMAF as parity's ruler: scores every backend's masked frames in one run of one scorer."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from roi_accel.backends.host import available_cores
from roi_accel.scorers import (
    DEFAULT_MODEL,
    Scoring,
    ScoringRequest,
    find_scorer,
    is_unsafe_for_tool,
    parse_models,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.parity.scores import OpenRuler
    from roi_accel.scorers import Scorer


class VmafRuler:
    """One running VMAF.

    Parameters
    ----------
    scoring : Scoring
    score : str
        The model's name in VMAF's log.
    """

    def __init__(self, scoring: Scoring, score: str) -> None:
        self._scoring = scoring
        self._score = score

    def feed(self, reference: Frame, variants: Sequence[Frame]) -> None:
        """Hand over the next frame of every stream."""
        self._scoring.feed([reference, *variants])

    def finish(self) -> list[tuple[float, ...]]:
        """Return per variant its VMAF per frame, in points.

        Raises
        ------
        ScorerError
            VMAF failed or left no whole log.
        """
        return [log.metrics[self._score] for log in self._scoring.finish()]


def vmaf_ruler(requested: str | None = None) -> tuple[OpenRuler, Scorer]:
    """Return what opens a VMAF for a plan, and the scorer that it runs.

    Parameters
    ----------
    requested : str, optional
        A vmaf or ffmpeg executable. Default: the first that is found.

    Raises
    ------
    ScorerError
        There is no VMAF.
    """
    scorer = find_scorer(requested)
    models = parse_models((DEFAULT_MODEL,))

    @contextmanager
    def open_ruler(plan: Plan, variants: int) -> Iterator[VmafRuler]:
        chosen = scorer
        if chosen.kind == "vmaf" and is_unsafe_for_tool(plan.pixel_format, plan.width, plan.height):
            chosen = find_scorer(requested, ffmpeg_only=True)
        request = ScoringRequest(
            pixel_format=plan.pixel_format,
            width=plan.width,
            height=plan.height,
            variants=variants,
            models=models,
            threads=available_cores(),
        )
        with Scoring(chosen, request) as scoring:
            yield VmafRuler(scoring, models[0].name)

    return open_ruler, scorer
