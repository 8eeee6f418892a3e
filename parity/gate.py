"""The gate: no score is computed from frames of a device that was not verified in this very run.

A device first reproduces the golden self-test; then chosen frames of the run are computed by the
reference backend too. Arrays are only read here, so a run gives the same scores with and without.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import MASK_MAX
from roi_accel.backends.protocol import InfersOnDevice
from roi_accel.parity.check_log import Check, Ledger
from roi_accel.parity.checked_session import CheckedInferringSession, CheckedSession
from roi_accel.parity.compare import input_channels
from roi_accel.parity.selftest import run_self_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Backend, Mask, ModelInput, Session
    from roi_accel.parity.check_log import Save
    from roi_accel.parity.checked_session import Timed
    from roi_accel.parity.selftest import SelfTest
    from roi_accel.parity.tolerance import Tolerance

    SaliencyMap = NDArray[np.float32]
    Infer = Callable[[ModelInput], SaliencyMap]

GateMode = Literal["first", "sample", "all", "off"]

GATE_MODES: tuple[GateMode, ...] = ("first", "sample", "all", "off")

DEFAULT_GATE: GateMode = "sample"

SAMPLE_STRIDE = 31
"""A prime, so that a device that takes turns among a few buffers has each of them checked."""

_FRAMES: dict[GateMode, str] = {
    "first": "frame 0",
    "sample": f"frames 0 and 1, every {SAMPLE_STRIDE}st, and the last",
    "all": "every frame",
    "off": "none",
}


def is_checked(mode: GateMode, index: int, *, is_last: bool = False) -> bool:
    """Whether frame `index`, counted from 0, is compared with the reference backend's."""
    if mode == "sample":
        return is_last or index == 1 or index % SAMPLE_STRIDE == 0
    return mode == "all" or (mode == "first" and index == 0)


