"""The gate where the network looks at every N-th frame: it checks what is made of those frames."""

from __future__ import annotations

from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest
from clips import P8, smooth_frames
from faulty_backend import CudaLookalike, InferringBackend

import roi_accel
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.frame import FrameSet
from roi_accel.backends.numba.backend import NumbaSession
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.errors import ParityError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork, SaliencySize
from roi_accel.inference.ort_session import NetworkSession
from roi_accel.inference.providers import plan_provider
from roi_accel.masks.network import NetworkSource
from roi_accel.masks.over_time import OverTime, Smoothing, masks_over_time
from roi_accel.parity.calibration import table_tolerance
from roi_accel.parity.gate import Gate

if TYPE_CHECKING:
    import numpy as np
    from conftest import Pair

    from roi_accel.results.result import Result

MAP = 40 * 64
SAMPLES = 96 * 64 * 3 // 2


def score(pair: Pair, **options: Any) -> Result:
    common: dict[str, Any] = {"saliency_size": 64, "saliency_stride": 3, "backend": "numba"}
    return roi_accel.score(pair.reference, pair.distorted, **(common | options))


def compared(result: Result) -> dict[str, int]:
    return {stage["stage"]: stage["values"] for stage in result.parity["stages"]}


@pytest.mark.parametrize("batch", [1, 2])
def test_inputs_of_all_frames_that_are_looked_at_are_checked(tiny_pair: Pair, batch: int) -> None:
    result = score(tiny_pair, gate="all", saliency_batch=batch)
    assert compared(result) == {"preprocess": 4 * 3 * MAP, "substitute": 8 * SAMPLES}
    assert result.parity["frames_checked"] == 8


@pytest.mark.parametrize("batch", [1, 2])
def test_a_sample_has_the_first_two_that_are_looked_at_and_the_last(
    tiny_pair: Pair, batch: int
) -> None:
    result = score(tiny_pair, saliency_batch=batch)
    assert compared(result) == {"preprocess": 3 * 3 * MAP, "substitute": 3 * SAMPLES}
    assert result.parity["frames_checked"] == 4  # 0 and 7; 3 when looked at; 1 when masked


@pytest.mark.parametrize("batch", [1, 2])
def test_wrong_input_names_the_frame_that_was_looked_at(
    tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    real = NumbaSession.preprocess
    calls: list[int] = []

    def preprocess(self: NumbaSession, reference: Any) -> np.ndarray:
        model_input = real(self, reference)
        if self.plan.width == 96 and self.plan.mask_width == 64:
            if len(calls) == 2:
                model_input[0, 1, 2, 3] += 1
            calls.append(1)
        return model_input

    monkeypatch.setattr(NumbaSession, "preprocess", preprocess)
    with pytest.raises(ParityError, match=r"preprocess: .*frame 6, G, y 2, x 3"):
        score(tiny_pair, gate="all", saliency_batch=batch)


CREATE = NetworkSession._create  # noqa: SLF001 - to run on the CPU in a provider's place


@pytest.fixture
def on_cuda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``--ep cuda`` run on the CPU."""

    def create(self: Any, content: bytes, plan: Any, threads: int) -> Any:
        session = CREATE(self, content, None, threads)
        return session if plan.provider == "CPUExecutionProvider" else CudaLookalike(session)

    monkeypatch.setattr(NetworkSession, "_create", create)
    monkeypatch.setattr("roi_accel.inference.ort_session._not_in_this_build", lambda *_: "")


@pytest.mark.usefixtures("on_cuda")
@pytest.mark.parametrize(("mode", "frames"), [("first", 1), ("sample", 3), ("all", 4)])
def test_only_frames_whose_map_was_compared_count_where_nothing_else_is(
    tiny_pair: Pair, mode: str, frames: int
) -> None:
    result = score(tiny_pair, backend="numpy", ep="cuda", gate=mode)
    assert compared(result) == {"saliency": frames * MAP}
    assert result.parity["frames_checked"] == frames


@pytest.mark.usefixtures("on_cuda")
def test_first_is_the_first_alone_also_where_the_last_comes_before_the_stride(
    tiny_pair: Pair,
) -> None:
    result = score(tiny_pair, backend="numpy", ep="cuda", gate="first", frame_count=2)
    assert compared(result) == {"saliency": MAP}


@pytest.mark.parametrize("smoothing", [None, Smoothing(Fraction(1, 10), Fraction(25))])
def test_network_in_the_devices_memory_gives_the_same_masks(smoothing: Smoothing | None) -> None:
    plan = Plan(
        pixel_format=P8,
        width=96,
        height=64,
        mask_width=64,
        mask_height=40,
        model=ModelSize(64, 40, 64, 40),
    )
    frames = [
        FrameSet(index=index, is_last=index == 7, reference=frame, distorted=())
        for index, frame in enumerate(smooth_frames(P8, 96, 64, 8))
    ]
    network = SaliencyNetwork(resolve("center-surround"), plan_provider("numpy"), threads=1)
    size = SaliencySize(64)

    def masks(backend: Any) -> tuple[list[bytes], Any, dict[str, int]]:
        gate, stopwatch = Gate("all", backend), Stopwatch()
        gate.compare_network(network.infer, "CPUExecutionProvider", table_tolerance("saliency"))
        gate.start(plan, videos=[], regions=[])
        source = NetworkSource(
            network, size, batch=4, stride=3, width=96, height=64, stopwatch=stopwatch, gate=gate
        )
        with backend.open(plan) as session:
            found = masks_over_time(
                frames,
                source,
                session,
                OverTime(stride=3, smoothing=smoothing),
                gate=gate,
                stopwatch=stopwatch,
                batch=source.batch(session),
            )
            made = [frames.masks[0].tobytes() for frames in found]
        values = {stage["stage"]: stage["values"] for stage in gate.report(0)["stages"]}
        return made, source.provenance()["tensors"], values

    with closing(network):
        wanted, where, _ = masks(NumpyBackend())
        assert where == "host"
        assert len(set(wanted)) == 8
        checked = {"preprocess": 4 * 3 * MAP, "saliency": 4 * MAP}
        assert masks(InferringBackend()) == (wanted, "device", checked)
