"""Raw planar YUV: exact bytes, whole frames, and geometries that fit."""

from __future__ import annotations

import os
import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import smooth_frames as deep_frames
from video_files import (
    ALL_FORMATS,
    FORMAT_IDS,
    P8,
    SIZES,
    assert_same,
    random_frames,
    smooth_frames,
    write_raw,
)

from roi_accel.backends.frame import ColourMatrix, ColourRange, Frame, PixelFormat
from roi_accel.errors import InputError
from roi_accel.video import MAX_SIDE, RawGeometry, open_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=FORMAT_IDS)
def test_every_format_and_odd_size_reads_back(
    tmp_path: Path, pixel_format: PixelFormat, size: tuple[int, int]
) -> None:
    frames = random_frames(pixel_format, *size)
    path = write_raw(tmp_path / "clip.yuv", frames)
    with open_video(path, raw=RawGeometry(*size, pixel_format)) as reader:
        assert reader.info.kind == "raw"
        assert reader.info.frame_count == len(frames)
        assert_same(reader, frames)
        assert_same(reader, frames)  # from the first frame again


def test_colour_is_assumed_by_size(tmp_path: Path) -> None:
    for width, height, matrix in (
        (1280, 64, ColourMatrix.BT709),
        (64, 720, ColourMatrix.BT709),
        (1278, 718, ColourMatrix.BT601),
    ):
        path = write_raw(tmp_path / "clip.yuv", random_frames(P8, width, height, 1))
        info = open_video(path, raw=RawGeometry(width, height, P8)).info
        assert (info.colour_matrix, info.colour_matrix_source) == (matrix, "assumed")
        assert (info.colour_range, info.colour_range_source) == (ColourRange.LIMITED, "assumed")


def test_frames_are_read_only_and_outlive_the_reader(tmp_path: Path) -> None:
    frames = random_frames(P8, 64, 48, 4)
    path = write_raw(tmp_path / "clip.yuv", frames)
    with open_video(path, raw=RawGeometry(64, 48, P8)) as reader:
        kept = list(reader)
    path.unlink()
    assert_same(kept, frames)
    assert not any(plane.flags.writeable for frame in kept for plane in frame.planes)


def test_a_size_of_no_whole_frames_is_refused_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(P8.frame_bytes(176, 144) * 3 - 100))
    with pytest.raises(InputError, match=r"frame 2 lacks 100 bytes"):
        open_video(path, raw=RawGeometry(176, 144, P8))


def test_a_wrong_geometry_names_those_that_fit(tmp_path: Path) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(P8.frame_bytes(176, 144) * 7))
    with pytest.raises(InputError) as caught:
        open_video(path, raw=RawGeometry(352, 288, PixelFormat("444", 16)))
    assert "176x144 yuv420p (7 frames)" in caught.value.remedy


def test_missing_geometry_names_the_options_and_what_fits(tmp_path: Path) -> None:
    ten = PixelFormat("420", 10)
    path = tmp_path / "src01_576x324.yuv420p10le.yuv"
    path.write_bytes(bytes(ten.frame_bytes(576, 324) * 3))
    with pytest.raises(InputError, match="does not declare its size") as caught:
        open_video(path)
    assert "--width, --height and --pix-fmt" in caught.value.remedy
    assert "fits 576x324 yuv420p10le (3 frames)" in caught.value.remedy
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("depth", [8, 10, 12])
def test_the_depth_that_samples_look_like_is_suggested_first(tmp_path: Path, depth: int) -> None:
    pixel_format = PixelFormat("420", depth)
    path = write_raw(tmp_path / "clip.yuv", deep_frames(pixel_format, 640, 360, 2))
    with pytest.raises(InputError) as caught:
        open_video(path)
    assert f"640x360 {pixel_format.name} (2 frames)" in caught.value.remedy
    wrong = RawGeometry(650, 360, pixel_format)
    with pytest.raises(InputError, match="not a whole number") as caught:
        open_video(path, raw=wrong)
    assert f"640x360 {pixel_format.name} (2 frames)" in caught.value.remedy


