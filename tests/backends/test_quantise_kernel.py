"""The kernel that makes mask codes of a network's floats rounds as the host does, in integers."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from emulated_cuda import EmulatedCuda

from roi_accel.backends import kernel_calls
from roi_accel.backends.arithmetic import quantise
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.kernel_calls import kernel_source
from roi_accel.backends.plan import ModelSize, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.backends.kernel_calls import KernelCall
    from roi_accel.backends.protocol import Backend

    Run = Callable[[np.ndarray], tuple[np.ndarray, bool]]

_BLOCK = (32, 4)


def call_for(width: int, height: int, *buffers: Any) -> KernelCall:
    """Return the call for a map of `width` x `height`, with a column and a row of padding."""
    plan = Plan(
        pixel_format=PixelFormat("420", 8),
        width=64,
        height=64,
        mask_width=width,
        mask_height=height,
    )
    return kernel_calls.quantise(plan, ModelSize(width, height, width + 1, height + 1), *buffers)


def padded(saliency: np.ndarray) -> np.ndarray:
    return np.pad(saliency, ((0, 1), (0, 1)), constant_values=np.nan)


@pytest.fixture
def opencl_run(available: Callable[[str], Backend]) -> Run:
    """Run the kernel through OpenCL."""
    backend = available("opencl")
    cl = pytest.importorskip("pyopencl")
    context = backend._context  # type: ignore[attr-defined] # noqa: SLF001 - the kernel alone is meant
    queue = cl.CommandQueue(context)
    program = cl.Program(context, kernel_source("opencl", np.dtype("u1"))).build("-cl-std=CL1.2")

    def run(saliency: np.ndarray) -> tuple[np.ndarray, bool]:
        height, width = saliency.shape
        flags = cl.mem_flags.READ_WRITE | cl.mem_flags.COPY_HOST_PTR
        codes, strays = np.full((height, width), 7, np.uint16), np.zeros(1, np.uint32)
        arrays = (padded(saliency).view(np.uint32), codes, strays)
        buffers = [cl.Buffer(context, flags, hostbuf=array) for array in arrays]
        call = call_for(width, height, *buffers)
        kernel = cl.Kernel(program, call.name)
        kernel(queue, call.size, None, *call.arguments)
        cl.enqueue_copy(queue, codes, buffers[1])
        cl.enqueue_copy(queue, strays, buffers[2])
        return codes, bool(strays[0])

    return run


@pytest.fixture
def cuda_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the CUDA text on the host."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("running the CUDA text on the host needs g++ or clang++")
    cuda = EmulatedCuda(compiler, tmp_path_factory.mktemp("quantise"), is_late=False)
    cupy = cuda.cupy
    module = cupy.RawModule(code=kernel_source("cuda", np.dtype("u1")), options=("--std=c++17",))

    def run(saliency: np.ndarray) -> tuple[np.ndarray, bool]:
        height, width = saliency.shape
        arrays = (
            padded(saliency).view(np.uint32),
            np.full((height, width), 7, np.uint16),
            np.zeros(1, np.uint32),
        )
        buffers = [cupy.asarray(array) for array in arrays]
        call = call_for(width, height, *buffers)
        grid = tuple(-(-n // b) for n, b in zip(call.size, _BLOCK, strict=True))
        module.get_function(call.name)(grid, _BLOCK, call.arguments)
        return buffers[1].memory, bool(buffers[2].memory[0])

    return run


@pytest.fixture(params=["opencl", "cuda"])
def run(request: pytest.FixtureRequest) -> Run:
    """Return a function from a float map to codes and whether one was no saliency."""
    found: Run = request.getfixturevalue(f"{request.param}_run")
    return found


def test_every_value_beside_a_half_rounds_as_on_the_host(run: Run) -> None:
    halves = ((np.arange(65536) + 0.5) / 65535).astype(np.float32)
    near = [halves]
    for step in range(1, 4):
        for direction in (0.0, 2.0):
            values = halves
            for _ in range(step):
                values = np.nextafter(values, np.float32(direction))
            near.append(values)
    saliency = np.clip(np.stack(near), 0, 1).reshape(-1, 256)
    codes, is_stray = run(saliency)
    assert np.array_equal(codes, quantise(saliency))
    assert not is_stray


def test_every_power_of_two_rounds_as_on_the_host(run: Run) -> None:
    bits = np.arange(128, dtype=np.uint32)[:, None] << 23
    noise = np.random.default_rng(5).integers(0, 1 << 23, (128, 64), dtype=np.uint32)
    noise[:, 0], noise[:, 1] = 0, (1 << 23) - 1
    saliency = (bits | noise).view(np.float32)
    saliency = np.minimum(saliency, np.float32(1))
    codes, is_stray = run(saliency)
    assert np.array_equal(codes, quantise(saliency))
    assert not is_stray


def around(value: float) -> list[float]:
    exact = np.float32(value)
    return [float(np.nextafter(exact, np.float32(towards))) for towards in (-9, 9)] + [float(exact)]


@pytest.mark.parametrize(
    "value",
    [
        *(*around(-1e-6), *around(1 + 1e-6), *around(0.0), *around(1.0), -0.0, 2.0, -1.0),
        *(np.nan, -np.nan, np.inf, -np.inf, 3e38, -1e-45),
    ],
)
def test_what_is_no_saliency_is_found_as_on_the_host(run: Run, value: float) -> None:
    saliency = np.full((3, 5), 0.25, np.float32)
    saliency[2, 4] = value
    codes, is_stray = run(saliency)
    try:
        wanted = quantise(saliency)
    except ValueError:
        assert is_stray
    else:
        assert not is_stray
        assert np.array_equal(codes, wanted)
