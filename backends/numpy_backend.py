"""The reference backend: the integer contract in plain NumPy, in blocks that stay in cache.

NumPy releases the GIL while it computes on a block, so threads share a frame's rows.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from roi_accel.backends.arithmetic import (
    apply_fade,
    interpolate_lines,
    line_terms,
    rgb_levels,
    to_8_bits,
)
from roi_accel.backends.host import HOST_DEVICE, HostBackend, RowThreadPool, processor_name
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.backends.session import BaseSession
from roi_accel.backends.tables import (
    FIXED_BITS,
    FIXED_HALF,
    FadeTable,
    colour_table,
    fade_table,
    model_boxes,
    normalisation_table,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.arithmetic import LineTerms
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.host import RowTask
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask
    from roi_accel.backends.tables import BoxTable, PlaneGrid

    Scratch = tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]

_BLOCK_SAMPLES = 64 * 1024
"""Samples per block: three uint32 arrays of this size stay in a second-level cache of 1 MiB, and
calling NumPy costs less than what it computes."""


class NumpyBackend(HostBackend):
    """NumPy on the host's processor."""

    name: ClassVar[str] = "numpy"

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return the one device that is always there."""
        description = f"{processor_name()}, NumPy {np.__version__}"
        return [DeviceStatus("ready", HOST_DEVICE, description)]

    def open(self, plan: Plan) -> NumpySession:
        """Return a session for `plan`."""
        return NumpySession(plan, self.threads)


class NumpySession(BaseSession):
    """Tables and scratch buffers for one plan; `threads` share a frame's rows."""

    def __init__(self, plan: Plan, threads: int = 1) -> None:
        super().__init__(plan)
        self._pool = RowThreadPool(threads)
        fade = fade_table(plan.threshold_code, plan.fade_code)
        self._grids = [_Grid(grid, plan.mask_height, fade) for grid in self.grids]
        self._boxes = model_boxes(plan)
        self._colour = colour_table(plan.colour_matrix, plan.colour_range)
        self._normalised = normalisation_table()

    def _preprocess(self, reference: Frame, network_input: NDArray[np.float32]) -> None:
        bit_depth = self._plan.pixel_format.bit_depth
        luma, chroma_u, chroma_v = (
            to_8_bits(_box_average(plane, *boxes), bit_depth).astype(np.int32)
            for plane, boxes in zip(reference.planes, self._boxes, strict=True)
        )
        levels = rgb_levels(luma, chroma_u, chroma_v, self._colour)
        for out, table, level in zip(network_input, self._normalised, levels, strict=True):
            out[...] = table[level]

    def _upsample(self, mask: Mask, alphas: Sequence[NDArray[np.uint32]]) -> None:
        tasks = [grid.upsampling(mask, out) for grid, out in zip(self._grids, alphas, strict=True)]
        self._pool.run(tasks, sum(alpha.size for alpha in alphas))

    def _substitute(self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame) -> None:
        tasks = [grid.substitution(reference, distorted, mask, masked) for grid in self._grids]
        self._pool.run(tasks, sum(plane.size for plane in masked.planes))

    def close(self) -> None:
        """End the threads; the host's memory goes with the object."""
        self._pool.close()


