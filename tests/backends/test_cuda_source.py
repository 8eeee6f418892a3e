"""The CUDA text of the kernels compiles for every architecture, to integer arithmetic only."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from roi_accel.backends.cuda.backend import OPTIONS
from roi_accel.backends.kernel_calls import KERNELS, kernel_source

if TYPE_CHECKING:
    from collections.abc import Callable

ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120]
FLOATS = re.compile(r"\.(?:f16|f32|f64|bf16|tf32)\w*")
LOCAL_OR_SPECIAL = re.compile(r"\b(?:ld|st)\.local|\btex\.|\batom\.")

by_sample = pytest.mark.parametrize("sample", ["u1", "<u2"])


@pytest.fixture(scope="module")
def nvrtc() -> Any:
    """Return NVRTC through CuPy, which compiles without a GPU or its driver, or skip."""
    reason = "compiling the CUDA text needs cupy-cuda13x and nvidia-cuda-nvrtc"
    compiler = pytest.importorskip("cupy.cuda", reason=reason).nvrtc
    try:
        compiler.getVersion()
    except Exception as error:  # noqa: BLE001 - whatever keeps the library from loading
        pytest.skip(f"{reason}: {error}")
    return compiler


@pytest.fixture
def compiled(nvrtc: Any) -> Callable[[str, str], Any]:
    """Return a function from source and options to a compiled program."""

    def run(source: str, architecture: str) -> Any:
        # As CuPy calls it: -ftz=true is its own addition.
        program = nvrtc.createProgram(source, "kernels.cu", [], [])
        try:
            nvrtc.compileProgram(
                program, (f"--gpu-architecture={architecture}", *OPTIONS, "-ftz=true")
            )
        except nvrtc.NVRTCError:
            pytest.fail(nvrtc.getProgramLog(program))
        return program

    return run


@by_sample
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_it_compiles_to_machine_code(
    nvrtc: Any, compiled: Callable[[str, str], Any], sample: str, architecture: int
) -> None:
    program = compiled(kernel_source("cuda", np.dtype(sample)), f"sm_{architecture}")
    binary = nvrtc.getCUBIN(program)
    assert binary.startswith(b"\x7fELF")
    assert all(f".text.{name}".encode() in binary for name in KERNELS)
    assert not nvrtc.getProgramLog(program).strip("\0\n ")


@by_sample
def test_it_has_no_floating_point_no_local_arrays_and_no_atomics(
    nvrtc: Any, compiled: Callable[[str, str], Any], sample: str
) -> None:
    program = compiled(kernel_source("cuda", np.dtype(sample)), "compute_75")
    text = nvrtc.getPTX(program)
    ptx = text.decode() if isinstance(text, bytes) else text
    assert all(f".entry {name}(" in ptx for name in KERNELS)
    assert not FLOATS.findall(ptx)
    assert not LOCAL_OR_SPECIAL.findall(ptx)


@by_sample
def test_samples_move_in_whole_vectors(
    nvrtc: Any, compiled: Callable[[str, str], Any], sample: str
) -> None:
    program = compiled(kernel_source("cuda", np.dtype(sample)), "compute_75")
    text = nvrtc.getPTX(program)
    ptx = text.decode() if isinstance(text, bytes) else text
    body = ptx.partition(".entry substitute(")[2].partition(".entry")[0]
    words = 2 if sample == "u1" else 4
    assert f"st.global.v{words}.u32" in body or f"st.global.v{words}.b32" in body
    assert "ld.global.nc.v4" in body
    assert not re.search(r"(?:ld|st)\.global(?:\.nc)?\.u(?:8|16)\b", body)


def test_the_search_for_floats_finds_them(nvrtc: Any, compiled: Callable[[str, str], Any]) -> None:
    source = 'extern "C" __global__ void f(float *a) { a[0] = a[1] * a[2] + a[3]; }'
    text = nvrtc.getPTX(compiled(source, "compute_75"))
    assert FLOATS.findall(text.decode() if isinstance(text, bytes) else text)
