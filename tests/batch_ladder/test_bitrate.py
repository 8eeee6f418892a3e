"""Claims about the bitrate of a file, on files that the bundled ffmpeg made."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import av
import pytest
from clips import P8, run_ffmpeg, smooth_frames, write_raw, write_y4m

from roi_accel.errors import InputError
from roi_accel.video.opening import bitrate_of

if TYPE_CHECKING:
    from pathlib import Path

FRAMES, RATE = 40, 25


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an elementary stream of H.264: nothing but its packets, one after another."""
    folder = tmp_path_factory.mktemp("bitrate")
    source = write_y4m(folder / "source.y4m", smooth_frames(P8, 96, 64, FRAMES))
    run_ffmpeg("-i", source, "-c:v", "libx264", "-crf", 30, folder / "clip.mp4")
    run_ffmpeg("-i", folder / "clip.mp4", "-c:v", "copy", folder / "clip.h264")
    return folder / "clip.h264"


def with_sound(clip: Path, path: Path) -> Path:
    sound = ("-f", "lavfi", "-i", "sine=frequency=440:duration=1.6")
    timed = clip.with_suffix(".mp4")
    run_ffmpeg("-i", timed, *sound, "-c:v", "copy", "-c:a", "aac", "-b:a", "128k", path)
    return path


def test_an_elementary_stream_s_is_the_size_of_the_file_over_its_duration(clip: Path) -> None:
    expected = clip.stat().st_size * 8 * RATE / FRAMES
    assert bitrate_of(clip, frames=FRAMES, frame_rate=RATE) == pytest.approx(expected)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_sound_and_the_container_do_not_count(clip: Path, tmp_path: Path, suffix: str) -> None:
    path = with_sound(clip, tmp_path / f"clip{suffix}")
    assert path.stat().st_size > 1.5 * clip.stat().st_size
    found = bitrate_of(path, frames=FRAMES, frame_rate=RATE)
    alone = bitrate_of(clip, frames=FRAMES, frame_rate=RATE)
    # MP4 and Matroska keep the headers of H.264 once, outside of the packets.
    assert found == pytest.approx(alone, rel=0.25)
    assert found != bitrate_of(path, frames=2 * FRAMES, frame_rate=RATE)


def test_it_is_what_the_packets_of_the_video_stream_add_up_to(clip: Path, tmp_path: Path) -> None:
    path = with_sound(clip, tmp_path / "clip.mp4")
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0)]
    assert bitrate_of(path) == pytest.approx(sum(sizes) * 8 / (FRAMES / RATE))


def test_the_files_own_frames_and_frame_rate_are_the_default(clip: Path, tmp_path: Path) -> None:
    path = with_sound(clip, tmp_path / "clip.mkv")
    given = bitrate_of(path, frames=FRAMES, frame_rate=Fraction(RATE))
    assert bitrate_of(path) == pytest.approx(given)


def test_raw_video_and_y4m_have_none(tmp_path: Path) -> None:
    frames = smooth_frames(P8, 96, 64, 2)
    for path in (
        write_raw(tmp_path / "clip.yuv", frames),
        write_raw(tmp_path / "clip.unknown", frames),
        write_y4m(tmp_path / "clip.y4m", frames),
        write_y4m(tmp_path / "clip.mp4", frames),
    ):
        assert bitrate_of(path) is None


def test_a_container_is_known_by_what_is_in_it(clip: Path, tmp_path: Path) -> None:
    path = with_sound(clip, tmp_path / "clip.mp4")
    path.rename(tmp_path / "clip.unknown")
    assert bitrate_of(tmp_path / "clip.unknown")


def test_a_file_that_is_cut_off_has_no_bitrate_but_an_error(clip: Path, tmp_path: Path) -> None:
    path = with_sound(clip, tmp_path / "clip.mp4")
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(InputError, match="cut off"):
        bitrate_of(path)


def test_nothing_is_decoded(clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = with_sound(clip, tmp_path / "clip.mp4")

    def decode(*_: object) -> None:
        pytest.fail("it decoded")

    monkeypatch.setattr("roi_accel.video.decoding._prepare", decode)
    assert bitrate_of(path)
