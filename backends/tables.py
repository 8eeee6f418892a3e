"""The tables of the integer contract, computed once on the host so that no device derives its own.

Everything here is exact integer or rational arithmetic, but for the network's normalisation, which
is rounded once from float64 to float32. docs/arithmetic.md states the contract.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from roi_accel.backends.frame import ColourMatrix, ColourRange

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roi_accel.backends.plan import Plan

ONE = 65536
"""Weights and alpha are in units of 1/65536."""

FIXED_BITS = 16
FIXED_HALF = 1 << (FIXED_BITS - 1)

SLOPE_BITS = 15
SLOPE_HALF = 1 << (SLOPE_BITS - 1)

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

# Luma weights Kr and Kb: ITU-R BT.601-7 2.5.1, BT.709-6 3.2, BT.2020-2 table 4 (non-constant).
_LUMA_WEIGHTS = {
    ColourMatrix.BT601: (Fraction(299, 1000), Fraction(114, 1000)),
    ColourMatrix.BT709: (Fraction(2126, 10000), Fraction(722, 10000)),
    ColourMatrix.BT2020: (Fraction(2627, 10000), Fraction(593, 10000)),
}


class AxisTable(NamedTuple):
    """Bilinear upsampling along one axis, three uint32[n] for n output positions.

    `left` and `right` are neighbouring source indices, clamped at the edges; `weight` is the share
    of `right` in units of 1/65536, in 0..65536.
    """

    left: NDArray[np.uint32]
    right: NDArray[np.uint32]
    weight: NDArray[np.uint32]


def axis_table(source: int, target: int) -> AxisTable:
    """Return the table from `source` to `target` samples, half-pixel centres, edges clamped.

    Output x has its centre at ((2x + 1) * source - target) / (2 * target) in source samples: a
    sample is the middle of a pixel (P. Heckbert, "What Are the Coordinates of a Pixel?", Graphics
    Gems, 1990), as in OpenCV's INTER_LINEAR and PyTorch's align_corners=False.
    """
    positions = (2 * np.arange(target, dtype=np.int64) + 1) * source - target
    positions = np.clip(positions, 0, 2 * target * (source - 1))
    left, rest = np.divmod(positions, 2 * target)
    weight = (rest * ONE + target) // (2 * target)
    right = np.minimum(left + 1, source - 1)
    return AxisTable(left.astype(np.uint32), right.astype(np.uint32), weight.astype(np.uint32))


@dataclass(frozen=True)
class PlaneGrid:
    """One sample grid, (height, width), and the planes that have it and so share their alpha.

    U and V always share a grid, in 4:4:4 all three planes do. A mask is upsampled to it by
    `columns` and `rows`.
    """

    shape: tuple[int, int]
    planes: range
    columns: AxisTable
    rows: AxisTable


def plane_grids(plan: Plan) -> list[PlaneGrid]:
    """Return the distinct grids of `plan`, luma's first."""
    shapes = plan.plane_shapes
    return [
        PlaneGrid(
            (height, width),
            range(first := shapes.index((height, width)), first + shapes.count((height, width))),
            axis_table(plan.mask_width, width),
            axis_table(plan.mask_height, height),
        )
        for height, width in dict.fromkeys(shapes)
    ]


@dataclass(frozen=True)
class FadeTable:
    """From a mask code v to alpha: x = clamp(v - threshold, 0, fade), then a fixed-point slope.

    Alpha is 65536 where x = fade, else (x * slope + 16384) >> 15. With a fade of 0, alpha is 65536
    where v >= threshold, else 0.
    """

    threshold: int
    fade: int
    slope: int

    @property
    def transparent_to(self) -> int:
        """The highest mask code with alpha 0; -1 where there is none."""
        return self.threshold if self.fade else self.threshold - 1

    @property
    def opaque_from(self) -> int:
        """The lowest mask code with alpha 65536; above 65535 where there is none."""
        return self.threshold + self.fade


