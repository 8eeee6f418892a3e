"""Tiny ONNX networks: one that keeps the saliency contract, and ways to break it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from pathlib import Path

Shape = list[int | str]


@dataclass(frozen=True, kw_only=True)
class Contract:
    """What a network says of itself and does; the defaults keep the contract.

    Its map is the sigmoid of `gain` times the mean of the channels.
    """

    input_name: str = "input"
    output_name: str = "saliency_map"
    input_shape: Shape | None = field(default_factory=lambda: [1, 3, "H", "W"])
    output_shape: Shape | None = field(default_factory=lambda: [1, 1, "H", "W"])
    element: int = TensorProto.FLOAT
    channels_in: int = 3
    channels_out: int = 1
    second_input: bool = False
    gain: float = 1.0
    stride: int = 1
    last: str = "Sigmoid"
    only_last: bool = False


def write_network(path: Path, contract: Contract | None = None) -> Path:
    c = contract or Contract()
    element = helper.tensor_dtype_to_np_dtype(c.element)
    weights = np.full((c.channels_out, c.channels_in, 1, 1), c.gain / c.channels_in, element)
    nodes = [
        helper.make_node("Conv", [c.input_name, "weights"], ["mean"], strides=[c.stride] * 2),
        helper.make_node(c.last, [c.input_name if c.only_last else "mean"], [c.output_name]),
    ][1 if c.only_last else 0 :]
    inputs = [helper.make_tensor_value_info(c.input_name, c.element, c.input_shape)]
    if c.second_input:
        inputs.append(helper.make_tensor_value_info("second", c.element, c.input_shape))
    graph = helper.make_graph(
        nodes,
        "saliency",
        inputs,
        [helper.make_tensor_value_info(c.output_name, c.element, c.output_shape)],
        [] if c.only_last else [numpy_helper.from_array(weights, "weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def write_network_of_nan(path: Path) -> Path:
    """Write a network whose map is the square root of a negative number."""
    return write_network(path, Contract(gain=0.0, last="Reciprocal"))


def external_data_network(path: Path, data: str) -> Path:
    """Write a network whose weights are said to lie in the file `data`."""
    model = onnx.load(write_network(path))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", data), ("offset", "0"), ("length", "12")):
        tensor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path


FREE = Contract(input_shape=["N", 3, "H", "W"], output_shape=["N", 1, "H", "W"])
"""A contract that leaves the number of frames open."""


def write_network_with_tail(path: Path, *nodes: onnx.NodeProto, **constants: np.ndarray) -> Path:
    """Write a network of `FREE` whose map goes through `nodes`, from ``plain`` to its output."""
    model = onnx.load(write_network(path, FREE))
    model.graph.node[-1].output[0] = "plain"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(v, k) for k, v in constants.items())
    path.write_bytes(model.SerializeToString())
    return path


def free_batch_axis(source: Path, path: Path) -> Path:
    """Write the network of `source` with a free first dimension."""
    model = onnx.load(source)
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    path.write_bytes(model.SerializeToString())
    return path


def write_network_that_fails_on_black(path: Path) -> Path:
    """Write a network that looks up a place past its table's end for a black frame."""
    return write_network_with_tail(
        path,
        helper.make_node("ReduceMean", ["mean"], ["level"], axes=[1, 2, 3]),
        helper.make_node("Less", ["level", "black"], ["is_black"]),
        helper.make_node("Cast", ["is_black"], ["place"], to=TensorProto.INT64),
        helper.make_node("Gather", ["table", "place"], ["one"]),
        helper.make_node("Mul", ["plain", "one"], ["saliency_map"]),
        black=np.array(-1.5, np.float32),
        table=np.ones(1, np.float32),
    )


def write_network_that_mixes_frames(path: Path) -> Path:
    """Write a network whose map of a frame depends on the frames beside it."""
    return write_network_with_tail(
        path,
        helper.make_node("ReduceMean", ["plain"], ["common"], axes=[0]),
        helper.make_node("Min", ["plain", "common"], ["saliency_map"]),
    )


def write_network_that_stacks_frames(path: Path) -> Path:
    """Write a network that says it takes any number of frames, and makes one map of them all."""
    return write_network_with_tail(
        path,
        helper.make_node("Shape", ["plain"], ["shape"], start=3, end=4),
        helper.make_node("Concat", ["one_map", "shape"], ["whole"], axis=0),
        helper.make_node("Reshape", ["plain", "whole"], ["saliency_map"]),
        one_map=np.array([1, 1, -1], np.int64),
    )
