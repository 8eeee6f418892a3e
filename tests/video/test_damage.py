"""Damaged and cut files end in an InputError: no frame is concealed, skipped or left out."""

from __future__ import annotations

import io
import os
import random
from typing import TYPE_CHECKING

import pytest
from roi_accel.errors import InputError
from roi_accel.video import open_video
from roi_accel.video.container import ContainerReader
from roi_accel.video.integrity import missing_bytes
from video_files import assert_same, encode, ffmpeg, picture_of, smooth_frames

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 30

MUXERS = {
    "faststart": ("clip.mp4", ["-movflags", "+faststart"]),
    "moov-last": ("clip.mp4", []),
    "fragmented": ("clip.mp4", ["-movflags", "+frag_keyframe+empty_moov"]),
    "mov": ("clip.mov", []),
    "matroska": ("clip.mkv", []),
    "live-matroska": ("clip.mkv", ["-live", "1"]),
    "avi": ("clip.avi", ["-bsf:v", "h264_mp4toannexb"]),
    "ts": ("clip.ts", []),
    "flv": ("clip.flv", []),
    "h264": ("clip.h264", []),
    "nut": ("clip.nut", []),
}


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [picture_of(f) for f in smooth_frames(160, 128, FRAMES)]
    options = {"g": "10", "bf": "2", "crf": "10"}
    folder = tmp_path_factory.mktemp("sound")
    return encode(folder / "sound.mkv", pictures, "libx264", options)


def muxed(sound: Path, folder: Path, kind: str) -> Path:
    name, options = MUXERS[kind]
    ffmpeg("-i", sound, "-c", "copy", *options, folder / name)
    return folder / name


def garble(path: Path, at: float, length: int = 40) -> None:
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + length] = random.Random(7).randbytes(length)
    path.write_bytes(data)


@pytest.mark.parametrize("kind", MUXERS)
def test_a_sound_file_is_whole(tmp_path: Path, sound: Path, kind: str) -> None:
    path = muxed(sound, tmp_path, kind)
    with path.open("rb") as stream:
        assert missing_bytes(stream, path.stat().st_size) == 0
    assert_same(open_video(path), list(open_video(sound)))


@pytest.mark.parametrize("kind", ["faststart", "moov-last", "fragmented", "mov", "matroska", "avi"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_cut_file_is_refused_before_decoding(
    tmp_path: Path, sound: Path, kind: str, share: float
) -> None:
    path = muxed(sound, tmp_path, kind)
    size = path.stat().st_size
    os.truncate(path, int(size * share))
    with pytest.raises(InputError, match=r"is cut off: \d+ bytes are missing at its end"):
        open_video(path)


@pytest.mark.parametrize("kind", ["ts", "h264", "flv"])
def test_a_cut_stream_is_refused_at_its_damaged_frame(
    tmp_path: Path, sound: Path, kind: str
) -> None:
    path = muxed(sound, tmp_path, kind)
    os.truncate(path, int(path.stat().st_size * 0.6))
    with pytest.raises(InputError, match=r"cannot be decoded at frame \d+"):
        list(open_video(path))


def test_bytes_after_the_last_box_are_no_damage(tmp_path: Path, sound: Path) -> None:
    path = muxed(sound, tmp_path, "moov-last")
    with path.open("ab") as stream:
        stream.write(b"\x7f\xff\xff\xffjunk that a camera left behind")
    assert len(list(open_video(path))) == FRAMES


@pytest.mark.parametrize("at", [0.25, 0.5, 0.75])
@pytest.mark.parametrize("kind", ["moov-last", "matroska", "ts"])
def test_garbled_h264_is_refused(tmp_path: Path, sound: Path, kind: str, at: float) -> None:
    path = muxed(sound, tmp_path, kind)
    garble(path, at)
    with pytest.raises(InputError, match=r"cannot be decoded at frame \d+"):
        list(open_video(path))


@pytest.mark.parametrize(
    ("codec", "options"),
    [
        ("mpeg2video", []),
        ("mpeg4", []),
        ("mjpeg", ["-q:v", 2]),
        ("png", ["-pix_fmt", "gray"]),
        ("libx265", ["-x265-params", "log-level=none:hash=1"]),
    ],
)
def test_garbled_frames_of_other_codecs_are_refused(
    tmp_path: Path, sound: Path, codec: str, options: list[object]
) -> None:
    path = tmp_path / "clip.mov"
    ffmpeg("-i", sound, "-c:v", codec, *options, path)
    assert len(list(open_video(path))) == FRAMES
    garble(path, 0.6)
    with pytest.raises(InputError, match=r"cannot be decoded at frame \d+"):
        list(open_video(path))


def test_damage_in_the_last_frame_is_not_lost_among_frame_threads(
    tmp_path: Path, sound: Path
) -> None:
    """PyAV drops an error that follows a frame in one call; the second look must find it."""
    path = tmp_path / "clip.hevc"
    ffmpeg("-i", sound, "-c:v", "libx265", "-x265-params",
           "log-level=none:bframes=0", path)  # fmt: skip
    os.truncate(path, path.stat().st_size - 40)
    with pytest.raises(InputError, match="frame 29"):
        list(open_video(path, threads=4))


def test_a_second_look_that_gives_other_frames_is_an_error(tmp_path: Path, sound: Path) -> None:
    reader = open_video(muxed(sound, tmp_path, "matroska"))
    assert isinstance(reader, ContainerReader)
    look_again = reader._look_again  # noqa: SLF001
    look_again(FRAMES)
    with pytest.raises(InputError, match="gave 29 frames at first and 30 when decoded again"):
        look_again(FRAMES - 1)


def test_a_matroska_in_which_ffmpeg_loses_its_way_is_refused(tmp_path: Path, sound: Path) -> None:
    path = tmp_path / "clip.mkv"
    ffmpeg("-stream_loop", 3, "-i", sound, "-c", "copy", path)
    data = path.read_bytes()
    start = int(len(data) * 0.4)
    # Zeros look like no element at all, so the demuxer searches on and finds the end.
    path.write_bytes(data[:start] + bytes(len(data) - start))
    with pytest.raises(InputError, match=r"cannot be decoded at frame \d+"):
        list(open_video(path))


def test_a_change_during_the_run_is_found(tmp_path: Path, sound: Path) -> None:
    path = muxed(sound, tmp_path, "matroska")
    frames = iter(open_video(path))
    next(frames)
    os.utime(path, ns=(0, 0))
    with pytest.raises(InputError, match="changed while it was being read"):
        next(frames)


def test_a_stream_without_frames_is_refused(tmp_path: Path, sound: Path) -> None:
    path = tmp_path / "clip.mp4"
    ffmpeg("-i", sound, "-c", "copy", "-frames:v", 0, "-movflags", "+empty_moov", path)
    with pytest.raises(InputError, match=r"clip\.mp4"):
        open_video(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00\x00\x08ftyp",
        b"\x00\x00\x00\x08ftyp" * 40,
        b"\x00\x00\x00\x01mdat" + b"\xff" * 4,
        b"\x1a\x45\xdf\xa3",
        b"\x1a\x45\xdf\xa3\x00",
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67",
        b"\x1a\x45\xdf\xa3\x80\x18\x53\x80\x67\xff",
        b"RIFF\x00\x00\x00\x00AVI ",
        b"RIFF\xff\xff\xff\xffAVI ",
    ],
)
def test_fragments_of_headers_say_nothing_about_the_length(data: bytes) -> None:
    assert missing_bytes(io.BytesIO(data), len(data)) == 0
