"""Runs every case through every participant, twice and side by side, and compares all of them.

Two sessions per backend take the frames of a case in turn, as a clip's frames would come, so that a
backend that answers differently the second time, or from the second frame on, is found out. Frames
are compared as they come and then dropped: memory is bounded by one frame per session.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.parity.compare import alpha_planes, frame_planes, input_channels
from roi_accel.parity.scores import SCORE, Scores
from roi_accel.parity.tally import compare_all, one_line
from roi_accel.parity.tolerance import INTEGER_STAGES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import ModelInput, Session
    from roi_accel.parity.cases import Case, Sample
    from roi_accel.parity.compare import Named
    from roi_accel.parity.scores import OpenRuler
    from roi_accel.parity.tally import Tally
    from roi_accel.parity.tolerance import Stage

RUNS = 2
"""Sessions per backend, so that each is also held against itself."""

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Computing:
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
class Looking:
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
    backends: Sequence[Computing],
    tally: Tally,
    *,
    stages: Sequence[Stage],
    open_ruler: OpenRuler | None = None,
    advance: Callable[[], None] | None = None,
) -> None:
    """Compare the integer stages, and the scores of what they masked, over all `cases`.

    Parameters
    ----------
    cases : iterable of Case
    backends : sequence of Computing
    tally : Tally
        Takes what is found.
    stages : sequence of str
        Which of the integer stages to compare.
    open_ruler : callable, optional
        Where given, what the backends masked is scored too, in cases with pictures.
    advance : callable, optional
        Called after each case.
    """
    for case in cases:
        ruler = open_ruler if case.has_pictures else None
        _CaseRun(case, backends, tally, stages).run(ruler)
        if advance:
            advance()


def run_networks(
    cases: Iterable[Case],
    networks: Sequence[Looking],
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
        with NumpyBackend().open(case.plan) as session:
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
        self, case: Case, backends: Sequence[Computing], tally: Tally, stages: Sequence[Stage]
    ) -> None:
        self._case = case
        self._backends = backends
        self._tally = tally
        self._stages = [stage for stage in INTEGER_STAGES if stage in stages]
        self._failed: set[tuple[Stage, str]] = set()

    def run(self, open_ruler: OpenRuler | None) -> None:
        with ExitStack() as resources:
            sessions = self._open_sessions(resources)
            scores = None
            if open_ruler is not None and sessions:
                scores = Scores(self._case, list(sessions), self._tally, runs=RUNS)
                scores.open(resources, open_ruler)
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

    def _open_session(self, backend: Computing, resources: ExitStack) -> Session:
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
        found: dict[str, list[Named]]
        if "preprocess" in self._stages:
            inputs = self._ask("preprocess", sessions, lambda s: s.preprocess(sample.reference))
            found = {name: list(map(input_channels, both)) for name, both in inputs.items()}
            compare_all(self._tally, "preprocess", self._case, number, found)
        if "upsample" in self._stages:
            alphas = self._ask("upsample", sessions, lambda s: s.upsample(sample.mask))
            found = {name: list(map(alpha_planes, both)) for name, both in alphas.items()}
            compare_all(self._tally, "upsample", self._case, number, found)
        if "substitute" not in self._stages and scores is None:
            return
        masked = self._ask("substitute", sessions, lambda s: s.substitute(*sample))
        if "substitute" in self._stages:
            found = {name: list(map(frame_planes, both)) for name, both in masked.items()}
            compare_all(self._tally, "substitute", self._case, number, found)
        if scores is not None:
            scores.feed(sample, masked)

    def _ask(
        self,
        stage: Stage,
        sessions: dict[str, list[Session]],
        question: Callable[[Session], Answer],
    ) -> dict[str, list[Answer]]:
        """Return every backend's answers; one that fails is not asked again for this case."""
        answers = {}
        for name, both in sessions.items():
            if (stage, name) in self._failed:
                continue
            try:
                answers[name] = [question(session) for session in both]
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                self._failed.add((stage, name))
                self._note(stage, name, error)
                if stage == "substitute":
                    self._note(SCORE, name, error)
        return answers

    def _note(self, stage: Stage, name: str, error: Exception) -> None:
        format_name = self._case.plan.pixel_format.name
        self._tally.fail_to_answer(
            stage, format_name, name, f"{self._case.name}: {one_line(error)}"
        )
