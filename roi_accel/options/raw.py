"""The geometry of raw input from the options that give its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.backends.frame import PixelFormat
from roi_accel.errors import InputError
from roi_accel.options.messages import COMMAND_LINE, Caller
from roi_accel.video import RawGeometry
from roi_accel.video.raw import RAW_SUFFIXES, geometry_missing
from roi_accel.video.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def raw_geometry(
    *,
    width: int | None,
    height: int | None,
    pix_fmt: str | None = None,
    pixel_format: str | None = None,
    bitdepth: int | None = None,
    caller: Caller = COMMAND_LINE,
    videos: Sequence[Path] = (),
) -> RawGeometry | None:
    """Return the geometry of raw input, None where no part of it is given.

    Parameters
    ----------
    width, height : int or None
        In pixels.
    pix_fmt : str, optional
        FFmpeg's name of the format.
    pixel_format, bitdepth : str and int, optional
        In its place: 420, 422 or 444, and the bits of a sample.
    caller : Caller, optional
        Who gave them, for messages.
    videos : sequence of Path, optional
        What they are for: missing parts are reported for the first that is raw by its name.

    Raises
    ------
    InputError
        Parts are missing, contradict each other or are unknown.
    """
    given = {"width": width, "height": height, "pix_fmt": pix_fmt or pixel_format}
    if all(part is None for part in (*given.values(), bitdepth)):
        return None
    spell = caller.spell
    remedy = (
        f"raw input needs {spell('width')}, {spell('height')} and either {spell('pix_fmt')}, such "
        f"as yuv420p10le, or {spell('pixel_format')} and {spell('bitdepth')}; others need none"
    )
    if pix_fmt is not None and (pixel_format is not None or bitdepth is not None):
        both = f"{spell('pixel_format')} and {spell('bitdepth')}"
        msg = f"{spell('pix_fmt')} already says what {both} say"
        raise InputError(msg, remedy="give one or the other")
    missing = [spell(name) for name, value in given.items() if value is None]
    if pix_fmt is None and bitdepth is None and pixel_format is not None:
        missing.append(spell("bitdepth"))
    if missing or width is None or height is None:
        raw = next((path for path in videos if path.suffix.lower() in RAW_SUFFIXES), None)
        if raw is not None:
            source = SourceFile.examine(raw)
            raise geometry_missing(source, missing, width=width, height=height)
        hint = " (-w is not --weight)" if caller.calls_them == "option" else ""
        msg = f"geometry is for raw input only, and this one lacks {' and '.join(missing)}"
        raise InputError(msg, remedy=remedy + hint)
    try:
        if pix_fmt is not None:
            return RawGeometry(width, height, PixelFormat.from_name(pix_fmt))
        return RawGeometry(width, height, PixelFormat(pixel_format, bitdepth))  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(str(error), remedy=remedy) from error
