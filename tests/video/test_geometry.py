"""What a pair must share, what is too small, and which files are no video at all."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from video_files import (
    P8,
    assert_same,
    encode,
    picture_of,
    random_frames,
    smooth_frames,
    write_raw,
    write_y4m,
)

from roi_accel.backends.frame import PixelFormat
from roi_accel.errors import InputError
from roi_accel.video import RawGeometry, check_same_geometry, check_scorable, open_video

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.video import VideoInfo

GEOMETRY = RawGeometry(64, 48, P8)


@pytest.fixture
def info(tmp_path: Path) -> VideoInfo:
    path = write_raw(tmp_path / "reference.yuv", smooth_frames(64, 48, 1))
    return open_video(path, raw=GEOMETRY).info


def test_equal_geometries_pass(info: VideoInfo) -> None:
    check_same_geometry(info, replace(info, kind="container"))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"width": 66}, "size"),
        ({"height": 50}, "size"),
        ({"pixel_format": PixelFormat("420", 10)}, "bit depth"),
        ({"pixel_format": PixelFormat("444", 8)}, "chroma subsampling"),
        ({"width": 2, "pixel_format": PixelFormat("422", 12)}, "size and bit depth and chroma"),
    ],
)
def test_a_difference_is_named_with_both_geometries(
    info: VideoInfo, change: dict[str, object], what: str
) -> None:
    other = replace(info, **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"differ in {what}") as caught:
        check_same_geometry(info, other)
    assert "64x48 4:2:0 8-bit" in caught.value.message
    sampling = ":".join(other.pixel_format.subsampling)
    assert f"{other.width}x{other.height} {sampling} {other.pixel_format.bit_depth}-bit" in str(
        caught.value
    )
    assert ("--scale bicubic" in caught.value.remedy) == (what == "size")
    assert ("-vf scale=" in caught.value.remedy) == (what == "size")


@pytest.mark.parametrize("size", [(31, 64), (64, 31), (1, 1)], ids=str)
def test_a_side_under_32_is_refused(info: VideoInfo, size: tuple[int, int]) -> None:
    with pytest.raises(InputError, match="at least 32 pixels"):
        check_scorable(replace(info, width=size[0], height=size[1]))


def test_a_side_of_32_is_scored(info: VideoInfo) -> None:
    check_scorable(replace(info, width=32, height=32))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.mp4: no such file"):
        open_video(tmp_path / "absent.mp4")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a directory"):
        open_video(tmp_path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.yuv").touch()
    with pytest.raises(InputError, match="is empty"):
        open_video(tmp_path / "empty.yuv", raw=GEOMETRY)


def test_an_empty_name_is_refused() -> None:
    with pytest.raises(InputError, match="name of the file is empty"):
        open_video("")


def test_an_impossible_name_is_refused() -> None:
    with pytest.raises(InputError, match="not a possible file name"):
        open_video("a\0b")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.y4m")
    with pytest.raises(InputError, match="is a pipe or a device"):
        open_video(tmp_path / "pipe.y4m")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path: Path) -> None:
    path = write_raw(tmp_path / "clip.yuv", smooth_frames(64, 48, 1))
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read: permission denied"):
        open_video(path, raw=GEOMETRY)


def test_a_failing_open_is_an_input_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_raw(tmp_path / "clip.yuv", smooth_frames(64, 48, 1))
    reader = open_video(path, raw=GEOMETRY)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("os.open", refuse)
    with pytest.raises(InputError, match="cannot be read: permission denied"):
        open_video(path, raw=GEOMETRY)
    with pytest.raises(InputError, match="cannot be read: permission denied"):
        next(iter(reader))


def test_a_negative_thread_count_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="threads is -1"):
        open_video(tmp_path, threads=-1)


def test_raw_options_that_agree_with_a_header_are_fine(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 2)
    y4m = write_y4m(tmp_path / "clip.y4m", "W64 H48", frames)
    mkv = encode(tmp_path / "clip.mkv", [picture_of(f) for f in frames])
    for path in (y4m, mkv):
        assert_same(open_video(path, raw=GEOMETRY), frames)


@pytest.mark.parametrize(
    "geometry",
    [RawGeometry(66, 48, P8), RawGeometry(64, 48, PixelFormat("420", 10))],
    ids=["size", "format"],
)
def test_raw_options_that_contradict_a_header_are_refused(
    tmp_path: Path, geometry: RawGeometry
) -> None:
    frames = smooth_frames(64, 48, 2)
    y4m = write_y4m(tmp_path / "clip.y4m", "W64 H48", frames)
    mkv = encode(tmp_path / "clip.mkv", [picture_of(f) for f in frames])
    for path in (y4m, mkv):
        with pytest.raises(InputError, match=r"declares .*, but the options say"):
            open_video(path, raw=geometry)


def test_unknown_content_with_geometry_is_raw(tmp_path: Path) -> None:
    frames = random_frames(P8, 64, 48)
    for name in ("clip", "clip.bin", "clip.v2.final", ".hidden"):
        with open_video(write_raw(tmp_path / name, frames), raw=GEOMETRY) as reader:
            assert reader.info.kind == "raw"
            assert_same(reader, frames)


def test_a_container_under_another_name_is_not_read_as_raw(tmp_path: Path) -> None:
    frames = smooth_frames(64, 48, 2)
    encode(tmp_path / "clip.mkv", [picture_of(f) for f in frames]).rename(tmp_path / "clip")
    with open_video(tmp_path / "clip", raw=GEOMETRY) as reader:
        assert reader.info.kind == "container"
        assert_same(reader, frames)


def test_importing_the_package_loads_no_pyav() -> None:
    code = "import roi_accel.video, sys; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_missing_pyav_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "clip.mkv", [picture_of(f) for f in smooth_frames(64, 48, 1)])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError, match="PyAV is needed") as caught:
        open_video(path)
    assert caught.value.remedy == 'pip install "roi-accel[cpu]"'
