"""Containers: the frames FFmpeg decodes, bit for bit, under any name, with their colour tags."""

from __future__ import annotations

import os
import shlex
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import imageio_ffmpeg
import numpy as np
import pytest
from video_files import (
    ALL_FORMATS,
    FORMAT_IDS,
    P8,
    SIZES,
    assert_same,
    encode,
    ffmpeg,
    frame_bytes,
    picture_of,
    random_frames,
    smooth_frames,
)

from roi_accel.backends.frame import ColourMatrix, ColourRange, PixelFormat
from roi_accel.errors import InputError
from roi_accel.video import MAX_SIDE, open_video

if TYPE_CHECKING:
    from collections.abc import Callable


def resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=FORMAT_IDS)
def test_every_format_and_odd_size_reads_back(
    tmp_path: Path, pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    frames = random_frames(pixel_format, *size)
    path = encode(tmp_path / "clip.mkv", [picture_of(f) for f in frames])
    with open_video(path) as reader:
        assert reader.info.kind == "container"
        assert reader.info.codec == "ffv1"
        assert reader.info.frame_rate == 25
        assert reader.info.frame_count is None
        assert_same(reader, frames)
        assert_same(reader, frames)  # from the first frame again


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_lossless_h264_with_reordered_frames_reads_back(tmp_path: Path, threads: int) -> None:
    frames = smooth_frames(96, 64, 40)
    options = {"qp": "0", "bf": "3", "preset": "veryfast"}
    path = encode(tmp_path / "clip.mp4", [picture_of(f) for f in frames], "libx264", options)
    with open_video(path, threads=threads) as reader:
        assert reader.info.estimated_frame_count == len(frames)
        assert reader.info.codec == "h264"
        assert_same(reader, frames)


@pytest.mark.parametrize("name", ["bigbuckbunny.mp4", "carphone_pristine.mp4"])
def test_real_clips_decode_as_ffmpeg_decodes_them(
    name: str, real_file: Callable[[str], Path]
) -> None:
    path = real_file(f"clips/{name}")
    with open_video(path) as reader:
        size = reader.info.pixel_format.frame_bytes(reader.info.width, reader.info.height)
        raw = ffmpeg("-i", path, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
        assert len(raw) == size * (reader.info.estimated_frame_count or 0)
        index = 0
        for index, frame in enumerate(reader):
            assert frame_bytes(frame) == raw[index * size : (index + 1) * size], index
        assert (index + 1) * size == len(raw)


def test_planar_frames_are_views_that_keep_their_picture(tmp_path: Path) -> None:
    frames = smooth_frames(100, 64, 8)
    path = encode(tmp_path / "clip.mkv", [picture_of(f) for f in frames])
    with open_video(path) as reader:
        kept = list(reader)
    assert_same(kept, frames)
    for frame in kept:
        for plane in frame.planes:
            assert plane.base is not None
            assert not plane.flags.writeable
    assert kept[0].planes[0].strides[0] > 100  # FFmpeg's padding: nothing was copied


def test_memory_stays_flat_over_300_frames(tmp_path: Path) -> None:
    size = P8.frame_bytes(640, 480)
    first = smooth_frames(640, 480, 1)[0]
    path = encode(tmp_path / "clip.mkv", [picture_of(first) for _ in range(300)])
    with open_video(path) as reader:
        sizes = [resident_bytes() for _ in reader]
    assert len(sizes) == 300
    assert sizes[-1] - sizes[60] < 20 * size


@pytest.mark.parametrize(
    ("context", "matrix", "colour_range", "transfer"),
    [
        # H.264 writes the range beside any matrix, so that it is declared there.
        ({"colorspace": 1}, (ColourMatrix.BT709, "stream"), (ColourRange.LIMITED, "stream"), None),
        ({"colorspace": 4}, (ColourMatrix.BT601, "stream"), (ColourRange.LIMITED, "stream"), None),
        ({"colorspace": 5}, (ColourMatrix.BT601, "stream"), (ColourRange.LIMITED, "stream"), None),
        ({"colorspace": 6}, (ColourMatrix.BT601, "stream"), (ColourRange.LIMITED, "stream"), None),
        (
            {"colorspace": 9, "color_range": 1, "color_trc": 16},
            (ColourMatrix.BT2020, "stream"),
            (ColourRange.LIMITED, "stream"),
            "smpte2084",
        ),
        (
            {"colorspace": 10, "color_range": 2, "color_trc": 18},
            (ColourMatrix.BT2020, "stream"),
            (ColourRange.FULL, "stream"),
            "arib-std-b67",
        ),
        ({}, (ColourMatrix.BT601, "assumed"), (ColourRange.LIMITED, "assumed"), None),
    ],
)
def test_colour_tags_are_read(
    tmp_path: Path,
    context: dict[str, Any],
    matrix: tuple[ColourMatrix, str],
    colour_range: tuple[ColourRange, str],
    transfer: str | None,
) -> None:
    pictures = [picture_of(f) for f in smooth_frames(96, 64, 2)]
    for picture in pictures:  # PyAV's encoder takes the tags of the picture over the context's
        picture.colorspace = context.get("colorspace", 2)
        picture.color_range = context.get("color_range", 0)
    info = open_video(encode(tmp_path / "clip.mp4", pictures, "libx264", context=context)).info
    assert (info.colour_matrix, info.colour_matrix_source) == matrix
    assert (info.colour_range, info.colour_range_source) == colour_range
    assert info.transfer == transfer


@pytest.mark.parametrize(
    ("size", "matrix"), [((1280, 64), ColourMatrix.BT709), ((640, 480), ColourMatrix.BT601)]
)
def test_an_untagged_matrix_is_assumed_by_size(
    tmp_path: Path, size: tuple[int, int], matrix: ColourMatrix
) -> None:
    path = encode(tmp_path / "clip.mkv", [picture_of(f) for f in smooth_frames(*size, 1)])
    info = open_video(path).info
    assert (info.colour_matrix, info.colour_matrix_source) == (matrix, "assumed")


def test_the_full_range_of_yuvj_is_the_streams(tmp_path: Path) -> None:
    picture = picture_of(smooth_frames(96, 64, 1)[0], "yuvj420p")
    info = open_video(encode(tmp_path / "clip.avi", [picture], "mjpeg")).info
    assert (info.colour_range, info.colour_range_source) == (ColourRange.FULL, "stream")
    assert info.pixel_format == P8


def test_a_matrix_that_no_backend_computes_is_refused(tmp_path: Path) -> None:
    pictures = [picture_of(f) for f in smooth_frames(96, 64, 2)]
    for picture in pictures:
        picture.colorspace = 8
    path = encode(tmp_path / "clip.mp4", pictures, "libx264", context={"colorspace": 8})
    with pytest.raises(InputError, match="declares the colour matrix ycgco"):
        open_video(path)


@pytest.mark.parametrize(
    ("name", "codec", "suffix", "kind", "target"),
    [
        ("rgb24", "png", ".mov", "RGB", "yuv444p"),
        ("gbrp10le", "ffv1", ".mkv", "RGB", "yuv444p10le"),
        ("rgb8", "gif", ".gif", "bgra", "yuv444p"),
        ("yuv411p", "ffv1", ".mkv", "8-bit YUV of another layout", "yuv444p"),
        ("yuv440p", "ffv1", ".mkv", "8-bit YUV of another layout", "yuv444p"),
        ("yuv420p9le", "ffv1", ".mkv", "9-bit YUV of another layout", "yuv444p10le"),
        ("yuv422p14le", "ffv1", ".mkv", "14-bit YUV of another layout", "yuv444p16le"),
    ],
)
def test_what_needs_arithmetic_is_refused_with_a_command_that_works(
    tmp_path: Path, name: str, codec: str, suffix: str, kind: str, target: str
) -> None:
    path = encode(tmp_path / f"a clip's{suffix}", [av.VideoFrame(64, 48, name)], codec)
    with pytest.raises(InputError, match=kind) as caught:
        open_video(path)
    command = shlex.split(caught.value.remedy)
    assert command[0] == "ffmpeg"
    command[0] = imageio_ffmpeg.get_ffmpeg_exe()
    subprocess.run([*command, "-loglevel", "error"], check=True, cwd=tmp_path)
    with open_video(tmp_path / "converted.mkv") as reader:
        assert reader.info.pixel_format.name == target
        assert len(list(reader)) >= 1


NAMES = [
    "-leading-dash.mkv",
    "a b.mkv",
    "http:clip.mkv",
    "file:clip.mkv",
    "concat:a|b.mkv",
    "pipe:0.mkv",
    "frame%03d.mkv",
    "frame%03d.png",
    "frame*?[1]{2}.png",
    "quote'\"\\;,[x].mkv",
    "\u043a\u043b\u0438\u043f \u6f22\u5b57.mkv",
    "new\nline.mkv",
]


@pytest.mark.parametrize("name", NAMES)
def test_any_name_is_a_file_name(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = smooth_frames(64, 48, 1)
    made = encode(tmp_path / "plain.mkv", [picture_of(f) for f in frames])
    made.rename(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (name, tmp_path / name):
        assert_same(open_video(path), frames)


def test_a_name_that_is_not_unicode_is_read_and_printed(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 1)
    path = encode(tmp_path / "plain.mkv", [picture_of(f) for f in frames])
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.mkv"))
    path.rename(odd)
    assert_same(open_video(odd), frames)
    odd.write_bytes(b"nothing")
    with pytest.raises(InputError) as caught:
        open_video(odd)
    str(caught.value).encode("utf-8")


def test_an_address_is_not_opened() -> None:
    with pytest.raises(InputError, match="no such file"):
        open_video("http://127.0.0.1:9/clip.mp4")


@pytest.mark.parametrize(
    "text",
    ["ffconcat version 1.0\nfile other.mkv\n", "#EXTM3U\n#EXTINF:5,\nother.mkv\n#EXT-X-ENDLIST\n"],
    ids=["concat", "hls"],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list"])
def test_files_that_a_file_names_are_not_opened(
    tmp_path: Path, text: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    encode(tmp_path / "other.mkv", [picture_of(f) for f in smooth_frames(64, 48, 1)])
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="not a video that FFmpeg can open"):
        open_video(name)


def test_a_still_image_is_one_frame(tmp_path: Path) -> None:
    picture = av.VideoFrame(64, 48, "gray")
    np.frombuffer(memoryview(picture.planes[0]), np.uint8)[:] = 7
    path = encode(tmp_path / "still.png", [picture], "png", container_format="image2pipe")
    (found,) = open_video(path)
    assert (found.planes[0] == 7).all()
    assert (found.planes[1] == 128).all()


def test_audio_alone_is_refused(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "sine=duration=1", tmp_path / "tone.mp4")
    with pytest.raises(InputError, match="has no video stream; it holds audio only"):
        open_video(tmp_path / "tone.mp4")


def test_cover_art_is_no_video(tmp_path: Path) -> None:
    cover, song = tmp_path / "cover.png", tmp_path / "song.mp4"
    ffmpeg("-f", "lavfi", "-i", "color=size=64x48:duration=0.04", "-frames:v", 1, cover)
    tone = ("-f", "lavfi", "-i", "sine=duration=1", "-i", cover, "-map", 0, "-map", 1)
    ffmpeg(*tone, "-c:v", "copy", "-disposition:v:0", "attached_pic", song)
    with pytest.raises(InputError, match="has no video stream"):
        open_video(song)


@pytest.mark.parametrize("content", [b"hello world\n" * 50, bytes(range(256)) * 64])
@pytest.mark.parametrize("name", ["clip.mp4", "clip.txt", "clip"])
def test_what_is_no_video_is_refused(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        open_video(tmp_path / name)
    assert name in caught.value.message


def test_a_change_of_size_midway_is_refused_at_its_frame(tmp_path: Path) -> None:
    parts = []
    for width in (96, 128):
        pictures = [picture_of(f) for f in smooth_frames(width, 64, 5)]
        parts.append(encode(tmp_path / f"{width}.h264", pictures, "libx264", {"bf": "0"}))
    path = tmp_path / "joined.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(InputError, match="from 96x64 yuv420p to 128x64 yuv420p at frame 5"):
        list(open_video(path))


def test_a_change_of_format_midway_is_refused_at_its_frame(tmp_path: Path) -> None:
    parts = []
    for name in ("yuv420p", "yuv422p"):
        pictures = [av.VideoFrame(96, 64, name) for _ in range(4)]
        parts.append(encode(tmp_path / f"{name}.h264", pictures, "libx264", {"bf": "0"}))
    path = tmp_path / "joined.h264"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    with pytest.raises(InputError, match="from 96x64 yuv420p to 96x64 yuv422p at frame 4"):
        list(open_video(path))


def test_a_turned_video_is_refused(tmp_path: Path) -> None:
    pictures = [picture_of(f) for f in smooth_frames(96, 64, 3)]
    encode(tmp_path / "flat.mp4", pictures, "libx264")
    turned = tmp_path / "turned.mp4"
    ffmpeg("-display_rotation", 90, "-i", tmp_path / "flat.mp4", "-c", "copy", turned)
    with pytest.raises(InputError, match=r"stored turned by -?90 degrees"):
        open_video(turned)


def test_huge_frames_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    picture = av.VideoFrame(MAX_SIDE + 16, 32, "gray")
    path = encode(tmp_path / "wide.mkv", [picture])
    with pytest.raises(InputError, match=f"largest side that is read is {MAX_SIDE}"):
        open_video(path)


@pytest.mark.parametrize("options", [("libx264", "-bf", 2), ("libsvtav1", "-preset", 12)])
def test_a_cut_by_edit_list_is_honoured(tmp_path: Path, options: tuple[object, ...]) -> None:
    """The frames that an MP4 hides are neither given nor missed."""
    plain = encode(tmp_path / "plain.mkv", [picture_of(f) for f in smooth_frames(96, 64, 50)])
    whole, cut = tmp_path / "whole.mp4", tmp_path / "cut.mp4"
    ffmpeg("-i", plain, "-c:v", *options, "-g", 25, whole)
    ffmpeg("-ss", "1.2", "-i", whole, "-c", "copy", cut)
    raw = ffmpeg("-i", cut, "-fps_mode", "passthrough", "-f", "rawvideo", "-")
    with open_video(cut) as reader:
        assert b"".join(frame_bytes(frame) for frame in reader) == raw
    assert 0 < len(raw) < 25 * P8.frame_bytes(96, 64)


def test_metadata_that_is_not_unicode_is_no_hindrance(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 2)
    plain = encode(tmp_path / "plain.mkv", [picture_of(f) for f in frames])
    ffmpeg("-i", plain, "-c", "copy", "-metadata", os.fsdecode(b"title=\xff\xfe"),
           "-metadata:s:v", os.fsdecode(b"title=\xff\xfe"), tmp_path / "titled.mkv")  # fmt: skip
    assert_same(open_video(tmp_path / "titled.mkv"), frames)


def test_the_frame_rate_is_a_fraction(tmp_path: Path) -> None:
    pictures = [picture_of(f) for f in smooth_frames(96, 64, 3)]
    rate = Fraction(30000, 1001)
    path = encode(tmp_path / "clip.mp4", pictures, "libx264", rate=rate)
    assert open_video(path).info.frame_rate == rate
