"""Every case through every participant, twice, and all answers compared.

Two sessions per backend take the frames of a case in turn, as those of a clip, to find a backend
that answers differently the second time, or from the second frame on. Frames are compared
immediately and dropped when the next ones exist, which must not be in the same memory.
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from roi_accel.backends.frame import Frame, FrameSet
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.parity.calibration import INTEGER_STAGES
from roi_accel.parity.cases import compute
from roi_accel.parity.compare import BuffersInUse, Comparison, named_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import ModelInput, Session
    from roi_accel.parity.calibration import Stage
    from roi_accel.parity.cases import Case, Sample
    from roi_accel.parity.cells import Findings
    from roi_accel.parity.compare import Named

    OpenScoring = Callable[[Plan, int], AbstractContextManager["Scoring"]]
    """Starts a scorer for the frames of a plan and a number of videos."""

RUNS = 2
"""Sessions per backend, so that each is also compared with itself."""

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
    """What is used here of a running scorer."""

    def feed(self, frames: FrameSet) -> None:
        """Take the frames of the next instant."""

    def finish(self) -> Sequence[_Video]:
        """Return the metrics of each video, a number per frame."""
        ...


@dataclass(frozen=True)
class BackendRunner:
    """A participant that computes the integer stages, by opening a session for a plan."""

    name: str
    open: Callable[[Plan], Session]


@dataclass(frozen=True)
class NetworkRunner:
    """A participant that runs the saliency network.

    `infer` returns the map float32[height, width] of an input float32[1, 3, height, width].
    """

    name: str
    infer: Callable[[ModelInput], NDArray[np.float32]]


def run_backends(
    cases: Iterable[Case],
    backends: Sequence[BackendRunner],
    findings: Findings,
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
    findings : Findings
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
        _CaseRun(case, backends, findings, stages).run(open_scoring if case.has_pictures else None)
        if advance:
            advance()


def run_networks(
    cases: Iterable[Case],
    networks: Sequence[NetworkRunner],
    findings: Findings,
    *,
    advance: Callable[[], None] | None = None,
) -> None:
    """Compare the maps that the providers' networks make of every frame of `cases`.

    The input is the reference backend's: that all backends make the same one is another stage.

    Parameters
    ----------
    cases, findings, advance
        As for `run_backends`.
    networks : sequence of NetworkRunner
    """
    for case in cases:
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
                        findings.fail_to_answer("saliency", case, network.name, error)
                findings.compare_all("saliency", case, number, answers)
        if advance:
            advance()


class _CaseRun:
    """One case: two sessions per backend, and their answers for each frame."""

    def __init__(
        self,
        case: Case,
        backends: Sequence[BackendRunner],
        findings: Findings,
        stages: Sequence[Stage],
    ) -> None:
        self._case = case
        self._format = case.plan.pixel_format
        self._backends = backends
        self._findings = findings
        self._stages = [stage for stage in INTEGER_STAGES if stage in stages]
        self._failed: set[tuple[Stage, str]] = set()
        self._buffers: dict[tuple[Stage, str, int], BuffersInUse] = {}
        # The last answers are kept until the next ones exist, so that those cannot overwrite them.
        self._kept: dict[tuple[Stage, str, int], list[NDArray[np.generic]]] = {}

    def run(self, open_scoring: OpenScoring | None) -> None:
        with ExitStack() as resources:
            sessions: dict[str, list[Session]] = {}
            for backend in self._backends:
                with self._noting(backend.name):
                    opened = [self._open_session(backend, resources) for _ in range(RUNS)]
                    sessions[backend.name] = opened
            scores = None
            if open_scoring is not None and sessions:
                scores = _Scores(self._case, list(sessions), self._findings)
                scores.open(resources, open_scoring)
            for number, sample in enumerate(self._case.samples()):
                self._frame(number, sample, sessions, scores)
            if scores is not None:
                scores.finish()

    def _open_session(self, backend: BackendRunner, resources: ExitStack) -> Session:
        """Return a session; that it cannot be closed later on is a finding like any other."""
        session = backend.open(self._case.plan)
        session.__enter__()

        def close() -> None:
            with self._noting(backend.name):
                session.__exit__(None, None, None)

        resources.callback(close)
        return session

    @contextmanager
    def _noting(self, name: str) -> Iterator[None]:
        """Record what backend `name` raises as a failure of all its stages."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
            for stage in (*self._stages, SCORE):
                self._findings.fail_to_answer(stage, self._case, name, error)

    def _frame(
        self,
        number: int,
        sample: Sample,
        sessions: dict[str, list[Session]],
        scores: _Scores | None,
    ) -> None:
        for stage in INTEGER_STAGES:
            is_scored = scores is not None and stage == "substitute"
            if stage not in self._stages and not is_scored:
                continue
            answers = self._ask(stage, number, sample, sessions)
            if stage in self._stages:
                self._findings.compare_all(stage, self._case, number, answers)
            if scores is not None and is_scored:
                frames = {
                    name: [Frame((run["Y"], run["U"], run["V"]), self._format) for run in both]
                    for name, both in answers.items()
                }
                scores.feed(number, sample, frames)

    def _ask(
        self, stage: Stage, number: int, sample: Sample, sessions: dict[str, list[Session]]
    ) -> dict[str, list[Named]]:
        """Return every backend's answers; one that fails is not asked again for this case."""
        answers = {}
        for name, both in sessions.items():
            if (stage, name) in self._failed:
                continue
            try:
                answers[name] = [
                    named_answer(stage, compute(session, stage, sample)) for session in both
                ]
            except Exception as error:  # noqa: BLE001 - whatever a backend raises is a finding
                self._failed.add((stage, name))
                for failed in (stage, SCORE) if stage == "substitute" else (stage,):
                    self._findings.fail_to_answer(failed, self._case, name, error)
                continue
            for run, answer in enumerate(answers[name]):
                self._require_own_memory(stage, number, (name, run), answer, sample)
        return answers

    def _require_own_memory(
        self, stage: Stage, number: int, who: tuple[str, int], answer: Named, sample: Sample
    ) -> None:
        """Record a difference if `answer` is in the memory of the last one, which it overwrote."""
        name, _ = who
        planes = list(answer.values())
        inputs = (*sample.reference.planes, *sample.distorted.planes)
        buffers = self._buffers.setdefault((stage, *who), BuffersInUse())
        if buffers.are_reused(planes, inputs):
            problem = f"frame {number}: the answer is in the memory of an earlier one"
            comparison = Comparison(problem=problem)
            self._findings.add(stage, self._format.name, name, name, comparison, self._case.name)
        self._kept[stage, *who] = planes


