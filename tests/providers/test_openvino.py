"""A second real provider: OpenVINO's masks on the processor are ONNX Runtime's own, to 5e-5."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest

from roi_accel.checks.matrix_run import run_parity
from roi_accel.errors import BackendUnavailable
from roi_accel.inference.models import ResolvedModel, resolve
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.providers import plan_provider
from roi_accel.options.parity import ParityOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

OPENVINO = "OpenVINOExecutionProvider"
TOLERANCE = 5e-5

pytestmark = pytest.mark.skipif(
    OPENVINO not in onnxruntime.get_available_providers(),
    reason='this onnxruntime has no OpenVINO; pip install "roi-accel[openvino]"',
)


def load(model: ResolvedModel, requested: str) -> SaliencyNetwork:
    plan = plan_provider("numpy", requested=requested, threads=2)
    return SaliencyNetwork(model, plan, threads=2, strict_ep=True)


def normalised_pictures() -> list[np.ndarray]:
    """Return networks' inputs of several sizes: noise, a slope with a bright box, and black."""
    rng = np.random.default_rng(0)
    pictures = []
    for height, width in ((144, 256), (208, 256), (256, 144), (64, 64)):
        noise = rng.normal(size=(1, 3, height, width))
        slope = np.linspace(-2, 2, width) + np.linspace(-1, 1, height)[:, None] + noise * 0.05
        slope[..., height // 3 : height // 2, width // 4 : width // 3] = 2.6
        black = np.full((1, 3, height, width), -2.1)
        pictures += [picture.astype(np.float32) for picture in (noise, slope, black)]
    return pictures


@pytest.fixture(params=["center-surround", "saliency_student_v1", "saliency_student_v2"])
def model(request: pytest.FixtureRequest, real_file: Callable[[str], Path]) -> ResolvedModel:
    if request.param == "center-surround":
        return resolve(request.param)
    return resolve(str(real_file(f"models/{request.param}.onnx")))


def test_masks_lie_within_the_tolerance_of_the_cpu_providers(model: ResolvedModel) -> None:
    openvino, cpu = load(model, "openvino"), load(model, "cpu")
    assert openvino.providers.attached[0] == OPENVINO
    assert list(openvino.providers.nodes or ()) == [OPENVINO]
    largest = max(
        float(np.abs(openvino.infer(picture) - cpu.infer(picture)).max())
        for picture in normalised_pictures()
    )
    print(f"\n{model.path.stem}: largest difference {largest:.2e}, allowed {TOLERANCE:.0e}")  # noqa: T201
    assert largest <= TOLERANCE


def test_masks_are_the_same_every_time(model: ResolvedModel) -> None:
    picture = normalised_pictures()[1]
    first, second = (load(model, "openvino").infer(picture) for _ in range(2))
    assert np.array_equal(first, second)


def test_the_parity_matrix_holds_openvino_against_the_cpu_provider() -> None:
    options = ParityOptions(stages=("saliency",), eps=("openvino",), require_ep=("openvino",))
    report = run_parity(options)
    assert report.exit_code == 0
    pair = [cell for cell in report.cells if (cell.wanted, cell.got) == ("cpu", "openvino")]
    assert [cell.status for cell in pair] == ["OK"] * 12
    assert all(cell.comparison.compared == 3 * 64 * 96 for cell in pair)


def test_device_that_is_not_there_is_an_error_where_strict() -> None:
    with pytest.raises(BackendUnavailable, match=r"openvino:GPU\.7.*runs on CPUExecutionProvider"):
        load(resolve("center-surround"), "openvino:GPU.7")
