"""The same saliency everywhere, which shows what a score does without any region of interest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.plan import MASK_MAX
from roi_accel.masks.source import Mask, MaskSource

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session


class ConstantSource(MaskSource):
    """A mask of one sample for every frame (``--synthetic-mask FILL``).

    Parameters
    ----------
    fill : float
        Saliency in [0, 1]. Stored as floor(fill * 65535 + 0.5), as a network's output is.
    """

    def __init__(self, fill: float) -> None:
        self.label = "synthetic"
        self.size = (1, 1)
        self.region_names: tuple[str, ...] = ()
        self._fill = float(fill)
        mask = np.full(self.size, math.floor(fill * MASK_MAX + 0.5), dtype=np.uint16)
        mask.setflags(write=False)
        self._masks: tuple[Mask, ...] = (mask,)

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the one mask, always the same object."""
        del index, reference, session
        return self._masks

    def provenance(self) -> dict[str, object]:
        """Return the fill."""
        return {"kind": "constant", "fill": self._fill}
