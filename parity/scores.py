"""The score stage: every backend's masked frames scored together by one scorer, which is handed in.

Each backend's frames are the scorer's full frames of distorted videos: it masks nothing here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from roi_accel.backends.frame_set import FrameSet
from roi_accel.backends.geometry import check_frame
from roi_accel.parity.accumulator import compare_all

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager, ExitStack

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.parity.accumulator import Tally
    from roi_accel.parity.cases import Case, Sample
    from roi_accel.parity.tolerance import Stage

    OpenScoring = Callable[[Plan, int], AbstractContextManager["Scoring"]]
    """Starts a scorer for the frames of a plan and a number of videos."""

SCORE: Stage = "score"
METRIC = "vmaf"
"""What is compared of a scorer's answer."""


class _Log(Protocol):
    @property
    def metrics(self) -> Mapping[str, Sequence[float]]: ...


class _Video(Protocol):
    @property
    def full(self) -> _Log: ...


class Scoring(Protocol):
    """What this stage uses of a running scorer."""

    def feed(self, frames: FrameSet) -> None:
        """Take the frames of the next instant."""
        ...

    def finish(self) -> Sequence[_Video]:
        """Return the metrics of each video, a number per frame."""
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
        self._scoring: Scoring | None = None

    def open(self, resources: ExitStack, open_scoring: OpenScoring) -> None:
        """Start the scorer; that it cannot be started is an error of every cell of this format."""
        try:
            opened = open_scoring(self._case.plan, len(self._names) * self._runs)
            self._scoring = resources.enter_context(opened)
        except Exception as error:  # noqa: BLE001 - whatever the scorer raises is a finding
            self._give_up(error)

    def feed(self, number: int, sample: Sample, masked: dict[str, list[Frame]]) -> None:
        """Score frame `number`, the reference in the place of a backend's that has no answer."""
        if self._scoring is None:
            return
        variants: list[Frame] = []
        for name in self._names:
            frames = masked.get(name)
            if frames is None or name in self._lost or not self._fit(name, frames):
                self._lost.add(name)
                frames = [sample.reference] * self._runs
            variants += frames
        try:
            self._scoring.feed(
                FrameSet(
                    number, is_last=False, reference=sample.reference, distorted=tuple(variants)
                )
            )
        except Exception as error:  # noqa: BLE001 - whatever the scorer raises is a finding
            self._give_up(error)

    def finish(self) -> None:
        """Compare the scores frame by frame."""
        if self._scoring is None:
            return
        try:
            scores = [video.full.metrics[METRIC] for video in self._scoring.finish()]
        except Exception as error:  # noqa: BLE001 - whatever the scorer raises is a finding
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
        """Whether the frames are what the scorer expects; others would shift all that follows."""
        try:
            for frame in frames:
                check_frame(self._case.plan, frame)
        except ValueError as error:
            self._tally.fail_to_answer(SCORE, self._case, name, error)
            return False
        return True

    def _give_up(self, error: Exception) -> None:
        self._scoring = None
        for name in self._names:
            self._tally.fail_to_answer(SCORE, self._case, name, error)
