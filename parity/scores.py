"""The score stage: every backend's masked frames measured by one ruler, in one go.

What the ruler measures is not known here; it is handed in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from roi_accel.backends.geometry import check_frame
from roi_accel.parity.accumulator import compare_all, one_line

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager, ExitStack

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.parity.accumulator import Tally
    from roi_accel.parity.cases import Case, Sample
    from roi_accel.parity.tolerance import Stage

SCORE: Stage = "score"


class Ruler(Protocol):
    """Measures how good variants of a reference are: one number per frame and variant."""

    def feed(self, reference: Frame, variants: Sequence[Frame]) -> None:
        """Take the next frame of every stream; they must not change afterwards."""
        ...

    def finish(self) -> Sequence[Sequence[float]]:
        """Return per variant a number per frame."""
        ...


class OpenRuler(Protocol):
    """Opens a ruler for a plan and a number of variants."""

    def __call__(self, plan: Plan, variants: int) -> AbstractContextManager[Ruler]:
        """Return the ruler as a context manager."""
        ...


class Scores:
    """One case's scores.

    Parameters
    ----------
    case : Case
    names : sequence of str
        The backends whose frames will come.
    tally : Tally
        Takes what is found.
    runs : int
        Variants per backend.
    """

    def __init__(self, case: Case, names: Sequence[str], tally: Tally, *, runs: int) -> None:
        self._case = case
        self._names = names
        self._tally = tally
        self._runs = runs
        self._lost: set[str] = set()
        self._ruler: Ruler | None = None

    def open(self, resources: ExitStack, open_ruler: OpenRuler) -> None:
        """Open the ruler; that it cannot be opened is an error of every cell of this format."""
        try:
            opened = open_ruler(self._case.plan, len(self._names) * self._runs)
            self._ruler = resources.enter_context(opened)
        except Exception as error:  # noqa: BLE001 - whatever the ruler raises is a finding
            self._give_up(error)

    def feed(self, sample: Sample, masked: dict[str, list[Frame]]) -> None:
        """Measure one frame; a backend that has none is out, and the reference fills its place."""
        if self._ruler is None:
            return
        variants: list[Frame] = []
        for name in self._names:
            frames = masked.get(name)
            if frames is None or name in self._lost or not self._fit(name, frames):
                self._lost.add(name)
                frames = [sample.reference] * self._runs
            variants += frames
        try:
            self._ruler.feed(sample.reference, variants)
        except Exception as error:  # noqa: BLE001 - whatever the ruler raises is a finding
            self._give_up(error)

    def finish(self) -> None:
        """Compare the scores frame by frame."""
        if self._ruler is None:
            return
        try:
            scores = self._ruler.finish()
        except Exception as error:  # noqa: BLE001 - whatever the ruler raises is a finding
            self._give_up(error)
            return
        for frame in range(len(scores[0])):
            values = iter(np.float64(series[frame]) for series in scores)
            answers = {
                name: [{"score": np.asarray(next(values))} for _ in range(self._runs)]
                for name in self._names
            }
            kept = {name: both for name, both in answers.items() if name not in self._lost}
            compare_all(self._tally, SCORE, self._case, frame, kept)

    def _fit(self, name: str, frames: Sequence[Frame]) -> bool:
        """Whether the frames are what the ruler expects; others would shift all that follows."""
        try:
            for frame in frames:
                check_frame(self._case.plan, frame)
        except ValueError as error:
            self._note(name, error)
            return False
        return True

    def _give_up(self, error: Exception) -> None:
        self._ruler = None
        for name in self._names:
            self._note(name, error)

    def _note(self, name: str, error: Exception) -> None:
        format_name = self._case.plan.pixel_format.name
        why = f"{self._case.name}: {one_line(error)}"
        self._tally.fail_to_answer(SCORE, format_name, name, why)
