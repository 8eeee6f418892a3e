"""The gate: no score comes from frames of a device that was not verified in the same run.

A device first reproduces the golden self-test; then chosen frames are computed by the reference
backend as well. The run calls the gate and says which frame, what went in and what came out:
`expect_...` before the device computes, since a faulty one could write to its input, and
`check_...` once it has. Arrays are only read, so scores are the same with and without the gate.
"""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from roi_accel.backends.frame import Frame
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import MASK_MAX
from roi_accel.errors import ParityError
from roi_accel.parity.calibration import table_tolerance
from roi_accel.parity.compare import (
    REMEDY,
    BuffersInUse,
    Check,
    CheckLog,
    frame_planes,
    input_channels,
)
from roi_accel.parity.selftest import frames_and_mask, run_self_test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from roi_accel.backends.frame import FrameSet
    from roi_accel.backends.numpy_backend import NumpySession
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Backend, Mask, ModelInput
    from roi_accel.parity.calibration import Tolerance
    from roi_accel.parity.compare import Named, Save
    from roi_accel.parity.selftest import SelfTest

    SaliencyMap = NDArray[np.float32]
    Infer = Callable[[ModelInput], SaliencyMap]
    Timed = Callable[[], AbstractContextManager[None]]

GateMode = Literal["first", "sample", "all", "off"]

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
    """Return whether frame `index`, counted from 0, is compared with the reference backend's."""
    if mode == "sample":
        return is_last or index == 1 or index % SAMPLE_STRIDE == 0
    return mode == "all" or (mode == "first" and index == 0)


@dataclass(frozen=True)
class ExpectedInput:
    """The network's input for one frame as the reference backend makes it.

    Attributes
    ----------
    reference, before : Frame
        The frame that the device gets, and a copy of it from before.
    """

    index: int
    reference: Frame
    before: Frame
    model_input: ModelInput


