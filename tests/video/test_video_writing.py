"""Claims about videos that are written: our own reader and FFmpeg read the same samples back."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import run_ffmpeg, write_raw
from support import ALL_FORMATS, random_frame

from roi_accel.backends.frame import ColourRange, PixelFormat
from roi_accel.video import RawGeometry, open_video
from roi_accel.video.y4m import SUFFIXES, FrameWriter

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.video import VideoInfo


def frames_of(pixel_format: PixelFormat, width: int = 35, height: int = 33) -> list[Frame]:
    rng = np.random.default_rng(0)
    return [random_frame(rng, pixel_format, width, height) for _ in range(3)]


def write(path: Path, frames: list[Frame], info: VideoInfo, rate: Fraction | None) -> Path:
    with path.open("wb") as file:
        writer = FrameWriter(path, file, info, rate=rate)
        for frame in frames:
            writer.write(frame)
    return path


@pytest.fixture(params=ALL_FORMATS, ids=lambda each: each.name)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[list[Frame], VideoInfo]:
    frames = frames_of(request.param)
    geometry = RawGeometry(35, 33, request.param)
    with open_video(write_raw(tmp_path / "in.yuv", frames), raw=geometry) as reader:
        return frames, reader.info


def test_raw_frames_are_their_planes_and_nothing_else(
    tmp_path: Path, written: tuple[list[Frame], VideoInfo]
) -> None:
    frames, info = written
    path = write(tmp_path / "out.yuv", frames, info, None)
    assert path.read_bytes() == (tmp_path / "in.yuv").read_bytes()


def test_y4m_comes_back_with_its_format_and_rate(
    tmp_path: Path, written: tuple[list[Frame], VideoInfo]
) -> None:
    frames, info = written
    path = write(tmp_path / "out.y4m", frames, info, Fraction(30000, 1001))
    with open_video(path) as reader:
        read = reader.info
        assert read.pixel_format == info.pixel_format
        assert (read.width, read.height, read.frame_rate) == (35, 33, Fraction(30000, 1001))
        assert read.colour_range_source == "assumed"
        for frame, expected in zip(reader, frames, strict=True):
            for plane, other in zip(frame.planes, expected.planes, strict=True):
                np.testing.assert_array_equal(plane, other)


def test_ffmpeg_reads_the_same_y4m(tmp_path: Path, written: tuple[list[Frame], VideoInfo]) -> None:
    frames, info = written
    path = write(tmp_path / "out.y4m", frames, info, None)
    run_ffmpeg("-strict", "-1", "-i", path, "-f", "rawvideo", tmp_path / "ffmpeg.yuv")
    assert (tmp_path / "ffmpeg.yuv").read_bytes() == (tmp_path / "in.yuv").read_bytes()


@pytest.mark.parametrize("colour_range", ColourRange)
def test_a_range_that_the_stream_declares_is_declared_again(
    tmp_path: Path, colour_range: ColourRange
) -> None:
    frames = frames_of(PixelFormat("420", 8))
    geometry = RawGeometry(35, 33, PixelFormat("420", 8))
    with open_video(write_raw(tmp_path / "in.yuv", frames), raw=geometry) as reader:
        info = replace(reader.info, colour_range=colour_range, colour_range_source="stream")
    with open_video(write(tmp_path / "out.y4m", frames, info, None)) as reader:
        assert (reader.info.colour_range, reader.info.colour_range_source) == (
            colour_range,
            "stream",
        )
        assert reader.info.frame_rate is None


def test_every_suffix_that_is_written_is_read() -> None:
    from roi_accel.video.raw import RAW_SUFFIXES  # noqa: PLC0415 (beside the claim)

    assert set(SUFFIXES) == RAW_SUFFIXES | {".y4m"}
