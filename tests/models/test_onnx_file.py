"""Claims about networks as files: they are read alone, bounded, and bring no code with them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import external_data_network, write_network

import roi_accel.inference.onnx_file
from roi_accel.errors import ModelError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.onnx_file import MAX_BYTES, NotSelfContainedError, check_self_contained
from roi_accel.inference.providers import plan_provider

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skip

if TYPE_CHECKING:
    from pathlib import Path


def load(path: Path) -> SaliencyNetwork:
    return SaliencyNetwork(resolve(path), plan_provider("numpy"), threads=1)


def tensor(side: int = 64) -> TensorProto:
    return numpy_helper.from_array(np.full((1, 3, side, side), 0.5, np.float32), "weights")


def outside(data: TensorProto) -> TensorProto:
    """Return the tensor as one whose data lie in the file weights.bin."""
    length = len(data.raw_data)
    data.ClearField("raw_data")
    data.data_location = TensorProto.EXTERNAL
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", str(length))):
        data.external_data.add(key=key, value=value)
    return data


def save(path: Path, nodes: list[object], initializers: list[TensorProto]) -> Path:
    graph = helper.make_graph(
        nodes,
        "saliency",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "H", "W"])],
        [helper.make_tensor_value_info("saliency_map", TensorProto.FLOAT, None)],
        initializers,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def multiply(other: str) -> object:
    return helper.make_node("Mul", ["input", other], ["saliency_map"])


def test_whole_network_passes(tmp_path: Path) -> None:
    check_self_contained(write_network(tmp_path / "network.onnx").read_bytes())


def test_data_in_another_file_are_refused_though_onnx_runtime_would_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # It does so from the working folder, and the hash in the result would not cover them.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "weights.bin").write_bytes(np.full(3 * 64 * 64, 0.5, np.float32).tobytes())
    path = save(tmp_path / "network.onnx", [multiply("weights")], [outside(tensor())])
    with pytest.raises(ModelError, match="lie in another file"):
        load(path)


@pytest.mark.parametrize("location", ["weights.bin", "../weights.bin", "/etc/passwd", "link.bin"])
def test_wherever_the_other_file_lies(tmp_path: Path, location: str) -> None:
    (tmp_path / "link.bin").symlink_to("/etc/passwd")
    with pytest.raises(ModelError, match="lie in another file"):
        load(external_data_network(tmp_path / "network.onnx", location))


def test_data_in_another_file_are_found_within_subgraphs_and_attributes(tmp_path: Path) -> None:
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["chosen"], value=outside(tensor(1)))],
        "branch",
        [],
        [helper.make_tensor_value_info("chosen", TensorProto.FLOAT, None)],
    )
    condition = numpy_helper.from_array(np.array(True), "condition")
    choose = helper.make_node("If", ["condition"], ["w"], then_branch=branch, else_branch=branch)
    path = save(tmp_path / "network.onnx", [choose, multiply("w")], [condition])
    with pytest.raises(ModelError, match="lie in another file"):
        load(path)


def test_data_in_another_file_are_found_within_functions_and_sparse_tensors() -> None:
    constant = helper.make_node("Constant", [], ["c"], value=outside(tensor(1)))
    function = helper.make_function(
        "own", "F", [], ["c"], [constant], [helper.make_opsetid("", 17)]
    )
    sparse = onnx.SparseTensorProto(values=outside(tensor(1)), dims=[4])
    for model in (
        onnx.ModelProto(functions=[function]),
        onnx.ModelProto(graph=onnx.GraphProto(sparse_initializer=[sparse])),
    ):
        with pytest.raises(NotSelfContainedError, match="lie in another file"):
            check_self_contained(model.SerializeToString())


def test_compiled_code_of_a_provider_is_refused(tmp_path: Path) -> None:
    node = helper.make_node(
        "EPContext", ["input"], ["saliency_map"], domain="com.microsoft", ep_cache_context="a.bin"
    )
    with pytest.raises(ModelError, match="compiled code"):
        load(save(tmp_path / "network.onnx", [node], []))


def test_operator_of_a_library_is_refused_and_no_library_is_ever_registered(tmp_path: Path) -> None:
    node = helper.make_node("PyOp", ["input"], ["saliency_map"], domain="ai.onnx.contrib")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(save(tmp_path / "network.onnx", [node], []))


def test_onnx_runtimes_own_format_is_refused(tmp_path: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    options = ort.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "network.ort")
    options.log_severity_level = 4
    plain = write_network(tmp_path / "network.onnx")
    ort.InferenceSession(str(plain), options, providers=["CPUExecutionProvider"])
    renamed = (tmp_path / "network.ort").rename(tmp_path / "renamed.onnx")
    with pytest.raises(ModelError, match="cannot be loaded"):
        load(renamed)


@pytest.mark.parametrize("name", ["input", "saliency_map"])
def test_name_that_is_no_utf_8_is_refused(tmp_path: Path, name: str) -> None:
    path = write_network(tmp_path / "network.onnx")
    wrong = b"\xe6" * len(name)
    path.write_bytes(path.read_bytes().replace(name.encode(), wrong))
    with pytest.raises(ModelError, match=r"not text in UTF-8|cannot be loaded"):
        load(path)


def test_oversized_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(path: Path) -> str:
        pytest.fail(f"{path} was read")

    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_BYTES + 1)  # a hole: no byte of it is on the disk
    monkeypatch.setattr("roi_accel.inference.models.sha256_of", unexpected)
    with pytest.raises(ModelError, match="at most 512 MiB"):
        resolve(path)


def test_file_of_very_many_fields_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roi_accel.inference.onnx_file, "MAX_FIELDS", 1000)
    with pytest.raises(NotSelfContainedError, match="more than 1000 fields"):
        check_self_contained(b"\x08\x08" * 1001)


def test_constant_of_gigabytes_is_not_computed_on_opening(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    version = tuple(map(int, pytest.importorskip("onnxruntime").__version__.split(".")[:2]))
    if version < (1, 27):
        pytest.skip("onnxruntime before 1.27 has no limit on the constants that it computes")
    shape = numpy_helper.from_array(np.array([1, 3, 8000, 8000], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["ones"]),
        helper.make_node("ReduceMean", ["ones"], ["mean"]),
        helper.make_node("ReduceMean", ["input"], ["gray"], axes=[1]),
        helper.make_node("Mul", ["gray", "mean"], ["saliency_map"]),
    ]
    path = save(tmp_path / "network.onnx", nodes, [shape])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    load(path).close()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 400 << 10, f"{grown} KiB for a network of {path.stat().st_size} bytes"


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_pass_or_are_refused(content: bytes) -> None:
    with contextlib.suppress(NotSelfContainedError):
        check_self_contained(content)
