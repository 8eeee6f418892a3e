"""The integer contract as kernels that numba compiles, each for a band of rows without the GIL.

Kernels get planes as flat arrays and the distance between rows. So one type per sample width serves
dense, padded and read-only planes alike, and LLVM sees neighbours in memory, which it vectorises.
numba widens every 32-bit operation to 64 bits; each result is cast back at once, which LLVM turns
into plain 32-bit instructions, wrapping as the contract allows.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import types

from roi_accel.backends.numba.compile import (
    INTEGER,
    PAIR,
    TABLES,
    TRIPLE,
    WORDS,
    compiled,
    inner,
    planes_of,
)
from roi_accel.backends.tables import FIXED_BITS, FIXED_HALF, ONE, SLOPE_BITS, SLOPE_HALF

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Samples = NDArray[np.uint8] | NDArray[np.uint16]
    Words = NDArray[np.uint32]
    Planes = tuple[Samples, Samples, Samples]
    Tables = tuple[Words, Words, Words]
    Sizes = tuple[int, int, int]
    PitchedPlanes = tuple[Planes, Sizes]
    Fade = tuple[int, int, int, int]
    Upsampling = tuple[NDArray[np.uint16], int, Tables, Tables, Fade]
    Scratch = tuple[
        NDArray[np.uintp],
        NDArray[np.uint8],
        NDArray[np.uintp],
        Words,
        NDArray[np.uint16],
        NDArray[np.int64],
        Words,
    ]

# numba compiles these in as constants; inside kernels every operand is a uint32.
_BITS = np.uint32(FIXED_BITS)
_HALF = np.uint32(FIXED_HALF)
_FADE_BITS = np.uint32(SLOPE_BITS)
_FADE_HALF = np.uint32(SLOPE_HALF)
_OPAQUE = np.uint32(ONE)
_LOW_HALF = np.uint32(0xFFFF)

# Positions are unsigned, or every index would be tested for counting from the end.
_SPREAD = np.uintp(8)

_BLENDED = np.uintp(0)
_TRANSPARENT = np.uintp(1)
_OPAQUE_RUN = np.uintp(2)
"""Kinds of run, as bits, so that what all columns of a run share is their bitwise and."""

_BLOCK = 64
"""Samples: as many as LLVM takes at a time, since it computes what is left one by one."""


@inner
def _mix(low: np.uint32, high: np.uint32, share: np.uint32) -> np.uint32:
    """Return (low * (65536 - share) + high * share + 32768) >> 16; the difference may wrap."""
    product = np.uint32(np.uint32(high - low) * share)
    return np.uint32(np.uint32(np.uint32(low << _BITS) + product + _HALF) >> _BITS)


@inner
def _find_starts(left: Words, starts: NDArray[np.uintp]) -> None:
    """Write from which sample on mask column j is the left neighbour; one more ends the last."""
    for j in range(len(starts)):
        starts[j] = np.uintp(0)
    for x in range(len(left)):
        starts[left[x] + 1] = np.uintp(x + 1)
    for j in range(len(starts) - 1):
        starts[j + 1] = max(starts[j], starts[j + 1])  # a column may not neighbour any sample


@inner
def _wide_row(
    mask: NDArray[np.uint16],
    pitch: int,
    row: np.int64,
    weight: Words,
    starts: NDArray[np.uintp],
    pairs: Words,
    wide: NDArray[np.uint16],
    held: NDArray[np.int64],
) -> np.uintp:
    """Interpolate mask row `row` horizontally, and return where it begins in `wide`.

    The two latest rows are kept there. Both neighbours are spread over the samples between them as
    one word, eight of it at a time, of which the next pair writes over what is too much: looking
    them up one by one takes twice as long.
    """
    width, last = len(weight), len(starts) - 2
    slot = row & 1
    begin = np.uintp(slot * width)
    if held[slot] != row:
        held[slot] = row
        source = mask[row * pitch :]
        for j in range(last + 1):
            right = np.uint32(source[min(j + 1, last)])
            word = np.uint32(source[j]) | np.uint32(right << _BITS)
            for at in range(starts[j], starts[j + 1], _SPREAD):
                for x in range(_SPREAD):
                    pairs[at + x] = word
        for x in range(np.uintp(width)):
            wide[begin + x] = _mix(pairs[x] & _LOW_HALF, pairs[x] >> _BITS, weight[x])
    return begin


@inner
def _alpha_row(
    wide: NDArray[np.uint16],
    top: np.uintp,
    bottom: np.uintp,
    weight: np.uint32,
    fade: Fade,
    alpha: Words,
    at: np.uintp,
    count: np.uintp,
) -> None:
    """Interpolate two widened mask rows and turn the codes into alpha, `count` of them.

    The rows begin at `top` and `bottom` of `wide`, alpha is written from `at` on. A code from
    `opaque_from` on is opaque whatever the product beside it wraps to. A step has slope 0 and so
    alpha 0 below it.
    """
    threshold, opaque_from, slope = np.uint32(fade[0]), np.uint32(fade[2]), np.uint32(fade[3])
    for x in range(count):
        code = _mix(np.uint32(wide[top + x]), np.uint32(wide[bottom + x]), weight)
        above = np.uint32(max(code, threshold) - threshold)
        sloped = np.uint32(np.uint32(np.uint32(above * slope) + _FADE_HALF) >> _FADE_BITS)
        alpha[at + x] = _OPAQUE if code >= opaque_from else sloped


@inner
def _find_runs(
    upper: NDArray[np.uint16],
    lower: NDArray[np.uint16],
    columns: Words,
    fade: Fade,
    kinds: NDArray[np.uint8],
    runs: NDArray[np.uintp],
) -> int:
    """Write runs of samples between two mask rows as (kind, stop) to `runs`; return how many.

    Interpolation never leaves the range of its sources, so what lies between mask values all below
    or all above the fade needs no arithmetic. Runs consist of whole blocks, which fill vectors.
    """
    cells = len(upper)
    for j in range(cells):
        transparent = np.uint8(max(upper[j], lower[j]) <= fade[1])
        opaque = np.uint8(min(upper[j], lower[j]) >= fade[2])
        kinds[j] = transparent | np.uint8(opaque << np.uint8(1))
    for j in range(cells - 1):
        kinds[j] &= kinds[j + 1]
    width = len(columns)
    count = 0
    for begin in range(0, width, _BLOCK):
        stop = min(begin + _BLOCK, width)
        kind = _TRANSPARENT | _OPAQUE_RUN
        for j in range(np.int64(columns[begin]), np.int64(columns[stop - 1]) + 1):
            kind &= np.uintp(kinds[j])
        if count == 0 or runs[2 * count - 2] != kind:
            runs[2 * count] = kind
            count += 1
        runs[2 * count - 1] = stop
    return count


@inner
def _run_row(
    kind: np.uintp,
    reference: Samples,
    reference_at: np.uintp,
    distorted: Samples,
    distorted_at: np.uintp,
    alpha: Words,
    alpha_at: np.uintp,
    out: Samples,
    out_at: np.uintp,
    count: np.uintp,
) -> None:
    """Write a run of `count` samples of one plane."""
    if kind == _BLENDED:
        for x in range(count):
            ref, dist = reference[reference_at + x], distorted[distorted_at + x]
            out[out_at + x] = _mix(np.uint32(ref), np.uint32(dist), alpha[alpha_at + x])
    elif kind == _TRANSPARENT:
        for x in range(count):
            out[out_at + x] = reference[reference_at + x]
    else:
        for x in range(count):
            out[out_at + x] = distorted[distorted_at + x]


def _alpha_rows(upsampling: Upsampling, out: Words, first: int, last: int) -> None:
    """Write alpha of rows `first`..`last` - 1 of one grid to `out`."""
    mask, pitch, columns, (left, right, weight), fade = upsampling
    column_weight = columns[2]
    width = np.uintp(len(column_weight))
    starts = np.empty(np.int64(columns[1][-1]) + 2, np.uintp)
    _find_starts(columns[0], starts)
    pairs = np.empty(width + _SPREAD, np.uint32)
    wide = np.empty(2 * width, np.uint16)
    held = np.full(2, -1, np.int64)
    for y in range(first, last):
        top = _wide_row(mask, pitch, np.int64(left[y]), column_weight, starts, pairs, wide, held)
        bottom = _wide_row(
            mask, pitch, np.int64(right[y]), column_weight, starts, pairs, wide, held
        )
        _alpha_row(wide, top, bottom, weight[y], fade, out, np.uintp(y) * width, width)


@inner
def _substitute_in(
    scratch: Scratch,
    upsampling: Upsampling,
    reference: PitchedPlanes,
    distorted: PitchedPlanes,
    out: Planes,
    planes: tuple[int, int],
    first: int,
    last: int,
) -> None:
    """Do the work of `_substitute_rows` in the scratch memory that it allocated."""
    mask, pitch, columns, (left, right, weight), fade = upsampling
    reference_planes, reference_pitch = reference
    distorted_planes, distorted_pitch = distorted
    column_weight = columns[2]
    runs, kinds, starts, pairs, wide, held, alpha = scratch
    width, cells = np.uintp(len(column_weight)), len(kinds)
    _find_starts(columns[0], starts)
    pair = np.int64(-1)
    count = 0
    for y in range(first, last):
        upper, lower = np.int64(left[y]), np.int64(right[y])
        if upper != pair:
            pair = upper
            above = mask[upper * pitch : upper * pitch + cells]
            below = mask[lower * pitch : lower * pitch + cells]
            count = _find_runs(above, below, columns[0], fade, kinds, runs)
        begin = np.uintp(0)
        for run in range(count):
            kind, end = runs[2 * run], runs[2 * run + 1]
            length = end - begin
            if kind == _BLENDED:
                top = _wide_row(mask, pitch, upper, column_weight, starts, pairs, wide, held)
                bottom = _wide_row(mask, pitch, lower, column_weight, starts, pairs, wide, held)
                _alpha_row(wide, top + begin, bottom + begin, weight[y], fade, alpha, begin, length)
            for plane in range(planes[0], planes[1]):
                _run_row(
                    kind,
                    reference_planes[plane],
                    np.uintp(y * reference_pitch[plane]) + begin,
                    distorted_planes[plane],
                    np.uintp(y * distorted_pitch[plane]) + begin,
                    alpha,
                    begin,
                    out[plane],
                    np.uintp(y) * width + begin,
                    length,
                )
            begin = end


def _substitute_rows(
    upsampling: Upsampling,
    reference: PitchedPlanes,
    distorted: PitchedPlanes,
    out: Planes,
    planes: tuple[int, int],
    first: int,
    last: int,
) -> None:
    """Blend rows `first`..`last` - 1 of the planes planes[0]..planes[1] - 1, which share a grid."""
    columns = upsampling[2]
    width = len(columns[0])
    cells = np.int64(columns[1][width - 1]) + 1
    scratch = (
        np.empty(2 * (width // _BLOCK + 1), np.uintp),
        np.empty(cells, np.uint8),
        np.empty(cells + 1, np.uintp),
        np.empty(width + _SPREAD, np.uint32),
        np.empty(2 * width, np.uint16),
        np.full(2, -1, np.int64),
        np.empty(width, np.uint32),
    )
    _substitute_in(scratch, upsampling, reference, distorted, out, planes, first, last)


_MASK = types.Array(types.uint16, 1, "C", readonly=True)
_UPSAMPLING = types.Tuple((_MASK, INTEGER, TABLES, TABLES, types.UniTuple(INTEGER, 4)))


@functools.cache
def alpha_kernel() -> Callable[..., None]:
    """Return the compiled `_alpha_rows`."""
    return compiled(_alpha_rows, types.void(_UPSAMPLING, WORDS, INTEGER, INTEGER))


@functools.cache
def substitute_kernel(dtype: np.dtype[Any]) -> Callable[..., None]:
    """Return `_substitute_rows`, compiled for samples of `dtype`."""
    inputs = types.Tuple((planes_of(dtype, readonly=True), TRIPLE))
    outputs = planes_of(dtype, readonly=False)
    signature = types.void(_UPSAMPLING, inputs, inputs, outputs, PAIR, INTEGER, INTEGER)
    return compiled(_substitute_rows, signature)


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
