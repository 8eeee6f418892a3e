"""The NumPy backend with one planted fault, which the variable ROI_ACCEL_TEST_FAULT names."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from roi_accel.backends.arithmetic import quantise
from roi_accel.backends.frame import Frame
from roi_accel.backends.numpy_backend import NumpyBackend, NumpySession
from roi_accel.backends.protocol import DeviceStatus, DeviceTensor

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Alpha, Mask, ModelInput, RunNetwork

FAULT_VARIABLE = "ROI_ACCEL_TEST_FAULT"

REAL_WIDTH = 96
"""Of the clips of these tests, and of one case of the self-test."""

SELF_TEST_MASK = 24
"""Width of that case's mask, which no clip's is."""

REAL = "real "
"""A fault with this prefix shows on real frames only, so that the self-test cannot find it."""


class CudaLookalike:
    """A session of ONNX Runtime that says it runs on CUDA.

    Parameters
    ----------
    session : InferenceSession
        On whatever provider it is.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def __getattr__(self, name: str) -> Any:
        return getattr(self._session, name)

    def get_providers(self) -> list[str]:
        return ["CUDAExecutionProvider", "CPUExecutionProvider"]

    def get_provider_graph_assignment_info(self) -> list[Any]:
        return []


class FaultyBackend(NumpyBackend):
    name: ClassVar[str] = "faulty"

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        return [DeviceStatus("ready", "cpu", "NumPy with a fault")]

    def open(self, plan: Plan) -> FaultySession:
        return FaultySession(plan)


class InferringBackend(FaultyBackend):
    """Whose sessions let the network run beside their kernels; the "device" is the host."""

    def open(self, plan: Plan) -> InferringSession:
        return InferringSession(plan)


class FaultySession(NumpySession):
    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        fault = os.environ.get(FAULT_VARIABLE, "")
        if fault.startswith(REAL):
            is_real = plan.width == REAL_WIDTH and plan.mask_width != SELF_TEST_MASK
            fault = fault.removeprefix(REAL) if is_real else ""
        self._fault = fault
        self._calls = 0
        self._kept: dict[int, Frame] = {}

    def preprocess(self, reference: Frame) -> ModelInput:
        model_input = super().preprocess(reference)
        if self._fault == "preprocess":
            model_input[0, 1, 2, 3] = np.nextafter(model_input[0, 1, 2, 3], np.float32(9))
        if self._fault == "preprocess writes":
            write(reference)
        return model_input

    def upsample(self, mask: Mask) -> Alpha:
        alpha = super().upsample(mask)
        if self._fault == "upsample":
            alpha[0][1, 2] ^= 1
        return alpha

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        masked = super().substitute(reference, distorted, mask)
        self._calls += 1
        damage = DAMAGES.get(self._fault)
        if damage:
            damage(masked, self._calls)
        if self._fault == "substitute writes":
            write(distorted)
        if self._fault == "mask toggles":
            mask[0, 0] ^= 1
        if self._fault == "wrong type":
            y, u, v = (plane.astype(np.int32) for plane in masked.planes)
            return Frame((y, u, v), masked.pixel_format)
        if self._fault == "nothing":
            return None  # type: ignore[return-value]
        if error := RAISED.get(self._fault):
            raise error
        if self._fault == "one buffer":
            return self._in_one_of(1, masked)
        if self._fault == "three buffers":
            return self._in_one_of(3, masked)
        if self._fault == "earlier answer":
            earlier = self._kept.setdefault(0, masked)
            earlier.planes[0][1, 1] ^= self._calls == 2
        return masked

    def _in_one_of(self, count: int, masked: Frame) -> Frame:
        kept = self._kept.setdefault(self._calls % count, masked)
        for plane, new in zip(kept.planes, masked.planes, strict=True):
            plane[:] = new
        return kept


class InferringSession(FaultySession):
    tensor_device = ("cpu", 0)

    def infer(self, reference: Frame, run: RunNetwork) -> Mask:
        model_input = self.preprocess(reference)
        output = np.zeros((1, 1, *model_input.shape[2:]), np.float32)
        run(
            DeviceTensor("cpu", 0, model_input.ctypes.data, model_input.shape),
            DeviceTensor("cpu", 0, output.ctypes.data, output.shape),
        )
        mask = quantise(output[0, 0, : self.plan.mask_height, : self.plan.mask_width])
        if self._fault == "mask":
            mask[4, 5] ^= 8
        mask.setflags(write=False)
        return mask


def write(frame: Frame) -> None:
    """Change the first luma sample as a compiled kernel would, read-only or not."""
    sample = frame.planes[0]
    ctypes.memset(sample.ctypes.data, int(sample.flat[0]) ^ 1 & 255, 1)


def one_pixel(masked: Frame, _: int) -> None:
    masked.planes[0][3, 5] ^= 1


def tail_column(masked: Frame, _: int) -> None:
    masked.planes[0][7:, -1] ^= 1


def chroma(masked: Frame, _: int) -> None:
    masked.planes[2][-1, -1] ^= 1


def at_16_bits(masked: Frame, _: int) -> None:
    if masked.pixel_format.bit_depth == 16:
        masked.planes[1][4, 2] ^= 1


def second_frame(masked: Frame, call: int) -> None:
    if call == 2:
        masked.planes[0][0, 0] ^= 1


def every_second_time(masked: Frame, call: int) -> None:
    if call % 2 == 0:
        masked.planes[0][6, 6] ^= 1


def every_third_time(masked: Frame, call: int) -> None:
    if call % 3 == 0:
        masked.planes[0][6, 6] ^= 1


def eighth_time(masked: Frame, call: int) -> None:
    if call == 8:
        masked.planes[0][2, 2] ^= 1


DAMAGES: dict[str, Callable[[Frame, int], None]] = {
    "one pixel": one_pixel,
    "tail column": tail_column,
    "chroma": chroma,
    "16 bits": at_16_bits,
    "second frame": second_frame,
    "every second time": every_second_time,
    "every third time": every_third_time,
    "call 8": eighth_time,
}

RAISED = {"raises": RuntimeError("queue lost"), "out of memory": MemoryError("no room")}