def test_wider_samples_read_as_8_bits_are_doubted(tmp_path: Path) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(np.resize(np.arange(64, 940, dtype="<u2"), 64 * 48 * 3 // 2).tobytes())
    with open_video(path, raw=RawGeometry(64, 48, PixelFormat("420", 8))) as reader:
        assert "10 bits" in reader.info.doubt
    with open_video(path, raw=RawGeometry(64, 48, PixelFormat("420", 10))) as reader:
        assert not reader.info.doubt


def slow_waves(pixel_format: PixelFormat, width: int, height: int, count: int) -> list[Frame]:
    """Return frames whose neighbouring samples are about as alike as a picture's."""
    planes = [
        np.round(
            (0.5 + 0.2 * np.sin(x / 19) + 0.2 * np.cos(y / 17)) * pixel_format.max_value
        ).astype(pixel_format.dtype)
        for shape in pixel_format.plane_shapes(width, height)
        for y, x in [np.mgrid[: shape[0], : shape[1]]]
    ]
    return [Frame((planes[0], planes[1], planes[2]), pixel_format)] * count


@pytest.mark.parametrize(("given", "depth"), [(8, 10), (8, 12), (16, 10), (16, 12)])
def test_a_depth_that_samples_do_not_look_like_is_doubted_with_what_to_type(
    tmp_path: Path, given: int, depth: int
) -> None:
    frames = slow_waves(PixelFormat("420", depth), 640, 360, 2)
    path = write_raw(tmp_path / "clip.yuv", frames)
    with open_video(path, raw=RawGeometry(640, 360, PixelFormat("420", given))) as reader:
        wanted = PixelFormat("420", depth).name
        assert reader.info.doubt.endswith(f"if they are, type --pix-fmt {wanted}")
    with open_video(path, raw=RawGeometry(640, 360, PixelFormat("420", depth))) as reader:
        assert not reader.info.doubt


@pytest.mark.parametrize("spread", [256, 257])
def test_8_bits_spread_over_16_are_not_doubted(tmp_path: Path, spread: int) -> None:
    (frame,) = slow_waves(P8, 640, 360, 1)
    samples = np.concatenate([plane.ravel() for plane in frame.planes])
    path = tmp_path / "clip.yuv"
    path.write_bytes((samples.astype("<u2") * spread).tobytes())
    with open_video(path, raw=RawGeometry(640, 360, PixelFormat("420", 16))) as reader:
        assert not reader.info.doubt


def test_noise_of_8_bits_is_not_doubted(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "clip.yuv", random_frames(P8, 640, 360, 4))
    with open_video(path, raw=RawGeometry(320, 180, P8)) as reader:
        assert not reader.info.doubt


def test_of_the_sizes_that_divide_the_file_common_ones_are_suggested_first(tmp_path: Path) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes(P8.frame_bytes(640, 360) * 48))
    with pytest.raises(InputError) as caught:
        open_video(path)
    assert "its size fits 1280x720 yuv420p (12 frames), 640x360 yuv420p (48" in caught.value.remedy


@pytest.mark.parametrize("value", [0, 5, 16, 128, 255])
def test_flat_8_bit_frames_are_not_doubted(tmp_path: Path, value: int) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes([value]) * (64 * 48 * 3 // 2))
    with open_video(path, raw=RawGeometry(64, 48, PixelFormat("420", 8))) as reader:
        assert not reader.info.doubt


def test_a_size_in_the_name_is_suggested_even_if_uncommon(tmp_path: Path) -> None:
    path = tmp_path / "odd_101x67_25fps.yuv"
    path.write_bytes(bytes(P8.frame_bytes(101, 67) * 2))
    with pytest.raises(InputError, match=r"101x67 yuv420p \(2 frames\)"):
        open_video(path)


@pytest.mark.parametrize("size", [(70_000, 70_000), (MAX_SIDE + 1, 32)], ids=str)
def test_huge_frames_are_refused_with_their_memory(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(b"x")
    tracemalloc.start()
    try:
        with pytest.raises(InputError, match=r"would take \d+\.\d GB each"):
            open_video(path, raw=RawGeometry(*size, P8))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [(0, 64), (64, -2)], ids=str)
def test_empty_frames_are_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "clip.yuv"
    path.write_bytes(b"x")
    with pytest.raises(InputError, match="start at 1"):
        open_video(path, raw=RawGeometry(*size, P8))


@pytest.mark.parametrize("bit_depth", [10, 12])
@pytest.mark.parametrize("plane", [0, 1, 2])
def test_a_sample_above_the_depth_is_refused_with_its_place(
    tmp_path: Path, bit_depth: int, plane: int
) -> None:
    pixel_format = PixelFormat("422", bit_depth)
    frames = random_frames(pixel_format, 64, 48)
    frames[1].planes[plane][7, 5] = 1 << bit_depth
    path = write_raw(tmp_path / "clip.yuv", frames)
    reader = iter(open_video(path, raw=RawGeometry(64, 48, pixel_format)))
    next(reader)
    wanted = f"frame 1 holds {1 << bit_depth} in plane {'YUV'[plane]} at x=5, y=7"
    with pytest.raises(InputError, match=wanted):
        next(reader)


def test_memory_stays_flat_over_300_frames(tmp_path: Path) -> None:
    size = P8.frame_bytes(320, 240)
    path = tmp_path / "long.yuv"
    path.write_bytes(bytes(size * 300))
    tracemalloc.start()
    try:
        with open_video(path, raw=RawGeometry(320, 240, P8)) as reader:
            assert sum(1 for _ in reader) == 300
        assert tracemalloc.get_traced_memory()[1] < 4 * size
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes() + b"more"), "changed while"),
        (lambda path: os.truncate(path, 100), "changed while"),
        (lambda path: os.utime(path, ns=(0, 0)), "changed while"),
        (lambda path: path.unlink(), "no such file"),
    ],
    ids=["appended", "cut", "touched", "removed"],
)
def test_a_change_during_the_run_is_found_at_the_next_frame(
    tmp_path: Path, change: Callable[[Path], object], message: str
) -> None:
    path = write_raw(tmp_path / "clip.yuv", smooth_frames(64, 48, 5))
    frames = iter(open_video(path, raw=RawGeometry(64, 48, P8)))
    next(frames)
    change(path)
    with pytest.raises(InputError, match=message):
        next(frames)


