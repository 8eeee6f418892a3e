"""Raw planar YUV files: frames back to back, with nothing to say what they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.backends.frame import ColourRange
from roi_accel.errors import InputError, unreadable
from roi_accel.video.colour import assumed_matrix
from roi_accel.video.info import (
    RawGeometry,
    VideoInfo,
    check_dimensions,
    geometry_text,
)
from roi_accel.video.planes import read_planar
from roi_accel.video.raw_hints import doubt_depth, suggest_geometries
from roi_accel.video.reader import CheckedReader

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from roi_accel.backends.frame import Frame
    from roi_accel.video.source import SourceFile


class RawReader(CheckedReader):
    """Frames of a raw planar YUV file."""

    def _frames(self) -> Generator[Frame, None, None]:
        info = self._info
        try:
            stream = self._source.location.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(printable(info.path), error) from error
        with stream:
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
    fitting = suggest_geometries(source)
    hint = f"; its size fits {fitting}" if fitting else ""
    return InputError(
        f"{printable(source.path)}: raw video does not say its size and pixel format",
        remedy=f"add --width, --height and --pix-fmt{hint}",
    )


def geometry_incomplete(
    source: SourceFile, missing: Sequence[str], *, width: int | None, height: int | None
) -> InputError:
    """Return the error for a raw file of whose geometry the options `missing` were not given."""
    fitting = suggest_geometries(source, width=width, height=height)
    hint = f"; its size fits {fitting}" if fitting else ""
    return InputError(
        f"{printable(source.path)}: raw input also needs {' and '.join(missing)}",
        remedy=f"add {'it' if len(missing) == 1 else 'them'}{hint}",
    )


def geometry_contradiction(info: VideoInfo, geometry: RawGeometry) -> InputError | None:
    """Return the error for raw options that contradict what a file declares, None if they agree."""
    declared = RawGeometry(info.width, info.height, info.pixel_format)
    if declared == geometry:
        return None
    return InputError(
        f"{printable(info.path)}: is {geometry_text(info.width, info.height, info.pixel_format)} by "
        "its own header, but the options say "
        f"{geometry_text(geometry.width, geometry.height, geometry.pixel_format)}",
        remedy="correct --width, --height and --pix-fmt, or leave them out",
    )