class _Scores:
    """One case's scores: every backend's masked frames scored together, as full frames of videos.

    The scorer masks nothing here, and what it raises is an error of every cell of this format.
    """

    def __init__(self, case: Case, names: Sequence[str], findings: Findings) -> None:
        self._case = case
        self._names = names
        self._findings = findings
        self._lost: set[str] = set()
        self._scoring: Scoring | None = None

    def open(self, resources: ExitStack, open_scoring: OpenScoring) -> None:
        with self._giving_up():
            opened = open_scoring(self._case.plan, len(self._names) * RUNS)
            self._scoring = resources.enter_context(opened)

    def feed(self, number: int, sample: Sample, masked: dict[str, list[Frame]]) -> None:
        """Score frame `number`, the reference in the place of a backend's that has no answer."""
        if self._scoring is None:
            return
        variants: list[Frame] = []
        for name in self._names:
            frames = masked.get(name)
            if frames is None or name in self._lost or not self._fit(name, frames):
                self._lost.add(name)
                frames = [sample.reference] * RUNS
            variants += frames
        frame_set = FrameSet(
            number, is_last=False, reference=sample.reference, distorted=tuple(variants)
        )
        with self._giving_up():
            self._scoring.feed(frame_set)

    def finish(self) -> None:
        """Compare the scores frame by frame."""
        scores: list[Sequence[float]] = [()]
        if self._scoring is not None:
            with self._giving_up():
                scores = [video.full.metrics[METRIC] for video in self._scoring.finish()]
        for frame in range(len(scores[0])):
            values = iter(np.float64(series[frame]) for series in scores)
            answers = {
                name: [{"score": np.asarray(next(values))} for _ in range(RUNS)]
                for name in self._names
            }
            kept = {name: both for name, both in answers.items() if name not in self._lost}
            self._findings.compare_all(SCORE, self._case, frame, kept)

    def _fit(self, name: str, frames: Sequence[Frame]) -> bool:
        """Whether the frames are what the scorer expects; others would shift all that follows."""
        try:
            for frame in frames:
                self._case.plan.check_frame(frame)
        except ValueError as error:
            self._findings.fail_to_answer(SCORE, self._case, name, error)
            return False
        return True

    @contextmanager
    def _giving_up(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever the scorer raises is a finding
            self._scoring = None
            for name in self._names:
                self._findings.fail_to_answer(SCORE, self._case, name, error)
