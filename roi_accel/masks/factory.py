"""From the command line's options to one mask source: the only place that knows them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.errors import InputError
from roi_accel.masks.archive import MaskArchive, is_archive
from roi_accel.masks.media import ClipSource, MaskMedia
from roi_accel.masks.still import BoxesSource, ConstantSource, PictureSource
from roi_accel.masks.track import TrackSource

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.masks.files import MaskFile
    from roi_accel.masks.source import MaskSource


def open_mask_source(
    *,
    mask: Path | None = None,
    roi: Sequence[str] = (),
    roi_track: Path | None = None,
    synthetic_mask: float | None = None,
    width: int,
    height: int,
    scaled: tuple[int, int] | None = None,
    first_frame: int = 0,
) -> MaskSource | None:
    """Return the source that the options name, or None where the network is to find the mask.

    Parameters
    ----------
    mask : Path, optional
        A gray picture, a gray video, or an archive of masks (``--mask``).
    roi : sequence of str
        Boxes (``--roi``).
    roi_track : Path, optional
        A table of boxes per frame (``--roi-track``).
    synthetic_mask : float, optional
        A constant in [0, 1] (``--synthetic-mask``).
    width, height : int
        The frame's luma size in pixels.
    scaled : (int, int), optional
        Its (height, width) after scaling, whose shape a mask file may have as well.
    first_frame : int
        The number in the reference's file of the frame that will be frame 0: masks that change
        from frame to frame begin there too.

    Raises
    ------
    InputError
        More than one option is given, or the one given cannot be used.
    """
    given = {
        "--mask": mask is not None,
        "--roi": bool(roi),
        "--roi-track": roi_track is not None,
        "--synthetic-mask": synthetic_mask is not None,
    }
    chosen = [option for option, present in given.items() if present]
    if len(chosen) > 1:
        msg = f"{' and '.join(chosen)} were given; a run has one source of masks"
        raise InputError(msg, remedy=f"keep one of them, such as {chosen[0]}")
    if mask is not None:
        return _file_source(mask, width, height, scaled, first_frame)
    if roi:
        return BoxesSource(roi, width=width, height=height)
    if roi_track is not None:
        return TrackSource(roi_track, width=width, height=height, first_frame=first_frame)
    if synthetic_mask is not None:
        return ConstantSource(synthetic_mask)
    return None


def _file_source(
    path: Path, width: int, height: int, scaled: tuple[int, int] | None, first_frame: int
) -> MaskSource:
    file: MaskFile
    if is_archive(path):
        file = MaskArchive(path, width=width, height=height, scaled=scaled)
    else:
        file = MaskMedia(path, width=width, height=height, scaled=scaled)
        if file.is_picture:
            return PictureSource(file)
    try:
        return ClipSource(file, first_frame=first_frame)
    except InputError:
        file.close()
        raise
