"""The embedded network: it is what the script builds, keeps the contract, and is worth having."""

from __future__ import annotations

import importlib
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
# What CPU, CUDA, TensorRT, OpenVINO, DirectML, MIGraphX and CoreML all list as supported. QNN lists
# all but Shape, which is gone once sizes are known (tested below).
PORTABLE = {"Abs", "Add", "AveragePool", "Clip", "Concat", "Conv", "Div", "GlobalAveragePool"}
PORTABLE |= {"Mul", "Resize", "Shape", "Sigmoid", "Sub"}
CENTRE_COUNTS, BORDER_COUNTS = 0.4, 0.3  # The default fade's ends.


@pytest.fixture(autouse=True)
def _scripts_are_importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "scripts")


def script(name: str) -> ModuleType:
    return importlib.import_module(name)


def open_session(
    content: bytes, options: onnxruntime.SessionOptions | None = None
) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function from RGB in 0..1, [n, 3, h, w], to maps [n, h, w]."""
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    mean = np.array(IMAGENET_MEAN)[:, None, None]
    std = np.array(IMAGENET_STD)[:, None, None]

    def run(rgb: np.ndarray) -> np.ndarray:
        (maps,) = session.run(None, {"input": ((rgb - mean) / std).astype(np.float32)})
        found: np.ndarray = maps[:, 0]
        return found

    return run


@pytest.fixture(scope="module")
def saliency() -> Callable[[np.ndarray], np.ndarray]:
    return open_session(NETWORK.read_bytes())


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
        named = [side.dim_param for side in (batch, height, width)]
        assert named == ["batch", "height", "width"]
    assert len(graph.input) == len(graph.output) == 1


def test_it_says_what_it_is_and_runs_on_old_runtimes() -> None:
    model = onnx.load(NETWORK)
    assert (model.producer_name, model.domain) == ("roi-accel", "roi-accel")
    assert "centre-surround" in model.doc_string
    assert model.ir_version <= 8
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 17)]
    assert NETWORK.stat().st_size < 50_000


def test_it_uses_only_operators_that_every_provider_has() -> None:
    assert {node.op_type for node in onnx.load(NETWORK).graph.node} <= PORTABLE


def test_no_shape_is_left_to_compute_once_sizes_are_known(tmp_path: Path) -> None:
    options = onnxruntime.SessionOptions()
    for name, value in (("batch", 1), ("height", 144), ("width", 256)):
        options.add_free_dimension_override_by_name(name, value)
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "folded.onnx")
    onnxruntime.InferenceSession(NETWORK, options, providers=["CPUExecutionProvider"])
    left = [node.op_type for node in onnx.load(tmp_path / "folded.onnx").graph.node]
    assert "Shape" not in left
    assert left.count("Resize") == 1  # The map's; the prior is a constant by now.


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
@pytest.mark.parametrize("kind", ["black", "gray", "white", "red", "noise", "gray noise"])
def test_where_there_is_nothing_to_see_only_the_centre_counts(
    saliency: Callable[[np.ndarray], np.ndarray], height: int, width: int, kind: str
) -> None:
    level = {"black": (0, 0, 0), "gray": (0.5,) * 3, "white": (1, 1, 1), "red": (1, 0, 0)}
    if kind in level:
        pictures = [flat(level[kind], height, width)]
    else:
        pictures = [noise(height, width, seed) for seed in range(3)]
    if kind == "gray noise":
        pictures = [np.repeat(picture[:, :1], 3, axis=1) for picture in pictures]
    for picture in pictures:
        found = saliency(picture)[0]
        centre = found[height // 2 - 8 : height // 2 + 8, width // 2 - 8 : width // 2 + 8]
        assert centre.min() > CENTRE_COUNTS
        assert max(found[0].max(), found[-1].max()) < BORDER_COUNTS
        assert max(found[:, 0].max(), found[:, -1].max()) < BORDER_COUNTS


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


@pytest.mark.parametrize("channel", [0, 2], ids=["red", "blue"])
def test_a_red_or_blue_thing_counts_more_than_its_opposite(
    saliency: Callable[[np.ndarray], np.ndarray], channel: int
) -> None:
    # Contrast has no sign, so this is the distance from the background speaking.
    place = (slice(50, 90), slice(40, 80))
    shift = np.full((3, 1, 1), -0.1)
    shift[channel] = 0.2
    pictures = [flat((0.5, 0.5, 0.5), 144, 256) for _ in range(2)]
    for picture, sign in zip(pictures, (1, -1), strict=True):
        picture[0, :, *place] += sign * shift
    thing, opposite = (saliency(picture)[0][place].mean() for picture in pictures)
    assert thing > opposite + 0.2


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


def disturbed(disturb: Callable[[str, str], list[onnx.NodeProto]]) -> bytes:
    """Return the network with the nodes of `disturb(name, disturbed name)` behind every map."""
    model = onnx.load(NETWORK)
    sizes = {"reduced_shape", "prior_sizes"}
    nodes: list[onnx.NodeProto] = []
    renamed: dict[str, str] = {}
    for node in model.graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        nodes.append(node)
        (name,) = node.output
        if name not in sizes and name != "saliency_map":
            renamed[name] = f"{name}_disturbed"
            nodes += disturb(name, renamed[name])
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    content: bytes = model.SerializeToString()
    return content


def unlike(name: str, result: str) -> list[onnx.NodeProto]:
    """Every value times its own random factor within 1e-6 of 1."""
    low, high = 1 - 1e-6, 1 + 1e-6
    return [
        onnx.helper.make_node(
            "RandomUniformLike",
            [name],
            [f"{name}_factor"],
            low=low,
            high=high,
            seed=float(len(name)),
        ),
        onnx.helper.make_node("Mul", [name, f"{name}_factor"], [result]),
    ]


def halved(name: str, result: str) -> list[onnx.NodeProto]:
    """Every value rounded to float16."""
    half = f"{name}_half"
    return [
        onnx.helper.make_node("Cast", [name], [half], to=onnx.TensorProto.FLOAT16),
        onnx.helper.make_node("Cast", [half], [result], to=onnx.TensorProto.FLOAT),
    ]


@pytest.mark.parametrize(
    ("disturb", "least", "most"), [(unlike, 0, 1e-5), (halved, 1e-4, 1e-2)], ids=["1e-6", "float16"]
)
def test_what_a_device_rounds_differently_on_the_way_stays_small(
    saliency: Callable[[np.ndarray], np.ndarray],
    disturb: Callable[[str, str], list[onnx.NodeProto]],
    least: float,
    most: float,
) -> None:
    # Between providers 5e-5 is allowed, and 1e-2 in float16.
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    other = open_session(disturbed(disturb), options)
    halves = flat((0.0, 0.0, 0.0), 144, 256)
    halves[..., 128:] = 1
    pictures = (noise(144, 256), noise(144, 256) ** 4, 0.5 + 0.001 * noise(144, 256), halves)
    errors = [np.abs(other(picture) - saliency(picture)).max() for picture in pictures]
    assert least < max(errors) <= most


@pytest.mark.parametrize(
    ("clip", "size"), [("bigbuckbunny.mp4", "256"), ("carphone_pristine.mp4", "native")]
)
@pytest.mark.parametrize(
    ("student", "margin"),
    [("saliency_student_v2.onnx", 0.03), ("saliency_student_v1.onnx", 0.0)],
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


def test_the_fit_finds_weights_that_it_was_not_told() -> None:
    measure, weights = script("measure_center_surround"), script("build_center_surround").Weights
    secret = weights(prior=3.0, figure=(-1.0, 0.5, 0.2), contrast=(0.2, 0.6, 0.4), bias=-2.0)
    rng = np.random.default_rng(4)
    frames = [(rng.random((1, 3, 12, 16)) - 0.5).repeat(8, 2).repeat(8, 3) * 6 for _ in range(4)]
    inputs = [frame.astype(np.float32) for frame in frames]
    maps = measure.read_maps(inputs)
    terms = np.array([*secret.figure, *secret.contrast, secret.prior])[:, None, None]
    truth = 1 / (1 + np.exp(-((maps * terms).sum(1) + secret.bias)))
    footage = measure.Footage(inputs, {"student_v2": truth.repeat(4, 1).repeat(4, 2)}, {})
    found = measure.fit([footage])
    assert found.prior == pytest.approx(secret.prior, abs=0.2)
    assert found.figure == pytest.approx(secret.figure, abs=0.1)
    assert found.contrast == pytest.approx(secret.contrast, abs=0.1)
    assert found.bias == pytest.approx(secret.bias, abs=0.1)


def test_the_gaussian_beside_it_may_be_an_ellipse() -> None:
    across = (np.arange(64) + 0.5) / 64 - 0.5
    truth = np.exp(-((across[:, None] / 2) ** 2 + across**2) * 8)[None]
    ratio, score = script("measure_center_surround").best_gaussian(truth)
    assert ratio == 2.0
    assert score == 1.0


def test_the_measure_itself_tells_good_from_bad() -> None:
    auc = script("measure_center_surround").auc
    truth = np.array([[0, 0, 1, 1]], bool)
    assert auc(np.array([[0.1, 0.2, 0.3, 0.4]]), truth) == 1.0
    assert auc(np.array([[0.4, 0.3, 0.2, 0.1]]), truth) == 0.0
    assert auc(np.array([[0.5, 0.5, 0.5, 0.5]]), truth) == 0.5
    assert np.isnan(auc(np.ones((1, 4)), np.ones((1, 4), bool)))
