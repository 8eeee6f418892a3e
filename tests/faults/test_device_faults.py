"""Devices and providers that are absent, fail or compute wrongly: refused by the command."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import planted
import pytest
from attempts import Attempt

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable

    from conftest import Pair
    from refusals import Refusals

    Prepare = Callable[..., Attempt]

MASK = ("--synthetic-mask", 1)
OPENCL = ("--backend", "opencl", *MASK)


@pytest.fixture
def pair_arguments(tiny_pair: Pair) -> list[object]:
    return ["-r", tiny_pair.reference, "-d", tiny_pair.distorted]


@pytest.fixture
def opencl(available: Callable[[str], Any]) -> Any:
    """Return pyopencl, where it has a device."""
    available("opencl")
    return importlib.import_module("pyopencl")


def an_error(opencl: Any, code: int) -> Exception:
    """Return what pyopencl raises where the driver answers with `code`."""
    record = vars(importlib.import_module("pyopencl._cl"))["_ErrorRecord"]
    error: Exception = opencl.LogicError(record(msg="", code=code, routine="clSomething"))
    return error


# Providers


def test_a_provider_that_is_absent_is_an_error_where_strict_and_else_a_warning(
    attempt: Prepare, pair_arguments: list[object]
) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("this onnxruntime has the provider that is to be absent")
    options = ("--backend", "numpy", "--ep", "cuda")
    one = attempt()
    one.fail(4, "was to run on CUDAExecutionProvider", *pair_arguments, *options, "--strict-ep")
    done = one.run("score", "-o", one.output, *pair_arguments, *options)
    assert done.returncode == 0, done.stderr
    assert "warning: the saliency network was to run on CUDAExecutionProvider" in done.stderr
    result = one.output.read_text()
    assert re.search(r'"providers_attached": \[\s*"CPUExecutionProvider"\s*\]', result)
    assert '"provider_requested": "CUDAExecutionProvider"' in result


# A device without room, lost, or absent


def test_a_device_without_room_is_refused_with_sizes(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object], opencl: Any
) -> None:
    buffer = opencl.Buffer
    monkeypatch.setattr(opencl, "Buffer", lambda context, flags, _: buffer(context, flags, 1 << 60))
    said = refused(4, "is out of memory: the session holds", *pair_arguments, *OPENCL)
    assert re.search(r"wanted \d+\.\d MiB more; the device has \d+\.\d MiB", said)


@pytest.mark.parametrize("calls", [0, 40])
@pytest.mark.parametrize(
    ("code", "words"),
    [
        (-2, "was lost"),
        (-36, "was lost"),
        (-5, "ran out of resources or was reset"),
        (-9999, "failed"),
    ],
)
def test_a_device_that_is_lost_ends_the_run_at_once(
    refused: Refusals,
    monkeypatch: pytest.MonkeyPatch,
    pair_arguments: list[object],
    opencl: Any,
    code: int,
    words: str,
    calls: int,
) -> None:
    enqueue, made = opencl.enqueue_nd_range_kernel, []

    def fail(*arguments: Any, **keywords: Any) -> Any:
        made.append(len(made))
        if len(made) > calls:
            raise an_error(opencl, code)
        return enqueue(*arguments, **keywords)

    monkeypatch.setattr(opencl, "enqueue_nd_range_kernel", fail)
    said = refused(4, words, *pair_arguments, *OPENCL)
    assert "opencl:" in said
    assert len(made) <= calls + 2  # Once in each of the two slots at the most: no retry.


def test_no_opencl_platform_is_told_with_what_brings_one(
    attempt: Prepare, tmp_path: Path, pair_arguments: list[object]
) -> None:
    pytest.importorskip("pyopencl")
    # pyopencl's wheel brings a loader that also looks for PoCL's wheel below PYOPENCL_HOME.
    without_pocl = f"import os, pyopencl\nos.environ['PYOPENCL_HOME'] = {str(tmp_path)!r}"
    one = attempt(without_pocl, OCL_ICD_VENDORS=str(tmp_path))
    said = one.fail(4, "there is no OpenCL platform with a device", *pair_arguments, *OPENCL)
    assert "OCL_ICD_VENDORS" in said
    assert 'pip install "roi-accel[pocl]"' in said


# A device that computes wrongly, or cannot compile


@pytest.mark.parametrize("fault", ["one pixel", "tail column", "random", "alpha", "input", "nan"])
def test_a_device_that_fails_its_self_test_is_refused(
    tmp_path: Path, pair_arguments: list[object], fault: str
) -> None:
    one = Attempt(tmp_path, "", planted.install(tmp_path, fault))
    words = "does not reproduce the golden self-test"
    said = one.fail(4, words, *pair_arguments, *MASK, "--backend", "planted")
    stage = {"alpha": "upsample", "input": "preprocess", "nan": "preprocess"}
    assert stage.get(fault, "substitute") in said


def test_kernels_that_do_not_compile_leave_their_log(
    refused: Refusals, monkeypatch: pytest.MonkeyPatch, pair_arguments: list[object], opencl: Any
) -> None:
    from roi_accel.backends import kernel_calls  # noqa: PLC0415 - where there is OpenCL

    assert opencl
    read = kernel_calls.read_kernel_file
    broken = read("upsample_rows.ker").replace("u32 left", "u33 left")
    monkeypatch.setattr(
        kernel_calls, "read_kernel_file", lambda n: broken if n == "upsample_rows.ker" else read(n)
    )
    said = refused(4, "the kernels do not compile for", *pair_arguments, *OPENCL)
    (log,) = re.findall(r"log is (\S+\.log)", said)
    assert "u33" in Path(log).read_text("utf-8")


# A cache that is damaged, or has no place


@pytest.fixture
def numba_backend(available: Callable[[str], Any]) -> None:
    available("numba")


def scored(one: Attempt, *arguments: object) -> str:
    """Run ``score``, which must succeed, and return what it says on stderr."""
    done: subprocess.CompletedProcess[str] = one.run(
        "score", "-o", one.output, "--overwrite", "--quiet", *arguments
    )
    assert done.returncode == 0, done.stderr
    assert one.output.exists()
    return done.stderr


@pytest.mark.slow
@pytest.mark.usefixtures("numba_backend")
def test_a_damaged_cache_of_numba_is_made_anew_with_a_warning(
    attempt: Prepare, tmp_path: Path, pair_arguments: list[object]
) -> None:
    folder = tmp_path / "numba cache"
    one = attempt(NUMBA_CACHE_DIR=str(folder))
    arguments = (*pair_arguments, *MASK, "--backend", "numba")
    assert scored(one, *arguments) == ""
    kept = [path for path in folder.rglob("*") if path.is_file()]
    assert kept
    for path in kept:
        path.write_bytes(b"no kernel")
    assert "numba's cache of " in scored(one, *arguments)
    assert scored(one, *arguments) == ""


@pytest.mark.slow
@pytest.mark.usefixtures("numba_backend")
def test_a_cache_that_has_no_place_is_done_without(
    attempt: Prepare, tmp_path: Path, pair_arguments: list[object]
) -> None:
    patch = (
        "import numba.core.caching as caching\n"
        "def refuse(*_): raise OSError(28, 'No space left on device')\n"
        "caching._CacheLocator.ensure_cache_path = refuse\n"
    )
    one = attempt(patch, NUMBA_CACHE_DIR=str(tmp_path / "numba cache"))
    said = scored(one, *pair_arguments, *MASK, "--backend", "numba")
    assert "numba cannot cache" in said
