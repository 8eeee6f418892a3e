"""The integer contract as kernels that numba compiles, each for a band of rows without the GIL.

Only `numba_backend` imports this, and only when it is used: numba takes most of a second to load.

Kernels get planes as flat arrays and the distance between rows. So one type per sample width serves
dense, padded and read-only planes alike, and LLVM sees neighbours in memory, which it vectorises.
numba widens every 32-bit operation to 64 bits; each result is cast back at once, which LLVM turns
into plain 32-bit instructions, wrapping as the contract allows.

numba's own threads (``parallel=True``) are not used: `team` says why.
"""

from __future__ import annotations

import functools
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import numba
import numpy as np
from numba import types
from numba.extending import register_jitable

from roi_accel.backends.tables import FIXED_BITS, FIXED_HALF, ONE, SLOPE_BITS, SLOPE_HALF

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Samples = NDArray[np.uint8] | NDArray[np.uint16]
    Words = NDArray[np.uint32]
    Planes = tuple[Samples, Samples, Samples]
    Tables = tuple[Words, Words, Words]
    Sizes = tuple[int, int, int]

_Function = TypeVar("_Function", bound="Callable[..., Any]")

_LOGGER = logging.getLogger("roi_accel")

# numba compiles these in as constants; inside kernels every operand is a uint32.
_BITS = np.uint32(FIXED_BITS)
_HALF = np.uint32(FIXED_HALF)
_FADE_BITS = np.uint32(SLOPE_BITS)
_FADE_HALF = np.uint32(SLOPE_HALF)
_OPAQUE = np.uint32(ONE)


def _inner(function: _Function) -> _Function:
    """Let kernels call `function`; it keeps its type, which numba's own decorator loses."""
    registered: _Function = register_jitable(function)
    return registered


@_inner
def _mix(low: np.uint32, high: np.uint32, share: np.uint32) -> np.uint32:
    """Return (low * (65536 - share) + high * share + 32768) >> 16; the difference may wrap."""
    product = np.uint32(np.uint32(high - low) * share)
    return np.uint32(np.uint32(np.uint32(low << _BITS) + product + _HALF) >> _BITS)


@_inner
def _wide_row(
    mask: NDArray[np.uint16],
    pitch: int,
    row: np.int64,
    columns: Tables,
    wide: Words,
    held: NDArray[np.int64],
) -> Words:
    """Return mask row `row` interpolated horizontally; its two latest rows are kept in `wide`."""
    left, right, weight = columns
    width = len(left)
    slot = row & 1
    out = wide[slot * width : (slot + 1) * width]
    if held[slot] != row:
        held[slot] = row
        source = mask[row * pitch :]
        for x in range(width):
            out[x] = _mix(np.uint32(source[left[x]]), np.uint32(source[right[x]]), weight[x])
    return out


@_inner
def _alpha_row(
    top: Words, bottom: Words, weight: np.uint32, fade: tuple[int, int, int, int], alpha: Words
) -> None:
    """Interpolate two widened mask rows and turn the codes into alpha.

    A code from `opaque_from` on is opaque whatever the product beside it wraps to. A step has
    slope 0 and so alpha 0 below it.
    """
    threshold, opaque_from, slope = np.uint32(fade[0]), np.uint32(fade[2]), np.uint32(fade[3])
    for x in range(len(alpha)):
        code = _mix(top[x], bottom[x], weight)
        above = np.uint32(max(code, threshold) - threshold)
        sloped = np.uint32(np.uint32(np.uint32(above * slope) + _FADE_HALF) >> _FADE_BITS)
        alpha[x] = _OPAQUE if code >= opaque_from else sloped


@_inner
def _blend_row(reference: Samples, distorted: Samples, alpha: Words, out: Samples) -> None:
    for x in range(len(out)):
        out[x] = _mix(np.uint32(reference[x]), np.uint32(distorted[x]), alpha[x])


def _alpha_rows(
    mask: NDArray[np.uint16],
    pitch: int,
    columns: Tables,
    rows: Tables,
    fade: tuple[int, int, int, int],
    out: Words,
    first: int,
    last: int,
) -> None:
    """Write alpha of rows `first`..`last` - 1 of one grid to `out`."""
    width = len(columns[0])
    left, right, weight = rows
    wide = np.empty(2 * width, np.uint32)
    held = np.full(2, -1, np.int64)
    for y in range(first, last):
        top = _wide_row(mask, pitch, np.int64(left[y]), columns, wide, held)
        bottom = _wide_row(mask, pitch, np.int64(right[y]), columns, wide, held)
        _alpha_row(top, bottom, weight[y], fade, out[y * width : (y + 1) * width])


