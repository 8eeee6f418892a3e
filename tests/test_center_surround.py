"""The embedded network: it is what the script builds, keeps the contract, and is worth having."""

from __future__ import annotations

import importlib.util
import sys
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import pytest
from support import ROOT

from roi_accel.backends.tables import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import ModuleType

NETWORK = ROOT / "roi_accel" / "data" / "center_surround.onnx"
SIZES = [(64, 64), (144, 256), (208, 256), (256, 144), (1088, 1920)]
# What CPU, CUDA, TensorRT, OpenVINO, DirectML, MIGraphX and CoreML all list as supported.
PORTABLE = {"Abs", "Add", "AveragePool", "Clip", "Concat", "Conv", "Div", "GlobalAveragePool"}
PORTABLE |= {"Mul", "Resize", "Shape", "Sigmoid", "Sub"}
CENTRE_COUNTS, BORDER_COUNTS = 0.4, 0.3  # The default fade's ends.


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def saliency() -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from RGB in 0..1, [n, 3, h, w], to maps [n, h, w]."""
    session = onnxruntime.InferenceSession(NETWORK, providers=["CPUExecutionProvider"])
    mean = np.array(IMAGENET_MEAN)[:, None, None]
    std = np.array(IMAGENET_STD)[:, None, None]

    def run(rgb: np.ndarray) -> np.ndarray:
        return session.run(None, {"input": ((rgb - mean) / std).astype(np.float32)})[0][:, 0]

    return run


def flat(colour: tuple[float, float, float], height: int, width: int) -> np.ndarray:
    return np.broadcast_to(np.array(colour)[:, None, None], (1, 3, height, width)).copy()


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((1, 3, height, width))


def test_the_committed_file_is_what_the_script_builds() -> None:
    assert NETWORK.read_bytes() == script("build_center_surround").build()


def test_it_keeps_the_contract_with_free_sizes() -> None:
    graph = onnx.load(NETWORK).graph
    for value, name, channels in (
        (graph.input[0], "input", 3),
        (graph.output[0], "saliency_map", 1),
    ):
        assert value.name == name
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
        batch, depth, height, width = value.type.tensor_type.shape.dim
        assert depth.dim_value == channels
        assert all(side.dim_param for side in (batch, height, width))
    assert len(graph.input) == len(graph.output) == 1


def test_it_uses_only_operators_that_every_provider_has() -> None:
    assert {node.op_type for node in onnx.load(NETWORK).graph.node} <= PORTABLE


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_maps_are_finite_saliency_of_the_inputs_size(
    saliency: Callable[[np.ndarray], np.ndarray], height: int, width: int
) -> None:
    pictures = [noise(height, width), noise(height, width) ** 8]
    colours = [(0, 0, 0), (1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0.5, 0.5, 0.5)]
    pictures += [flat(colour, height, width) for colour in colours]
    for picture in pictures:
        found = saliency(picture)[0]
        assert found.shape == (height, width)
        assert np.isfinite(found).all()
        assert 0 <= found.min() <= found.max() <= 1


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize("kind", ["black", "gray", "white", "red", "noise"])
def test_where_there_is_nothing_to_see_only_the_centre_counts(
    saliency: Callable[[np.ndarray], np.ndarray], height: int, width: int, kind: str
) -> None:
    level = {"black": (0, 0, 0), "gray": (0.5,) * 3, "white": (1, 1, 1), "red": (1, 0, 0)}
    picture = noise(height, width) if kind == "noise" else flat(level[kind], height, width)
    found = saliency(picture)[0]
    centre = found[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8]
    border = np.concatenate([found[0], found[-1], found[:, 0], found[:, -1]])
    assert centre.min() > CENTRE_COUNTS
    assert np.quantile(border, 0.95) < BORDER_COUNTS


@pytest.mark.parametrize(
    "colour",
    [(1.0, 1.0, 1.0), (0.0, 0.0, 0.0), (0.9, 0.3, 0.2), (0.2, 0.3, 0.9)],
    ids=["white", "black", "red", "blue"],
)
def test_an_object_off_centre_is_seen(
    saliency: Callable[[np.ndarray], np.ndarray], colour: tuple[float, float, float]
) -> None:
    without = flat((0.4, 0.45, 0.4), 144, 256) + 0.02 * noise(144, 256)
    thing = without.copy()
    place = (slice(50, 90), slice(40, 80))
    thing[:, :, *place] = np.array(colour)[None, :, None, None]
    before, after = saliency(without)[0], saliency(thing)[0]
    assert after[place].mean() > before[place].mean() + 0.1
    assert after[60:80, 50:70].min() > BORDER_COUNTS


def test_frames_of_a_batch_do_not_touch_each_other(
    saliency: Callable[[np.ndarray], np.ndarray],
) -> None:
    pictures = [noise(96, 128, 1), flat((0, 0, 0), 96, 128), flat((1, 0, 0), 96, 128)]
    together = saliency(np.concatenate(pictures))
    apart = np.concatenate([saliency(picture) for picture in pictures])
    assert np.abs(together - apart).max() <= 1e-6


def test_a_small_error_stays_small(saliency: Callable[[np.ndarray], np.ndarray]) -> None:
    # Providers are compared at 5e-5: the network must not turn float32's own error into that.
    rng = np.random.default_rng(2)
    for picture in (noise(144, 256), noise(144, 256) ** 4, 0.5 + 0.001 * noise(144, 256)):
        moved = picture * (1 + 1e-6 * rng.uniform(-1, 1, picture.shape))
        assert np.abs(saliency(moved) - saliency(picture)).max() <= 1e-5


@pytest.mark.parametrize(
    ("clip", "size"), [("bigbuckbunny.mp4", "256"), ("carphone_pristine.mp4", "native")]
)
@pytest.mark.parametrize(
    ("student", "margin"),
    [("saliency_student_v2.onnx", 0.02), ("saliency_student_v1.onnx", 0.0)],
)
def test_it_agrees_with_a_trained_network_better_than_any_centred_gaussian(
    real_file: Callable[[str], Path], clip: str, size: str, student: str, margin: float
) -> None:
    measure = script("measure_center_surround")
    inputs = measure.read_inputs(real_file(f"clips/{clip}"), size)
    truth, _ = measure.run(measure.open_network(str(real_file(f"models/{student}"))), inputs)
    maps, _ = measure.run(measure.open_network("center-surround"), inputs)
    _, gaussian = measure.best_gaussian(truth)
    assert measure.agreement(maps, truth).per_frame > gaussian + margin


def test_the_measure_itself_tells_good_from_bad() -> None:
    auc = script("measure_center_surround").auc
    truth = np.array([[0, 0, 1, 1]], bool)
    assert auc(np.array([[0.1, 0.2, 0.3, 0.4]]), truth) == 1.0
    assert auc(np.array([[0.4, 0.3, 0.2, 0.1]]), truth) == 0.0
    assert auc(np.array([[0.5, 0.5, 0.5, 0.5]]), truth) == 0.5
    assert np.isnan(auc(np.ones((1, 4)), np.ones((1, 4), bool)))
