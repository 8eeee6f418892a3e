"""Damaged and cut files end in an InputError: no frame is concealed, skipped or left out."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import numpy as np
import pytest
from video_files import assert_same, encode, ffmpeg, picture_of, smooth_frames

from roi_accel.errors import InputError
from roi_accel.video import open_video
from roi_accel.video.decoding import missing_bytes
from roi_accel.video.reader import CheckedReader
from roi_accel.video.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from roi_accel.backends.frame import Frame

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


def garble(path: Path, at: float, length: int = 200) -> None:
    data = bytearray(path.read_bytes())
    start = int(len(data) * at)
    data[start : start + length] = np.random.default_rng(7).bytes(length)
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
    with pytest.raises(InputError, match=r"can(not)? be decoded"):
        list(open_video(path))


def test_a_cut_hevc_stream_is_refused_at_its_damaged_frame(tmp_path: Path, sound: Path) -> None:
    path = tmp_path / "clip.hevc"
    ffmpeg("-i", sound, "-c:v", "libx265", "-x265-params", "log-level=none:hash=1", path)
    os.truncate(path, path.stat().st_size - 40)
    with pytest.raises(InputError, match=r"cannot be decoded at frame 2\d"):
        list(open_video(path, threads=4))


def test_damage_in_the_last_frame_is_not_lost_among_frame_threads(
    tmp_path: Path, sound: Path
) -> None:
    """PyAV drops an error that follows a frame in one call; the count must show it."""
    path = tmp_path / "clip.mov"
    ffmpeg("-i", sound, "-c:v", "png", "-pix_fmt", "gray", "-movflags", "faststart", path)
    garble(path, 0.98)
    with pytest.raises(
        InputError, match=r"only 29 of 30 frames can be|cannot be decoded at frame 29"
    ):
        list(open_video(path, threads=4))


def test_a_matroska_that_ends_before_its_declared_duration_is_refused(
    tmp_path: Path, sound: Path
) -> None:
    path = tmp_path / "clip.mkv"
    ffmpeg("-i", sound, "-c", "copy", "-cluster_time_limit", 300, path)
    data = bytearray(path.read_bytes())
    segment = data.index(b"\x18\x53\x80\x67") + 4
    data[segment : segment + 8] = b"\x01" + b"\xff" * 7  # of unknown length, as live ones are
    third = [i for i in range(len(data)) if data.startswith(b"\x1f\x43\xb6\x75", i)][2]
    path.write_bytes(data[:third])
    with pytest.raises(InputError, match=r"ends after 0\.\d\d s, but the file declares 1\.20 s"):
        list(open_video(path))


def test_an_incomplete_packet_is_refused_as_such(tmp_path: Path, sound: Path) -> None:
    path = muxed(sound, tmp_path, "ts")
    data = path.read_bytes()
    middle = len(data) // 2 // 188 * 188
    path.write_bytes(data[:middle] + data[middle + 188 :])  # one packet was lost on its way
    with pytest.raises(InputError, match="a packet is incomplete"):
        list(open_video(path))


def test_frames_that_lack_their_references_are_not_left_out(tmp_path: Path, sound: Path) -> None:
    """Of a stream cut at an open group of pictures, FFmpeg by itself drops the first frame."""
    path = tmp_path / "clip.h264"
    open_groups = "open-gop=1:keyint=10:min-keyint=10:bframes=3:b-adapt=0:repeat-headers=1"
    ffmpeg("-i", sound, "-c:v", "libx264", "-x264-params", open_groups, path)
    code = b"\x00\x00\x01"
    units = path.read_bytes().split(code)
    second = [i for i, unit in enumerate(units) if unit and unit[0] & 31 == 7][1]
    path.write_bytes(code + code.join(units[second:]))
    with pytest.raises(InputError, match="cannot be decoded at frame 0"):
        list(open_video(path))


def test_a_file_whose_frames_are_all_gone_is_refused(tmp_path: Path, sound: Path) -> None:
    class Nothing(CheckedReader):
        def _frames(self) -> Generator[Frame, None, None]:
            yield from ()

    path = muxed(sound, tmp_path, "matroska")
    with pytest.raises(InputError, match="holds no video frame"):
        list(Nothing(open_video(path).info, SourceFile.examine(path)))


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
