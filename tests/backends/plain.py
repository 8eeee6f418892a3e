"""The arithmetic written plainly in float64, to hold the integer backends to."""

from __future__ import annotations

import numpy as np

from roi_accel.backends.frame import ColourMatrix

LUMA_WEIGHTS = {
    ColourMatrix.BT601: (0.299, 0.114),
    ColourMatrix.BT709: (0.2126, 0.0722),
    ColourMatrix.BT2020: (0.2627, 0.0593),
}


def upsample(mask: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear, half-pixel centres, edges clamped; float64 on the mask's own scale."""
    values = mask.astype(np.float64)
    for axis, target in ((0, height), (1, width)):
        source = values.shape[axis]
        position = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        left = np.floor(position).astype(int)
        right = np.minimum(left + 1, source - 1)
        share = np.expand_dims(position - left, 1 - axis)
        values = np.take(values, left, axis) * (1 - share) + np.take(values, right, axis) * share
    return values


def alpha(values: np.ndarray, threshold: float, fade: float) -> np.ndarray:
    """Alpha in [0, 1] of mask codes in [0, 65535], for threshold and fade in [0, 1]."""
    threshold, fade = np.floor(threshold * 65535 + 0.5), np.floor(fade * 65535 + 0.5)
    if fade == 0:
        return (values >= threshold).astype(np.float64)
    return np.clip((values - threshold) / fade, 0.0, 1.0)


def rgb(
    y: np.ndarray, u: np.ndarray, v: np.ndarray, matrix: ColourMatrix, full: bool
) -> list[np.ndarray]:
    """8-bit samples to R, G, B in float64, clamped to [0, 255]."""
    red, blue = LUMA_WEIGHTS[matrix]
    luma = y.astype(float) if full else (y - 16.0) * 255 / 219
    scale = 1.0 if full else 255 / 224
    cb, cr = (u - 128.0) * scale, (v - 128.0) * scale
    r = luma + 2 * (1 - red) * cr
    b = luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return [np.clip(channel, 0, 255) for channel in (r, g, b)]
