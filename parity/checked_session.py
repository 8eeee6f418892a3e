"""A session that computes chosen frames twice: on the device, and with the reference backend."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.arithmetic import NotSaliencyError
from roi_accel.backends.closing import Closing
from roi_accel.backends.geometry import check_frame
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.protocol import slots_of
from roi_accel.errors import BackendUnavailable, ParityError, RoiAccelError
from roi_accel.parity.buffer_reuse import Answers
from roi_accel.parity.check_log import REMEDY, Check
from roi_accel.parity.compare import frame_planes, input_channels
from roi_accel.parity.selftest import frames_and_mask
from roi_accel.parity.tolerance import table_tolerance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import (
        Alpha,
        InferringSession,
        Mask,
        ModelInput,
        RunNetwork,
        Session,
    )
    from roi_accel.parity.check_log import Ledger
    from roi_accel.parity.compare import Named

    Timed = Callable[[], AbstractContextManager[None]]


@dataclass
class _Current:
    """The frame that a thread is computing.

    Attributes
    ----------
    index : int
        0-based; -1 before the first.
    distorted : sequence of Frame
        One per video; `substitute` is known by them to be about this or that one.
    is_due : bool
        Whether its answers are compared.
    asked : Counter
        How many masked frames of each video there were so far.
    masked : list of (int, Check)
        The answers of `substitute` with their videos, to be compared at the end.
    """

    index: int = -1
    distorted: Sequence[Frame] = ()
    is_due: bool = False
    asked: Counter[int] = field(default_factory=Counter)
    masked: list[tuple[int, Check]] = field(default_factory=list)


class CheckedSession(Closing):
    """A device's session which, inside `frame`, is held against the reference backend's.

    Parameters
    ----------
    session : Session
        The device's.
    device : str
        Its name in messages.
    videos : sequence of str
        Names of the distorted videos in messages, in the order in which `frame` gets theirs.
    regions : sequence of str
        Names of the masks that follow the main one in every frame.
    ledger : Ledger
        Learns what was compared.
    timed : callable
        Returns a context manager that counts the time inside it as the gate's.
    """

    def __init__(
        self,
        session: Session,
        *,
        device: str,
        videos: Sequence[str],
        regions: Sequence[str],
        ledger: Ledger,
        timed: Timed,
    ) -> None:
        self.inner = session
        self._reference = NumpyBackend(threads=1).open(session.plan)
        self._device = device
        self._videos = videos
        self._masks = ("", *(f", region {name}" for name in regions))
        self._ledger = ledger
        self._timed = timed
        self._local = threading.local()
        # NumPy's session serves one thread at a time, and what was seen earlier is shared.
        self._lock = threading.Lock()
        self._earlier: list[Check] = []
        self._answers = Answers()

    @property
    def plan(self) -> Plan:
        """What this session was opened for."""
        return self.inner.plan

    @property
    def slots(self) -> int:
        """How many threads the device's session serves at once."""
        return slots_of(self.inner)

    @property
    def _current(self) -> _Current:
        """The frame that this thread is computing."""
        current: _Current = self._local.__dict__.setdefault("current", _Current())
        return current

    @contextmanager
    def frame(self, index: int, distorted: Sequence[Frame], *, is_due: bool) -> Iterator[None]:
        """Name frame `index` in errors, and if `is_due` check what this thread computes of it.

        Masked frames are compared at the end of the ``with``.

        Only then, and those of the frame before once more, so that an answer which a later one
        overwrote is found.

        Raises
        ------
        ParityError
            Something differs; also from `preprocess` and `substitute` inside the ``with``.
        """
        self._local.current = current = _Current(index, distorted, is_due)
        try:
            yield
            if not current.masked:
                return
            with self._timed(), self._lock:
                for video, check in current.masked:
                    self._ledger.count(check, compared_with=NumpyBackend.name, video=video)
                for check in self._earlier:
                    self._ledger.require(check)
                self._earlier = [
                    replace(check, fault=f"{check.fault} once it masks later frames")
                    for _, check in current.masked
                ]
        finally:
            self._local.current = _Current()

    def check_again(self) -> None:
        """Compare the last checked answers once more, before scores are made of them.

        Raises
        ------
        ParityError
            One has changed.
        """
        with self._lock:
            for check in self._earlier:
                self._ledger.require(check)

    def preprocess(self, reference: Frame) -> ModelInput:
        """Return the network's input for `reference`, as `Session.preprocess` does."""
        current = self._current
        if not current.is_due:
            with self._naming("preprocess"):
                return self.inner.preprocess(reference)
        with self._timed():
            inputs = {f"reference {name}": plane for name, plane in frame_planes(reference).items()}
            before = _copied(inputs)
            with self._lock:
                wanted = self._reference.preprocess(reference)
        with self._naming("preprocess"):
            got = self.inner.preprocess(reference)
        if not isinstance(got, np.ndarray):
            stage, kind = "preprocess", type(got).__name__
            raise self._fault(stage, f"gives a malformed answer: wanted an array, got {kind}")
        with self._timed():
            self._require_untouched("preprocess", before, inputs)
            check = Check(
                frame=current.index,
                fault=f"preprocess: {self._device} differs from {NumpyBackend.name}",
                wanted=input_channels(wanted),
                got=input_channels(got),
                inputs=inputs,
                tolerance=table_tolerance("preprocess"),
                label="preprocess",
            )
            self._ledger.count(check, compared_with=NumpyBackend.name)
        return got

    def upsample(self, mask: Mask) -> Alpha:
        """Return alpha on each plane's own grid; unchecked, since no score is computed from it."""
        return self.inner.upsample(mask)

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return the masked frame, as `Session.substitute` does."""
        current = self._current
        video = next((n for n, each in enumerate(current.distorted) if each is distorted), 0)
        number = current.asked[video]
        current.asked[video] += 1
        what = f"substitute of {self._videos[video]}{self._masks[number % len(self._masks)]}"
        if not current.is_due:
            return self._substitute(what, reference, distorted, mask)
        with self._timed():
            inputs = frames_and_mask(reference, distorted, mask)
            before = _copied(inputs)
            with self._lock:
                wanted = self._reference.substitute(reference, distorted, mask)
        got = self._substitute(what, reference, distorted, mask)
        with self._timed():
            self._require_untouched(what, before, inputs)
        check = Check(
            frame=current.index,
            fault=f"{what}: {self._device} differs from {NumpyBackend.name}",
            wanted=frame_planes(wanted),
            got=frame_planes(got),
            inputs=inputs,
            tolerance=table_tolerance("substitute"),
            label=f"substitute-video-{video}-mask-{number}",
        )
        current.masked.append((video, check))
        return got

    def close(self) -> None:
        """Release the device's buffers, and the reference's."""
        self._reference.close()
        self.inner.close()

    def _substitute(self, what: str, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return the device's answer, once it is a frame in memory that no other frame uses."""
        with self._naming(what):
            got = self.inner.substitute(reference, distorted, mask)
        try:
            check_frame(self.plan, got)
        except (ValueError, AttributeError, TypeError) as error:
            raise self._fault(what, f"gives a malformed answer: {error}") from error
        if self._answers.reuses(got.planes, (*reference.planes, *distorted.planes)):
            raise self._fault(what, "answers in memory that an earlier frame is still in")
        return got

    @contextmanager
    def _naming(self, what: str) -> Iterator[None]:
        """Name the device where it fails in a way of its own."""
        try:
            yield
        except (RoiAccelError, NotSaliencyError):
            raise
        except Exception as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            msg = f"frame {self._current.index}: {self._device} fails in {what}: {reason}"
            # guard: backend-failure
            raise BackendUnavailable(msg, remedy="choose another --device or --backend") from error

    def _fault(self, what: str, fault: str) -> ParityError:
        frame = self._current.index
        msg = f"{what}: {self._device} {fault}: frame {frame}; nothing was scored"
        return ParityError(msg, remedy=REMEDY)

    def _require_untouched(self, what: str, before: Named, after: Named) -> None:
        check = Check(
            frame=self._current.index,
            fault=f"{what}: {self._device} writes to its input",
            wanted=before,
            got=after,
            inputs={},
            tolerance=table_tolerance("substitute"),
            label="written-input",
        )
        self._ledger.require(check)


