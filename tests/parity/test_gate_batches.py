"""The gate holds each frame's map against its own, also where the network looks at several."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clips import P8
from faulty_backend import CudaLookalike, InferringBackend

import roi_accel
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.numba.backend import NumbaSession
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.errors import ParityError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork, SaliencySize
from roi_accel.inference.ort_session import NetworkSession
from roi_accel.inference.providers import plan_provider
from roi_accel.masks.network import NetworkSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pair

    from roi_accel.results.result import Result


class DriftingSession(CudaLookalike):
    """One that errs in one map of one batch.

    Parameters
    ----------
    session : InferenceSession
    batch, place : int
        Which batch, the one that is tried being 0, and which of its maps.
    offset : float
    """

    def __init__(self, session: Any, batch: int, place: int, offset: float) -> None:
        super().__init__(session)
        self._left = batch
        self._place = place
        self._offset = offset

    def run(self, outputs: list[str], inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        (saliency,) = self._session.run(outputs, inputs)
        changed = saliency.copy()
        if len(changed) > 1:
            if self._left == 0:
                changed[self._place, 0, 2, 3] += np.float32(self._offset)
            self._left -= 1
        return [changed]


CREATE = NetworkSession._create  # noqa: SLF001 - to run on the CPU in a provider's place


@pytest.fixture
def drift(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function after which ``--ep cuda`` runs on the CPU, and errs where it is told."""

    def drift(batch: int = -1, place: int = 0, offset: float = 6e-5) -> None:
        def create(self: Any, content: bytes, plan: Any, threads: int) -> Any:
            session = CREATE(self, content, None, threads)
            on_cpu = plan.provider == "CPUExecutionProvider"
            return session if on_cpu else DriftingSession(session, batch, place, offset)

        monkeypatch.setattr(NetworkSession, "_create", create)
        monkeypatch.setattr("roi_accel.inference.ort_session._not_in_this_build", lambda *_: "")

    return drift


def score_on_cuda(pair: Pair, **options: Any) -> Result:
    common = {"saliency_size": 64, "ep": "cuda", "backend": "numpy"}
    result: Result = roi_accel.score(pair.reference, pair.distorted, **(common | options))
    return result


@pytest.mark.parametrize(("batch", "place", "frame"), [(1, 0, 0), (1, 1, 1), (2, 2, 6), (2, 3, 7)])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_wrong_map_in_a_batch_ends_the_run_and_names_its_frame(
    tiny_pair: Pair,
    drift: Callable[..., None],
    backend: str,
    batch: int,
    place: int,
    frame: int,
) -> None:
    drift(batch, place)
    with pytest.raises(ParityError, match=f"the network's map differs .*frame {frame}, mask, y 2"):
        score_on_cuda(tiny_pair, backend=backend, saliency_batch=4, gate="all")


def test_frames_that_are_due_are_checked_in_the_middle_of_batches(
    tiny_pair: Pair, drift: Callable[..., None]
) -> None:
    drift()
    parity = score_on_cuda(tiny_pair, saliency_batch=3).parity
    assert parity["frames_checked"] == 3  # 0, 1 and the last
    (stage,) = parity["stages"]
    assert (stage["stage"], stage["values"]) == ("saliency", 3 * 40 * 64)
    assert stage["largest_difference"] == 0


def test_frame_that_is_not_due_is_not_checked(tiny_pair: Pair, drift: Callable[..., None]) -> None:
    drift(2, 1)
    assert score_on_cuda(tiny_pair, saliency_batch=4).parity["frames_checked"] == 3


def test_wrong_input_in_a_batch_names_its_frame(
    tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = NumbaSession.preprocess
    calls: list[int] = []

    def preprocess(self: NumbaSession, reference: Any) -> np.ndarray:
        model_input = real(self, reference)
        if self.plan.width == 96 and self.plan.mask_width == 64:
            if len(calls) == 5:
                model_input[0, 1, 2, 3] += 1
            calls.append(1)
        return model_input

    monkeypatch.setattr(NumbaSession, "preprocess", preprocess)
    with pytest.raises(ParityError, match=r"preprocess: .*frame 5, G, y 2, x 3"):
        roi_accel.score(
            tiny_pair.reference,
            tiny_pair.distorted,
            saliency_size=64,
            saliency_batch=4,
            backend="numba",
            gate="all",
        )


def test_auto_is_four_on_cuda_where_they_make_the_same_maps(
    tiny_pair: Pair, drift: Callable[..., None]
) -> None:
    drift()
    mask = score_on_cuda(tiny_pair).provenance["mask"]
    assert (mask["batch"], mask["batch_requested"]) == (4, "auto")


def test_auto_is_one_on_cuda_where_they_do_not(tiny_pair: Pair, drift: Callable[..., None]) -> None:
    drift(0, 1, 1e-7)
    result = score_on_cuda(tiny_pair)
    mask = result.provenance["mask"]
    assert mask["batch"] == 1
    assert "makes other maps of 4 frames at once" in mask["batch_reason"]
    assert not any("--saliency-batch" in warning for warning in result.warnings)


def test_network_in_the_devices_memory_looks_at_one_frame_at_a_time() -> None:
    network = SaliencyNetwork(resolve("center-surround"), plan_provider("numpy"), threads=1)
    source = NetworkSource(
        network, SaliencySize(64), batch=8, width=96, height=64, stopwatch=Stopwatch()
    )
    plan = Plan(
        pixel_format=P8,
        width=96,
        height=64,
        mask_width=64,
        mask_height=40,
        model=ModelSize(64, 40, 64, 40),
    )
    with InferringBackend().open(plan) as session:
        assert source.batch(session) == 1
    reason = "the network runs in the device's memory, frame by frame"
    assert source.warnings == (f"--saliency-batch 8 became 1: {reason}",)
