"""The compiled backend for the host's processor: numba's kernels, spread over threads of its own.

numba itself is imported when a backend is made, never before: it takes most of a second to load.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.lib.stride_tricks import as_strided

from roi_accel.backends.closing import Closing
from roi_accel.backends.frame import Frame
from roi_accel.backends.geometry import check_frame, check_mask, model_boxes, plane_grids
from roi_accel.backends.host import HOST_DEVICE, host_device, host_threads, processor_name
from roi_accel.backends.protocol import Alpha, DeviceStatus, Mask, ModelInput
from roi_accel.backends.row_pool import Band, Team
from roi_accel.backends.tables import colour_table, fade_table, normalisation_table
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from numpy.typing import NDArray

    from roi_accel.backends.geometry import PlaneGrid
    from roi_accel.backends.plan import ModelSize, Plan
    from roi_accel.backends.tables import AxisTable

    Kernel = Callable[..., None]

_REMEDY = 'pip install "roi-accel[cpu]"'


class NumbaBackend:
    """Compiled kernels on the host's processor.

    Parameters
    ----------
    device : str, optional
        ``cpu``, the only one.
    threads : int, optional
        Threads that may compute in each session, the caller's among them; else every core that
        this process may use.

    Raises
    ------
    BackendUnavailable
        Another device was asked for, or numba is missing or does not load.
    """

    name: ClassVar[str] = "numba"

    def __init__(self, *, device: str | None = None, threads: int | None = None) -> None:
        self.device = host_device(self.name, device)
        self.threads = host_threads(threads)
        (status,) = self.probe()
        if status.state != "ready":
            raise BackendUnavailable(status.description, remedy=status.remedy)

    @classmethod
    def probe(cls) -> list[DeviceStatus]:
        """Return the host's processor, or why numba cannot compile for it."""
        try:
            if importlib.util.find_spec("numba") is None:
                return [DeviceStatus("not installed", "", "numba is not installed", _REMEDY)]
            version = importlib.import_module("numba").__version__
        except Exception as error:  # noqa: BLE001 - a broken library may raise anything at import
            reason = " ".join(str(error).split())
            description = f"numba is installed but fails to load: {type(error).__name__}: {reason}"
            return [DeviceStatus("broken", "", description, "pip install --upgrade numba")]
        return [DeviceStatus("ready", HOST_DEVICE, f"{processor_name()}, numba {version}")]

    def open(self, plan: Plan) -> NumbaSession:
        """Return a session for `plan`; the first one compiles its kernels, or loads them."""
        return NumbaSession(plan, self.threads)


class NumbaSession(Closing):
    """Tables and threads for one plan; not for use by two threads at once."""

    def __init__(self, plan: Plan, threads: int) -> None:

        from roi_accel.backends.numba import kernels, preprocess  # noqa: PLC0415 - load numba

        self._plan = plan
        dtype = plan.pixel_format.dtype
        self._team = Team(threads)
        self._alpha_kernel = kernels.alpha_kernel
        self._substitute_kernel = kernels.substitute_kernel(dtype)
        self._grids = plane_grids(plan)
        fade = fade_table(plan.threshold_code, plan.fade_code)
        self._fade = (fade.threshold, fade.transparent_to, fade.opaque_from, fade.slope)
        self._preprocessor = None
        if plan.model:
            kernel = preprocess.preprocess_kernel(dtype)
            self._preprocessor = _Preprocessor(plan, plan.model, kernel)

    @property
    def plan(self) -> Plan:
        """What this session was opened for."""
        return self._plan

    def preprocess(self, reference: Frame) -> ModelInput:
        """Return float32[1, 3, padded_height, padded_width], the network's input for `reference`.

        Raises
        ------
        ValueError
            The plan has no model size, or the frame is not the plan's.
        """
        if self._preprocessor is None:
            msg = "this plan has no model size, so there is no network input to make"
            raise ValueError(msg)
        check_frame(self._plan, reference)
        return self._preprocessor.run(reference, self._team)

    def upsample(self, mask: Mask) -> Alpha:
        """Return uint32 alpha in 0..65536 on the grids of Y, U and V."""
        check_mask(self._plan, mask)
        kernel = self._alpha_kernel()
        planes = {}
        jobs: list[tuple[int, Band]] = []
        for grid in self._grids:
            planes[grid.shape] = alpha = np.empty(grid.shape, np.uint32)
            jobs.append((grid.shape[0], self._job(kernel, grid, mask, alpha.reshape(-1))))
        self._team.run(jobs, sum(alpha.size for alpha in planes.values()))
        luma, chroma_u, chroma_v = (planes[shape] for shape in self._plan.plane_shapes)
        return luma, chroma_u, chroma_v

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return a new frame: `distorted` where the mask is high, `reference` where it is low."""
        plan = self._plan
        check_frame(plan, reference)
        check_frame(plan, distorted)
        check_mask(plan, mask)
        luma, chroma_u, chroma_v = (np.empty(s, plan.pixel_format.dtype) for s in plan.plane_shapes)
        masked = Frame((luma, chroma_u, chroma_v), plan.pixel_format)
        rows = (
            *_flat_planes(reference.planes),
            *_flat_planes(distorted.planes),
            tuple(plane.reshape(-1) for plane in masked.planes),
        )
        jobs = [
            (
                grid.shape[0],
                self._job(
                    self._substitute_kernel,
                    grid,
                    mask,
                    *rows,
                    (grid.planes.start, grid.planes.stop),
                ),
            )
            for grid in self._grids
        ]
        self._team.run(jobs, sum(plane.size for plane in masked.planes))
        return masked

    def _job(self, kernel: Kernel, grid: PlaneGrid, mask: Mask, *rest: object) -> Band:
        """Return `kernel` for `grid`, with everything but the rows to compute."""
        codes, pitch = _flat(mask)
        columns, rows = _axis(grid.columns), _axis(grid.rows)

        def band(first: int, last: int) -> None:
            kernel(codes, pitch, columns, rows, self._fade, *rest, first, last)

        return band

    def close(self) -> None:
        """End the session's threads."""
        self._team.close()


class _Preprocessor:
    """From a YUV frame to the network's input: box average, 8 bits, RGB, normalisation."""

    def __init__(self, plan: Plan, model: ModelSize, kernel: Kernel) -> None:
        boxes = model_boxes(plan, model)
        self._kernel = kernel
        self._shape = (3, model.padded_height, model.padded_width)
        self._boxes = (
            tuple(box.rows.start for box in boxes),
            tuple(box.rows.stop for box in boxes),
            tuple(box.columns.start for box in boxes),
            tuple(box.columns.stop for box in boxes),
        )
        colour = colour_table(plan.colour_matrix, plan.colour_range)
        self._constants = (
            plan.pixel_format.bit_depth,
            (
                colour.black,
                colour.luma,
                colour.v_to_r,
                colour.u_to_g,
                colour.v_to_g,
                colour.u_to_b,
            ),
            normalisation_table(),
        )

    def run(self, reference: Frame, team: Team) -> ModelInput:
        planes = _flat_planes(reference.planes)
        out = np.empty(self._shape, np.float32)

        def band(first: int, last: int) -> None:
            self._kernel(*planes, *self._boxes, *self._constants, out, first, last)

        team.run([(self._shape[1], band)], sum(plane.size for plane in reference.planes))
        return out[None]


def _axis(table: AxisTable) -> tuple[NDArray[np.uint32], NDArray[np.uint32], NDArray[np.uint32]]:
    return table.left, table.right, table.weight


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