class Gate:
    """One run's checks, and what they compared; any number of threads may use it.

    Parameters
    ----------
    mode : {"first", "sample", "all", "off"}
        Which frames are checked; ``off`` skips the self-test too.
    backend : Backend
        What is checked.
    timed : callable
        Returns a context manager that counts the time inside it as the gate's.
    save : callable, optional
        As for `CheckLog`.
    """

    def __init__(
        self,
        mode: GateMode,
        backend: Backend,
        *,
        timed: Timed = nullcontext,
        save: Save | None = None,
    ) -> None:
        self.device = f"backend {backend.name} on {backend.device}"
        self.timed = timed
        self._mode = mode
        self._backend = backend
        self._log = CheckLog(save)
        # By its class: a backend of another package may call itself whatever it likes.
        self._is_reference = type(backend) is NumpyBackend
        self._self_test: SelfTest | None = None
        # The session serves one thread at a time, and `_earlier` is shared.
        self._lock = threading.Lock()
        self._reference: NumpySession | None = None
        self._reference_network: tuple[Infer, str, Tolerance] | None = None
        self._videos: Sequence[str] = ()
        self._regions: Sequence[str] = ()
        self._network_frames: set[int] = set()
        self._checked: set[int] = set()
        self._earlier: list[Check] = []
        self._buffers = BuffersInUse()
        self._notes: list[str] = []
        if mode == "off":
            self.note("nothing was checked")
        elif self._is_reference:
            self.note(f"{NumpyBackend.name} is the reference itself: only the self-test checks it")

    def start(self, plan: Plan, *, videos: Sequence[str], regions: Sequence[str]) -> None:
        """Have the device pass the self-test, and get ready to check frames of `plan`.

        `videos` are the names of the distorted videos, `regions` those of the masks that follow the
        main one in every frame set. BackendUnavailable if the device does not reproduce the golden
        self-test in the plan's pixel format.
        """
        if self._mode == "off":
            return
        with self.timed():
            # guard: self-test
            self._self_test = run_self_test(self._backend, plan.pixel_format, save=self._log.save)
        if not self._is_reference:
            self._reference = NumpyBackend(threads=1).open(plan)
            self._videos, self._regions = videos, regions

    def note(self, text: str) -> None:
        """Have the report say what was left unchecked, and why."""
        self._notes.append(text)

    def compare_network(self, infer: Infer, provider: str, tolerance: Tolerance) -> None:
        """Compare maps of checked frames with those of the same network, `infer`, on `provider`."""
        self._reference_network = infer, provider, tolerance

    # Masked frames

    def expect_masked(self, frames: FrameSet) -> FrameSet | None:
        """Return a copy of `frames` with the masked frames that the device must make of them.

        None where this frame is not compared.
        """
        session = self._reference
        is_due = is_checked(self._mode, frames.index, is_last=frames.is_last)
        if session is None or not is_due or not frames.distorted:
            return None
        with self.timed(), self._lock:
            reference = _copied(frames.reference)
            distorted = tuple(_copied(frame) for frame in frames.distorted)
            masks = tuple(mask.copy() for mask in frames.masks)
            masked = tuple(
                tuple(session.substitute(reference, frame, mask) for mask in masks)
                for frame in distorted
            )
        return replace(frames, reference=reference, distorted=distorted, masks=masks, masked=masked)

    def check_unwritten(
        self, frames: FrameSet, expected: FrameSet | None, *, video: int, number: int
    ) -> None:
        """Check that masking left its input as it was.

        After every frame, or the next one could be masked from what this one wrote, and be blamed.

        Parameters
        ----------
        frames : FrameSet
            What the device just masked a frame of.
        expected : FrameSet or None
            What `expect_masked` returned.
        video, number : int
            The distorted video and the mask, each counted from 0.

        Raises
        ------
        ParityError
            The device wrote to the reference, the distorted frame or the mask.
        """
        if expected is None:
            return
        before, after = (
            frames_and_mask(each.reference, each.distorted[video], each.masks[number])
            for each in (expected, frames)
        )
        with self.timed(), self._lock:
            self._check_untouched(frames.index, self._what(video, number), before, after)

    def check_masked(self, frames: FrameSet, expected: FrameSet | None) -> None:
        """Check the device's masked frames, and once more those of the frame checked before.

        The second look finds an answer that a later one overwrote. Every frame, expected or not,
        must have the plan's form and memory of its own, since earlier ones may still be in use.
        `expected` is what `expect_masked` returned. ParityError if something differs.
        """
        if self._reference is None:
            return
        for _, _, what, distorted, answer in self._substitutions(frames):
            self._check_memory(frames, what, distorted, answer)
        if expected is None:
            return
        checks = []
        with self.timed(), self._lock:
            for video, number, what, distorted, answer in self._substitutions(frames):
                inputs = frames_and_mask(frames.reference, distorted, frames.masks[number])
                check = Check(
                    frame=frames.index,
                    fault=f"{what}: {self.device} differs from {NumpyBackend.name}",
                    wanted=frame_planes(expected.masked[video][number]),
                    got=frame_planes(answer),
                    inputs=inputs,
                    tolerance=table_tolerance("substitute"),
                    label=f"substitute-video-{video}-mask-{number}",
                )
                self._log.count(check, compared_with=NumpyBackend.name, video=video)
                checks.append(check)
            for check in self._earlier:
                self._log.require(check)
            self._earlier = [
                replace(check, fault=f"{check.fault} once it masks later frames")
                for check in checks
            ]
        self._checked.add(frames.index)

    def finish(self) -> None:
        """Compare what was checked last once more; ParityError if it has changed since.

        Frames that go through the network later, for a report's pictures, are not checked again.
        """
        with self._lock:
            for check in self._earlier:
                self._log.require(check)
        self._network_frames.clear()

    # The network's input and map

    def announce_network(self, index: int, *, turn: int, is_last: bool) -> None:
        """Have frame `index`, which goes through the network next, checked there if it is due.

        `turn` is how many frames went through the network before it: every 31st of these is due.
        """
        if is_checked(self._mode, turn, is_last=is_last):
            self._network_frames.add(index)

    def expect_input(self, index: int, reference: Frame) -> ExpectedInput | None:
        """Return what the device must make of frame `index`; None where it is not compared."""
        if self._reference is None or index not in self._network_frames:
            return None
        with self.timed(), self._lock:
            before = _copied(reference)
            return ExpectedInput(index, reference, before, self._reference.preprocess(before))

    def check_input(self, expected: ExpectedInput, answer: ModelInput) -> None:
        """Check the network's input that the device made, float32[1, 3, height, width].

        ParityError if it differs, is not an array, or the device wrote to the frame.
        """
        if not isinstance(answer, np.ndarray):
            fault = f"gives a malformed answer: wanted an array, got {type(answer).__name__}"
            raise self._fault(expected.index, "preprocess", fault)
        with self.timed():
            check = Check(
                frame=expected.index,
                fault=f"preprocess: {self.device} differs from {NumpyBackend.name}",
                inputs=self._check_reference("preprocess", expected),
                wanted=input_channels(expected.model_input),
                got=input_channels(answer),
                tolerance=table_tolerance("preprocess"),
                label="preprocess",
            )
            self._log.count(check, compared_with=NumpyBackend.name)
        self._checked.add(expected.index)

    def check_map(self, index: int, model_input: ModelInput, saliency: SaliencyMap) -> None:
        """Compare the network's map with the reference provider's, if frame `index` is due.

        ParityError if they differ by more than the tolerance.

        Parameters
        ----------
        model_input : float32[1, 3, height, width]
        saliency : float32[height, width]
        """
        if self._reference_network is None or index not in self._network_frames:
            return
        infer, provider, tolerance = self._reference_network
        fault = f"saliency: the network's map differs from {provider}'s"
        with self.timed():
            self._compare_map(index, fault, model_input, infer(model_input), saliency, tolerance)

    def check_mask(self, expected: ExpectedInput, model_input: ModelInput, mask: Mask) -> None:
        """Compare a mask made in the device's memory with the reference provider's map.

        ParityError if they differ by more than the tolerance and half a code, by which codes are
        rounded; or if the device wrote to the frame.

        Parameters
        ----------
        model_input : float32[1, 3, height, width]
            What `check_input` found right.
        mask : uint16[mask_height, mask_width]
        """
        with self.timed():
            self._check_reference("saliency", expected)
            if self._reference_network is None:
                return
            infer, provider, tolerance = self._reference_network
            height, width = mask.shape
            wanted = np.clip(infer(model_input)[:height, :width].astype(np.float64), 0.0, 1.0)
            half_a_code = replace(
                tolerance,
                value=tolerance.value + 0.5 / MASK_MAX,
                source=f"{tolerance.source}, and half a code of 16 bits",
            )
            fault = f"saliency: the device's mask differs from {provider}'s map"
            got = mask / float(MASK_MAX)
            self._compare_map(expected.index, fault, model_input, wanted, got, half_a_code)

    def report(self, video: int) -> dict[str, Any]:
        """Return the result's ``parity`` block for distorted video `video`, counted from 0."""
        test = self._self_test
        return {
            "gate": self._mode,
            "self_test": None if test is None else {"cases": test.cases, "values": test.values},
            "reference": None if self._reference is None else NumpyBackend.name,
            "frames": _FRAMES[self._mode],
            "frames_checked": len(self._checked),
            "stages": self._log.report(video),
            "notes": list(self._notes),
        }

    def _substitutions(self, frames: FrameSet) -> Iterator[tuple[int, int, str, Frame, Frame]]:
        """Yield video, number of the mask, what was done, distorted frame and answer."""
        for video, (distorted, answers) in enumerate(
            zip(frames.distorted, frames.masked, strict=True)
        ):
            for number, answer in enumerate(answers):
                yield video, number, self._what(video, number), distorted, answer

    def _what(self, video: int, number: int) -> str:
        region = f", region {self._regions[number - 1]}" if number else ""
        return f"substitute of {self._videos[video]}{region}"

    def _check_memory(self, frames: FrameSet, what: str, distorted: Frame, answer: Frame) -> None:
        """Raise ParityError unless the answer is a frame in memory that no other frame uses."""
        assert self._reference is not None  # noqa: S101 - the caller asked
        try:
            self._reference.plan.check_frame(answer)
        except (ValueError, AttributeError, TypeError) as error:
            fault = f"gives a malformed answer: {error}"
            raise self._fault(frames.index, what, fault) from error
        if self._buffers.are_reused(answer.planes, (*frames.reference.planes, *distorted.planes)):
            fault = "answers in memory that an earlier frame is still in"
            raise self._fault(frames.index, what, fault)

    def _check_reference(self, what: str, expected: ExpectedInput) -> Named:
        """Return the planes of the frame that the device got, once they are as they were."""
        frames = expected.before, expected.reference
        before, after = (frame_planes(frame, "reference ") for frame in frames)
        self._check_untouched(expected.index, what, before, after)
        return after

    def _check_untouched(self, index: int, what: str, before: Named, after: Named) -> None:
        check = Check(
            frame=index,
            fault=f"{what}: {self.device} writes to its input",
            wanted=before,
            got=after,
            tolerance=table_tolerance("substitute"),
            label="written-input",
        )
        self._log.require(check)

    def _compare_map(
        self,
        index: int,
        fault: str,
        model_input: ModelInput,
        wanted: NDArray[np.floating[Any]],
        got: NDArray[np.floating[Any]],
        tolerance: Tolerance,
    ) -> None:
        check = Check(
            frame=index,
            fault=fault,
            wanted={"mask": wanted},
            got={"mask": got},
            inputs=input_channels(model_input),
            tolerance=tolerance,
            label="saliency",
        )
        assert self._reference_network is not None  # noqa: S101 - the caller asked
        self._log.count(check, compared_with=self._reference_network[1])
        self._checked.add(index)

    def _fault(self, index: int, what: str, fault: str) -> ParityError:
        msg = f"{what}: {self.device} {fault}: frame {index}; nothing was scored"
        return ParityError(msg, remedy=REMEDY)


def _copied(frame: Frame) -> Frame:
    y, u, v = (plane.copy() for plane in frame.planes)
    return Frame((y, u, v), frame.pixel_format)