class _Grid:
    """Upsampling and blending on one sample grid, for every plane that has it."""

    def __init__(self, grid: PlaneGrid, mask_height: int, fade: FadeTable) -> None:
        height, width = grid.shape
        self.shape = grid.shape
        self._planes = grid.planes
        self._fade = fade
        self._columns, self._rows = grid.columns, grid.rows
        self._block_rows = max(1, min(height, _BLOCK_SAMPLES // width))
        self._wide = np.empty((mask_height, width), np.uint32)
        self._wide_scratch = np.empty_like(self._wide)
        self._own = threading.local()

    def upsampling(self, mask: Mask, alpha: NDArray[np.uint32]) -> tuple[int, RowTask]:
        """Return the task of writing `alpha` on the whole grid."""
        terms = self._upsample_rows(mask)

        def task(first: int, last: int) -> None:
            for block in self._blocks(first, last):
                alpha[block] = self._alpha_block(terms, block)

        return self.shape[0], task

    def substitution(
        self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame
    ) -> tuple[int, RowTask]:
        """Return the task of writing this grid's planes of `masked`."""
        terms = self._upsample_rows(mask)
        lowest, highest = mask.min(axis=1), mask.max(axis=1)

        def task(first: int, last: int) -> None:
            for block in self._blocks(first, last):
                # Interpolation never leaves the range of its sources, so rows whose mask is all
                # below or all above the fade need no arithmetic.
                sources = slice(self._rows.left[block.start], self._rows.right[block.stop - 1] + 1)
                if highest[sources].max() <= self._fade.transparent_to:
                    self._copy(reference, masked, block)
                elif lowest[sources].min() >= self._fade.opaque_from:
                    self._copy(distorted, masked, block)
                else:
                    alpha = self._alpha_block(terms, block)
                    for plane in self._planes:
                        self._blend(
                            reference.planes[plane][block],
                            distorted.planes[plane][block],
                            alpha,
                            masked.planes[plane][block],
                        )

        return self.shape[0], task

    def _blocks(self, first: int, last: int) -> Iterator[slice]:
        for start in range(first, last, self._block_rows):
            yield slice(start, min(start + self._block_rows, last))

    def _scratch(self, rows: int) -> Scratch:
        """Return the calling thread's own arrays, as many rows of each: alpha and two more."""
        if not hasattr(self._own, "arrays"):
            block = (self._block_rows, self.shape[1])
            self._own.arrays = tuple(np.empty(block, np.uint32) for _ in range(3))
        alpha, one, two = (array[:rows] for array in self._own.arrays)
        return alpha, one, two

    def _upsample_rows(self, mask: Mask) -> LineTerms:
        """Interpolate horizontally, first because the mask has few rows; return its line terms."""
        table = self._columns
        terms = line_terms(mask.astype(np.uint32), 1)
        interpolate_lines(terms, table.left, table.weight, 1, self._wide, self._wide_scratch)
        return line_terms(self._wide, 0)

    def _alpha_block(self, terms: LineTerms, block: slice) -> NDArray[np.uint32]:
        """Interpolate the rows of `block` vertically and turn mask codes into alpha."""
        left, weight = self._rows.left[block], self._rows.weight[block, None]
        codes, scratch, _ = self._scratch(len(left))
        interpolate_lines(terms, left, weight, 0, codes, scratch)
        apply_fade(codes, self._fade)
        return codes

    def _copy(self, source: Frame, masked: Frame, block: slice) -> None:
        for plane in self._planes:
            masked.planes[plane][block] = source.planes[plane][block]

    def _blend(
        self,
        reference: NDArray[np.uint8] | NDArray[np.uint16],
        distorted: NDArray[np.uint8] | NDArray[np.uint16],
        alpha: NDArray[np.uint32],
        out: NDArray[np.uint8] | NDArray[np.uint16],
    ) -> None:
        """Write (reference * (65536 - alpha) + distorted * alpha + 32768) >> 16.

        As reference * 65536 + (distorted - reference) * alpha + 32768 it takes one product less;
        the difference may wrap, but the sum is in range, so arithmetic modulo 2**32 is exact.
        """
        _, base, total = self._scratch(len(alpha))
        np.copyto(base, reference)
        np.copyto(total, distorted)
        total -= base
        total *= alpha
        base <<= FIXED_BITS
        base += np.uint32(FIXED_HALF)
        total += base
        total >>= FIXED_BITS
        np.copyto(out, total, casting="unsafe")


def _box_average(
    plane: NDArray[np.uint8] | NDArray[np.uint16], rows: BoxTable, columns: BoxTable
) -> NDArray[np.uint32]:
    """Return the rounded mean over each box, in `plane`'s own depth."""
    sums = np.empty((len(rows.start), plane.shape[1]), np.uint32)
    for row, (start, stop) in enumerate(zip(rows.start, rows.stop, strict=True)):
        np.add.reduce(plane[start:stop], axis=0, dtype=np.uint32, out=sums[row])
    # Running sums may wrap; a difference of two is still exact, for every box sum fits in 32 bits.
    running = np.zeros((len(sums), plane.shape[1] + 1), np.uint32)
    np.cumsum(sums, axis=1, dtype=np.uint32, out=running[:, 1:])
    totals = running[:, columns.stop] - running[:, columns.start]
    counts = rows.counts[:, None] * columns.counts
    means: NDArray[np.uint32] = (totals + counts // 2) // counts
    return means
