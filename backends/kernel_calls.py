"""The kernels of OpenCL and CUDA: their text for each API, and the order of their arguments."""

from __future__ import annotations

import math
from dataclasses import astuple, dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends import tables
from roi_accel.backends.arithmetic import SLACK
from roi_accel.backends.tables import colour_table, fade_table, model_boxes, normalisation_table
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.plan import ModelSize, Plan
    from roi_accel.backends.tables import PlaneGrid

KERNELS = ("upsample_rows", "upsample_mask", "substitute", "preprocess", "quantise")
"""The kernels' names, each in the file of its name."""

VECTOR_SAMPLES = 8
"""Samples that one work-item handles on a GPU, LANES in the kernels: one aligned vector."""

SEGMENT_SAMPLES = 64
"""The same on a processor: a loop long enough to become vectors. Pitches are multiples of both."""


def read_kernel_file(name: str) -> str:
    """Return the text of one file of ``kernels/``."""
    return (resources.files("roi_accel.backends") / "kernels" / name).read_text("utf-8")


def kernel_source(
    api: str, sample: np.dtype[np.uint8] | np.dtype[np.uint16], *, on_processor: bool = False
) -> str:
    """Return the whole program for `api` and planes of `sample`, ready to be compiled.

    `api` is ``opencl`` (C 1.2) or ``cuda`` (C++ for NVRTC), the prelude's name in ``kernels/``; the
    kernels take the same arguments in both. The bit depth itself is an argument where it matters.
    `on_processor` is whether the device is a processor, whose compiler makes vectors of loops.
    """
    defines = {
        "SAMPLE_BYTES": f"{sample.itemsize}",
        "ON_PROCESSOR": f"{int(on_processor)}",
        "LANES": f"{SEGMENT_SAMPLES if on_processor else VECTOR_SAMPLES}",
        "ONE": f"{tables.ONE}u",
        "FIXED_BITS": f"{tables.FIXED_BITS}",
        "FIXED_HALF": f"{tables.FIXED_HALF}u",
        "SLOPE_BITS": f"{tables.SLOPE_BITS}",
        "SLOPE_HALF": f"{tables.SLOPE_HALF}u",
    }
    parts = [f"#define {name} {value}\n" for name, value in defines.items()]
    for name in (f"{api}.h", "lanes.ker", "arithmetic.ker", *(f"{name}.ker" for name in KERNELS)):
        parts += [f'#line 1 "{name}"\n', read_kernel_file(name)]
    return "".join(parts)


PITCH_SAMPLES = 64
"""A row is padded to this: a cache line and a whole number of vectors at every depth."""

MAX_INDEX = 2**32 - 1

Buffer = Any
"""Whatever the API calls memory of the device."""


@dataclass(frozen=True)
class KernelCall:
    """One kernel with its arguments, buffers and numpy.uint32, for whatever API launches it.

    `size` is its work-items, (width, height), before they are rounded up to whole groups.
    """

    name: str
    size: tuple[int, int]
    arguments: tuple[Buffer | np.uint32, ...]


