"""Small videos made on the spot: known samples, written in every way that the readers read."""

from __future__ import annotations

import subprocess
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av
import imageio_ffmpeg
import numpy as np

from roi_accel.backends.frame import PIXEL_FORMATS, Frame, PixelFormat

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

ALL_FORMATS = PIXEL_FORMATS
FORMAT_IDS = [f.name for f in ALL_FORMATS]
SIZES = [(64, 48), (37, 41), (33, 48), (64, 35)]
P8 = PixelFormat("420", 8)


def random_frames(
    pixel_format: PixelFormat, width: int, height: int, count: int = 3, seed: int = 0
) -> list[Frame]:
    generator = np.random.default_rng((seed, width, height, pixel_format.bit_depth))
    shapes = pixel_format.plane_shapes(width, height)
    top = pixel_format.max_value + 1
    frames = []
    for _ in range(count):
        y, u, v = (
            generator.integers(0, top, shape, pixel_format.dtype.newbyteorder("=")).astype(
                pixel_format.dtype
            )
            for shape in shapes
        )
        # The corners of the range are where a wrong shift or mask shows.
        y[0, 0], y[0, 1], u[0, 0], v[-1, -1] = 0, top - 1, top - 1, 0
        frames.append(Frame((y, u, v), pixel_format))
    return frames


def smooth_frames(width: int, height: int, count: int) -> list[Frame]:
    """Return 8-bit 4:2:0 frames that a lossy encoder can make something of."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for index in range(count):
        luma = (96 + 80 * np.sin((x + 3 * index) / 9) * np.cos(y / 7)).astype(np.uint8)
        chroma = np.full(P8.plane_shapes(width, height)[1], 120 + index % 9, np.uint8)
        frames.append(Frame((luma, chroma, chroma), P8))
    return frames


def frame_bytes(frame: Frame) -> bytes:
    return b"".join(plane.tobytes() for plane in frame.planes)


def write_raw(path: Path, frames: Iterable[Frame]) -> Path:
    path.write_bytes(b"".join(frame_bytes(frame) for frame in frames))
    return path


def write_y4m(path: Path, header: str, frames: Iterable[Frame], marker: bytes = b"FRAME\n") -> Path:
    body = b"".join(marker + frame_bytes(frame) for frame in frames)
    path.write_bytes(f"YUV4MPEG2 {header}\n".encode() + body)
    return path


def assert_same(frames: Iterable[Frame], expected: Sequence[Frame]) -> None:
    found = list(frames)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert one.pixel_format == other.pixel_format
        for plane, wanted in zip(one.planes, other.planes, strict=True):
            assert plane.dtype == wanted.dtype
            np.testing.assert_array_equal(plane, wanted)


def fill(picture: av.VideoFrame, planes: Sequence[np.ndarray]) -> av.VideoFrame:
    """Write rows of stored samples, whatever the format, into the planes of a picture."""
    for plane, rows in zip(picture.planes, planes, strict=True):
        data = np.ascontiguousarray(rows)
        lines = np.frombuffer(memoryview(plane), np.uint8).reshape(data.shape[0], plane.line_size)
        lines[:, : data[0].nbytes] = data.view(np.uint8).reshape(data.shape[0], -1)
    return picture


def picture_of(frame: Frame, name: str | None = None) -> av.VideoFrame:
    picture = av.VideoFrame(frame.width, frame.height, name or frame.pixel_format.name)
    return fill(picture, frame.planes)


def encode(
    path: Path,
    pictures: Sequence[av.VideoFrame],
    codec: str = "ffv1",
    options: dict[str, str] | None = None,
    *,
    rate: Fraction = Fraction(25),
    context: dict[str, Any] | None = None,
    container_format: str | None = None,
    muxer: dict[str, str] | None = None,
) -> Path:
    """Encode pictures with PyAV; `context` sets attributes of the codec context."""
    with av.open(str(path), "w", format=container_format, container_options=muxer) as container:
        stream = container.add_stream(codec, rate=rate, options=options or {})
        assert isinstance(stream, av.VideoStream)
        first = pictures[0]
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, first.format.name
        for name, value in (context or {}).items():
            setattr(stream.codec_context, name, value)
        for index, picture in enumerate(pictures):
            picture.pts, picture.time_base = index, 1 / rate
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def ffmpeg(*arguments: object) -> bytes:
    """Run the ffmpeg of imageio-ffmpeg, which shares no library with PyAV."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-v", "error", "-y"]
    done = subprocess.run([*command, *map(str, arguments)], check=True, stdout=subprocess.PIPE)
    return done.stdout
