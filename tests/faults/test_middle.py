"""What fails in the middle of a run: memory, the network, a kernel, a file that changes."""

from __future__ import annotations

import resource
import shutil
from typing import TYPE_CHECKING

import pytest
from attempts import Attempt, assert_failed
from clips import run_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair

    Prepare = Callable[..., Attempt]

# Makes a function raise at its third call, as if something had given way during the run.
_FAIL_AT_THIRD = """
import importlib
module = importlib.import_module({module!r})
owner = {owner!r}
target = getattr(module, owner) if owner else module
whole = getattr(target, {name!r})
calls = []
def failing(*arguments, **keywords):
    calls.append(1)
    if len(calls) >= {call}:
        raise {error}
    return whole(*arguments, **keywords)
setattr(target, {name!r}, failing)
"""


_RUNTIME = (
    "from roi_accel.inference.ort import import_onnxruntime\nonnxruntime = import_onnxruntime()\n"
)

# The self-test has sessions of its own, so kernels fail from the moment when the run's is open.
_ONCE_OPEN = """
import roi_accel.run.score as pipeline
from roi_accel.backends.numpy_backend import NumpySession
whole, calls = NumpySession.{name}, []
def failing(self, *arguments):
    calls.append(1)
    if len(calls) == 3:
        raise {error}
    return whole(self, *arguments)
frames = pipeline.masked_frames
def plant(*arguments, **keywords):
    NumpySession.{name} = failing
    return frames(*arguments, **keywords)
pipeline.masked_frames = plant
"""


def fail_at(place: str, error: str, *, call: int = 3) -> str:
    module, _, name = place.partition(":")
    owner, _, name = name.rpartition(".")
    return _FAIL_AT_THIRD.format(module=module, owner=owner, name=name, error=error, call=call)


@pytest.fixture
def seen(tiny_pair: Pair, tiny_network: Path) -> list[object]:
    """Return arguments for a pair that a network looks at."""
    pair = ["-r", tiny_pair.reference, "-d", tiny_pair.distorted]
    return [*pair, "--saliency-model", tiny_network, "--backend", "numpy"]


STAGES = {
    "decode": ("roi_accel.video.y4m:read_planar", 3),
    "check a frame": ("roi_accel.video.reader:check_depth", 3),
    "quantise": ("roi_accel.masks.network:quantise", 3),
    "mean of a mask": ("roi_accel.results.build:mean_saliency", 3),
    "feed": ("roi_accel.scorers.scoring:ProgramScoring.feed", 3),
    "open the session": ("roi_accel.backends.numpy_backend:NumpyBackend.open", 1),
    "read the log": ("roi_accel.scorers.scoring:read_log", 1),
    "build the result": ("roi_accel.run.score:build_result", 1),
    "write as JSON": ("roi_accel.cli.score:to_json", 1),
}


@pytest.mark.parametrize(("place", "call"), STAGES.values(), ids=STAGES)
def test_allocation_that_fails_at_any_stage_ends_the_run_with_4(
    attempt: Prepare, seen: list[object], place: str, call: int
) -> None:
    patch = fail_at(place, "MemoryError('Unable to allocate 9 TiB')", call=call)
    attempt(patch).fail(4, "memory ran out (Unable to allocate 9 TiB)", *seen)


@pytest.mark.slow
def test_memory_that_really_runs_out_ends_the_run(attempt: Prepare, tmp_path: Path) -> None:
    path = tmp_path / "huge.yuv"
    with path.open("wb") as file:
        file.truncate(16384 * 16384 * 3)
    arguments = ["-r", path, "-d", path, "-w", 16384, "--height", 16384, "--pix-fmt", "yuv444p"]

    def little_memory() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (3 << 29, 3 << 29))

    options = ["--synthetic-mask", "1", "--backend", "numpy", "--threads", "1", "--gate", "off"]
    one = attempt(OPENBLAS_NUM_THREADS="1")
    done = one.run("score", "-o", one.output, *arguments, *options, preexec=little_memory)
    # Whoever asks for the byte too many: this process, or VMAF, which has the same limit.
    assert done.returncode in {4, 5}, done.stderr
    assert_failed(done, done.returncode, "memory ran out" if done.returncode == 4 else "ffmpeg")
    assert not one.output.exists()