def test_a_change_of_directory_does_not_lose_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = smooth_frames(64, 48, 2)
    write_raw(tmp_path / "clip.yuv", frames)
    monkeypatch.chdir(tmp_path)
    reader = open_video("clip.yuv", raw=RawGeometry(64, 48, P8))
    monkeypatch.chdir("/")
    assert_same(reader, frames)


def test_a_closed_reader_gives_no_frames(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "clip.yuv", smooth_frames(64, 48, 3))
    reader = open_video(path, raw=RawGeometry(64, 48, P8))
    frames = iter(reader)
    next(frames)
    reader.close()
    reader.close()
    assert list(frames) == []
    with pytest.raises(ValueError, match="closed"):
        iter(reader)


def test_the_real_10_bit_clip_reads_as_numpy_reads_it(real_file: Callable[[str], Path]) -> None:
    path = real_file("clips/src01_hrc00_576x324.yuv420p10le.yuv")
    ten = PixelFormat("420", 10)
    samples = np.fromfile(path, "<u2").reshape(3, -1)
    with open_video(path, raw=RawGeometry(576, 324, ten)) as reader:
        for frame, wanted in zip(reader, samples, strict=True):
            found = np.concatenate([plane.ravel() for plane in frame.planes])
            np.testing.assert_array_equal(found, wanted)
