"""Y4M: every header that FFmpeg and mjpegtools write, and no other."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from video_files import (
    ALL_FORMATS,
    FORMAT_IDS,
    P8,
    SIZES,
    assert_same,
    ffmpeg,
    random_frames,
    smooth_frames,
    write_raw,
    write_y4m,
)

from roi_accel.backends.frame import ColourRange, PixelFormat
from roi_accel.errors import InputError
from roi_accel.video import RawGeometry, open_video
from roi_accel.video.reader import read_planar
from roi_accel.video.y4m import COLOUR_SPACES, parse_header

if TYPE_CHECKING:
    from collections.abc import Callable

ANY_PATH = Path("clip.y4m")


def header(text: str) -> bytes:
    return f"YUV4MPEG2 {text}\n".encode()


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", COLOUR_SPACES)
def test_every_colour_space_and_odd_size_reads_back(
    tmp_path: Path, name: str, size: tuple[int, int]
) -> None:
    width, height = size
    frames = random_frames(COLOUR_SPACES[name], width, height)
    path = write_y4m(tmp_path / "clip.y4m", f"W{width} H{height} F25:1 Ip A1:1 C{name}", frames)
    with open_video(path) as reader:
        assert reader.info.kind == "y4m"
        assert reader.info.frame_rate == 25
        assert reader.info.frame_count is None
        assert reader.info.estimated_frame_count == len(frames)
        assert_same(reader, frames)
        assert_same(reader, frames)


@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=FORMAT_IDS)
def test_what_ffmpeg_writes_is_read(tmp_path: Path, pixel_format: PixelFormat) -> None:
    frames = random_frames(pixel_format, 37, 41)
    raw = write_raw(tmp_path / "clip.raw", frames)
    name = pixel_format.name
    ffmpeg("-f", "rawvideo", "-pix_fmt", name, "-s", "37x41", "-r", "30000/1001", "-i", raw,
           "-strict", "-1", tmp_path / "clip.y4m")  # fmt: skip
    with open_video(tmp_path / "clip.y4m") as reader:
        assert reader.info.frame_rate == Fraction(30000, 1001)
        assert_same(reader, frames)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 2)
    path = write_y4m(tmp_path / "clip.yuv", "W64 H48", frames)
    assert_same(open_video(path, raw=RawGeometry(64, 48, P8)), frames)


@pytest.mark.parametrize(
    ("tag", "expected", "source"),
    [
        (" XCOLORRANGE=FULL", ColourRange.FULL, "stream"),
        (" XCOLORRANGE=LIMITED", ColourRange.LIMITED, "stream"),
        ("", ColourRange.LIMITED, "assumed"),
    ],
)
def test_the_colour_range_is_read(
    tmp_path: Path, tag: str, expected: ColourRange, source: str
) -> None:
    path = write_y4m(tmp_path / "clip.y4m", f"W64 H48{tag}", smooth_frames(64, 48, 1))
    info = open_video(path).info
    assert (info.colour_range, info.colour_range_source) == (expected, source)


def test_absent_c_is_420_or_what_the_extension_says() -> None:
    assert parse_header(header("W64 H48"), ANY_PATH)[0].pixel_format == P8
    deep, _ = parse_header(header("W64 H48 XYSCSS=422P10"), ANY_PATH)
    assert deep.pixel_format == PixelFormat("422", 10)


def test_frame_markers_may_carry_extensions(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 2)
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48", frames, b"FRAME XNOTE=1\n")
    assert_same(open_video(path), frames)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("W64 H48" + " " * 4096, "no newline in its first 4096 bytes"),
        ("H48", "lacks the width"),
        ("W64", "lacks the height"),
        ("W0 H48", "'0' as width"),
        ("W-64 H48", "'-64' as width"),
        ("W64 H48.5", r"'48\.5' as height"),
        ("W64 H\u0664", "as height"),
        ("W64 W64 H48", "repeats the parameter W"),
        ("W64 H48 H48", "repeats the parameter H"),
        ("W64 H48 C420 C420", "repeats the parameter C"),
        ("W70000 H70000", r"would take 7\.3 GB each"),
        ("W999999999 H999999999 C444p16", "GB each"),
        ("W64 H48 It", "interlaced"),
        ("W64 H48 Ib", "interlaced"),
        ("W64 H48 Im", "interlaced"),
        ("W64 H48 Ix", "'x' as interlacing"),
        ("W64 H48 Cmono", "luma only"),
        ("W64 H48 Cmono10", "luma only"),
        ("W64 H48 C411", "'411'"),
        ("W64 H48 C420p9", "'420p9'"),
        ("W64 H48 C420p14", "'420p14'"),
        ("W64 H48 C444alpha", "'444alpha'"),
        ("W64 H48 F25", "frame rate"),
        ("W64 H48 Q1", "unknown parameter 'Q1'"),
        ("W64 H48 XCOLORRANGE=WIDE", "'WIDE' as colour range"),
    ],
)
def test_a_bad_header_is_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_header(header(text), ANY_PATH)


def test_unknown_rates_and_interlacing_are_accepted() -> None:
    parsed, _ = parse_header(header("W64 H48 F0:0 I? A0:0"), ANY_PATH)
    assert parsed.frame_rate is None


def test_a_header_without_newline_is_not_searched_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    with path.open("wb") as stream:
        stream.write(b"YUV4MPEG2 W64 H48 ")
        stream.truncate(1 << 34)  # 16 GB on paper: reading it all would not end
    with pytest.raises(InputError, match="no newline in its first 4096 bytes"):
        open_video(path)


def refusal_or_length(head: bytes) -> InputError | int:
    """Parse a header; any other exception is a failure of the test."""
    try:
        return parse_header(head, ANY_PATH)[1]
    except InputError as error:
        return error


@given(st.binary(max_size=5000))
@example(b"YUV4MPEG2")
@example(b"YUV4MPEG2 W H C X F I A\n")
@example(b"YUV4MPEG2 W" + b"9" * 4500)
@example(b"YUV4MPEG2 W" + b"9" * 4000 + b" H1\n")
def test_arbitrary_bytes_are_refused_in_one_short_line(head: bytes) -> None:
    outcome = refusal_or_length(head)
    assert isinstance(outcome, InputError)
    assert str(outcome).isprintable()
    assert len(str(outcome)) < 500


@given(
    st.lists(
        st.one_of(
            st.sampled_from(["W64", "H48", "C420", "Ip", "F25:1", "XCOLORRANGE=FULL", ""]),
            st.text(st.characters(codec="latin-1", exclude_characters="\n "), max_size=12),
        ),
        max_size=9,
    )
)
@example(["W64", "H48"])
def test_any_parameters_are_refused_or_parsed(tokens: list[str]) -> None:
    head = b"YUV4MPEG2 " + " ".join(tokens).encode("latin-1") + b"\n"
    outcome = refusal_or_length(head)
    if isinstance(outcome, InputError):
        assert str(outcome).isprintable()
    else:
        assert outcome == len(head)


def test_a_bad_frame_marker_is_refused_with_its_offset(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 3)
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48", frames)
    data = bytearray(path.read_bytes())
    offset = len(header("W64 H48")) + 6 + P8.frame_bytes(64, 48)
    data[offset : offset + 5] = b"FRAMX"
    path.write_bytes(data)
    reader = iter(open_video(path))
    next(reader)
    with pytest.raises(InputError, match=rf"frame 1 begins with b'FRAMX.* at byte {offset};"):
        next(reader)


def test_a_frame_marker_without_end_is_not_searched_to_the_end(tmp_path: Path) -> None:
    path = tmp_path / "clip.y4m"
    with path.open("wb") as stream:
        stream.write(header("W64 H48") + b"FRAME ")
        stream.truncate(1 << 34)
    with pytest.raises(InputError, match="frame 0 begins with"):
        next(iter(open_video(path)))


def test_interlacing_in_a_frame_marker_is_refused(tmp_path: Path) -> None:
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48", smooth_frames(64, 48, 1), b"FRAME Itpp\n")
    with pytest.raises(InputError, match="for interlaced video"):
        next(iter(open_video(path)))


@pytest.mark.parametrize("kept", [1, 5, 6, 7, 2000])
def test_a_truncated_last_frame_is_refused(tmp_path: Path, kept: int) -> None:
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48", smooth_frames(64, 48, 2))
    size = P8.frame_bytes(64, 48) + 6
    path.write_bytes(path.read_bytes()[: len(header("W64 H48")) + size + kept])
    missing = f"frame 1 is truncated: {size - kept} of its {size - 6} bytes are missing"
    with pytest.raises(InputError, match=missing if kept > 5 else "frame 1 begins with"):
        open_video(path)


def test_a_stream_that_ends_within_a_frame_tells_what_is_missing(tmp_path: Path) -> None:
    info = open_video(write_y4m(tmp_path / "clip.y4m", "W64 H48", smooth_frames(64, 48, 1))).info
    stream = io.BufferedReader(io.BytesIO(bytes(4603)))
    with pytest.raises(InputError, match="frame 7 is truncated: 5 of its 4608 bytes are missing"):
        read_planar(stream, info, 7)


def test_markers_with_parameters_are_counted_before_reading(tmp_path: Path) -> None:
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48", smooth_frames(64, 48, 3), b"FRAME Xnote\n")
    reader = open_video(path)
    assert reader.info.frame_count == len(list(reader)) == 3


def test_a_header_without_frames_is_refused(tmp_path: Path) -> None:
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48", [])
    with pytest.raises(InputError, match="no frame"):
        open_video(path)


def test_a_file_named_y4m_that_is_none_is_refused(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "clip.y4m", smooth_frames(64, 48, 1))
    with pytest.raises(InputError, match="is named Y4M but"):
        open_video(path, raw=RawGeometry(64, 48, P8))


def test_samples_above_the_depth_are_refused(tmp_path: Path) -> None:
    ten = PixelFormat("420", 10)
    frames = random_frames(ten, 64, 48, 1)
    frames[0].planes[2][3, 4] = 5000
    path = write_y4m(tmp_path / "clip.y4m", "W64 H48 C420p10", frames)
    with pytest.raises(InputError, match=r"frame 0 holds 5000 in plane V at x=4, y=3"):
        list(open_video(path))


def test_the_real_clip_as_y4m_equals_its_mp4(
    tmp_path: Path, real_file: Callable[[str], Path]
) -> None:
    source = real_file("clips/carphone_distorted.mp4")
    ffmpeg("-i", source, tmp_path / "clip.y4m")
    assert_same(open_video(tmp_path / "clip.y4m"), list(open_video(source)))