def test_network_that_fails_midway_is_named_with_its_frame(
    attempt: Prepare, seen: list[object]
) -> None:
    error = "RuntimeError('Non-zero status code\\nat Conv')"
    attempt(_RUNTIME + fail_at("onnxruntime:InferenceSession.run", error)).fail(
        3, "frame 2: network", *seen
    )


def test_network_that_answers_nan_midway_is_named_with_its_frame(
    attempt: Prepare, seen: list[object]
) -> None:
    patch = (
        "import numpy\n"
        "run = onnxruntime.InferenceSession.run\n"
        "calls = []\n"
        "def spoilt(*arguments):\n"
        "    (found,) = run(*arguments)\n"
        "    calls.append(1)\n"
        "    found = found.copy()\n"
        "    found[0, 0, 1, 2] = numpy.nan if len(calls) == 4 else found[0, 0, 1, 2]\n"
        "    return [found]\n"
        "onnxruntime.InferenceSession.run = spoilt\n"
    )
    attempt(_RUNTIME + patch).fail(3, "frame 3: network", *seen)


@pytest.mark.parametrize("name", ["preprocess", "substitute"])
@pytest.mark.parametrize("gate", ["sample", "off"])
def test_kernel_that_fails_midway_is_named_with_its_frame(
    attempt: Prepare, seen: list[object], name: str, gate: str
) -> None:
    patch = _ONCE_OPEN.format(name=name, error="RuntimeError('the queue is lost')")
    words = f"frame 2: backend numpy on cpu failed in {name}"
    attempt(patch).fail(4, words, *seen, "--gate", gate)


@pytest.mark.parametrize("name", ["preprocess", "substitute"])
def test_kernel_without_memory_ends_the_run_with_4(
    attempt: Prepare, seen: list[object], name: str
) -> None:
    patch = _ONCE_OPEN.format(name=name, error="MemoryError()")
    attempt(patch).fail(4, "memory ran out; ", *seen)


_CHANGE = """
import os
from roi_accel.scorers.scoring import ProgramScoring
feed = ProgramScoring.feed
def change_and_feed(self, frames):
    {change}
    feed(self, frames)
ProgramScoring.feed = change_and_feed
"""
CHANGES = {
    "grows": "open({path!r}, 'ab').write(b'x')",
    "shrinks": "os.truncate({path!r}, os.path.getsize({path!r}) // 2)",
    "is touched": "os.utime({path!r})",
    "is replaced": (
        "open({path!r} + '2', 'wb').write(b'other'); os.replace({path!r} + '2', {path!r})"
    ),
    "is removed": "os.path.exists({path!r}) and os.remove({path!r})",
}


@pytest.mark.parametrize("which", ["reference", "distorted"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_input_that_changes_during_the_run_ends_it(
    attempt: Prepare, endless: list[object], tmp_path: Path, change: str, which: str
) -> None:
    path = tmp_path / "video.yuv"
    shutil.copy(str(endless[1]), path)
    arguments = list(endless)
    arguments[{"reference": 1, "distorted": 3}[which]] = path
    match = "no such file" if "remove" in change else "changed while it was being read"
    patch = _CHANGE.format(change=change.format(path=str(path)))
    attempt(patch).fail(2, match, *arguments)


@pytest.mark.slow
def test_mask_that_changes_during_the_run_ends_it(
    attempt: Prepare, endless: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "masks.mkv"
    source = ("-f", "lavfi", "-i", "testsrc2=size=640x360", "-frames:v", 600)
    run_ffmpeg(*source, "-pix_fmt", "gray", "-c:v", "ffv1", path)
    change = _CHANGE.format(change=f"open({str(path)!r}, 'ab').write(b'x')")
    video = [word for word in endless if word not in {"--synthetic-mask", "1"}]
    attempt(change).fail(2, "masks.mkv", *video, "--mask", path)
