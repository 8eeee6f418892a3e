"""Claims about `roi_accel.inference.network`: sizes, and networks that do not keep the contract."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from clips import P8, smooth_frames, write_y4m
from hypothesis import given
from hypothesis import strategies as st
from networks import Contract, external_data_network, write_network, write_network_of_nan
from onnx import TensorProto

from roi_accel._util.timing import Stopwatch
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.devices.dispatch import get_backend
from roi_accel.errors import InputError, ModelError
from roi_accel.inference.models import ResolvedModel
from roi_accel.inference.network import SaliencyNetwork, SaliencySize
from roi_accel.inference.providers import plan_provider
from roi_accel.masks.network import NetworkSource

SIDES = st.integers(32, 16384)


def load(path: Path) -> SaliencyNetwork:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model = ResolvedModel(name=path.name, path=path, sha256=digest, embedded=False)
    return SaliencyNetwork(model, plan_provider("numpy"), threads=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "network.onnx"


# Sizes


@given(width=SIDES, height=SIDES, long_side=st.integers(64, 8192))
def test_input_is_a_multiple_of_8_near_the_asked_long_side_and_aspect(
    width: int, height: int, long_side: int
) -> None:
    size = SaliencySize(long_side).for_frame(width, height)
    assert (size.width, size.height) == (size.padded_width, size.padded_height)
    assert size.width % 8 == size.height % 8 == 0
    assert abs(max(size.width, size.height) - long_side) <= 4
    short = long_side * min(width, height) / max(width, height)
    assert abs(min(size.width, size.height) - short) <= 4 or min(size.width, size.height) == 8


@given(width=SIDES, height=SIDES)
def test_native_keeps_the_frames_size_and_pads_it_least(width: int, height: int) -> None:
    size = SaliencySize.parse("native").for_frame(width, height)
    assert (size.width, size.height) == (width, height)
    assert size.padded_width % 8 == size.padded_height % 8 == 0
    assert 0 <= size.padded_width - width < 8
    assert 0 <= size.padded_height - height < 8


@pytest.mark.parametrize(
    ("text", "frame", "expected"),
    [
        ("256", (1920, 1080), (256, 144, 256, 144)),
        (256, (1080, 1920), (144, 256, 144, 256)),
        ("256", (576, 324), (256, 144, 256, 144)),
        ("256", (176, 144), (256, 208, 256, 208)),
        ("100", (640, 360), (104, 56, 104, 56)),
        ("64", (16384, 32), (64, 8, 64, 8)),
        ("native", (576, 324), (576, 324, 576, 328)),
        ("native", (33, 35), (33, 35, 40, 40)),
    ],
)
def test_sizes_by_example(
    text: str | int, frame: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    assert SaliencySize.parse(text).for_frame(*frame) == ModelSize(*expected)


@pytest.mark.parametrize("text", ["63", "8193", "0", "-256", "", "Native", "256.0", "1e3", 63])
def test_size_that_is_none_is_refused_with_the_range(text: str | int) -> None:
    match = re.escape(f"{text!r} is neither 'native' nor from 64 to 8192")
    with pytest.raises(InputError, match=match):
        SaliencySize.parse(text)


@pytest.mark.parametrize("text", ["64", "256", "8192", "native"])
def test_size_is_written_as_it_is_read(text: str) -> None:
    assert str(SaliencySize.parse(text)) == text


# Contract


def test_network_that_keeps_the_contract_gives_its_map(path: Path) -> None:
    network = load(write_network(path, Contract(gain=2.0)))
    picture = np.random.default_rng(0).normal(size=(1, 3, 16, 24)).astype(np.float32)
    expected = 1 / (1 + np.exp(-2 * picture.mean(axis=1)[0]))
    found = network.infer(picture)
    assert found.shape == (16, 24)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("contract", "match"),
    [
        (Contract(input_name="image"), r"has the inputs 'image'; expected one input 'input'"),
        (Contract(second_input=True), r"has the inputs 'input', 'second'; expected one"),
        (Contract(output_name="map"), r"has the outputs 'map'; expected"),
        (Contract(element=TensorProto.FLOAT16), r"'input' .* is tensor\(float16\); expected"),
        (
            Contract(element=TensorProto.DOUBLE, only_last=True),
            r"'input' .* is tensor\(double\); expected",
        ),
        (
            Contract(input_shape=[1, 1, "H", "W"], channels_in=1),
            r"'input' .* has shape \[1, 1, 'H', 'W'\]",
        ),
        (
            Contract(output_shape=[1, 2, "H", "W"], channels_out=2),
            r"'saliency_map' .* has shape \[1, 2, 'H', 'W'\]",
        ),
        (
            Contract(input_shape=[2, 3, "H", "W"], output_shape=[2, 1, "H", "W"]),
            r"'input' .* has shape \[2, 3",
        ),
        (
            Contract(input_shape=[3, "H", "W"], output_shape=None, only_last=True),
            r"'input' .* has shape \[3, 'H', 'W'\]",
        ),
        (
            Contract(input_shape=None, output_shape=None, only_last=True),
            r"'input' .* has shape",
        ),
    ],
)
def test_network_that_breaks_the_contract_is_refused_saying_how(
    path: Path, contract: Contract, match: str
) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        load(write_network(path, contract))
    assert caught.value.exit_code == 3
    assert "network.onnx" in caught.value.message


def test_free_batch_and_channel_dimensions_are_taken(path: Path) -> None:
    shape = ["N", "C", "H", "W"]
    network = load(write_network(path, Contract(input_shape=[*shape], output_shape=[*shape])))
    assert network.infer(np.zeros((1, 3, 8, 8), np.float32)).shape == (8, 8)


def test_output_of_another_size_than_the_input_is_an_error(path: Path) -> None:
    network = load(write_network(path, Contract(stride=2, output_shape=[1, 1, "h", "w"])))
    with pytest.raises(ModelError, match=r"gave float32 \(1, 1, 8, 8\), expected .*16, 16\)"):
        network.infer(np.zeros((1, 3, 16, 16), np.float32))


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x08" * 1000])
def test_file_that_is_no_network_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(ModelError, match="cannot be loaded as an ONNX network") as caught:
        load(path)
    assert "\n" not in str(caught.value)


def test_network_cut_off_in_the_middle_is_refused(path: Path) -> None:
    content = write_network(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(path)


@pytest.mark.parametrize("data", ["weights.bin", "../weights.bin"])
def test_network_never_reads_another_file(path: Path, data: str) -> None:
    (path.parent / data).write_bytes(np.full(3, 1 / 3, np.float32).tobytes())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(external_data_network(path, data))
    (path.parent / data).unlink()


def test_network_that_changed_since_it_was_hashed_is_refused(path: Path) -> None:
    write_network(path)
    model = ResolvedModel(name="changed", path=path, sha256="0" * 64, embedded=False)
    with pytest.raises(ModelError, match="changed while it was being opened"):
        SaliencyNetwork(model, plan_provider("numpy"), threads=1)


# Fixed sizes


def test_fixed_size_network_takes_clips_of_its_size(path: Path) -> None:
    contract = Contract(input_shape=[1, 3, 144, 256], output_shape=[1, 1, 144, 256])
    source(load(write_network(path, contract)), SaliencySize(256), 1920, 1080)


@pytest.mark.parametrize("shape", [[1, 3, 64, 64], [1, 3, "H", 64], [1, 3, 64, "W"]])
def test_fixed_size_network_refuses_others_naming_both_sizes(
    path: Path, shape: list[int | str]
) -> None:
    network = load(write_network(path, Contract(input_shape=shape, output_shape=[1, 1, "h", "w"])))
    match = r"only inputs of \w+x\w+ \(width x height\), this clip's would be 256x144"
    with pytest.raises(ModelError, match=match) as caught:
        source(network, SaliencySize(256), 1920, 1080)
    assert "None" not in caught.value.message
    assert "--saliency-size" in caught.value.remedy


# Maps


def source(network: SaliencyNetwork, size: SaliencySize, width: int, height: int) -> NetworkSource:
    return NetworkSource(network, size, width=width, height=height, stopwatch=Stopwatch())


def masks_of(source: NetworkSource, width: int, height: int, index: int) -> np.ndarray:
    plan = Plan(
        pixel_format=P8,
        width=width,
        height=height,
        mask_width=source.size[1],
        mask_height=source.size[0],
        model=source.model_size,
    )
    (frame,) = smooth_frames(P8, width, height, 1)
    with get_backend("numpy").open(plan) as session:
        (mask,) = source.masks(index, frame, session)
    return mask


@pytest.mark.parametrize("size", ["64", "native"])
def test_mask_has_the_pictures_size_without_padding(path: Path, size: str) -> None:
    made = source(load(write_network(path)), SaliencySize.parse(size), 100, 60)
    mask = masks_of(made, 100, 60, 0)
    assert mask.shape == made.size == {"64": (40, 64), "native": (60, 100)}[size]
    assert mask.dtype == np.uint16


def test_map_with_nan_names_the_frame(path: Path) -> None:
    made = source(load(write_network_of_nan(path)), SaliencySize(64), 64, 64)
    with pytest.raises(ModelError, match=r"frame 17: network network\.onnx gave a map") as caught:
        masks_of(made, 64, 64, 17)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("gain", [3.0, -3.0])
def test_map_outside_0_to_1_names_the_frame(path: Path, gain: float) -> None:
    made = source(
        load(write_network(path, Contract(gain=gain, last="Identity"))), SaliencySize(64), 64, 64
    )
    with pytest.raises(ModelError, match="frame 3: "):
        masks_of(made, 64, 64, 3)


# Providers


def test_provider_that_really_runs_is_recorded(path: Path) -> None:
    made = source(load(write_network(path)), SaliencySize(64), 64, 64)
    facts = made.provenance()
    assert facts["provider_requested"] == "CPUExecutionProvider"
    assert facts["providers_attached"] == ["CPUExecutionProvider"]
    assert facts["onnxruntime"] == onnxruntime.__version__
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    nodes = facts["nodes_per_provider"]
    if hasattr(onnxruntime.InferenceSession, "get_provider_graph_assignment_info"):
        assert isinstance(nodes, dict)
        assert list(nodes) == ["CPUExecutionProvider"]
        assert 1 <= nodes["CPUExecutionProvider"] <= 2
    else:
        assert nodes is None


def test_onnxruntime_is_told_before_its_import_to_report_nothing(
    path: Path, tmp_path: Path
) -> None:
    # It keeps the identity of its reports in a hidden file beside other temporary files.
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    pair = [str(tmp_path / name) for name in ("r.y4m", "d.y4m")]
    for name in pair:
        write_y4m(Path(name), smooth_frames(P8, 64, 64, 2))
    code = (
        "import os, sys, roi_accel\nroi_accel.score(*sys.argv[1:3], saliency_model=sys.argv[3])\n"
        "assert 'onnxruntime' in sys.modules and os.environ['ORT_DISABLE_TELEMETRY'] == '1'"
    )
    subprocess.run(
        [sys.executable, "-c", code, *pair, write_network(path)],
        check=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("ORT_")}
        | {"TMPDIR": str(temporary)},
    )
    assert list(temporary.iterdir()) == []
