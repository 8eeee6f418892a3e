"""The CUDA text of the kernels compiles for every architecture, and computes the contract."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cuda_on_host import CudaOnHost
from support import ALL_FORMATS, random_frame

from roi_accel.backends.geometry import plane_grids
from roi_accel.backends.kernel_source import KERNELS, kernel_source
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import ModelSize, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.backends.frame import PixelFormat

ARCHITECTURES = [75, 80, 86, 89, 90, 100, 120]
FLOATS = re.compile(r"\.(?:f16|f32|f64|bf16|tf32)\w*")
SPILLED_OR_SPECIAL = re.compile(r"\b(?:ld|st)\.local|\btex\.|\batom\.")

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
        program = nvrtc.createProgram(source, "kernels.cu", [], [])
        try:
            nvrtc.compileProgram(program, (f"--gpu-architecture={architecture}", "--std=c++17"))
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
def test_it_has_no_floating_point_and_spills_nothing(
    nvrtc: Any, compiled: Callable[[str, str], Any], sample: str
) -> None:
    program = compiled(kernel_source("cuda", np.dtype(sample)), "compute_75")
    text = nvrtc.getPTX(program)
    ptx = text.decode() if isinstance(text, bytes) else text
    assert all(f".entry {name}(" in ptx for name in KERNELS)
    assert not FLOATS.findall(ptx)
    assert not SPILLED_OR_SPECIAL.findall(ptx)


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


@pytest.fixture(scope="module")
def on_host(tmp_path_factory: pytest.TempPathFactory) -> Callable[[np.dtype[Any]], CudaOnHost]:
    """Return a function from a sample type to the CUDA text compiled as C++, or skip."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("running the CUDA text on the host needs g++ or clang++")
    folder = tmp_path_factory.mktemp("cuda-on-host")
    made: dict[str, CudaOnHost] = {}

    def make(sample: np.dtype[Any]) -> CudaOnHost:
        if sample.name not in made:
            made[sample.name] = CudaOnHost(compiler, folder, sample)
        return made[sample.name]

    return make


@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize(("threshold", "fade"), [(0.3, 0.1), (0.5, 0.0), (0.0, 1.0)])
def test_it_computes_what_the_reference_backend_does(
    on_host: Callable[[np.dtype[Any]], CudaOnHost],
    pixel_format: PixelFormat,
    threshold: float,
    fade: float,
) -> None:
    rng = np.random.default_rng(0)
    plan = Plan(
        pixel_format=pixel_format,
        width=67,
        height=35,
        mask_width=24,
        mask_height=16,
        threshold=threshold,
        fade=fade,
        model=ModelSize(22, 15, 24, 16),
    )
    reference, distorted = (random_frame(rng, pixel_format, 67, 35) for _ in range(2))
    mask = rng.integers(0, 65536, (16, 24), dtype=np.uint16)
    mask[:8, :8], mask[:8, 16:] = 0, 65535
    cuda = on_host(pixel_format.dtype)
    with NumpyBackend().open(plan) as session:
        wanted = session.substitute(reference, distorted, mask)
        assert np.array_equal(cuda.preprocess(plan, reference), session.preprocess(reference))
        alphas = {alpha.shape: alpha for alpha in session.upsample(mask)}
    found = cuda.substitute(plan, reference, distorted, mask)
    assert all(map(np.array_equal, found, wanted.planes))
    for grid in plane_grids(plan):
        assert np.array_equal(cuda.alpha(plan, grid, mask), alphas[grid.shape])
