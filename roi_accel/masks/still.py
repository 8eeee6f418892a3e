"""Masks that stay the same: a constant, and one picture drawn by hand or by another tool."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from roi_accel._util.text import printable
from roi_accel.backends.plan import MASK_MAX
from roi_accel.errors import InputError
from roi_accel.masks.source import Mask, MaskSource

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.files import MaskFile


class StillSource(MaskSource):
    """The same masks for every frame, as the same objects.

    `masks` are uint16[height, width] of equal sizes, read-only: the union first, then one for each
    of `region_names`; `provenance` the facts that the result records.
    """

    def __init__(
        self,
        label: str,
        masks: tuple[Mask, ...],
        provenance: dict[str, object],
        region_names: tuple[str, ...] = (),
    ) -> None:
        self.label = label
        height, width = masks[0].shape
        self.size = (height, width)
        self.region_names = region_names
        self._masks = masks
        self._provenance = provenance

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the same masks for every frame."""
        del index, reference, session
        return self._masks

    def provenance(self) -> dict[str, object]:
        """Return what the masks were made from."""
        return dict(self._provenance)


class ConstantSource(StillSource):
    """A mask of one sample for every frame (``--synthetic-mask FILL``).

    `fill`, in [0, 1], is stored as floor(fill * 65535 + 0.5), as a network's output is.
    """

    def __init__(self, fill: float) -> None:
        mask = np.full((1, 1), math.floor(fill * MASK_MAX + 0.5), dtype=np.uint16)
        mask.setflags(write=False)
        super().__init__("synthetic", (mask,), {"kind": "constant", "fill": float(fill)})


class PictureSource(StillSource):
    """A still gray picture (``--mask FILE``), from an opened file, which this closes.

    Raises InputError where the file does not hold a gray picture, or holds more than one.
    """

    def __init__(self, file: MaskFile) -> None:
        source = file.source
        with file:
            pictures = file.masks()
            mask = next(pictures, None)
            if mask is None:
                msg = f"{source.name}: does not hold a picture"
                raise InputError(msg, remedy="the file may be damaged; write it again")
            if next(pictures, None) is not None:
                msg = f"{source.name}: holds more than one picture"
                raise InputError(msg, remedy="give one picture, or a video of masks")
            digest = source.sha256()
        path = printable(source.path)
        provenance: dict[str, object] = {
            "kind": "picture",
            "path": path,
            "sha256": digest,
            "codec": file.codec,
            "width": file.size[1],
            "height": file.size[0],
        }
        super().__init__(f"mask:{path}", (mask,), provenance)
