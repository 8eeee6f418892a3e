"""Faults that begin in the middle of a run: the run ends at that frame, and leaves nothing."""

from __future__ import annotations

import os
import pkgutil
from typing import TYPE_CHECKING, Any

import planted
import pytest
from attempts import Attempt
from clips import P8, damaged, smooth_frames, write_y4m

from roi_accel.saliency import CPU_PROVIDER
from roi_accel.vmaf import Scoring

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from conftest import Pair
    from refusals import Refusals

    from roi_accel.backends.frame import Frame

NUMPY = ("--backend", "numpy")
AT = 4


@pytest.fixture
def pair_arguments(tiny_pair: Pair) -> list[object]:
    return ["-r", tiny_pair.reference, "-d", tiny_pair.distorted]


def failing(function: Callable[..., Any], error: Exception, calls: int) -> Callable[..., Any]:
    """Return `function` as it is for so many calls, and then what raises `error` ever after."""
    left = [calls]

    def call(*arguments: Any, **keywords: Any) -> Any:
        if not left[0]:
            raise error
        left[0] -= 1
        return function(*arguments, **keywords)

    return call


# Memory

STAGES = {
    "decode": "roi_accel.video.y4m.read_planar",
    "mask": "roi_accel.masks.constant.ConstantSource.masks",
    "means": "roi_accel.stages.mean_saliency",
    "substitute": "roi_accel.backends.numpy_backend.NumpySession.substitute",
    "feed": "roi_accel.vmaf.Scoring.feed",
    "logs": "roi_accel.vmaf.Scoring.finish",
    "result": "roi_accel.pipeline.assemble",
    "output": "roi_accel.cli.score.to_json",
}
REPEATED = ("decode", "mask", "substitute", "feed")
"""Stages of every frame, which may also fail later than at the first."""


@pytest.mark.parametrize(
    ("stage", "calls"),
    [*((stage, 0) for stage in STAGES), *((stage, AT) for stage in REPEATED)],
)
def test_memory_that_runs_out_in_any_stage_is_told_and_leaves_nothing(
    refused: Refusals,
    monkeypatch: pytest.MonkeyPatch,
    pair_arguments: list[object],
    stage: str,
    calls: int,
) -> None:
    error = MemoryError("Unable to allocate 9.9 GiB")
    function = pkgutil.resolve_name(STAGES[stage])
    monkeypatch.setattr(STAGES[stage], failing(function, error, calls))
    options = ("--synthetic-mask", 1, *NUMPY, "--gate", "off")
    said = refused(4, "Unable to allocate 9.9 GiB", *pair_arguments, *options)
    assert "memory ran out" in said


def test_memory_that_runs_out_beside_a_pipe_is_told_and_leaves_nothing(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object]
) -> None:
    from roi_accel.vmaf.streams import StreamWriter  # noqa: PLC0415 - of this test alone

    write = failing(StreamWriter._write, MemoryError("Unable to allocate 9.9 GiB"), 20)  # noqa: SLF001
    monkeypatch.setattr(StreamWriter, "_write", write)
    options = ("--synthetic-mask", 1, *NUMPY)
    said = refused(4, "Unable to allocate 9.9 GiB", *pair_arguments, *options)
    assert "memory ran out" in said


# The network


def run_failing_at(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Let ONNX Runtime answer `calls` times, and then raise as it does where a device is lost."""
    onnxruntime = pytest.importorskip("onnxruntime")
    error = RuntimeError("[ONNXRuntimeError] : 1 : FAIL : device lost\nand more")
    run = failing(onnxruntime.InferenceSession.run, error, calls)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)


def test_a_network_that_fails_midway_is_named_with_its_frame(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object]
) -> None:
    run_failing_at(monkeypatch, AT)
    words = f"frame {AT}: network center-surround failed on {CPU_PROVIDER}: "
    assert "device lost" in refused(3, words, *pair_arguments, *NUMPY)


def test_a_provider_that_fails_midway_is_not_replaced(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object]
) -> None:
    run_failing_at(monkeypatch, AT)
    # What runs on the processor is taken here for another device's, since there is none.
    monkeypatch.setattr("roi_accel.saliency.CPU_PROVIDER", "AnotherProvider")
    words = f"frame {AT}: network center-surround failed on {CPU_PROVIDER}: "
    assert "--ep cpu" in refused(4, words, *pair_arguments, *NUMPY)


# The device


@pytest.mark.parametrize("gate", ["first", "sample", "all"])
def test_a_kernel_that_fails_midway_is_told_and_leaves_nothing(
    tmp_path: Path, pair_arguments: list[object], gate: str
) -> None:
    changes = planted.install(tmp_path, "raises midway")
    attempt = Attempt(tmp_path, "", changes)
    options = ("--synthetic-mask", 1, "--backend", "planted", "--gate", gate)
    said = attempt.fail(4, "RuntimeError: the queue is lost", *pair_arguments, *options)
    assert f"frame {AT}: backend planted on cpu fails in substitute of " in said


# The inputs


@pytest.fixture(scope="module")
def long_pair(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return a pair far longer than all queues, so that reading goes on when VMAF has begun."""
    folder = tmp_path_factory.mktemp("long")
    frames = smooth_frames(P8, 96, 64, 12) * 10
    reference = write_y4m(folder / "reference.y4m", frames)
    return [reference, write_y4m(folder / "distorted.y4m", damaged(frames))]


CHANGES: dict[str, Callable[[Path], object]] = {
    "written to": lambda path: path.open("r+b").close() or os.utime(path, ns=(0, 0)),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\0"),
    "shorter": lambda path: os.truncate(path, path.stat().st_size // 2),
    "emptied": lambda path: os.truncate(path, 0),
    "replaced": lambda path: [
        path.with_suffix(".new").write_bytes(path.read_bytes()),
        path.with_suffix(".new").replace(path),
    ],
    "removed": lambda path: path.unlink(),
}


@pytest.mark.parametrize("which", [0, 1], ids=["reference", "distorted"])
@pytest.mark.parametrize("change", CHANGES)
def test_an_input_that_changes_during_the_run_ends_it(
    refused: Refusals,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    long_pair: list[Path],
    which: int,
    change: str,
) -> None:
    pair = [tmp_path / path.name for path in long_pair]
    for path, source in zip(pair, long_pair, strict=True):
        path.write_bytes(source.read_bytes())
    feed, fed = Scoring.feed, []

    def changed(self: Scoring, streams: Sequence[Frame]) -> None:
        fed.append(len(fed))
        if len(fed) == AT:
            CHANGES[change](pair[which])
        feed(self, streams)

    monkeypatch.setattr(Scoring, "feed", changed)
    words = "no such file" if change == "removed" else "changed while it was being read"
    said = refused(2, words, "-r", pair[0], "-d", pair[1], "--synthetic-mask", 1, *NUMPY)
    assert pair[which].name in said
    assert len(fed) < 100
