"""Masks of a whole frame, as the part that is scored sees them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.backends.arithmetic import on_grid
from roi_accel.backends.tables import AxisTable, axis_table
from roi_accel.masks.source import Mask, MaskSource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.video import Rectangle


class CroppedSource(MaskSource):
    """Another source's masks, cropped like the frames.

    A mask is brought to the size of the uncropped frame first, by the arithmetic that would have
    done so without cropping, so that an edge of the rectangle may lie within a mask sample. Only
    the part that is kept is computed.

    Parameters
    ----------
    inner : MaskSource
        Made for the whole frame; closed by this one.
    width, height : int
        Luma size of the uncropped frame, in pixels.
    rectangle : Rectangle
        The part of it that is scored.
    """

    def __init__(self, inner: MaskSource, *, width: int, height: int, rectangle: Rectangle) -> None:
        self.label = inner.label
        self.region_names = inner.region_names
        self.origin = inner.origin
        self.size = (rectangle.height, rectangle.width)
        self._inner = inner
        mask_height, mask_width = inner.size
        right, bottom = rectangle.x + rectangle.width, rectangle.y + rectangle.height
        self._columns = _part(axis_table(mask_width, width), slice(rectangle.x, right))
        self._rows = _part(axis_table(mask_height, height), slice(rectangle.y, bottom))
        self._last: dict[int, tuple[Mask, Mask]] = {}

    @property
    def warnings(self) -> tuple[str, ...]:  # type: ignore[override]
        """What the inner source has to say."""
        return self._inner.warnings

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the inner source's masks of frame `index`, cropped; the same objects for equal."""
        return self._cropped(self._inner.masks(index, reference, session))

    def _cropped(self, masks: Sequence[Mask]) -> tuple[Mask, ...]:
        known = self._last
        self._last = {}
        for mask in masks:
            # The mask is kept beside its crop, so that its id is not given to another meanwhile.
            found = known.get(id(mask)) or self._last.get(id(mask)) or (mask, self._crop(mask))
            self._last[id(mask)] = found
        return tuple(self._last[id(mask)][1] for mask in masks)

    def _crop(self, mask: Mask) -> Mask:
        cropped = on_grid(mask, self._rows, self._columns)
        cropped.setflags(write=False)
        return cropped

    def provenance(self) -> dict[str, object]:
        """Return the inner source's facts, which are about the whole frame."""
        return self._inner.provenance()

    def finish(self, frame_count: int, *, whole: bool) -> None:
        """Let the inner source check itself against the clip."""
        self._inner.finish(frame_count, whole=whole)

    def close(self) -> None:
        """Close the inner source."""
        self._inner.close()


def _part(table: AxisTable, kept: slice) -> AxisTable:
    return AxisTable(table.left[kept], table.right[kept], table.weight[kept])
