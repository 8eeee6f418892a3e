"""A network that looks at several frames at once gives the bytes that it gives one by one."""

from __future__ import annotations

import hashlib
import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clips import P8, damaged, smooth_frames, write_y4m

import roi_accel
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.frame import Frame
from roi_accel.errors import InputError, ModelError, RoiAccelError
from roi_accel.inference.models import ResolvedModel
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.providers import plan_provider
from roi_accel.masks.network import NetworkSource
from roi_accel.options import ScoreOptions
from roi_accel.run.score import score_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair

    from roi_accel.results.result import Result

networks = pytest.importorskip("networks", reason="writing a network needs onnx")


def scores(result: Result) -> dict[str, Any]:
    """Return all of a result that may not depend on the batch: all but how it was computed."""
    content: dict[str, Any] = json.loads(result.to_json())
    del content["timing"]
    for key in ("batch", "batch_requested", "batch_reason"):
        del content["provenance"]["mask"][key]
    return content


def batch_of(result: Result) -> tuple[object, object]:
    mask = result.provenance["mask"]
    return mask["batch_requested"], mask["batch"]


@pytest.fixture
def score(tiny_pair: Pair) -> Callable[..., Result]:
    def run(**options: Any) -> Result:
        pair = (tiny_pair.reference, tiny_pair.distorted)
        return roi_accel.score(*pair, **({"saliency_size": 64} | options))

    return run


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the masks that sources have made so far."""
    made: list[bytes] = []
    real = NetworkSource.masks

    def masks(self: NetworkSource, *arguments: Any) -> tuple[np.ndarray, ...]:
        found = real(self, *arguments)
        made.append(found[0].tobytes())
        return found

    monkeypatch.setattr(NetworkSource, "masks", masks)
    return made


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many frames each run of a network had so far."""
    sizes: list[int] = []
    real = SaliencyNetwork.infer_batch

    def infer_batch(self: SaliencyNetwork, inputs: np.ndarray) -> np.ndarray:
        sizes.append(len(inputs))
        return real(self, inputs)

    monkeypatch.setattr(SaliencyNetwork, "infer_batch", infer_batch)
    return sizes


# The same bytes


@pytest.mark.parametrize("batch", [3, 8])
@pytest.mark.parametrize("name", ["numpy", "numba", "opencl"])
def test_masks_and_scores_have_the_same_bytes_in_batches(
    score: Callable[..., Result],
    seen: list[bytes],
    available: Callable[[str], object],
    name: str,
    batch: int,
) -> None:
    available(name)
    wanted = score(backend=name, saliency_batch=1)
    masks = seen.copy()
    seen.clear()
    found = score(backend=name, saliency_batch=batch)
    assert batch_of(found) == (batch, batch)
    assert seen == masks
    assert len(set(masks)) == len(masks) == 8
    assert scores(found) == scores(wanted)


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("batch", [1, 8])
def test_scores_depend_neither_on_batches_nor_on_threads_nor_on_queues(
    monkeypatch: pytest.MonkeyPatch,
    score: Callable[..., Result],
    batch: int,
    threads: int,
    depth: int,
) -> None:
    wanted = scores(score(threads=1))
    monkeypatch.setattr("roi_accel.run.frame_pipeline.QUEUE_DEPTH", depth)
    assert scores(score(threads=threads, saliency_batch=batch)) == wanted