class Gate:
    """One run's checks, and what they compared.

    Parameters
    ----------
    mode : {"first", "sample", "all", "off"}
        Which frames are checked; ``off`` leaves out the self-test too.
    backend : Backend
        What is checked.
    timed : callable
        Returns a context manager that counts the time inside it as the gate's.
    save : callable, optional
        Given a file's name and content, writes it and returns where; raises OutputError where it
        cannot. Called with the arrays of an answer that differs.
    """

    def __init__(
        self,
        mode: GateMode,
        backend: Backend,
        *,
        timed: Timed,
        save: Save | None = None,
    ) -> None:
        self._mode = mode
        self._backend = backend
        self._timed = timed
        self._ledger = Ledger(save)
        # By its class: a backend of another package may call itself whatever it likes.
        self._is_reference = type(backend) is NumpyBackend
        self._self_test: SelfTest | None = None
        self._session: CheckedSession | None = None
        self._reference_network: tuple[Infer, str, Tolerance] | None = None
        self._local = threading.local()
        self._checked: set[int] = set()
        self._notes: list[str] = []
        if mode == "off":
            self.note("nothing was checked")
        elif self._is_reference:
            self.note(f"{NumpyBackend.name} is the reference itself: only the self-test checks it")

    def open(self, plan: Plan, *, videos: Sequence[str], regions: Sequence[str]) -> Session:
        """Let the device pass the self-test; return its session, checked inside `frame`.

        Parameters
        ----------
        plan : Plan
        videos : sequence of str
            Names of the distorted videos, in the order in which `frame` gets theirs.
        regions : sequence of str
            Names of the masks that follow the main one in every frame.

        Raises
        ------
        BackendUnavailable
            The device does not reproduce the golden self-test in the plan's format.
        """
        session = self._backend.open(plan)
        if self._mode == "off":
            return session
        try:
            with self._timed():
                self._self_test = run_self_test(  # guard: self-test
                    self._backend, plan.pixel_format, save=self._ledger.save
                )
            if self._is_reference:
                return session
            common: dict[str, Any] = {
                "device": f"backend {self._backend.name} on {self._backend.device}",
                "videos": videos,
                "regions": regions,
                "ledger": self._ledger,
                "timed": self._timed,
            }
            if isinstance(session, InfersOnDevice):
                self._session = CheckedInferringSession(
                    session, check_mask=self.check_mask, **common
                )
            else:
                self._session = CheckedSession(session, **common)
        except BaseException:
            session.close()
            raise
        return self._session

    def note(self, text: str) -> None:
        """Let the report say what was left unchecked, and why."""
        self._notes.append(text)

    def compare_network(self, infer: Infer, provider: str, tolerance: Tolerance) -> None:
        """Hold maps of checked frames against those of the same network on `provider`.

        Parameters
        ----------
        infer : callable
            From a network's input to its map, float32[height, width].
        provider : str
            Where `infer` runs.
        tolerance : Tolerance
        """
        self._reference_network = infer, provider, tolerance

    @contextmanager
    def frame(
        self,
        index: int,
        distorted: Sequence[Frame],
        *,
        is_last: bool = False,
        turn: int | None = None,
    ) -> Iterator[None]:
        """Check what this thread has computed in the ``with``, if frame `index` is due.

        A frame may have such blocks in which it gets its masks, and another for masking it.

        Parameters
        ----------
        index : int
        distorted : sequence of Frame
            One per video.
        is_last : bool
            Whether no frame follows.
        turn : int, optional
            Which of the frames it is that get such a block, from 0, where not all do: every 31st
            of these is due. Default: `index`.

        Raises
        ------
        ParityError
            Something differs: at the latest on leaving the block, so before a frame is used.
        """
        is_due = is_checked(self._mode, index if turn is None else turn, is_last=is_last)
        session = self._session
        with session.frame(index, distorted, is_due=is_due) if session else nullcontext():
            if not is_due or (session is None and self._reference_network is None):
                yield
                return
            self._local.index = index
            try:
                yield
            finally:
                self._local.index = None
            if session is not None:
                self._checked.add(index)

    def finish(self) -> None:
        """Compare what was checked last once more, now that all frames are computed.

        Raises
        ------
        ParityError
            It has changed since.
        """
        if self._session is not None:
            self._session.check_again()

    def check_map(self, model_input: ModelInput, saliency: SaliencyMap) -> None:
        """Hold a network's map against the reference provider's, if its frame is due.

        Parameters
        ----------
        model_input : float32[1, 3, height, width]
        saliency : float32[height, width]

        Raises
        ------
        ParityError
            They lie further apart than the tolerance.
        """
        index: int | None = getattr(self._local, "index", None)
        if index is None or self._reference_network is None:
            return
        self._checked.add(index)
        infer, provider, tolerance = self._reference_network
        with self._timed():
            check = Check(
                frame=index,
                fault=f"saliency: the network's map differs from {provider}'s",
                wanted={"mask": infer(model_input)},
                got={"mask": saliency},
                inputs=input_channels(model_input),
                tolerance=tolerance,
                label="saliency",
            )
            self._ledger.count(check, compared_with=provider)

    def check_mask(self, model_input: ModelInput, mask: Mask) -> None:
        """Hold a mask that never was a map on the host against the reference provider's map.

        Parameters
        ----------
        model_input : float32[1, 3, height, width]
        mask : uint16[mask_height, mask_width]

        Raises
        ------
        ParityError
            They lie further apart than the tolerance and half a code, by which codes are rounded.
        """
        index: int | None = getattr(self._local, "index", None)
        if index is None or self._reference_network is None:
            return
        self._checked.add(index)
        infer, provider, tolerance = self._reference_network
        height, width = mask.shape
        wanted = np.clip(infer(model_input)[:height, :width].astype(np.float64), 0.0, 1.0)
        check = Check(
            frame=index,
            fault=f"saliency: the device's mask differs from {provider}'s map",
            wanted={"mask": wanted},
            got={"mask": mask / float(MASK_MAX)},
            inputs=input_channels(model_input),
            tolerance=replace(
                tolerance,
                value=tolerance.value + 0.5 / MASK_MAX,
                source=f"{tolerance.source}, and half a code of 16 bits",
            ),
            label="saliency",
        )
        self._ledger.count(check, compared_with=provider)

    def report(self, video: int) -> dict[str, Any]:
        """Return the result's ``parity`` block for distorted video `video`, counted from 0."""
        test = self._self_test
        return {
            "gate": self._mode,
            "self_test": None if test is None else {"cases": test.cases, "values": test.values},
            "reference": None if self._session is None else NumpyBackend.name,
            "frames": _FRAMES[self._mode],
            "frames_checked": len(self._checked),
            "stages": self._ledger.report(video),
            "notes": list(self._notes),
        }
