"""What each kernel is given: the one place that knows the order of arguments, for every API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.arithmetic import SLACK
from roi_accel.backends.kernel_source import lanes_of
from roi_accel.backends.tables import colour_table, fade_table
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roi_accel.backends.geometry import PlaneGrid
    from roi_accel.backends.plan import ModelSize, Plan
    from roi_accel.backends.tables import AxisTable, BoxTable

PITCH_SAMPLES = 64
"""A row is padded to this: a cache line and a whole number of vectors at every depth."""

MAX_INDEX = 2**32 - 1

Buffer = Any
"""Whatever the API calls memory of the device."""


@dataclass(frozen=True)
class KernelCall:
    """One kernel with its arguments, ready for whatever API launches it.

    Attributes
    ----------
    name : str
        The kernel's.
    size : (width, height)
        Work-items, before they are rounded up to whole groups.
    arguments : tuple of buffers and numpy.uint32
    """

    name: str
    size: tuple[int, int]
    arguments: tuple[Buffer | np.uint32, ...]


@dataclass(frozen=True)
class GridLayout:
    """How the planes of one grid lie in a device's memory: one behind the other, rows padded.

    Attributes
    ----------
    grid : PlaneGrid
    pitch : int
        Samples from one row to the next.
    on_processor : bool
        Whether a work-item has a segment of a row, and not one vector.
    """

    grid: PlaneGrid
    pitch: int
    on_processor: bool

    @classmethod
    def of(cls, grid: PlaneGrid, *, on_processor: bool = False) -> GridLayout:
        """Return the layout of `grid`, for a processor or for a GPU.

        Raises
        ------
        BackendUnavailable
            The planes are too large for 32-bit indices.
        """
        layout = cls(grid, -(-grid.shape[1] // PITCH_SAMPLES) * PITCH_SAMPLES, on_processor)
        planes, height, pitch = layout.shape
        if planes * height * pitch > MAX_INDEX:
            msg = f"planes of {grid.shape[1]}x{height} are too large for 32-bit indices"
            raise BackendUnavailable(msg, remedy="--backend numpy takes them")
        return layout

    @property
    def shape(self) -> tuple[int, int, int]:
        """(planes, height, pitch) of the array that holds them."""
        return len(self.grid.planes), self.grid.shape[0], self.pitch

    @property
    def vectors(self) -> tuple[int, int]:
        """Work-items, each with its lanes whole."""
        height, width = self.grid.shape
        return -(-width // lanes_of(on_processor=self.on_processor)), height


def widen(
    plan: Plan, layout: GridLayout, mask: Buffer, columns: Buffer, wide: Buffer
) -> KernelCall:
    """Return the mask's horizontal interpolation into `wide`, uint16[mask_height, pitch]."""
    width = layout.grid.shape[1]
    items = layout.vectors[0] if layout.on_processor else width
    return KernelCall(
        "widen",
        (items, plan.mask_height),
        (mask, columns, wide, *_uint32s(plan.mask_width, plan.mask_height, width, layout.pitch)),
    )


def substitute(
    plan: Plan,
    layout: GridLayout,
    reference: Buffer,
    distorted: Buffer,
    masked: Buffer,
    wide: Buffer,
    rows: Buffer,
    *,
    planes: int | None = None,
    pitches: tuple[int, int] | None = None,
) -> KernelCall:
    """Return fade and blend of the grid's planes, or of the first `planes`.

    `pitches` are those of `reference` and `distorted` where they are not the layout's own.
    """
    height, width = layout.grid.shape
    pitch = layout.pitch
    count = planes or len(layout.grid.planes)
    numbers = (width, height, *(pitches or (pitch, pitch)), pitch, count)
    return KernelCall(
        "substitute",
        layout.vectors,
        (reference, distorted, masked, wide, rows, *_uint32s(*numbers, *_fade(plan))),
    )


def upsample_mask(
    plan: Plan, layout: GridLayout, wide: Buffer, rows: Buffer, alpha: Buffer
) -> KernelCall:
    """Return alpha on the grid, uint32[height, pitch]."""
    height, width = layout.grid.shape
    numbers = _uint32s(width, height, layout.pitch, *_fade(plan))
    return KernelCall("upsample_mask", layout.vectors, (wide, rows, alpha, *numbers))


def preprocess(
    plan: Plan,
    model: ModelSize,
    layouts: tuple[GridLayout, GridLayout],
    planes: tuple[Buffer, Buffer],
    boxes: tuple[Buffer, Buffer, Buffer, Buffer],
    normalised: Buffer,
    network_input: Buffer,
) -> KernelCall:
    """Return the network's input from the reference.

    `layouts` and `planes` are those of the grids that hold Y and U; `boxes` are the tables of
    luma's columns and rows, then chroma's; `network_input` takes float32 bits as uint32.
    """
    luma, chroma = layouts
    size = (model.padded_width, model.padded_height)
    _, height, pitch = chroma.shape
    first_chroma = 1 - chroma.grid.planes.start
    offsets = (first_chroma * height * pitch, (first_chroma + 1) * height * pitch)
    colour = colour_table(plan.colour_matrix, plan.colour_range)
    shift = plan.pixel_format.bit_depth - 8
    numbers = (
        *(luma.pitch, pitch, *offsets, *size, (1 << shift) >> 1, shift),
        *(colour.black, colour.luma, colour.v_to_r, colour.u_to_g, colour.v_to_g, colour.u_to_b),
    )
    return KernelCall(
        "preprocess", size, (*planes, *boxes, normalised, network_input, *_uint32s(*numbers))
    )


def quantise(
    plan: Plan, model: ModelSize, saliency: Buffer, mask: Buffer, strays: Buffer
) -> KernelCall:
    """Return mask codes from the network's output, float32 bits as uint32 of the padded size.

    `strays`, one uint32, is set where a value is not finite or not in [0, 1].
    """
    size = (plan.mask_width, plan.mask_height)
    # The bounds of roi_accel.backends.arithmetic.quantise, as bits: they order as floats do.
    bounds = np.array([1.0 + SLACK, SLACK], np.float32).view(np.uint32)
    numbers = _uint32s(model.padded_width, *size, *map(int, bounds))
    return KernelCall("quantise", size, (saliency, mask, strays, *numbers))


def packed_axis(table: AxisTable) -> NDArray[np.uint32]:
    """Return `table` as the kernels read it: left, right, weight."""
    return np.concatenate([table.left, table.right, table.weight])


def packed_boxes(table: BoxTable) -> NDArray[np.uint32]:
    """Return `table` as the kernels read it: start, stop."""
    return np.concatenate([table.start, table.stop])


def _fade(plan: Plan) -> tuple[int, int, int]:
    fade = fade_table(plan.threshold_code, plan.fade_code)
    return fade.threshold, fade.opaque_from, fade.slope


def _uint32s(*numbers: int) -> tuple[np.uint32, ...]:
    # The same 32 bits whether the kernel takes them signed or unsigned.
    return tuple(np.uint32(number & MAX_INDEX) for number in numbers)