@pytest.mark.parametrize("student", ["v1", "v2"])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_students_whose_batch_axis_is_freed_make_the_same_maps_in_batches(
    real_file: Callable[[str], Path], tmp_path: Path, student: str, threads: int
) -> None:
    path = networks.free_batch_axis(
        real_file(f"models/saliency_student_{student}.onnx"), tmp_path / "free.onnx"
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    model = ResolvedModel(name="free", path=path, sha256=digest, embedded=False)
    network = SaliencyNetwork(model, plan_provider("numpy"), threads=threads)
    assert network.takes_batches
    inputs = np.random.default_rng(1).normal(size=(8, 3, 40, 64)).astype(np.float32)
    alone = b"".join(network.infer(each[np.newaxis]).tobytes() for each in inputs)
    for batch in (3, 8):
        maps = [network.infer_batch(inputs[at : at + batch]) for at in range(0, 8, batch)]
        assert b"".join(each.tobytes() for each in maps) == alone


# How many at once


@pytest.mark.parametrize(
    ("batch", "frame_count", "wanted"),
    [
        (1, None, [1] * 8),
        (3, None, [3, 3, 1, 1]),
        (8, None, [8]),
        (9, None, [1] * 8),
        (3, 4, [3, 1]),
        (4, 3, [1] * 3),
    ],
)
def test_frames_left_over_are_looked_at_one_by_one(
    score: Callable[..., Result],
    runs: list[int],
    batch: int,
    frame_count: int | None,
    wanted: list[int],
) -> None:
    counted = {} if frame_count is None else {"frame_count": frame_count}
    result = score(saliency_batch=batch, **counted)
    tried = [batch] + [1] * batch if batch > 1 else []
    assert runs == tried + wanted
    assert len(result.frames) == sum(wanted)


def test_auto_is_one_at_a_time_on_the_processor_and_the_result_says_so(
    score: Callable[..., Result], runs: list[int]
) -> None:
    result = score()
    assert batch_of(result) == ("auto", 1)
    assert result.provenance["mask"]["batch_reason"] == "auto on CPUExecutionProvider"
    assert runs == [1] * 8


def test_network_of_one_frame_at_a_time_works_as_ever_and_warns_who_asked_for_more(
    score: Callable[..., Result], runs: list[int], tiny_network: Path
) -> None:
    wanted = score(saliency_model=tiny_network)
    result = score(saliency_model=tiny_network, saliency_batch=8)
    assert batch_of(result) == (8, 1)
    assert runs == [1] * 16
    assert result.frames == wanted.frames
    assert wanted.warnings == ()
    assert result.warnings == (
        f"--saliency-batch 8 became 1: network {tiny_network} takes one frame at a time",
    )


@pytest.mark.parametrize("student", ["v1", "v2"])
def test_students_take_one_frame_at_a_time(
    real_file: Callable[[str], Path], score: Callable[..., Result], student: str
) -> None:
    network = real_file(f"models/saliency_student_{student}.onnx")
    result = score(saliency_model=network, saliency_batch=8)
    assert batch_of(result) == (8, 1)
    assert result.frames == score(saliency_model=network).frames


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        ("write_network_that_mixes_frames", "makes other maps of 4 frames at once than of each"),
        ("write_network_that_stacks_frames", "cannot infer 4 frames at once: network .* gave"),
    ],
)
def test_network_that_is_not_the_same_in_batches_is_found_out_before_the_first_frame(
    score: Callable[..., Result], tmp_path: Path, write: str, reason: str
) -> None:
    network = getattr(networks, write)(tmp_path / "network.onnx")
    wanted = score(saliency_model=network)
    result = score(saliency_model=network, saliency_batch=4)
    assert batch_of(result) == (4, 1)
    (warning,) = result.warnings
    assert re.search(reason, warning)
    assert result.frames == wanted.frames


@pytest.mark.parametrize("batch", [0, -1, 65, "0", "many", "2.0", ""])
def test_batch_that_is_none_is_refused_with_the_range(
    score: Callable[..., Result], batch: int | str
) -> None:
    with pytest.raises(InputError, match="neither 'auto' nor from 1 to 64"):
        score(saliency_batch=batch)


def test_options_refuse_it_too() -> None:
    with pytest.raises(InputError, match="saliency_batch: 0 is neither"):
        ScoreOptions(saliency_batch=0)


def test_other_masks_need_no_batches(tiny_pair: Pair) -> None:
    pair = (tiny_pair.reference, tiny_pair.distorted)
    result = roi_accel.score(*pair, synthetic_mask=0.5, saliency_batch=8)
    assert "batch" not in result.provenance["mask"]
    assert result.frames == roi_accel.score(*pair, synthetic_mask=0.5).frames


def test_time_of_trying_is_a_stage_of_its_own(tiny_pair: Pair) -> None:
    stopwatch = Stopwatch(is_traced=True)
    options = ScoreOptions(saliency_batch=4)
    score_all(tiny_pair.reference, [tiny_pair.distorted], options, stopwatch=stopwatch)
    frames = [span.frame for span in stopwatch.spans if span.name == "network"]
    assert frames == [0, 4]
    assert sum(span.name == "try_batch" for span in stopwatch.spans) == 1


