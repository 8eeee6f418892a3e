"""Saliency networks that cannot be trusted: refused by the command, naming what they lack."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair
    from refusals import Refusals

networks = pytest.importorskip("networks", reason="writing a network needs onnx")
onnx = pytest.importorskip("onnx")

NUMPY = ("--backend", "numpy")


def arguments(pair: Pair, network: object) -> list[object]:
    return ["-r", pair.reference, "-d", pair.distorted, "--saliency-model", network, *NUMPY]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"input_name": "image"}, "has the inputs 'image'; expected one input 'input' float32"),
        ({"second_input": True}, "has the inputs 'input', 'second'; expected one input"),
        ({"output_name": "map"}, "has the outputs 'map'; expected one input"),
        ({"element": onnx.TensorProto.FLOAT16}, "is tensor(float16); expected one input"),
        (
            {"input_shape": [3, "H", "W"], "output_shape": None, "only_last": True},
            "has shape [3, 'H', 'W']; expected one input 'input' float32 [1, 3, H, W]",
        ),
        (
            {"input_shape": [1, 1, "H", "W"], "channels_in": 1},
            "has shape [1, 1, 'H', 'W']; expected one input",
        ),
        (
            {"output_shape": [1, 2, "H", "W"], "channels_out": 2},
            "'saliency_map' of network",
        ),
        ({"input_shape": [2, 3, "H", "W"], "output_shape": [2, 1, "H", "W"]}, "has shape [2, 3"),
    ],
    ids=["name", "two inputs", "output", "type", "rank", "channels", "two maps", "batch"],
)
def test_a_network_that_breaks_the_contract_is_refused(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, changes: dict[str, object], words: str
) -> None:
    network = networks.write_network(tmp_path / "network.onnx", networks.Contract(**changes))
    refused(3, words, *arguments(tiny_pair, network))


@pytest.mark.parametrize("place", ["beside", "above", "through a link", "absolute"])
def test_a_network_whose_weights_lie_in_another_file_is_refused(
    refused: Refusals,
    tmp_path: Path,
    tiny_pair: Pair,
    place: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wherever that file is, and even if it has what the network needs."""
    weights = np.full(3, 1 / 3, np.float32).tobytes()
    folder = tmp_path / "networks"
    folder.mkdir()
    outside = tmp_path / "weights.bin"
    outside.write_bytes(weights)
    (folder / "beside.bin").write_bytes(weights)
    (folder / "link.bin").symlink_to(outside)
    name = {
        "beside": "beside.bin",
        "above": os.path.join("..", "weights.bin"),  # noqa: PTH118 - as it stands in the file
        "through a link": "link.bin",
        "absolute": str(outside),
    }[place]
    network = networks.external_data_network(folder / "network.onnx", name)
    monkeypatch.chdir(folder)  # where a reader that knows no folder would look
    refused(3, "network.onnx", *arguments(tiny_pair, network))


def test_a_network_through_a_link_is_read_alone(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair
) -> None:
    (tmp_path / "weights.bin").write_bytes(np.full(3, 1 / 3, np.float32).tobytes())
    network = networks.external_data_network(tmp_path / "network.onnx", "weights.bin")
    (tmp_path / "link.onnx").symlink_to(network)
    refused(3, "link.onnx", *arguments(tiny_pair, tmp_path / "link.onnx"))


@pytest.mark.parametrize("damage", ["empty", "text", "cut off", "first bytes", "zeros"])
def test_a_corrupt_network_is_refused(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, damage: str
) -> None:
    path = networks.write_network(tmp_path / "network.onnx")
    whole = path.read_bytes()
    path.write_bytes(
        {
            "empty": b"",
            "text": b"no network",
            "cut off": whole[: len(whole) // 2],
            "first bytes": b"\xff" * 8 + whole[8:],
            "zeros": bytes(1000),
        }[damage]
    )
    refused(3, "network.onnx", *arguments(tiny_pair, path))


def test_a_network_that_is_replaced_while_it_is_opened_is_refused(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = networks.write_network(tmp_path / "network.onnx")
    from roi_accel.inference import network as saliency  # noqa: PLC0415 - after the skips

    read = saliency._read_model  # noqa: SLF001 - the moment between hashing and reading

    def replaced(model: object) -> bytes:
        networks.write_network(path, networks.Contract(gain=2.0))
        return read(model)

    monkeypatch.setattr(saliency, "_read_model", replaced)
    refused(3, "changed while it was being opened", *arguments(tiny_pair, path))


def test_a_folder_a_pipe_and_an_absent_file_are_no_networks(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair
) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    (tmp_path / "folder.onnx").mkdir()
    refused(3, "is not a regular file", *arguments(tiny_pair, tmp_path / "pipe.onnx"))
    refused(
        3, "is a folder, not a saliency network", *arguments(tiny_pair, f"{tmp_path}/folder.onnx")
    )
    refused(3, "there is no file", *arguments(tiny_pair, tmp_path / "absent.onnx"))