def fade_table(threshold_code: int, fade_code: int) -> FadeTable:
    """Return the fade with its slope round(2**31 / fade); a step has slope 0.

    It approximates the linear ramp clamp((m - threshold) / fade, 0, 1) with a multiplication by a
    rounded reciprocal (T. Granlund and P. Montgomery, "Division by Invariant Integers using
    Multiplication", PLDI 1994). docs/arithmetic.md bounds its error.
    """
    slope = (2**32 + fade_code) // (2 * fade_code) if fade_code else 0
    return FadeTable(threshold_code, fade_code, slope)


class BoxTable(NamedTuple):
    """Box averaging along one axis: output i covers source samples start[i] .. stop[i] - 1."""

    start: NDArray[np.uint32]
    stop: NDArray[np.uint32]

    @property
    def counts(self) -> NDArray[np.uint32]:
        """Samples in each box, at least 1."""
        return self.stop - self.start


def box_table(source: int, target: int, padded: int) -> BoxTable:
    """Return boxes [floor(i*source/target), ceil((i+1)*source/target)), the last one repeated.

    Positions from `target` to `padded` repeat the last box, which pads the network's input by its
    edge without any backend knowing of it.
    """
    index = np.minimum(np.arange(padded, dtype=np.int64), target - 1)
    start = index * source // target
    stop = -((-(index + 1) * source) // target)
    return BoxTable(start.astype(np.uint32), stop.astype(np.uint32))


def model_boxes(plan: Plan) -> list[tuple[BoxTable, BoxTable]]:
    """Return the boxes of rows and of columns of Y, U and V, averaged to the network's size.

    Empty where the plan has no model size.
    """
    model = plan.model
    if model is None:
        return []
    return [
        (
            box_table(height, model.height, model.padded_height),
            box_table(width, model.width, model.padded_width),
        )
        for height, width in plan.plane_shapes
    ]


@dataclass(frozen=True)
class ColourTable:
    """YUV to RGB in 16-bit fixed point, for samples reduced to 8 bits.

    R = clamp((luma * (Y - black) + v_to_r * (V - 128) + 32768) >> 16), B likewise with u_to_b;
    G = clamp((luma * (Y - black) - u_to_g * (U - 128) - v_to_g * (V - 128) + 32768) >> 16).
    All terms fit in 32 signed bits; the shift is arithmetic.
    """

    black: int
    luma: int
    v_to_r: int
    u_to_g: int
    v_to_g: int
    u_to_b: int


def colour_table(matrix: ColourMatrix, colour_range: ColourRange) -> ColourTable:
    """Return the fixed-point matrix of `matrix` and `colour_range`, rounded to nearest."""
    red, blue = _LUMA_WEIGHTS[matrix]
    green = 1 - red - blue
    limited = colour_range is ColourRange.LIMITED
    luma_scale = Fraction(255, 219) if limited else Fraction(1)
    chroma_scale = Fraction(255, 224) if limited else Fraction(1)

    def fixed(value: Fraction) -> int:
        return int(value * ONE + Fraction(1, 2))

    return ColourTable(
        black=16 if limited else 0,
        luma=fixed(luma_scale),
        v_to_r=fixed(chroma_scale * 2 * (1 - red)),
        u_to_g=fixed(chroma_scale * 2 * (1 - blue) * blue / green),
        v_to_g=fixed(chroma_scale * 2 * (1 - red) * red / green),
        u_to_b=fixed(chroma_scale * 2 * (1 - blue)),
    )


def normalisation_table() -> NDArray[np.float32]:
    """Return float32[3, 256]: the network's input for each 8-bit R, G, B (ImageNet statistics)."""
    levels = np.arange(256, dtype=np.float64) / 255.0
    mean = np.array(IMAGENET_MEAN)[:, None]
    std = np.array(IMAGENET_STD)[:, None]
    table: NDArray[np.float32] = ((levels[None, :] - mean) / std).astype(np.float32)
    return table
