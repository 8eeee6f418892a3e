"""Everything FFmpeg decodes, as planar frames: repacked where that is exact, refused otherwise."""

from __future__ import annotations

import shlex
from contextlib import closing
from fractions import Fraction
from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.backends.frame import BIT_DEPTHS, ColourMatrix, ColourRange, Frame, PixelFormat
from roi_accel.errors import InputError
from roi_accel.video.decoding import decode, opened
from roi_accel.video.info import (
    MATRICES,
    MATRIX_NAMES,
    RANGES,
    TRANSFERS,
    RawGeometry,
    VideoInfo,
    assumed_matrix,
    check_dimensions,
)
from roi_accel.video.layouts import LAYOUTS, repack
from roi_accel.video.reader import CheckedReader

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from roi_accel.video.info import Origin
    from roi_accel.video.source import SourceFile

_SECOND = 1_000_000  # AV_TIME_BASE


class ContainerReader(CheckedReader):
    """Frames of the first video stream of a file that FFmpeg decodes."""

    def __init__(
        self, info: VideoInfo, source: SourceFile, suffix: str, format_name: str, *, threads: int
    ) -> None:
        super().__init__(info, source)
        self._suffix = suffix
        self._format_name = format_name
        self._threads = threads

    def _frames(self) -> Generator[Frame, None, None]:
        info = self.info
        layout = LAYOUTS[self._format_name]
        with (
            opened(self._source, self._suffix) as (container, stream),
            closing(decode(container, stream, info.path, self._threads)) as pictures,
        ):
            for index, picture in enumerate(pictures):
                self._check_same_format(picture, index)  # guard: format-change
                try:
                    yield repack(picture.planes, layout, info.width, info.height)
                except ValueError as error:
                    msg = f"{printable(info.path)}: frame {index} ({self._format_name}): {error}"
                    raise InputError(msg, remedy=_conversion(info.path)) from error

    def _check_same_format(self, picture: VideoFrame, index: int) -> None:
        info = self.info
        expected = (info.width, info.height, self._format_name)
        actual = (picture.width, picture.height, picture.format.name)
        if actual != expected:  # guard: format-change-comparison
            before, after = ("{}x{} {}".format(*geometry) for geometry in (expected, actual))
            msg = f"{printable(info.path)}: changes from {before} to {after} at frame {index}"
            raise InputError(
                msg, remedy="split the file there, or convert it to one size and pixel format"
            )


def open_container(source: SourceFile, suffix: str, threads: int) -> ContainerReader:
    """Return the reader of a file that FFmpeg is to decode.

    The first frame is decoded here: what it says about itself is more certain than what the
    container says about it, and a file that cannot be decoded is refused before anything starts.
    The suffix is as for `opened`, the number of threads as for `decode`.

    InputError if it is not a video, is cut off, or needs a conversion that is more than repacking.
    """
    path = source.path
    with (
        opened(source, suffix) as (container, stream),
        closing(decode(container, stream, path, threads)) as pictures,
    ):
        picture = next(pictures, None)
        if picture is None:  # guard: container-no-frame
            msg = f"{printable(path)}: has a video stream without a single frame"
            raise InputError(msg, remedy="copy or encode the file again")
        info = _describe(path, container, stream, picture)
    return ContainerReader(info, source, suffix, picture.format.name, threads=threads)


def _describe(
    path: Path, container: InputContainer, stream: VideoStream, picture: VideoFrame
) -> VideoInfo:
    layout = LAYOUTS.get(picture.format.name)
    if layout is None:
        raise _not_repackable(path, picture)
    geometry = RawGeometry(picture.width, picture.height, layout.pixel_format)
    check_dimensions(path, geometry)  # guard: huge-container
    rotation = getattr(picture, "rotation", 0)
    if rotation:
        # ffmpeg turns such a video when it converts it, so one of a pair may be turned already.
        msg = f"{printable(path)}: is stored turned by {rotation} degrees"
        raise InputError(msg, remedy=_conversion(path))
    matrix, matrix_source = _matrix(path, picture, gray=len(layout.components) == 1)
    declared = ColourRange.FULL if layout.full_range else RANGES.get(picture.color_range)
    rate = stream.average_rate or stream.guessed_rate
    return VideoInfo(
        path=path,
        kind="container",
        **vars(geometry),
        colour_matrix=matrix,
        colour_matrix_source=matrix_source,
        colour_range=declared or ColourRange.LIMITED,
        colour_range_source="stream" if declared else "assumed",
        estimated_frame_count=_estimate(container, stream, rate),
        frame_rate=rate,
        # The decoder's name, where PyAV is too old to know the codec's: libdav1d for av1.
        codec=getattr(stream.codec_context.codec, "canonical_name", stream.codec_context.name),
        transfer=dict(enumerate(TRANSFERS)).get(stream.codec_context.color_trc),
    )


def _matrix(path: Path, picture: VideoFrame, *, gray: bool) -> tuple[ColourMatrix, Origin]:
    code = picture.colorspace
    if code in MATRICES:
        return MATRICES[code], "stream"
    name = dict(enumerate(MATRIX_NAMES)).get(code, f"number {code}")
    # Gray has no use for a matrix, and PNG tags it with that of RGB.
    if gray or name in {"unspecified", "reserved"}:
        return assumed_matrix(picture.width, picture.height), "assumed"
    msg = (
        f"{printable(path)}: declares the colour matrix {name}; "
        "known are BT.601, BT.709 and BT.2020 (bt470bg, smpte170m, fcc, bt709, bt2020nc, bt2020c)"
    )
    raise InputError(msg, remedy=_conversion(path, "-vf", "scale=out_color_matrix=bt709"))


def _estimate(container: InputContainer, stream: VideoStream, rate: Fraction | None) -> int | None:
    if "mp4" in container.format.name.split(",") and stream.frames:
        return stream.frames
    if rate is None:
        return None
    if stream.duration is not None and stream.time_base is not None:
        return round(stream.duration * stream.time_base * rate) or None
    if container.duration is not None:
        return round(Fraction(container.duration, _SECOND) * rate) or None
    return None


def _not_repackable(path: Path, picture: VideoFrame) -> InputError:
    stored = picture.format
    depth = max((component.bits for component in stored.components), default=8)
    target = PixelFormat("444", next((bits for bits in BIT_DEPTHS if bits >= depth), 16))
    options = ["-pix_fmt", target.name]
    mosaic = stored.name.startswith("bayer")
    if stored.has_palette or stored.is_rgb or mosaic:
        kind = "a palette" if stored.has_palette else "a mosaic" if mosaic else "RGB"
        # The matrix is named because ffmpeg's default for RGB, BT.601, is not what players assume.
        options = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", *options]
        options += ["-colorspace", "bt709", "-color_range", "tv"]
    else:
        kind = f"{depth}-bit YUV of another layout"
    msg = (
        f"{printable(path)}: is {stored.name} ({kind}); only 4:2:0, 4:2:2 and 4:4:4 YUV of 8, 10, "
        "12 or 16 bits is scored, because roi-accel does not convert colours"
    )
    return InputError(msg, remedy=_conversion(path, *options))


def _conversion(path: Path, *options: str) -> str:
    """Return an ffmpeg command that converts a file, and loses nothing else."""
    name = shlex.quote(f"file:{path}")  # so that ffmpeg takes any name for a file's
    return shlex.join(["ffmpeg", "-i", "INPUT", *options, "-c:v", "ffv1", "converted.mkv"]).replace(
        "INPUT", name, 1
    )