# Errors


def gray_clip(path: Path, levels: list[int]) -> tuple[Path, Path]:
    """Write a pair of clips whose frames have one level of luma each."""
    chroma = np.full((32, 48), 128, np.uint8)
    frames = [Frame((np.full((64, 96), y, np.uint8), chroma, chroma), P8) for y in levels]
    return write_y4m(path / "r.y4m", frames), write_y4m(path / "d.y4m", frames)


BLACK_AT_5 = [128, 140, 150, 160, 170, 16, 180, 190, 16, 200]


@pytest.mark.parametrize("batch", [1, 3, 4, 8, 16])
def test_map_that_is_no_mask_names_its_frame_in_the_middle_of_a_batch(
    tmp_path: Path, batch: int
) -> None:
    shapes = {"input_shape": ["N", 3, "H", "W"], "output_shape": ["N", 1, "H", "W"]}
    contract = networks.Contract(**shapes, gain=0.3, last="Identity")  # negative where it is black
    network = networks.write_network(tmp_path / "network.onnx", contract)
    pair = gray_clip(tmp_path, BLACK_AT_5)
    with pytest.raises(ModelError, match=r"^frame 5: network .* gave a map that is not a mask"):
        roi_accel.score(*pair, saliency_model=network, saliency_batch=batch)


@pytest.mark.parametrize("batch", [1, 3, 4, 8, 16])
def test_network_that_fails_for_one_frame_of_a_batch_names_it(tmp_path: Path, batch: int) -> None:
    network = networks.write_network_that_fails_on_black(tmp_path / "network.onnx")
    pair = gray_clip(tmp_path, BLACK_AT_5)
    with pytest.raises(ModelError, match=r"^frame 5: network .* failed on CPUExecutionProvider"):
        roi_accel.score(*pair, saliency_model=network, saliency_batch=batch)


def test_batch_that_fails_though_each_frame_alone_would_not_names_them_all(
    monkeypatch: pytest.MonkeyPatch, score: Callable[..., Result]
) -> None:
    real = SaliencyNetwork.infer_batch
    batches = iter(range(9))

    def infer_batch(self: SaliencyNetwork, inputs: np.ndarray) -> np.ndarray:
        # The first is the one that is tried, before memory gets scarce.
        if len(inputs) > 1 and next(batches) == 2:
            msg = "no memory"
            raise ModelError(msg)
        return real(self, inputs)

    monkeypatch.setattr(SaliencyNetwork, "infer_batch", infer_batch)
    with pytest.raises(ModelError, match=r"^frames 3 to 5 at once: no memory") as caught:
        score(saliency_batch=3)
    assert "--saliency-batch 1" in caught.value.remedy


@pytest.mark.parametrize("batch", [1, 8])
def test_frame_that_is_wrong_is_named_before_a_later_one_that_cannot_be_read(
    tmp_path: Path, batch: int
) -> None:
    network = networks.write_network_that_fails_on_black(tmp_path / "network.onnx")
    reference, distorted = gray_clip(tmp_path, [128, 16, 128, 128, 128])
    content = distorted.read_bytes()
    last = content.rindex(b"FRAME")
    distorted.write_bytes(content[:last] + b"frame" + content[last + 5 :])
    with pytest.raises(RoiAccelError, match=r"^frame 1: network"):
        roi_accel.score(reference, distorted, saliency_model=network, saliency_batch=batch)


def test_several_videos_share_the_batches(tmp_path: Path, runs: list[int]) -> None:
    frames = smooth_frames(P8, 96, 64, 5)
    reference = write_y4m(tmp_path / "r.y4m", frames)
    videos = [write_y4m(tmp_path / f"{s}.y4m", damaged(frames, step=s)) for s in (10, 30)]
    found = roi_accel.score(reference, [*videos], saliency_size=64, saliency_batch=4)
    assert runs == [4, 1, 1, 1, 1, 4, 1]
    wanted = roi_accel.score(reference, [*videos], saliency_size=64)
    assert [scores(each) for each in found] == [scores(each) for each in wanted]
