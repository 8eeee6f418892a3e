"""What a mask source promises, the place that its masks cover, and a source cropped to another."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from roi_accel.backends.arithmetic import on_grid
from roi_accel.backends.protocol import Mask
from roi_accel.backends.tables import AxisTable, axis_table
from roi_accel.errors import InputError
from roi_accel.video.rectangle import Rectangle

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.origin import MaskOrigin

FIRST_FRAME = "roi_accel_first_frame"
CROP = "roi_accel_crop"
"""Keys under which `roi-accel mask` notes both; Matroska has them as tags, in capitals."""

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class MaskPlace:
    """Where masks belong: by default to whole frames, from the first on.

    `first_frame` is the number in the reference's file of the frame whose mask comes first; `crop`
    the part of the frame, after scaling, that the masks cover, None for all of it.
    """

    first_frame: int = 0
    crop: Rectangle | None = None

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], where: str) -> MaskPlace:
        """Return the place that a file's tags, by keys in any case, name; others are ignored.

        Raises InputError for a malformed tag of the file `where`.
        """
        lower = {key.lower(): value for key, value in tags.items()}
        first, crop = lower.get(FIRST_FRAME, "0"), lower.get(CROP, "")
        remedy = "write it again with roi-accel mask"
        if not _NUMBER.fullmatch(first):
            msg = f"{where}: says {FIRST_FRAME} {first[:40]!r}, which is not a frame number"
            raise InputError(msg, remedy=remedy)
        try:
            return cls(first_frame=int(first), crop=Rectangle.parse(crop) if crop else None)
        except InputError as error:
            msg = f"{where}: says {CROP} {crop[:40]!r}, which is not a rectangle W:H:X:Y"
            raise InputError(msg, remedy=remedy) from error

    def tags(self) -> dict[str, str]:
        """Return the tags by which `from_tags` finds this place; none for the default."""
        tags = {FIRST_FRAME: str(self.first_frame)} if self.first_frame else {}
        return tags | ({CROP: str(self.crop)} if self.crop else {})

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) of what the masks cover of a frame of that size."""
        return (self.crop.height, self.crop.width) if self.crop else (height, width)


__all__ = ["Mask", "MaskSource"]


class MaskSource(Protocol):
    """Where the masks of one run come from: a constant, boxes, a file, or a network.

    A class that names this protocol as its base inherits `covers`, `origin`, `warnings`,
    `finish` and `close`, which most sources leave as they are.

    Attributes
    ----------
    label : str
        What the result's ``saliency_model`` key says, such as ``synthetic`` or ``mask:face.png``.
    size : (int, int)
        (height, width) of every mask, in mask samples.
    region_names : tuple of str
        Named regions, each scored on its own beside the union; empty when there are none.
    covers : Rectangle or None
        The part of the frame that the masks cover, where they were made for a cropped one; None
        where they cover all of it.
    origin : MaskOrigin or None
        What made the masks, where they come from a file that says it.
    warnings : tuple of str
        What the user should know that is not an error, one line each; may grow as frames are read.
    """

    label: str
    size: tuple[int, int]
    region_names: tuple[str, ...]
    covers: Rectangle | None = None
    origin: MaskOrigin | None = None
    warnings: tuple[str, ...] = ()

    def batch(self, session: Session) -> int:
        """Return how many frames to `look` at before their masks are asked for; asked once."""
        del session
        return 1

    def look(self, index: int, reference: Frame, session: Session) -> None:
        """Take in frame `index` of a full batch, all of which are passed here before `masks`."""
        del index, reference, session

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the masks of one frame: the union first, then one per region name, in order.

        Parameters
        ----------
        index : int
            0, 1, 2, ... in order: a source may read a stream that cannot go back.
        reference : Frame
            The reference frame at `index`.
        session : Session
            The backend's session, for a source that computes its mask from the frame.

        Returns
        -------
        tuple of uint16[height, width]
            Read-only, 0..65535 for saliency 0..1, of the shape in `size`. A mask that did not
            change since the last frame is the same object, so that a backend may keep its alpha.

        Raises
        ------
        InputError
            The source ends before this frame, or holds something that is not a mask.
        """
        ...

    def provenance(self) -> dict[str, object]:
        """Return the facts that the result records about this source; strict JSON."""
        ...

    def finish(self, frame_count: int, *, whole: bool) -> None:
        """Check the source against the clip once the last frame is scored; may add `warnings`.

        `whole` is False when the run was cut short on purpose (``--frame-count``, ``--shortest``),
        so that frames left over are not a mistake; otherwise they are an InputError, as is a
        file that changed during the run.
        """
        del frame_count, whole

    def close(self) -> None:
        """Release files and decoders; harmless when repeated."""
        return


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
        masks = self._inner.masks(index, reference, session)
        known = self._last
        self._last = {}
        for key, mask in ((id(mask), mask) for mask in masks):
            # The mask is kept beside its crop, so that its id is not given to another meanwhile.
            self._last[key] = known.get(key) or self._last.get(key) or (mask, self._crop(mask))
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
