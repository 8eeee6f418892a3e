"""Formats that hold the same samples in another packing are repacked without losing one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from video_files import assert_same, encode, fill, picture_of, random_frames

from roi_accel.backends.frame import Frame
from roi_accel.errors import InputError
from roi_accel.video import open_video
from roi_accel.video.layouts import LAYOUTS, repack

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.video.layouts import Layout

SIZES = [(64, 48), (37, 41)]


# Formats that the scaler of older PyAVs cannot write, and does not refuse.
SCALER_CRASHES = {"nv20le", "nv20be", "y210be", "y212be", "y216be", "xv36be", "ayuv64be"}
SCALER_FIXED = 18


def known_formats() -> list[str]:
    names = []
    for name in LAYOUTS:
        try:
            av.VideoFormat(name)
        except ValueError:  # younger than this FFmpeg
            continue
        names.append(name)
    return names


def stored(frame: Frame, layout: Layout) -> dict[tuple[int, int, int], int]:
    """Return each stored sample, told one by one, by plane, row and place in the row."""
    samples = {}
    for plane, component in zip(frame.planes, layout.components, strict=False):
        for (y, x), value in np.ndenumerate(plane):
            place = component.offset + x * component.step
            samples[component.plane, y, place] = int(value) << layout.shift
    return samples


def pack(frame: Frame, name: str) -> av.VideoFrame:
    """Return a picture in the format `name`, filled one by one; unused samples are noise."""
    layout = LAYOUTS[name]
    picture = av.VideoFrame(frame.width, frame.height, name)
    order = ">" if layout.big_endian else "<"
    dtype = np.dtype(f"{order}u{frame.pixel_format.dtype.itemsize}")
    planes = []
    for plane in picture.planes:
        noise = np.random.default_rng(1).integers(0, 256, (plane.height, plane.line_size), np.uint8)
        # Alpha and padding, but legal: an encoder looks at them.
        legal = noise.view(dtype) & (frame.pixel_format.max_value << layout.shift)
        planes.append(legal.astype(dtype))
    for (plane_index, y, x), value in stored(frame, layout).items():
        planes[plane_index][y, x] = value
    return fill(picture, planes)


def expected_of(frame: Frame, layout: Layout) -> Frame:
    if len(layout.components) == 3:
        return frame
    neutral = np.full_like(frame.planes[1], 1 << (layout.pixel_format.bit_depth - 1))
    return Frame((frame.planes[0], neutral, neutral), frame.pixel_format)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("name", known_formats())
def test_every_layout_repacks_exactly(name: str, size: tuple[int, int]) -> None:
    layout = LAYOUTS[name]
    (frame,) = random_frames(layout.pixel_format, *size, count=1)
    found = repack(pack(frame, name).planes, layout, *size)
    assert_same([found], [expected_of(frame, layout)])
    assert not any(plane.flags.writeable for plane in found.planes)
    assert all(plane.strides[1] == plane.itemsize for plane in found.planes)


@pytest.mark.parametrize(
    "name", [n for n in known_formats() if not n.startswith(("gray", "ya8", "ya16", "yuvj"))]
)
def test_the_layout_is_the_one_ffmpeg_means(name: str) -> None:
    """FFmpeg's own scaler packs the samples; those whose range it would convert are left out."""
    if name in SCALER_CRASHES and int(av.__version__.split(".")[0]) < SCALER_FIXED:
        pytest.skip(f"the scaler of PyAV {av.__version__} crashes when it is asked for {name}")
    layout = LAYOUTS[name]
    frame = random_frames(layout.pixel_format, 64, 48, count=1)[0]
    picture = picture_of(frame)
    try:
        packed = picture.reformat(format=name)
    except (av.FFmpegError, ValueError):
        pytest.skip(f"this FFmpeg's scaler does not write {name}")
    found = repack(packed.planes, layout, 64, 48)
    assert_same([found], [frame])


@pytest.mark.parametrize(
    ("name", "codec", "suffix"),
    [
        ("nv12", "rawvideo", ".nut"),
        ("nv21", "rawvideo", ".nut"),
        ("y210le", "rawvideo", ".mkv"),
        ("yuyv422", "rawvideo", ".nut"),
        ("uyvy422", "rawvideo", ".mov"),
        ("yuv420p10be", "rawvideo", ".nut"),
        ("yuva420p", "ffv1", ".mkv"),
        ("yuva444p10le", "ffv1", ".mkv"),
        ("gray", "ffv1", ".mkv"),
        ("gray10le", "ffv1", ".mkv"),
        ("gray16be", "png", ".mov"),
        ("ya8", "png", ".mov"),
        ("yuvj420p", "rawvideo", ".nut"),
    ],
)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_files_in_other_packings_read_exactly(
    tmp_path: Path, name: str, codec: str, suffix: str, size: tuple[int, int]
) -> None:
    layout = LAYOUTS[name]
    frames = random_frames(layout.pixel_format, *size)
    path = encode(tmp_path / f"clip{suffix}", [pack(f, name) for f in frames], codec)
    with open_video(path) as reader:
        assert reader.info.pixel_format == layout.pixel_format
        assert_same(reader, [expected_of(f, layout) for f in frames])


def test_bits_below_the_samples_are_refused_not_shifted_out(tmp_path: Path) -> None:
    frames = random_frames(LAYOUTS["y210le"].pixel_format, 64, 48)
    pictures = [pack(f, "y210le") for f in frames]
    np.frombuffer(memoryview(pictures[1].planes[0]), "<u2")[9] |= 1
    path = encode(tmp_path / "clip.mkv", pictures, "rawvideo")
    reader = iter(open_video(path))
    next(reader)
    with pytest.raises(InputError, match=r"frame 1 \(y210le\): bits are set below the 10 bits"):
        next(reader)


def test_samples_above_the_depth_are_refused_in_containers_too(tmp_path: Path) -> None:
    (frame,) = random_frames(LAYOUTS["yuv420p10le"].pixel_format, 64, 48, count=1)
    frame.planes[0][2, 3] = 1024
    path = encode(tmp_path / "clip.nut", [picture_of(frame)], "rawvideo")
    with pytest.raises(InputError, match="frame 0 holds 1024 in plane Y at x=3, y=2"):
        list(open_video(path))


def test_a_picture_stored_bottom_up_is_refused() -> None:
    class Upside(bytes):
        line_size = -64

    layout = LAYOUTS["yuv420p"]
    planes = [Upside(64 * 48)] * 3
    with pytest.raises(ValueError, match="bottom-up"):
        repack(planes, layout, 64, 48)
