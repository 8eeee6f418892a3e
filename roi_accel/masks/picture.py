"""One picture as the mask of every frame, drawn by hand or exported from another tool."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.masks.media import OPTION
from roi_accel.masks.source import Mask, MaskSource

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.media import MaskMedia


class PictureSource(MaskSource):
    """A still gray picture (``--mask FILE``).

    Parameters
    ----------
    media : MaskMedia
        The opened file, which this source closes.
    path : Path
        Its name, for the result.

    Raises
    ------
    InputError
        The file holds no gray picture, or more than one picture.
    """

    def __init__(self, media: MaskMedia, path: Path) -> None:
        try:
            pictures = media.masks()
            mask = next(pictures, None)
            if mask is None:
                msg = f"{OPTION} {printable(path)}: holds no picture"
                raise InputError(msg, remedy="the file may be damaged; write it again")
            if next(pictures, None) is not None:
                msg = f"{OPTION} {printable(path)}: holds more than one picture"
                raise InputError(msg, remedy="give one picture, or a video of masks")
            digest = media.sha256()
        finally:
            media.close()
        self.label = f"mask:{printable(path)}"
        self.size = media.size
        self.region_names: tuple[str, ...] = ()
        self._masks: tuple[Mask, ...] = (mask,)
        self._provenance: dict[str, object] = {
            "kind": "picture",
            "path": printable(path),
            "sha256": digest,
            "codec": media.codec,
            "width": media.size[1],
            "height": media.size[0],
        }

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the one mask, always the same object."""
        del index, reference, session
        return self._masks

    def provenance(self) -> dict[str, object]:
        """Return the file's facts."""
        return dict(self._provenance)
