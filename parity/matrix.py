"""Runs every case through every participant, twice and side by side, and compares all of them.

Two sessions per backend take the frames of a case in turn, as a clip's frames would come, so that a
backend that answers differently the second time, or from the second frame on, is found out. Frames
are compared as they come and dropped when the next ones are there, which must not lie in the same
memory: two frames per session bound the memory.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import Frame
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.parity.accumulator import compare_all, one_line
from roi_accel.parity.buffer_reuse import Answers
from roi_accel.parity.compare import Comparison, alpha_planes, frame_planes, input_channels
from roi_accel.parity.scores import SCORE, Scores
from roi_accel.parity.tolerance import INTEGER_STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import PixelFormat
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import ModelInput, Session
    from roi_accel.parity.accumulator import Tally
    from roi_accel.parity.cases import Case, Sample
    from roi_accel.parity.compare import Named
    from roi_accel.parity.scores import OpenScoring
    from roi_accel.parity.tolerance import Stage

RUNS = 2
"""Sessions per backend, so that each is also held against itself."""


@dataclass(frozen=True)
class BackendRunner:
    """A participant that computes the integer stages.

    Attributes
    ----------
    name : str
        Its participant's name.
    open : callable
        Opens a session for a plan.
    """

    name: str
    open: Callable[[Plan], Session]


@dataclass(frozen=True)
class NetworkRunner:
    """A participant that runs the saliency network.

    Attributes
    ----------
    name : str
        Its participant's name.
    infer : callable
        Returns the map float32[height, width] of an input float32[1, 3, height, width].
    """

    name: str
    infer: Callable[[ModelInput], NDArray[np.float32]]


def run_backends(
    cases: Iterable[Case],
    backends: Sequence[BackendRunner],
    tally: Tally,
    *,
    stages: Sequence[Stage],
    open_scoring: OpenScoring | None = None,
    advance: Callable[[], None] | None = None,
) -> None:
    """Compare the integer stages, and the scores of what they masked, over all `cases`.

    Parameters
    ----------
    cases : iterable of Case
    backends : sequence of BackendRunner
    tally : Tally
        Takes what is found.
    stages : sequence of str
        Which of the integer stages to compare.
    open_scoring : callable, optional
        Starts a scorer for a plan and a number of videos. Where given, what the backends masked is
        scored too, in cases with pictures.
    advance : callable, optional
        Called after each case.
    """
    for case in cases:
        _CaseRun(case, backends, tally, stages).run(open_scoring if case.has_pictures else None)
        if advance:
            advance()


def run_networks(
    cases: Iterable[Case],
    networks: Sequence[NetworkRunner],
    tally: Tally,
    *,
    advance: Callable[[], None] | None = None,
) -> None:
    """Compare the maps that the providers' networks make of every frame of `cases`.

    The input is the reference backend's: that all backends make the same one is another stage.
    """
    for case in cases:
        format_name = case.plan.pixel_format.name
        alive = list(networks)
        with NumpyBackend(threads=1).open(case.plan) as session:
            for number, sample in enumerate(case.samples()):
                model_input = session.preprocess(sample.reference)
                model_input.setflags(write=False)
                answers: dict[str, list[Named]] = {}
                for network in list(alive):
                    try:
                        answers[network.name] = [
                            {"mask": np.array(network.infer(model_input))} for _ in range(RUNS)
                        ]
                    except Exception as error:  # noqa: BLE001 - whatever it raises is a finding
                        alive.remove(network)
                        tally.fail_to_answer(
                            "saliency", format_name, network.name, f"{case.name}: {one_line(error)}"
                        )
                compare_all(tally, "saliency", case, number, answers)
        if advance:
            advance()


class _CaseRun:
    """One case: two sessions per backend, and what they say of each frame."""

    def __init__(
        self, case: Case, backends: Sequence[BackendRunner], tally: Tally, stages: Sequence[Stage]
    ) -> None:
        self._case = case
        self._backends = backends
        self._tally = tally
        self._stages = [stage for stage in INTEGER_STAGES if stage in stages]
        self._failed: set[tuple[Stage, str]] = set()
        self._answers: dict[tuple[Stage, str, int], Answers] = {}
        # The last answers are kept until the next ones are there, so that those cannot be in them.
        self._held: dict[tuple[Stage, str, int], list[NDArray[np.generic]]] = {}

    def run(self, open_scoring: OpenScoring | None) -> None:
        with ExitStack() as resources:
            sessions = self._open_sessions(resources)
            scores = None
            if open_scoring is not None and sessions:
                scores = Scores(self._case, list(sessions), self._tally, runs=RUNS)
                scores.open(resources, open_scoring)
            for number, sample in enumerate(self._case.samples()):
                self._frame(number, sample, sessions, scores)
            if scores is not None:
                scores.finish()

    def _open_sessions(self, resources: ExitStack) -> dict[str, list[Session]]:
        sessions = {}
        for backend in self._backends:
            try:
                sessions[backend.name] = [
                    self._open_session(backend, resources) for _ in range(RUNS)
                ]
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                for stage in (*self._stages, SCORE):
                    self._note(stage, backend.name, error)
        return sessions

    def _open_session(self, backend: BackendRunner, resources: ExitStack) -> Session:
        """Return a session; that it cannot be closed later on is a finding like any other."""
        session = backend.open(self._case.plan)
        session.__enter__()

        def close() -> None:
            try:
                session.__exit__(None, None, None)
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                for stage in (*self._stages, SCORE):
                    self._note(stage, backend.name, error)

        resources.callback(close)
        return session

    def _frame(
        self,
        number: int,
        sample: Sample,
        sessions: dict[str, list[Session]],
        scores: Scores | None,
    ) -> None:
        for stage, question in _QUESTIONS.items():
            is_scored = scores is not None and stage == "substitute"
            if stage not in self._stages and not is_scored:
                continue
            answers = self._ask(stage, number, sample, sessions, question)
            if stage in self._stages:
                compare_all(self._tally, stage, self._case, number, answers)
            if scores is not None and is_scored:
                pixel_format = self._case.plan.pixel_format
                frames = {
                    name: [_frame_of(planes, pixel_format) for planes in both]
                    for name, both in answers.items()
                }
                scores.feed(number, sample, frames)

    def _ask(
        self,
        stage: Stage,
        number: int,
        sample: Sample,
        sessions: dict[str, list[Session]],
        question: Callable[[Session, Sample], Named],
    ) -> dict[str, list[Named]]:
        """Return every backend's answers; one that fails is not asked again for this case."""
        answers = {}
        for name, both in sessions.items():
            if (stage, name) in self._failed:
                continue
            try:
                answers[name] = [question(session, sample) for session in both]
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                self._failed.add((stage, name))
                self._note(stage, name, error)
                if stage == "substitute":
                    self._note(SCORE, name, error)
                continue
            for run, answer in enumerate(answers[name]):
                self._require_own_memory(stage, number, name, run, answer, sample)
        return answers

    def _require_own_memory(
        self, stage: Stage, number: int, name: str, run: int, answer: Named, sample: Sample
    ) -> None:
        """Note it as a failure if `answer` lies where the last one does, which it then changed."""
        key = stage, name, run
        planes = list(answer.values())
        inputs = (*sample.reference.planes, *sample.distorted.planes)
        if self._answers.setdefault(key, Answers()).reuses(planes, inputs):
            problem = f"frame {number}: the answer is in the memory of an earlier one"
            self._tally.add(
                stage,
                self._case.plan.pixel_format.name,
                name,
                name,
                Comparison(problem=problem),
                self._case.name,
            )
        self._held[key] = planes

    def _note(self, stage: Stage, name: str, error: Exception) -> None:
        format_name = self._case.plan.pixel_format.name
        self._tally.fail_to_answer(
            stage, format_name, name, f"{self._case.name}: {one_line(error)}"
        )


def _preprocess(session: Session, sample: Sample) -> Named:
    return input_channels(session.preprocess(sample.reference))


def _upsample(session: Session, sample: Sample) -> Named:
    return alpha_planes(session.upsample(sample.mask))


def _substitute(session: Session, sample: Sample) -> Named:
    return frame_planes(session.substitute(*sample))


_QUESTIONS: dict[Stage, Callable[[Session, Sample], Named]] = {
    "preprocess": _preprocess,
    "upsample": _upsample,
    "substitute": _substitute,
}


def _frame_of(planes: Named, pixel_format: PixelFormat) -> Frame:
    y, u, v = planes.values()
    return Frame((y, u, v), pixel_format)
