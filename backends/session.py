"""What sessions share: checked inputs, allocated outputs, turns taken, and named failures."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import numpy as np

from roi_accel._util.closing import Closing
from roi_accel._util.error_translation import foreseen
from roi_accel.backends.arithmetic import NotSaliencyError
from roi_accel.backends.frame import Frame
from roi_accel.backends.host import reason_of
from roi_accel.backends.protocol import slots_of
from roi_accel.backends.tables import plane_grids
from roi_accel.errors import BackendUnavailable, RoiAccelError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from numpy.typing import NDArray

    from roi_accel.backends.plan import ModelSize, Plan
    from roi_accel.backends.protocol import Alpha, Mask, ModelInput, Session


class BaseSession(Closing):
    """A session that checks what it is given and allocates what it returns; subclasses compute.

    `grids` are the distinct sample grids of the plan's planes, luma's first.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.grids = plane_grids(plan)

    @property
    def plan(self) -> Plan:
        """What this session was opened for."""
        return self._plan

    @property
    def slots(self) -> int:
        """How many threads may call this session at a time; with 1, callers take turns."""
        return 1

    def preprocess(self, reference: Frame) -> ModelInput:
        """Return float32[1, 3, padded_height, padded_width], the network's input for `reference`.

        ValueError where the plan has no model size or the frame is not the plan's, here and below
        BackendUnavailable where the device fails.
        """
        model = self._model_size()
        reference = self._checked(reference)
        network_input = np.empty((1, 3, model.padded_height, model.padded_width), np.float32)
        self._preprocess(reference, network_input[0])
        return network_input

    def upsample(self, mask: Mask) -> Alpha:
        """Return uint32 alpha in 0..65536 on the grids of Y, U and V."""
        self._plan.check_mask(mask)
        alphas = {grid.shape: np.empty(grid.shape, np.uint32) for grid in self.grids}
        self._upsample(mask, list(alphas.values()))
        luma, chroma_u, chroma_v = (alphas[shape] for shape in self._plan.plane_shapes)
        return luma, chroma_u, chroma_v

    def substitute(self, reference: Frame, distorted: Frame, mask: Mask) -> Frame:
        """Return a new frame: `distorted` where the mask is high, `reference` where it is low.

        ValueError where a frame or the mask is not the plan's.
        """
        self._plan.check_mask(mask)
        reference, distorted = self._checked(reference), self._checked(distorted)
        dtype = self._plan.pixel_format.dtype
        luma, chroma_u, chroma_v = (np.empty(shape, dtype) for shape in self._plan.plane_shapes)
        masked = Frame((luma, chroma_u, chroma_v), self._plan.pixel_format)
        self._substitute(reference, distorted, mask, masked)
        return masked

    def close(self) -> None:
        """Release what is held; safe to call twice."""

    @abstractmethod
    def _preprocess(self, reference: Frame, network_input: NDArray[np.float32]) -> None:
        """Write the network's input into `network_input`, [3, padded_height, padded_width]."""

    @abstractmethod
    def _upsample(self, mask: Mask, alphas: Sequence[NDArray[np.uint32]]) -> None:
        """Write alpha into `alphas`, [height, width] for each of `grids`."""

    @abstractmethod
    def _substitute(self, reference: Frame, distorted: Frame, mask: Mask, masked: Frame) -> None:
        """Write the blend of two frames into the planes of `masked`."""

    def _checked(self, frame: Frame) -> Frame:
        self._plan.check_frame(frame)
        return frame

    def _model_size(self) -> ModelSize:
        if self._plan.model is None:
            msg = "this plan has no model size, so there is no network input to make"
            raise ValueError(msg)
        return self._plan.model


def in_turn(
    session: Session, lock: AbstractContextManager[object]
) -> AbstractContextManager[object]:
    """Return what to hold while calling `session`: `lock` if it serves one thread at a time."""
    return nullcontext() if slots_of(session) > 1 else lock


@contextmanager
def kernel_errors_as_unavailable(what: str) -> Iterator[None]:
    """Raise BackendUnavailable in place of whatever a driver or a library raises.

    `what` begins the message, such as ``frame 7: backend numba on cpu failed``.
    """
    try:
        yield
    except (RoiAccelError, NotSaliencyError):
        raise
    except MemoryError as error:
        known = foreseen(error)
        msg = f"{what}: {known.message}"
        raise BackendUnavailable(msg, remedy=known.remedy) from error
    except Exception as error:
        msg = f"{what}: {reason_of(error)}"
        # guard: kernel-failure
        raise BackendUnavailable(msg, remedy="choose another --device or --backend") from error
