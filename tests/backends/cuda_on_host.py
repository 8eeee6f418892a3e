"""Runs the CUDA text of the kernels as C++ on the host, one thread after the other.

No GPU, no driver: the few words of CUDA that the kernels use are defined away.
"""

from __future__ import annotations

import ctypes
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.geometry import model_boxes, plane_grids
from roi_accel.backends.kernel_source import KERNELS, VECTOR_SAMPLES, kernel_source
from roi_accel.backends.tables import colour_table, fade_table, normalisation_table

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.geometry import PlaneGrid
    from roi_accel.backends.plan import Plan

_SHIM = """
#include <cstdlib>
#define __global__
#define __device__
#define __forceinline__ inline
struct uint2 { unsigned x, y; };
struct alignas(16) uint4 { unsigned x, y, z, w; };
static uint2 make_uint2(unsigned x, unsigned y) { return {x, y}; }
static uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }
struct dim3 { unsigned x, y, z; };
static dim3 blockIdx = {0, 0, 0}, blockDim = {1, 1, 1}, threadIdx = {0, 0, 0};
extern "C" void at(unsigned x, unsigned y) { blockIdx = {x, y, 0}; }
"""


class CudaOnHost:
    """The compiled text, with one method per stage.

    Parameters
    ----------
    compiler : str
        A C++ compiler with g++'s options.
    folder : Path
        For the library that it makes.
    sample : dtype
        Of the planes.
    """

    def __init__(self, compiler: str, folder: Path, sample: np.dtype[Any]) -> None:
        source, library = folder / f"{sample.name}.cpp", folder / f"{sample.name}.so"
        source.write_text(_SHIM + kernel_source("cuda", sample))
        options = ["-std=c++17", "-O1", "-fwrapv", "-fno-strict-aliasing", "-w", "-shared", "-fPIC"]
        subprocess.run([compiler, *options, "-o", library, source], check=True)
        self._library = ctypes.CDLL(str(library))

    def alpha(self, plan: Plan, grid: PlaneGrid, mask: np.ndarray) -> np.ndarray:
        height, width = grid.shape
        pitch = _pitch(width)
        alpha = _aligned((height, pitch), np.dtype(np.uint32))
        self._run(
            "upsample_mask",
            (pitch // VECTOR_SAMPLES, height),
            self._widened(plan, grid, mask),
            _axis(grid.rows),
            alpha,
            height,
            pitch,
            *_fade(plan),
        )
        return alpha[:, :width]

    def substitute(
        self, plan: Plan, reference: Frame, distorted: Frame, mask: np.ndarray
    ) -> list[np.ndarray]:
        planes: list[np.ndarray] = []
        for grid in plane_grids(plan):
            height, width = grid.shape
            pitch = _pitch(width)
            masked = _aligned((len(grid.planes), height, pitch), plan.pixel_format.dtype)
            self._run(
                "substitute",
                (pitch // VECTOR_SAMPLES, height),
                _padded(reference, grid),
                _padded(distorted, grid),
                masked,
                self._widened(plan, grid, mask),
                _axis(grid.rows),
                height,
                pitch,
                len(grid.planes),
                *_fade(plan),
            )
            planes += list(masked[:, :, :width])
        return planes

    def preprocess(self, plan: Plan, reference: Frame) -> np.ndarray:
        assert plan.model is not None
        size = (plan.model.padded_width, plan.model.padded_height)
        luma, chroma = plane_grids(plan)[0], plane_grids(plan)[-1]
        luma_boxes, chroma_boxes, _ = model_boxes(plan, plan.model)
        boxes = (luma_boxes.columns, luma_boxes.rows, chroma_boxes.columns, chroma_boxes.rows)
        tables = [np.concatenate([box.start, box.stop]) for box in boxes]
        luma_plane, chroma_planes = _padded(reference, luma), _padded(reference, chroma)
        u = 1 - chroma.planes.start
        shift = plan.pixel_format.bit_depth - 8
        colour = colour_table(plan.colour_matrix, plan.colour_range)
        result = np.zeros((3, *size[::-1]), np.float32)
        self._run(
            "preprocess",
            size,
            luma_plane,
            chroma_planes,
            *tables,
            normalisation_table(),
            result,
            luma_plane.shape[2],
            chroma_planes.shape[2],
            u * chroma_planes[0].size,
            (u + 1) * chroma_planes[0].size,
            *size,
            (1 << shift) >> 1,
            shift,
            *(colour.black, colour.luma, colour.v_to_r),
            *(colour.u_to_g, colour.v_to_g, colour.u_to_b),
        )
        return result[None]

    def _widened(self, plan: Plan, grid: PlaneGrid, mask: np.ndarray) -> np.ndarray:
        width = grid.shape[1]
        wide = _aligned((plan.mask_height, _pitch(width)), np.dtype(np.uint16))
        columns = _axis(grid.columns)
        size = (width, plan.mask_height)
        self._run("widen", size, mask, columns, wide, plan.mask_width, size[1], width, len(wide[0]))
        return wide

    def _run(self, name: str, size: tuple[int, int], *arguments: np.ndarray | int) -> None:
        assert name in KERNELS
        kernel = getattr(self._library, name)
        passed = [
            ctypes.c_uint32(a) if isinstance(a, int) else ctypes.c_void_p(a.ctypes.data)
            for a in arguments
        ]
        # One more in each direction: a launch is rounded up to whole blocks.
        for y in range(size[1] + 1):
            for x in range(size[0] + 1):
                self._library.at(x, y)
                kernel(*passed)


def _pitch(width: int) -> int:
    return -(-width // VECTOR_SAMPLES) * VECTOR_SAMPLES


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.zeros(size + 16, np.uint8)
    start = -memory.ctypes.data % 16
    return memory[start : start + size].view(dtype).reshape(shape)


def _padded(frame: Frame, grid: PlaneGrid) -> np.ndarray:
    height, width = grid.shape
    planes = _aligned((len(grid.planes), height, _pitch(width)), frame.pixel_format.dtype)
    for row, plane in enumerate(grid.planes):
        planes[row, :, :width] = frame.planes[plane]
    return planes


def _axis(table: Any) -> np.ndarray:
    return np.concatenate([table.left, table.right, table.weight])


def _fade(plan: Plan) -> tuple[int, int, int]:
    fade = fade_table(plan.threshold_code, plan.fade_code)
    return fade.threshold, fade.opaque_from, fade.slope
