"""Pictures for the eye: a frame as RGB, and a mask in colour over it; no score depends on them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.arithmetic import on_grid, rgb_levels, to_8_bits
from roi_accel.backends.plan import MASK_MAX
from roi_accel.backends.tables import axis_table, colour_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roi_accel.backends.frame import ColourMatrix, ColourRange, Frame
    from roi_accel.backends.protocol import Mask

    Rgb = NDArray[np.uint8]
    """[height, width, 3], red first, 0..255."""

VIRIDIS = (
    "440154 481769 472a7a 433d84 3d4e8a 355e8d 2e6d8e 297b8e 23898e "
    "1f978b 21a585 2eb37c 46c06f 65cb5e 89d548 b0dd2f d8e219 fde725"
)
"""Every 15th colour of viridis (Smith and van der Walt, CC0): equal steps of the mask look equal.

Between them it is straight within 5 of 255 levels. It also reads in gray and for the colour-blind.
"""

COLOUR_SHARE = 0.65
"""How much of the mask's colour covers the frame, which stays visible in the rest."""

_LEVELS = 256


def to_rgb(frame: Frame, matrix: ColourMatrix, colour_range: ColourRange) -> Rgb:
    """Return a frame as the network's own fixed-point matrix sees it, at full size.

    Samples are rounded to 8 bits, chroma is repeated, not interpolated. The transfer is left as it
    is: HDR looks pale, as in any viewer that ignores it.

    Returns
    -------
    uint8[height, width, 3]
    """
    shape = frame.height, frame.width
    luma, u, v = (
        _repeated(to_8_bits(plane.astype(np.int32), frame.pixel_format.bit_depth), shape)
        for plane in frame.planes
    )
    rgb = np.empty((*shape, 3), np.uint8)
    for place, levels in enumerate(rgb_levels(luma, u, v, colour_table(matrix, colour_range))):
        rgb[..., place] = levels
    return rgb


def enlarge(mask: Mask, height: int, width: int) -> Mask:
    """Return a mask on a grid of `height` x `width`, by the rule that makes alpha of it."""
    mask_height, mask_width = mask.shape
    return on_grid(mask, axis_table(mask_height, height), axis_table(mask_width, width))


def mask_over(rgb: Rgb, mask: Mask) -> Rgb:
    """Return a frame with a mask over it: violet where nobody looks, yellow where all do.

    Parameters
    ----------
    rgb : uint8[height, width, 3]
    mask : uint16[height, width]
        On the frame's own grid (see `enlarge`), 0..65535 for saliency 0..1; ValueError if it is
        not.

    Returns
    -------
    uint8[height, width, 3]
        65 % of the colour map, 35 % of the frame's luminance, so that no hue of the frame can be
        taken for one of the map.
    """
    if mask.shape != rgb.shape[:2]:
        msg = f"a mask of shape {mask.shape} does not lie on a frame of shape {rgb.shape[:2]}"
        raise ValueError(msg)
    levels = (mask.astype(np.uint32) * (_LEVELS - 1) + MASK_MAX // 2) // MASK_MAX
    covering = (colour_map() * COLOUR_SHARE).astype(np.float32)[levels]
    gray = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    covering += gray[..., None] * (1 - COLOUR_SHARE)
    over: Rgb = (covering + 0.5).astype(np.uint8)
    return over


def colour_map() -> NDArray[np.float64]:
    """Return the colour of each of 256 levels of a mask, float64[256, 3] in 0..255."""
    anchors = np.array([list(bytes.fromhex(colour)) for colour in VIRIDIS.split()], np.float64)
    places = np.linspace(0, _LEVELS - 1, len(anchors))
    levels = np.arange(_LEVELS)
    return np.stack([np.interp(levels, places, channel) for channel in anchors.T], axis=1)


def _repeated(plane: NDArray[np.int32], shape: tuple[int, int]) -> NDArray[np.int32]:
    """Return a plane at luma's size: each chroma sample stands where it was taken from."""
    for axis, size in enumerate(shape):
        if plane.shape[axis] < size:
            plane = plane.repeat(2, axis)
    return plane[: shape[0], : shape[1]]
