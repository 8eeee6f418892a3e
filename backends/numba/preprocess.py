"""From a YUV frame to the network's input, as a kernel that numba compiles for a band of rows.

`kernels` says how kernels are written, and `compile` what may import this.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from roi_accel.backends.numba.compile import INTEGER, TABLES, TRIPLE, compiled, inner, planes_of
from roi_accel.backends.tables import FIXED_BITS, FIXED_HALF

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from roi_accel.backends.numba.kernels import Planes, Samples, Sizes, Tables, Words


@inner
def _average_row(
    plane: Samples,
    pitch: int,
    start: np.int64,
    stop: np.int64,
    columns_start: Words,
    columns_stop: Words,
    bit_depth: int,
    sums: Words,
    out: NDArray[np.int32],
) -> None:
    """Write one row of box averages, reduced to 8 bits; each source sample is read once."""
    width = np.int64(columns_stop[len(columns_stop) - 1])
    source = plane[start * pitch : start * pitch + width]
    for x in range(width):
        sums[x] = source[x]
    for y in range(start + 1, stop):
        source = plane[y * pitch : y * pitch + width]
        for x in range(width):
            sums[x] = np.uint32(sums[x] + np.uint32(source[x]))
    shift = np.uint32(bit_depth - 8)
    rounding = np.uint32((1 << bit_depth) >> 9)  # half a code, and none at 8 bits
    for x in range(len(out)):
        total = np.uint32(0)
        for i in range(np.int64(columns_start[x]), np.int64(columns_stop[x])):
            total = np.uint32(total + sums[i])
        count = np.uint32(np.uint32(stop - start) * np.uint32(columns_stop[x] - columns_start[x]))
        mean = np.uint32(np.uint32(total + np.uint32(count >> np.uint32(1))) // count)
        out[x] = min(np.uint32(np.uint32(mean + rounding) >> shift), np.uint32(255))


@inner
def _level(value: int) -> int:
    """Return a 16-bit fixed-point colour as its 8-bit level."""
    return min(max(value >> FIXED_BITS, 0), 255)


def _preprocess_rows(
    planes: Planes,
    pitch: Sizes,
    rows_start: Tables,
    rows_stop: Tables,
    columns_start: Tables,
    columns_stop: Tables,
    bit_depth: int,
    colour: tuple[int, int, int, int, int, int],
    normalised: NDArray[np.float32],
    out: NDArray[np.float32],
    first: int,
    last: int,
) -> None:
    """Write rows `first`..`last` - 1 of the network's input, float32[3, height, width]."""
    black, luma_gain, v_to_r, u_to_g, v_to_g, u_to_b = colour
    width = out.shape[2]
    yuv = np.empty((3, width), np.int32)
    sums = np.empty(columns_stop[0][width - 1], np.uint32)  # luma is the widest plane
    for y in range(first, last):
        for plane in range(3):
            _average_row(
                planes[plane],
                pitch[plane],
                np.int64(rows_start[plane][y]),
                np.int64(rows_stop[plane][y]),
                columns_start[plane],
                columns_stop[plane],
                bit_depth,
                sums,
                yuv[plane],
            )
        for x in range(width):
            luma = luma_gain * (yuv[0, x] - black) + FIXED_HALF
            u, v = yuv[1, x] - 128, yuv[2, x] - 128
            out[0, y, x] = normalised[0, _level(luma + v_to_r * v)]
            out[1, y, x] = normalised[1, _level(luma - u_to_g * u - v_to_g * v)]
            out[2, y, x] = normalised[2, _level(luma + u_to_b * u)]


@functools.cache
def preprocess_kernel(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Return `_preprocess_rows`, compiled for samples of `dtype`."""
    colour = types.UniTuple(INTEGER, 6)
    normalised = types.Array(types.float32, 2, "C")
    out = types.Array(types.float32, 3, "C")
    tables = (TABLES,) * 4
    inputs = planes_of(dtype, readonly=True)
    return compiled(
        _preprocess_rows,
        types.void(inputs, TRIPLE, *tables, INTEGER, colour, normalised, out, INTEGER, INTEGER),
    )