def _substitute_rows(
    mask: NDArray[np.uint16],
    pitch: int,
    columns: Tables,
    rows: Tables,
    fade: tuple[int, int, int, int],
    reference: Planes,
    reference_pitch: Sizes,
    distorted: Planes,
    distorted_pitch: Sizes,
    out: Planes,
    planes: tuple[int, int],
    first: int,
    last: int,
) -> None:
    """Blend rows `first`..`last` - 1 of the planes planes[0]..planes[1] - 1, which share a grid."""
    width = len(columns[0])
    mask_width = np.int64(columns[1][width - 1]) + 1
    left, right, weight = rows
    wide = np.empty(2 * width, np.uint32)
    held = np.full(2, -1, np.int64)
    alpha = np.empty(width, np.uint32)
    pair = np.int64(-1)
    lowest = highest = np.uint16(0)
    for y in range(first, last):
        upper, lower = np.int64(left[y]), np.int64(right[y])
        if upper != pair:
            pair = upper
            lowest = highest = mask[upper * pitch]
            for x in range(mask_width):
                above, below = mask[upper * pitch + x], mask[lower * pitch + x]
                lowest = min(lowest, above, below)
                highest = max(highest, above, below)
        # Interpolation never leaves the range of its sources, so a row between two mask rows all
        # below or all above the fade needs no arithmetic.
        transparent = highest <= fade[1]
        opaque = lowest >= fade[2]
        if not (transparent or opaque):
            top = _wide_row(mask, pitch, upper, columns, wide, held)
            bottom = _wide_row(mask, pitch, lower, columns, wide, held)
            _alpha_row(top, bottom, weight[y], fade, alpha)
        for plane in range(planes[0], planes[1]):
            begin = y * reference_pitch[plane]
            ref = reference[plane][begin : begin + width]
            begin = y * distorted_pitch[plane]
            dist = distorted[plane][begin : begin + width]
            target = out[plane][y * width : (y + 1) * width]
            if transparent:
                target[:] = ref
            elif opaque:
                target[:] = dist
            else:
                _blend_row(ref, dist, alpha, target)


@_inner
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


@_inner
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


_I = types.int64
_PAIR = types.UniTuple(_I, 2)
_TRIPLE = types.UniTuple(_I, 3)
_WORDS = types.Array(types.uint32, 1, "C")
_TABLES = types.UniTuple(_WORDS, 3)
_MASK = types.Array(types.uint16, 1, "C", readonly=True)
_UPSAMPLE = (_MASK, _I, _TABLES, _TABLES, types.UniTuple(_I, 4))


@functools.cache
def alpha_kernel() -> Callable[..., None]:
    """Return the compiled `_alpha_rows`."""
    return _compiled(_alpha_rows, types.void(*_UPSAMPLE, _WORDS, _I, _I))


@functools.cache
def substitute_kernel(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Return `_substitute_rows`, compiled for samples of `dtype`."""
    inputs = _planes(dtype, readonly=True)
    outputs = _planes(dtype, readonly=False)
    return _compiled(
        _substitute_rows,
        types.void(*_UPSAMPLE, inputs, _TRIPLE, inputs, _TRIPLE, outputs, _PAIR, _I, _I),
    )


@functools.cache
def preprocess_kernel(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Return `_preprocess_rows`, compiled for samples of `dtype`."""
    colour = types.UniTuple(_I, 6)
    normalised = types.Array(types.float32, 2, "C")
    out = types.Array(types.float32, 3, "C")
    tables = (_TABLES,) * 4
    inputs = _planes(dtype, readonly=True)
    return _compiled(
        _preprocess_rows,
        types.void(inputs, _TRIPLE, *tables, _I, colour, normalised, out, _I, _I),
    )


def _planes(dtype: np.dtype[Any], *, readonly: bool) -> types.Type:
    samples = types.Array(numba.from_dtype(dtype), 1, "C", readonly=readonly)
    return types.UniTuple(samples, 3)


def _compiled(function: Callable[..., None], signature: types.Type) -> Callable[..., None]:
    """Compile for `signature` and nothing else, from numba's disk cache where that works.

    A cache must never cost more than time: a broken one is made anew, and where it cannot be
    written (a read-only home, a full disk) there is none.
    """
    try:
        kernel = _jit(function, cache=True)
        try:
            kernel.compile(signature)
        except Exception as error:  # noqa: BLE001 - whatever unpickling a damaged file raises
            _LOGGER.warning(
                "numba's cache of %s is damaged (%r): made anew", _name(function), error
            )
            kernel.recompile()  # of nothing yet: empties the cache
            kernel.compile(signature)
    except Exception as error:  # noqa: BLE001 - a fault of the kernel itself is raised again below
        _LOGGER.warning("numba cannot cache %s (%s): it is compiled again", _name(function), error)
        kernel = _jit(function, cache=False)
        kernel.compile(signature)
    kernel.disable_compile()
    compiled: Callable[..., None] = kernel
    return compiled


def _jit(function: Callable[..., None], *, cache: bool) -> Any:  # noqa: ANN401 - numba is untyped
    # A division by zero cannot happen, and the check for it would keep loops from vectorising.
    return numba.njit(nogil=True, cache=cache, error_model="numpy")(function)


def _name(function: Callable[..., None]) -> str:
    return function.__name__.removeprefix("_")