class GridCalls:
    """How the planes of one grid lie in a device's memory, and the kernels on them.

    Planes lie one behind the other, rows padded to `pitch` samples, in an array of `shape`:
    (planes, height, pitch). `on_processor` is whether a work-item has a segment of a row, and not
    one vector as on a GPU. BackendUnavailable where planes are too large for 32-bit indices.

    Below, `mask_rows` is the buffer of the mask's rows upsampled to the grid's width,
    uint16[mask_height, pitch], which `upsample_rows` writes, and `rows` the grid's table of rows,
    concatenated.
    """

    def __init__(self, plan: Plan, grid: PlaneGrid, *, on_processor: bool = False) -> None:
        height, width = grid.shape
        self.planes = grid.planes
        self.width = width
        self.pitch = -(-width // PITCH_SAMPLES) * PITCH_SAMPLES
        self.shape = (len(grid.planes), height, self.pitch)
        if math.prod(self.shape) > MAX_INDEX:
            msg = f"planes of {width}x{height} are too large for 32-bit indices"
            raise BackendUnavailable(msg, remedy="--backend numpy takes them")
        lanes = SEGMENT_SAMPLES if on_processor else VECTOR_SAMPLES
        self._items = (-(-width // lanes), height)
        self._row_items = self._items[0] if on_processor else width
        self._mask_size = (plan.mask_width, plan.mask_height)
        fade = fade_table(plan.threshold_code, plan.fade_code)
        self._fade = (fade.threshold, fade.opaque_from, fade.slope)

    def upsample_rows(self, mask: Buffer, columns: Buffer, mask_rows: Buffer) -> KernelCall:
        """Return the horizontal interpolation of `mask`, by the concatenated table of columns."""
        numbers = _uint32s(*self._mask_size, self.width, self.pitch)
        size = (self._row_items, self._mask_size[1])
        return KernelCall("upsample_rows", size, (mask, columns, mask_rows, *numbers))

    def substitute(
        self,
        frames: tuple[Buffer, Buffer, Buffer],
        mask_rows: Buffer,
        rows: Buffer,
        *,
        planes: int | None = None,
        pitches: tuple[int, int] | None = None,
    ) -> KernelCall:
        """Return fade and blend of planes.

        Parameters
        ----------
        frames : three buffers
            Samples of reference, distorted and masked, one plane behind the other.
        mask_rows, rows : buffer
        planes : int, optional
            How many. Default: all of the grid's.
        pitches : (int, int), optional
            Samples from one row to the next of reference and distorted. Default: the grid's.
        """
        count, height, pitch = self.shape
        pitches = pitches or (pitch, pitch)
        numbers = _uint32s(self.width, height, *pitches, pitch, planes or count, *self._fade)
        return KernelCall("substitute", self._items, (*frames, mask_rows, rows, *numbers))

    def upsample_mask(self, mask_rows: Buffer, rows: Buffer, alpha: Buffer) -> KernelCall:
        """Return the writing of alpha on the grid, uint32[height, pitch]."""
        numbers = _uint32s(self.width, self.shape[1], self.pitch, *self._fade)
        return KernelCall("upsample_mask", self._items, (mask_rows, rows, alpha, *numbers))


def preprocess(
    plan: Plan,
    model: ModelSize,
    grids: Sequence[GridCalls],
    planes: Sequence[Buffer],
    tables: Sequence[Buffer],
    network_input: Buffer,
) -> KernelCall:
    """Return the making of the network's input from the reference.

    Parameters
    ----------
    plan : Plan
    model : ModelSize
        The plan's.
    grids : sequence of two GridCalls
        Those that hold Y and U.
    planes : sequence of two buffers
        The reference's samples on those grids.
    tables : sequence of five buffers
        Of `packed_tables`.
    network_input : buffer of uint32[3, padded_height, padded_width]
        Takes the bits of float32.
    """
    luma, chroma = grids
    size = (model.padded_width, model.padded_height)
    _, height, pitch = chroma.shape
    first_chroma = 1 - chroma.planes.start
    offsets = (first_chroma * height * pitch, (first_chroma + 1) * height * pitch)
    colour = colour_table(plan.colour_matrix, plan.colour_range)
    shift = plan.pixel_format.bit_depth - 8
    numbers = (luma.pitch, pitch, *offsets, *size, (1 << shift) >> 1, shift, *astuple(colour))
    arguments = (*planes, *tables, network_input, *_uint32s(*numbers))
    return KernelCall("preprocess", size, arguments)


def quantise(
    plan: Plan, model: ModelSize, saliency: Buffer, mask: Buffer, strays: Buffer
) -> KernelCall:
    """Return the making of mask codes from the network's output.

    Parameters
    ----------
    plan : Plan
    model : ModelSize
        The network's.
    saliency : buffer of uint32[padded_height, padded_width]
        The bits of its float32 output.
    mask : buffer of uint16[mask_height, mask_width]
    strays : buffer of uint32[1]
        Set to 1 where a value is not finite or not in [0, 1].
    """
    size = (plan.mask_width, plan.mask_height)
    # The bounds of roi_accel.backends.arithmetic.quantise, as bits: they order as floats do.
    bounds = np.array([1.0 + SLACK, SLACK], np.float32).view(np.uint32)
    numbers = _uint32s(model.padded_width, *size, *map(int, bounds))
    return KernelCall("quantise", size, (saliency, mask, strays, *numbers))


def packed_tables(plan: Plan) -> list[NDArray[np.uint32]]:
    """Return what `preprocess` looks up: luma's boxes of columns and of rows, chroma's, and levels.

    Boxes are start, stop; levels the bits of `normalisation_table`. Empty without a model size.
    """
    boxes = model_boxes(plan)[:2]
    packed = [np.concatenate(table) for rows, columns in boxes for table in (columns, rows)]
    return [*packed, normalisation_table().view(np.uint32)] if packed else []


def _uint32s(*numbers: int) -> tuple[np.uint32, ...]:
    # The same 32 bits whether the kernel takes them signed or unsigned.
    return tuple(np.uint32(number & MAX_INDEX) for number in numbers)
