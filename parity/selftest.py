"""The golden self-test: a device reproduces committed digests before it computes a real frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.errors import BackendUnavailable, RoiAccelError
from roi_accel.parity.calibration import INTEGER_STAGES
from roi_accel.parity.cases import cases, compute, digest, frame_key, golden_digests
from roi_accel.parity.compare import compare, frame_planes, named_answer, save_arrays

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame, PixelFormat
    from roi_accel.backends.protocol import Backend, Mask, Session
    from roi_accel.parity.calibration import Stage
    from roi_accel.parity.cases import Sample, SeededCase
    from roi_accel.parity.compare import Named, Save

FRAME_KINDS = ("noise", "waves")
MAX_PIXELS = 176 * 144
"""Larger cases would delay the start of a run."""

_WRONG = "does not reproduce the golden self-test"
_REMEDY = "update its driver, or choose another --device or --backend; nothing was scored"

_Answer = tuple[NDArray[np.generic], ...]


@dataclass(frozen=True)
class SelfTest:
    """How many cases of the corpus, and values in their digests, a device reproduced."""

    cases: int
    values: int


def self_test_cases(pixel_format: PixelFormat) -> list[SeededCase]:
    """Return three small cases of `pixel_format`: odd and even sizes, noise and moving pictures."""
    return [
        case
        for case in cases()
        if case.frame_kind in FRAME_KINDS
        and case.plan.pixel_format == pixel_format
        and case.plan.width * case.plan.height <= MAX_PIXELS
    ]


def run_self_test(
    backend: Backend, pixel_format: PixelFormat, *, save: Save | None = None
) -> SelfTest:
    """Let `backend` reproduce the golden digests of two frames of each case, the first one twice.

    The second comes in between, to find answers that change afterwards or when repeated. The pixel
    format is the run's own: devices compile other code for other types of sample. `save` is as for
    `CheckLog`. BackendUnavailable has the first stage and value that differ.
    """
    golden = golden_digests()
    chosen = self_test_cases(pixel_format)
    values = 0
    for case in chosen:
        try:
            with backend.open(case.plan) as session:
                values += _Trial(_name(backend), session, case, golden, save).run()
        except RoiAccelError:
            raise
        except Exception as error:  # A backend of another package may fail in any way.
            what = f"{type(error).__name__}: {error}"
            msg = f"{_name(backend)} fails in the golden self-test, case {case.name!r}: {what}"
            raise BackendUnavailable(msg, remedy=_REMEDY) from error
    return SelfTest(len(chosen), values)


def _name(backend: Backend) -> str:
    return f"device {backend.device} of backend {backend.name}"


@dataclass(frozen=True)
class _Trial:
    """One case on one session."""

    device: str
    session: Session
    case: SeededCase
    golden: dict[str, dict[str, str]]
    save: Save | None

    def run(self) -> int:
        """Return how many values were right; BackendUnavailable at the first that is not."""
        samples = list(islice(self.case.samples(), 2))
        answers = [self._answers(number, sample, _WRONG) for number, sample in enumerate(samples)]
        for stage, answer in answers[0].items():
            self._check(stage, answer, 0, samples[0], "changes an answer once it computes the next")
        self._answers(0, samples[0], "gives another answer when asked again")
        return sum(
            plane.size for stages in answers for answer in stages.values() for plane in answer
        )

    def _answers(self, number: int, sample: Sample, fault: str) -> dict[Stage, _Answer]:
        """Return the session's checked answers about frame `number`; its inputs are untouched."""
        inputs = frames_and_mask(*sample)
        before = {name: plane.copy() for name, plane in inputs.items()}
        answers = {}
        for stage in INTEGER_STAGES:
            answers[stage] = compute(self.session, stage, sample)
            comparison = compare(before, inputs)
            if not comparison.agrees:
                where = f"{stage} of {frame_key(self.case.name, number)!r}"
                msg = f"{self.device} writes to its input in {where}: {comparison}"
                raise BackendUnavailable(msg, remedy=_REMEDY)
        for stage, answer in answers.items():
            self._check(stage, answer, number, sample, fault)
        return answers

    def _check(
        self, stage: Stage, answer: _Answer, number: int, sample: Sample, fault: str
    ) -> None:
        key = frame_key(self.case.name, number)
        golden = self.golden[key][stage]
        if digest(*answer) == golden:
            return
        with NumpyBackend(threads=1).open(self.case.plan) as session:
            wanted = compute(session, stage, sample)
        if digest(*wanted) != golden:
            msg = (
                "the reference backend itself does not reproduce the golden self-test: "
                f"{stage} of {key!r}"
            )
            remedy = f"reinstall roi-accel and NumPy (it is {np.__version__} here)"
            raise BackendUnavailable(msg, remedy=remedy)
        both = named_answer(stage, wanted), named_answer(stage, answer)
        msg = f"{self.device} {fault}: {stage} of {key!r}: {compare(*both)}"
        kept = save_arrays(
            self.save, f"self-test-{stage}-{number}.npz", *both, frames_and_mask(*sample)
        )
        raise BackendUnavailable(msg, remedy=f"{_REMEDY}; {kept}")


def frames_and_mask(reference: Frame, distorted: Frame, mask: Mask) -> Named:
    """Return all that `substitute` reads, by name."""
    both = frame_planes(reference, "reference "), frame_planes(distorted, "distorted ")
    return {**both[0], **both[1], "mask": mask}
