"""Raw planar YUV files: frames back to back, with nothing to say what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.backends.frame import ColourRange
from roi_accel.errors import InputError
from roi_accel.video.colour import assumed_matrix
from roi_accel.video.info import (
    RawGeometry,
    VideoInfo,
    check_dimensions,
    geometry_text,
)
from roi_accel.video.raw_hints import doubt_depth, suggest_geometries
from roi_accel.video.reader import CheckedReader, read_planar

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.video.source import SourceFile


class RawReader(CheckedReader):
    """Frames of a raw planar YUV file."""

    def _frames(self) -> Generator[Frame, None, None]:
        info = self._info
        with self._source.open() as stream:
            for index in range(info.frame_count or 0):
                yield read_planar(stream, info, index)


def open_raw(source: SourceFile, geometry: RawGeometry) -> RawReader:
    """Return the reader of a raw file.

    Raises
    ------
    InputError
        If the frame size is impossible, or the file is not a whole number of frames; the remedy
        then names geometries that fit.
    """
    path, width, height = source.path, geometry.width, geometry.height
    check_dimensions(path, width, height, geometry.pixel_format)
    frame_bytes = geometry.pixel_format.frame_bytes(width, height)
    count, over = divmod(source.size, frame_bytes)
    if over:  # guard: raw-partial-frame
        msg = (
            f"{printable(path)}: {source.size} bytes are not a whole number of "
            f"{width}x{height} {geometry.pixel_format.name} frames of {frame_bytes} bytes: "
            f"frame {count} lacks {frame_bytes - over} bytes"
        )
        # guard: raw-geometry-suggestion
        fitting = suggest_geometries(source, geometry.pixel_format)
        remedy = f"the size fits {fitting}" if fitting else "the file may be cut off"
        raise InputError(msg, remedy=remedy)
    info = VideoInfo(
        path=path,
        kind="raw",
        width=width,
        height=height,
        pixel_format=geometry.pixel_format,
        colour_matrix=assumed_matrix(width, height),
        colour_matrix_source="assumed",
        colour_range=ColourRange.LIMITED,
        colour_range_source="assumed",
        frame_count=count,
        estimated_frame_count=count,
        doubt=doubt_depth(source, geometry),
    )
    return RawReader(info, source)


def geometry_missing(source: SourceFile) -> InputError:
    """Return the error for a raw file whose geometry was not given."""
    msg = f"{source.name}: raw video does not declare its size and pixel format"
    hint = _hint(suggest_geometries(source))
    return InputError(msg, remedy=f"add --width, --height and --pix-fmt{hint}")


def geometry_incomplete(
    source: SourceFile, missing: Sequence[str], *, width: int | None, height: int | None
) -> InputError:
    """Return the error for a raw file of whose geometry the options `missing` were not given.

    Parameters
    ----------
    source : SourceFile
    missing : sequence of str
        At least one option.
    width, height : int or None
        In pixels, where they were given.
    """
    msg = f"{source.name}: raw input also needs {' and '.join(missing)}"
    hint = _hint(suggest_geometries(source, width=width, height=height))
    return InputError(msg, remedy=f"add {'it' if len(missing) == 1 else 'them'}{hint}")


def _hint(fitting: str) -> str:
    return f"; its size fits {fitting}" if fitting else ""


def geometry_contradiction(info: VideoInfo, geometry: RawGeometry) -> InputError | None:
    """Return the error for raw options that contradict what a file declares, None if they agree."""
    if RawGeometry(info.width, info.height, info.pixel_format) == geometry:
        return None
    declared = geometry_text(info.width, info.height, info.pixel_format)
    given = geometry_text(geometry.width, geometry.height, geometry.pixel_format)
    msg = f"{printable(info.path)}: declares {declared}, but the options say {given}"
    remedy = "correct --width, --height and --pix-fmt, or leave them out"
    return InputError(msg, remedy=remedy)
