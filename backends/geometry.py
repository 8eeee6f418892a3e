"""What a plan means for its planes, the same for every backend: grids, boxes and checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.tables import AxisTable, BoxTable, axis_table, box_table

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask


@dataclass(frozen=True)
class PlaneGrid:
    """One sample grid and the planes that have it, which therefore share their alpha.

    Attributes
    ----------
    shape : (height, width)
        In samples.
    planes : range
        Indices of the planes: U and V always share a grid, in 4:4:4 all three do.
    columns, rows : AxisTable
        How a mask is upsampled to this grid.
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
class PlaneBoxes:
    """Which samples of a plane are averaged into each pixel of the network's input."""

    rows: BoxTable
    columns: BoxTable


def model_boxes(plan: Plan) -> list[PlaneBoxes]:
    """Return the boxes of Y, U and V, each averaged straight to the network's size.

    Empty where the plan has no model size.
    """
    model = plan.model
    if model is None:
        return []
    return [
        PlaneBoxes(
            box_table(height, model.height, model.padded_height),
            box_table(width, model.width, model.padded_width),
        )
        for height, width in plan.plane_shapes
    ]


def check_frame(plan: Plan, frame: Frame) -> None:
    """Raise ValueError unless `frame` has the plan's format and size.

    Compiled kernels trust what they are given; a wrong shape would be read outside its memory.
    """
    if frame.pixel_format != plan.pixel_format:
        msg = f"the frame is {frame.pixel_format.name}, but the plan {plan.pixel_format.name}"
        raise ValueError(msg)
    dtype = plan.pixel_format.dtype
    for name, plane, shape in zip("YUV", frame.planes, plan.plane_shapes, strict=True):
        if plane.shape != shape or plane.dtype != dtype:
            msg = (
                f"plane {name} is {plane.dtype}{list(plane.shape)}, "
                f"but the plan has {dtype}{list(shape)}"
            )
            raise ValueError(msg)


def check_mask(plan: Plan, mask: Mask) -> None:
    """Raise ValueError unless `mask` is uint16 and of the plan's size."""
    shape = (plan.mask_height, plan.mask_width)
    if mask.shape != shape or mask.dtype != np.uint16:
        msg = f"the mask is {mask.dtype}{list(mask.shape)}, but the plan has uint16{list(shape)}"
        raise ValueError(msg)
