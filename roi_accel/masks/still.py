"""Masks that stay the same: a constant, boxes in pixels, and one gray picture."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.plan import MASK_MAX
from roi_accel.errors import InputError
from roi_accel.masks.source import Mask, MaskSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.files import MaskFile


MAX_REGIONS = 64
"""Every named region is a VMAF run of its own; more of them are a mistake in the names."""

MAX_NAME = 64
"""Characters in a region's name: it becomes a key of the result."""

_REMEDY = (
    "write --roi X,Y,W,H or --roi NAME=X,Y,W,H in whole pixels, such as --roi face=64,32,128,96"
)
# Nine digits hold every possible coordinate, and keep int() away from megabytes of them.
_NUMBERS = re.compile(r"\s*([+-]?[0-9]{1,9})\s*" + r",\s*([+-]?[0-9]{1,9})\s*" * 3)
_SHOWN = 80


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
        facts = file.facts("picture", digest)
        super().__init__(f"mask:{facts['path']}", (mask,), facts)


@dataclass(frozen=True)
class Box:
    """Pixels [x, x + width) by [y, y + height) of the luma grid, which may lie outside the frame.

    `name` is the region it belongs to; empty for none.
    """

    x: int
    y: int
    width: int
    height: int
    name: str = ""

    def clipped(self, width: int, height: int) -> Box | None:
        """Return the part inside a frame of `width` x `height` pixels; None if nothing is."""
        left, top = max(self.x, 0), max(self.y, 0)
        right, bottom = min(self.x + self.width, width), min(self.y + self.height, height)
        if left >= right or top >= bottom:
            return None
        return Box(left, top, right - left, bottom - top, self.name)


def check_name(name: str, where: str) -> str:
    """Return `name` without surrounding space if it can name a region, else raise InputError."""
    name = name.strip()
    # ',' and '=' would make a name that --roi takes and one that a track holds differ.
    if len(name) > MAX_NAME or not name.isprintable() or "," in name or "=" in name:
        msg = f"{where}: a region's name has up to {MAX_NAME} printable characters, no ',' or '='"
        raise InputError(msg, remedy="such as face=100,40,200,200")
    return name


def region_names(names: Iterable[str], where: str) -> tuple[str, ...]:
    """Return the names that are not empty, each once, in order; InputError beyond MAX_REGIONS."""
    regions = tuple(dict.fromkeys(name for name in names if name))
    if len(regions) > MAX_REGIONS:
        msg = (
            f"{where}: {len(regions)} region names; each is scored on its own, up to {MAX_REGIONS}"
        )
        raise InputError(msg, remedy="give the boxes of one region the same name, or no name")
    return regions


def parse_box(text: str) -> Box:
    """Return the box of ``--roi`` ``X,Y,W,H`` or ``NAME=X,Y,W,H``; InputError for other texts."""
    shown = f"--roi {text[:_SHOWN]!r}"
    label, equals, numbers = text.rpartition("=")
    name = check_name(label, shown)
    if equals and not name:
        msg = f"{shown}: the name before '=' is empty"
        raise InputError(msg, remedy=_REMEDY)
    match = _NUMBERS.fullmatch(numbers)
    if match is None:
        msg = f"{shown}: expected four whole numbers X,Y,W,H"
        raise InputError(msg, remedy=_REMEDY)
    x, y, width, height = (int(group) for group in match.groups())
    if width < 1 or height < 1:
        msg = f"{shown}: width and height must be at least 1, not {width}x{height}"
        raise InputError(msg, remedy=_REMEDY)
    return Box(x, y, width, height, name)


def draw(boxes: Iterable[Box], size: tuple[int, int]) -> Mask:
    """Return a read-only uint16[height, width]: 65535 in the boxes, 0 elsewhere.

    The boxes must lie inside; `Box.clipped` sees to that.
    """
    mask = np.zeros(size, dtype=np.uint16)
    for box in boxes:
        mask[box.y : box.y + box.height, box.x : box.x + box.width] = MASK_MAX
    mask.setflags(write=False)
    return mask


def draw_regions(
    boxes: Sequence[Box], names: Sequence[str], size: tuple[int, int]
) -> tuple[Mask, ...]:
    """Return the union's mask, then one per name; the same object twice where they are equal."""
    union = draw(boxes, size)
    masks = [union]
    for name in names:
        own = [box for box in boxes if box.name == name]
        masks.append(union if len(own) == len(boxes) else draw(own, size))
    return tuple(masks)


class BoxesSource(StillSource):
    """The same boxes for every frame (``--roi``, repeatable).

    Boxes of one name form one region, unnamed boxes belong to the union alone, and the union is of
    all boxes.

    Parameters
    ----------
    texts : sequence of str
        ``X,Y,W,H`` or ``NAME=X,Y,W,H`` each, in luma pixels.
    width, height : int
        The frame's luma size in pixels, and the masks'.

    Raises
    ------
    InputError
        No box, a malformed one, one wholly outside the frame, or too many region names.
    """

    def __init__(self, texts: Sequence[str], *, width: int, height: int) -> None:
        if not texts:
            msg = "no --roi box was given"
            raise InputError(msg, remedy=_REMEDY)
        boxes, warnings = [], []
        for text in texts:
            box = parse_box(text)
            inside = box.clipped(width, height)
            if inside is None:
                msg = f"--roi {text[:_SHOWN]!r} lies outside the {width}x{height} frame"
                raise InputError(msg, remedy="X and Y count from the top left pixel, which is 0,0")
            if inside != box:
                warnings.append(
                    f"--roi {text[:_SHOWN]!r} reaches beyond the {width}x{height} frame; used "
                    f"{inside.x},{inside.y},{inside.width},{inside.height}"
                )
            boxes.append(inside)
        names = region_names((box.name for box in boxes), "--roi")
        used = [
            ({"name": box.name} if box.name else {})
            | {"x": box.x, "y": box.y, "w": box.width, "h": box.height}
            for box in boxes
        ]
        super().__init__(
            "roi",
            draw_regions(boxes, names, (height, width)),
            {"kind": "boxes", "boxes": used},
            names,
        )
        self.warnings = tuple(warnings)
