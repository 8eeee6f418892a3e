"""The compiled backend for the host's processor: numba's kernels on a thread pool of our own.

numba is imported when a backend is constructed, never before: loading it takes most of a second.
"""

from __future__ import annotations

import importlib
from dataclasses import astuple
from functools import partial
from typing import TYPE_CHECKING, ClassVar

from numpy.lib.stride_tricks import as_strided

from roi_accel.backends.host import (
    HOST_DEVICE,
    HostBackend,
    RowThreadPool,
    import_fault,
    processor_name,
)
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.backends.session import BaseSession
from roi_accel.backends.tables import colour_table, fade_table, model_boxes, normalisation_table
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    import numpy as np
    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.host import RowTask
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask
    from roi_accel.backends.tables import PlaneGrid

    Kernel = Callable[..., None]

_REMEDY = 'pip install "roi-accel[cpu]"'


class NumbaBackend(HostBackend):
    """Compiled kernels on the host's processor; BackendUnavailable where numba does not load."""

    name: ClassVar[str] = "numba"

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        super().__init__(device=device, threads=threads)
        (status,) = self.probe()
        if status.state != "ready":
            raise BackendUnavailable(status.description, remedy=status.remedy)

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return the host's processor, or why numba cannot compile for it."""
        repair = "pip install --upgrade numba"
        load = partial(importlib.import_module, "numba")
        fault = import_fault("numba", "numba", load, install=_REMEDY, repair=repair)
        name = processor_name()
        return [fault or DeviceStatus("ready", HOST_DEVICE, f"{name}, numba {load().__version__}")]

    def open(self, plan: Plan) -> NumbaSession:
        """Return a session for `plan`; the first one compiles its kernels, or loads them."""
        return NumbaSession(plan, self.threads)


class NumbaSession(BaseSession):
    """Tables, threads and compiled kernels for one plan."""

    def __init__(self, plan: Plan, threads: int) -> None:
        super().__init__(plan)
        from roi_accel.backends.numba import kernels  # noqa: PLC0415 - load numba

        dtype = plan.pixel_format.dtype
        self._pool = RowThreadPool(threads)
        self._alpha_kernel = kernels.alpha_kernel
        self._substitute_kernel = kernels.substitute_kernel(dtype)
        fade = fade_table(plan.threshold_code, plan.fade_code)
        self._fade = (fade.threshold, fade.transparent_to, fade.opaque_from, fade.slope)
        if plan.model is None:
            return
        self._preprocess_kernel = kernels.preprocess_kernel(dtype)
        boxes = model_boxes(plan)
        colour = colour_table(plan.colour_matrix, plan.colour_range)
        self._preprocess_tables = (
            tuple(rows.start for rows, _ in boxes),
            tuple(rows.stop for rows, _ in boxes),
            tuple(columns.start for _, columns in boxes),
            tuple(columns.stop for _, columns in boxes),
            plan.pixel_format.bit_depth,
            astuple(colour),
            normalisation_table(),
        )

    def _preprocess(self, reference: Frame, network_input: NDArray[np.float32]) -> None:
        planes = _flat_planes(reference.planes)

        def task(first: int, last: int) -> None:
            self._preprocess_kernel(*planes, *self._preprocess_tables, network_input, first, last)

        samples = sum(plane.size for plane in reference.planes)
        self._pool.run([(network_input.shape[1], task)], samples)

    def _upsample(self, mask: Mask, alphas: Sequence[NDArray[np.uint32]]) -> None:
        kernel = self._alpha_kernel()
        tasks = [
            self._task(kernel, grid, mask, alpha.reshape(-1))
            for grid, alpha in zip(self.grids, alphas, strict=True)
        ]
        self._pool.run(tasks, sum(alpha.size for alpha in alphas))

    def _substitute(self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame) -> None:
        frames = (
            _flat_planes(reference.planes),
            _flat_planes(distorted.planes),
            tuple(plane.reshape(-1) for plane in masked.planes),
        )
        tasks = [
            self._task(
                self._substitute_kernel, grid, mask, *frames, (grid.planes.start, grid.planes.stop)
            )
            for grid in self.grids
        ]
        self._pool.run(tasks, sum(plane.size for plane in masked.planes))

    def _task(
        self, kernel: Kernel, grid: PlaneGrid, mask: Mask, *rest: object
    ) -> tuple[int, RowTask]:
        """Return the rows of `grid`, and `kernel` with everything but the range of rows."""
        upsampling = (*_flat(mask), tuple(grid.columns), tuple(grid.rows), self._fade)

        def task(first: int, last: int) -> None:
            kernel(upsampling, *rest, first, last)

        return grid.shape[0], task

    def close(self) -> None:
        """End the session's threads."""
        self._pool.close()


def _flat_planes(
    planes: Iterable[NDArray[Any]],
) -> tuple[tuple[NDArray[Any], ...], tuple[int, ...]]:
    flat, pitches = zip(*map(_flat, planes), strict=True)
    return flat, pitches


def _flat(plane: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Return `plane` as one read-only row of samples, and how many lie from one row to the next.

    Only what no decoder makes is copied: samples that are not neighbours, rows upside down.
    """
    height, width = plane.shape
    flags, (pitch, step) = plane.flags, plane.strides
    padded = step == plane.itemsize and pitch >= 0 and pitch % step == 0
    if not flags.aligned or not (flags.c_contiguous or padded):
        plane = plane.copy(order="C")
    if plane.flags.c_contiguous:
        flat = plane.reshape(-1)
        flat.flags.writeable = False
        return flat, width
    pitch //= step
    return as_strided(plane, ((height - 1) * pitch + width,), (step,), writeable=False), pitch