class CheckedInferringSession(CheckedSession):
    """The same for a session beside whose kernels the network runs, in the device's memory.

    Parameters
    ----------
    session : Session
        Which is InfersOnDevice, too.
    check_mask : callable
        Called with a network's input and the mask that the device made of it; raises where it
        distrusts it.
    **rest
        As `CheckedSession` takes them.
    """

    def __init__(
        self,
        session: InferringSession,
        *,
        check_mask: Callable[[ModelInput, Mask], None],
        device: str,
        videos: Sequence[str],
        regions: Sequence[str],
        ledger: Ledger,
        timed: Timed,
    ) -> None:
        super().__init__(
            session,
            device=device,
            videos=videos,
            regions=regions,
            ledger=ledger,
            timed=timed,
        )
        self._inferring = session
        self._check_mask = check_mask

    @property
    def tensor_device(self) -> tuple[str, int]:
        """ONNX Runtime's name and number of the device that has the tensors."""
        return self._inferring.tensor_device

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        """Return the mask of `reference`, as `InfersOnDevice.infer` does."""
        if not self._current.is_due:
            with self._naming("saliency"):
                return self._inferring.infer(reference, run)
        with self._timed():
            # The input that the network will see cannot be read; the same kernels make this one.
            model_input = self.preprocess(reference)
            inputs = {f"reference {name}": plane for name, plane in frame_planes(reference).items()}
            before = _copied(inputs)
        with self._naming("saliency"):
            mask = self._inferring.infer(reference, run)
        with self._timed():
            self._require_untouched("saliency", before, inputs)
            self._check_mask(model_input, mask)
        return mask


def _copied(arrays: Named) -> Named:
    return {name: array.copy() for name, array in arrays.items()}
