"""Which frames of the reference, and which part of them, a file of masks is about."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.errors import InputError
from roi_accel.video.rectangle import Rectangle

if TYPE_CHECKING:
    from collections.abc import Mapping

FIRST_FRAME = "roi_accel_first_frame"
CROP = "roi_accel_crop"
"""Keys under which `roi-accel mask` notes both; Matroska has them as tags, in capitals."""

_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, kw_only=True)
class MaskPlace:
    """Where masks belong; a file that says nothing of it is about whole frames, from the first on.

    Attributes
    ----------
    first_frame : int
        The number in the reference's file of the frame whose mask comes first.
    crop : Rectangle or None
        The part of the frame, after scaling, that the masks cover; None for the whole frame.
    """

    first_frame: int = 0
    crop: Rectangle | None = None

    @classmethod
    def from_tags(cls, tags: Mapping[str, str], where: str) -> MaskPlace:
        """Return the place that a file's tags name.

        Parameters
        ----------
        tags : mapping of str to str
            By keys in any case; others are passed over.
        where : str
            The file, for messages.

        Raises
        ------
        InputError
            A tag is malformed.
        """
        found = {key.lower(): value for key, value in tags.items()}
        first, crop = found.get(FIRST_FRAME, "0"), found.get(CROP, "")
        if not _NUMBER.fullmatch(first):
            msg = f"{where}: says {FIRST_FRAME} {first[:40]!r}, which is not a frame number"
            raise InputError(msg, remedy="write it again with roi-accel mask")
        try:
            return cls(first_frame=int(first), crop=Rectangle.parse(crop) if crop else None)
        except InputError as error:
            msg = f"{where}: says {CROP} {crop[:40]!r}, which is not a rectangle W:H:X:Y"
            raise InputError(msg, remedy="write it again with roi-accel mask") from error

    def tags(self) -> dict[str, str]:
        """Return the tags by which `from_tags` finds this place; none for the default."""
        tags = {FIRST_FRAME: str(self.first_frame)} if self.first_frame else {}
        return tags | ({CROP: str(self.crop)} if self.crop else {})

    def shape(self, height: int, width: int) -> tuple[int, int]:
        """Return (height, width) of what the masks cover of a frame of that size."""
        return (self.crop.height, self.crop.width) if self.crop else (height, width)
