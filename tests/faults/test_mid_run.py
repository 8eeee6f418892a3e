"""Faults that begin in the middle of a run: the run ends at that frame, and leaves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import planted
import pytest
from attempts import Attempt

from roi_accel.inference.network import CPU_PROVIDER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair
    from refusals import Refusals


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


def test_memory_that_runs_out_beside_a_pipe_is_told_and_leaves_nothing(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object]
) -> None:
    from roi_accel.scorers.streams import StreamWriter  # noqa: PLC0415 - of this test alone

    write = failing(StreamWriter._write, MemoryError("Unable to allocate 9.9 GiB"), 20)  # noqa: SLF001
    monkeypatch.setattr(StreamWriter, "_write", write)
    options = ("--synthetic-mask", 1, *NUMPY)
    said = refused(4, "Unable to allocate 9.9 GiB", *pair_arguments, *options)
    assert "memory ran out" in said


def run_failing_at(monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    """Let ONNX Runtime answer `calls` times, and then raise as it does where a device is lost."""
    onnxruntime = pytest.importorskip("onnxruntime")
    error = RuntimeError("[ONNXRuntimeError] : 1 : FAIL : device lost\nand more")
    run = failing(onnxruntime.InferenceSession.run, error, calls)
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", run)


def test_a_provider_that_fails_midway_is_not_replaced(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object]
) -> None:
    run_failing_at(monkeypatch, AT)
    # What runs on the processor is taken here for another device's, since there is none.
    monkeypatch.setattr("roi_accel.inference.network.CPU_PROVIDER", "AnotherProvider")
    words = f"frame {AT}: network center-surround failed on {CPU_PROVIDER}: "
    assert "--ep cpu" in refused(4, words, *pair_arguments, *NUMPY)


@pytest.mark.parametrize("gate", ["first", "sample", "all", "off"])
def test_a_kernel_that_fails_midway_is_told_and_leaves_nothing(
    tmp_path: Path, pair_arguments: list[object], gate: str
) -> None:
    changes = planted.install(tmp_path, "raises midway")
    attempt = Attempt(tmp_path, "", changes)
    options = ("--synthetic-mask", 1, "--backend", "planted", "--gate", gate)
    said = attempt.fail(4, "RuntimeError: the queue is lost", *pair_arguments, *options)
    assert f"frame {AT}: backend planted on cpu failed in substitute of " in said
