"""The golden self-test: a device proves itself on committed digests before it sees a real frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.errors import BackendUnavailable, RoiAccelError
from roi_accel.parity.compare import compare, frame_planes, input_channels
from roi_accel.parity.corpus import cases, digest
from roi_accel.parity.golden import golden_digests
from roi_accel.parity.tolerance import INTEGER_STAGES

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame, PixelFormat
    from roi_accel.backends.protocol import Backend, Mask, ModelInput, Session
    from roi_accel.parity.compare import Named
    from roi_accel.parity.corpus import Case
    from roi_accel.parity.tolerance import Stage

MAX_PIXELS = 576 * 324
"""Larger cases of the corpus would take longer than the start of a run may."""

_MASK_MAX = np.uint16(65535)
_REMEDY = "update its driver, or choose another --device or --backend; nothing was scored"

_Answer = tuple[NDArray[np.generic], ...]


@dataclass(frozen=True)
class SelfTest:
    """What a device reproduced.

    Attributes
    ----------
    cases : int
        Cases of the seeded corpus.
    values : int
        Network inputs, alphas and samples in their digests.
    """

    cases: int
    values: int


def self_test_cases(pixel_format: PixelFormat) -> list[Case]:
    """Return the corpus's small cases of `pixel_format`: three, each with another mask and fade."""
    return [
        case
        for case in cases()
        if case.plan.pixel_format == pixel_format
        and case.plan.width * case.plan.height <= MAX_PIXELS
    ]


def run_self_test(backend: Backend, pixel_format: PixelFormat) -> SelfTest:
    """Let `backend` reproduce the golden digests of `pixel_format`, each three times.

    Before the third it computes something else, so that an answer which changes afterwards, or when
    it is asked for again, is found as well as one that is wrong.

    Parameters
    ----------
    backend : Backend
    pixel_format : PixelFormat
        The run's own: devices compile other code for other types of sample.

    Raises
    ------
    BackendUnavailable
        The device is refused; the message has the first stage and value that differ.
    """
    golden = golden_digests()
    found = self_test_cases(pixel_format)
    values = 0
    for case in found:
        try:
            with backend.open(case.plan) as session:
                values += _Trial(backend, session, case, golden[case.name]).run()
        except RoiAccelError:
            raise
        except Exception as error:  # A backend of another package may fail in any way.
            what = f"{type(error).__name__}: {error}"
            msg = f"{_name(backend)} fails in the golden self-test, case {case.name!r}: {what}"
            raise BackendUnavailable(msg, remedy=_REMEDY) from error
    return SelfTest(len(found), values)


def _name(backend: Backend) -> str:
    return f"device {backend.device} of backend {backend.name}"


class _Trial:
    """One case on one session."""

    def __init__(
        self, backend: Backend, session: Session, case: Case, golden: dict[str, str]
    ) -> None:
        self._device = _name(backend)
        self._session = session
        self._case = case
        self._golden = golden

    def run(self) -> int:
        """Return how many values were right; BackendUnavailable at the first that is not."""
        case = self._case
        first = {stage: self._ask_untouched(stage) for stage in INTEGER_STAGES}
        for stage, answer in first.items():
            self._check(stage, answer, "does not reproduce the golden self-test")
        self._ask_again("gives another answer when asked again")
        for stage in INTEGER_STAGES:
            _ask(self._session, stage, case.distorted, case.reference, _MASK_MAX - case.mask)
        for stage, answer in first.items():
            self._check(stage, answer, "changes an answer once it computes the next one")
        self._ask_again("gives another answer after another frame")
        return sum(plane.size for answer in first.values() for plane in answer)

    def _ask_again(self, fault: str) -> None:
        case = self._case
        for stage in INTEGER_STAGES:
            answer = _ask(self._session, stage, case.reference, case.distorted, case.mask)
            self._check(stage, answer, fault)

    def _ask_untouched(self, stage: Stage) -> _Answer:
        """Return the session's answer, having made sure that it left its inputs as they were."""
        case = self._case
        inputs = frames_and_mask(case.reference, case.distorted, case.mask)
        before = {name: plane.copy() for name, plane in inputs.items()}
        answer = _ask(self._session, stage, case.reference, case.distorted, case.mask)
        found = compare(before, inputs)
        if not found.agrees:
            msg = f"{self._device} writes to its input in {stage} of case {case.name!r}: {found}"
            raise BackendUnavailable(msg, remedy=_REMEDY)
        return answer

    def _check(self, stage: Stage, answer: _Answer, fault: str) -> None:
        if digest(*answer) == self._golden[stage]:
            return
        case = self._case
        with NumpyBackend().open(case.plan) as session:
            wanted = _ask(session, stage, case.reference, case.distorted, case.mask)
        where = f"{stage} of case {case.name!r}"
        if digest(*wanted) != self._golden[stage]:
            msg = f"the reference backend itself does not reproduce the golden self-test: {where}"
            remedy = f"reinstall roi-accel and NumPy (it is {np.__version__} here)"
            raise BackendUnavailable(msg, remedy=remedy)
        found = compare(_named(stage, wanted), _named(stage, answer))
        msg = f"{self._device} {fault}: {where}: {found}"
        raise BackendUnavailable(msg, remedy=_REMEDY)


def frames_and_mask(reference: Frame, distorted: Frame, mask: Mask) -> Named:
    """Return all that `substitute` reads, by name."""
    return {
        **{f"reference {name}": plane for name, plane in frame_planes(reference).items()},
        **{f"distorted {name}": plane for name, plane in frame_planes(distorted).items()},
        "mask": mask,
    }


def _ask(session: Session, stage: Stage, reference: Frame, distorted: Frame, mask: Mask) -> _Answer:
    if stage == "preprocess":
        return (session.preprocess(reference),)
    if stage == "upsample":
        return session.upsample(mask)
    return session.substitute(reference, distorted, mask).planes


def _named(stage: Stage, answer: _Answer) -> Named:
    return (
        input_channels(cast("ModelInput", answer[0]))
        if stage == "preprocess"
        else dict(zip("YUV", answer, strict=True))
    )
