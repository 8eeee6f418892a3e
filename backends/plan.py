"""The plan: what stays the same within a clip, checked once, so that sessions only compute."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import ColourMatrix, ColourRange, PixelFormat

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Mask

MASK_MAX = 65535
"""The code of saliency 1.0: masks, threshold and fade share this scale."""

_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True)
class ModelSize:
    """The network's input in pixels: the picture's size, and the size after padding.

    The picture fills the top left `height` x `width`; the rest repeats its last row and column,
    because networks that halve their input several times accept only multiples of it.
    """

    width: int
    height: int
    padded_width: int
    padded_height: int

    def __post_init__(self) -> None:
        if not (0 < self.width <= self.padded_width and 0 < self.height <= self.padded_height):
            msg = f"the padded size must hold the picture: {self}"
            raise ValueError(msg)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One clip's geometry and masking parameters.

    Parameters
    ----------
    pixel_format : PixelFormat
    width, height : int
        Luma size in pixels.
    mask_width, mask_height : int
        Size of the masks that will be upsampled.
    threshold, fade : float
        On the saliency scale, in [0, 1]: alpha is 0 up to `threshold` and 1 from
        `threshold` + `fade` on; a `fade` of 0 makes alpha jump from 0 to 1.
    colour_matrix, colour_range : ColourMatrix, ColourRange
        How the reference's YUV becomes RGB for the network.
    model : ModelSize or None
        The network's input size; None where the mask comes from elsewhere. ValueError where it is
        so much smaller than the frame that a box sum would not fit in 32 bits.
    """

    pixel_format: PixelFormat
    width: int
    height: int
    mask_width: int
    mask_height: int
    threshold: float = 0.3
    fade: float = 0.1
    colour_matrix: ColourMatrix = ColourMatrix.BT709
    colour_range: ColourRange = ColourRange.LIMITED
    model: ModelSize | None = None

    def __post_init__(self) -> None:
        for name in ("width", "height", "mask_width", "mask_height"):
            if getattr(self, name) < 1:
                msg = f"{name} must be at least 1, not {getattr(self, name)}"
                raise ValueError(msg)
        for name in ("threshold", "fade"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:  # false for NaN, too
                msg = f"{name} must be a number in [0, 1], not {value}"
                raise ValueError(msg)
        if self.model is not None:
            self._check_box_sums(self.model)

    def _check_box_sums(self, model: ModelSize) -> None:
        rows = math.ceil(self.height / model.height) + 1
        columns = math.ceil(self.width / model.width) + 1
        largest = rows * columns * self.pixel_format.max_value + rows * columns // 2
        if largest > _UINT32_MAX:
            msg = (
                f"a network input of {model.width}x{model.height} is too small for frames of "
                f"{self.width}x{self.height} at {self.pixel_format.bit_depth} bits: "
                "the sum over one of its pixels would not fit in 32 bits"
            )
            raise ValueError(msg)

    @property
    def threshold_code(self) -> int:
        """The threshold on the mask's scale, 0..65535."""
        return math.floor(self.threshold * MASK_MAX + 0.5)

    @property
    def fade_code(self) -> int:
        """The fade's width on the mask's scale, 0..65535; 0 is a step."""
        return math.floor(self.fade * MASK_MAX + 0.5)

    @property
    def plane_shapes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) of Y, U and V."""
        return self.pixel_format.plane_shapes(self.width, self.height)

    def check_frame(self, frame: Frame) -> None:
        """Raise ValueError unless `frame` has the plan's format and size.

        Compiled kernels trust what they are given; a wrong shape would be read outside its memory.
        """
        if frame.pixel_format != self.pixel_format:
            msg = f"the frame is {frame.pixel_format.name}, but the plan {self.pixel_format.name}"
            raise ValueError(msg)
        dtype = self.pixel_format.dtype
        for name, plane, shape in zip("YUV", frame.planes, self.plane_shapes, strict=True):
            if plane.shape != shape or plane.dtype != dtype:
                msg = (
                    f"plane {name} is {plane.dtype}{list(plane.shape)}, "
                    f"but the plan has {dtype}{list(shape)}"
                )
                raise ValueError(msg)

    def check_mask(self, mask: Mask) -> None:
        """Raise ValueError unless `mask` is uint16 and of the plan's size."""
        shape = [self.mask_height, self.mask_width]
        if list(mask.shape) != shape or mask.dtype != np.uint16:
            msg = f"the mask is {mask.dtype}{list(mask.shape)}, but the plan has uint16{shape}"
            raise ValueError(msg)
