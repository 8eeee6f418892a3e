"""The integer contract written down once more, literally, in int64 and without any shortcut."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import ColourRange
from roi_accel.backends.tables import colour_table, normalisation_table

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan


def upsample(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mask codes on a grid of `height` x `width`, int64."""
    values = mask.astype(np.int64)
    for axis, size in ((1, width), (0, height)):
        source = values.shape[axis]
        position = (2 * np.arange(size, dtype=np.int64) + 1) * source - size
        position = np.clip(position, 0, 2 * size * (source - 1))
        left = position // (2 * size)
        weight = (position % (2 * size) * 65536 + size) // (2 * size)
        weight = np.expand_dims(weight, 1 - axis)
        a = np.take(values, left, axis)
        b = np.take(values, np.minimum(left + 1, source - 1), axis)
        values = (a * (65536 - weight) + b * weight + 32768) >> 16
    return values


def alpha(codes: np.ndarray, plan: Plan) -> np.ndarray:
    """Alpha 0..65536 of mask codes, int64."""
    threshold, fade = plan.threshold_code, plan.fade_code
    if fade == 0:
        return np.where(codes >= threshold, 65536, 0)
    x = np.clip(codes - threshold, 0, fade)
    slope = (2 * 2**31 + fade) // (2 * fade)
    return np.where(x == fade, 65536, (x * slope + 16384) >> 15)


def substitute(
    reference: Frame, distorted: Frame, mask: np.ndarray, plan: Plan
) -> list[np.ndarray]:
    """Blended planes, int64."""
    planes = []
    for ref, dist in zip(reference.planes, distorted.planes, strict=True):
        share = alpha(upsample(mask, *ref.shape), plan)
        blended = ref.astype(np.int64) * (65536 - share) + dist.astype(np.int64) * share
        planes.append((blended + 32768) >> 16)
    return planes


def preprocess(frame: Frame, plan: Plan) -> np.ndarray:
    """Return the network's input, float32[1, 3, padded_height, padded_width]."""
    assert plan.model is not None
    size = plan.model
    means = [
        _box_mean(p, size.height, size.width, plan.pixel_format.bit_depth) for p in frame.planes
    ]
    y, u, v = means
    table = colour_table(plan.colour_matrix, plan.colour_range)
    black = 0 if plan.colour_range is ColourRange.FULL else 16
    luma = table.luma * (y - black)
    rgb = (
        luma + table.v_to_r * (v - 128),
        luma - table.u_to_g * (u - 128) - table.v_to_g * (v - 128),
        luma + table.u_to_b * (u - 128),
    )
    levels = np.clip([(channel + 32768) >> 16 for channel in rgb], 0, 255)
    padding = ((0, size.padded_height - size.height), (0, size.padded_width - size.width))
    levels = [np.pad(channel, padding, mode="edge") for channel in levels]
    return np.stack([t[c] for t, c in zip(normalisation_table(), levels, strict=True)])[None]


def _box_mean(plane: np.ndarray, height: int, width: int, bit_depth: int) -> np.ndarray:
    source_height, source_width = plane.shape
    out = np.empty((height, width), np.int64)
    for y in range(height):
        top, bottom = y * source_height // height, -(-(y + 1) * source_height // height)
        for x in range(width):
            left, right = x * source_width // width, -(-(x + 1) * source_width // width)
            box = plane[top:bottom, left:right].astype(np.int64)
            out[y, x] = (int(box.sum()) + box.size // 2) // box.size
    if bit_depth == 8:
        return out
    return np.minimum((out + (1 << (bit_depth - 9))) >> (bit_depth - 8), 255)
