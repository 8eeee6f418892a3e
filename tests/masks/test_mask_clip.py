"""--mask with a video of masks."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roi_accel.errors import InputError
from roi_accel.masks.media import ClipSource

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.usefixtures("no_python_warnings")


def noise(count: int, *, seed: int = 0, shape: tuple[int, int] = (36, 64)) -> list[Any]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 65536, shape, dtype=np.uint16) for _ in range(count)]


@pytest.fixture
def clip(tmp_path: Path, encode: Any) -> Any:
    def write(pictures: list[Any]) -> Path:
        path = tmp_path / "masks.mkv"
        encode(path, pictures, codec="ffv1", pix_fmt="gray16le", level=3)
        return path

    return write


def test_ffv1_gray16_round_trips_exactly_and_in_order(
    clip: Any, open_source: Any, ask: Any
) -> None:
    pictures = noise(7)
    source = open_source(mask=clip(pictures))
    assert isinstance(source, ClipSource)
    for index, picture in enumerate(pictures):
        (mask,) = ask(source, index)
        np.testing.assert_array_equal(mask, picture)
    source.finish(7, whole=True)


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    width=st.integers(8, 70),
    height=st.integers(8, 70),
    count=st.integers(1, 4),
    seed=st.integers(0, 2**32),
)
def test_any_ffv1_gray16_clip_round_trips(
    clip: Any, open_source: Any, *, width: int, height: int, count: int, seed: int
) -> None:
    pictures = noise(count, seed=seed, shape=(height, width))
    source = open_source(mask=clip(pictures), width=width, height=height)
    for index, picture in enumerate(pictures):
        np.testing.assert_array_equal(source.masks(index, None, None)[0], picture)
    source.finish(count, whole=True)
    source.close()


@pytest.mark.parametrize(
    "arguments",
    [
        "-c:v libx264 -pix_fmt yuv420p a.mp4",
        "-c:v mjpeg -q:v 1 a.avi",
        "-pix_fmt gray a.y4m",
        "-c:v ffv1 -pix_fmt gray10le a.mkv",
        "-c:v libvpx-vp9 -pix_fmt yuv420p a.webm",
    ],
)
def test_video_of_a_known_gray_reads_as_that_gray(
    tmp_path: Path, ffmpeg: str, open_source: Any, ask: Any, arguments: str
) -> None:
    *options, name = arguments.split()
    lavfi = "color=0x404040:size=128x72:rate=5:duration=1"
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", lavfi, *options, name]
    subprocess.run(command, check=True, cwd=tmp_path)
    source = open_source(mask=tmp_path / name)
    for index in range(5):
        (mask,) = ask(source, index)
        assert np.abs(mask.astype(int) - 0x4040).max() <= 257  # one code of 8 bits
    source.finish(5, whole=True)


def test_clip_that_ends_early_is_refused_with_the_frame(
    clip: Any, open_source: Any, ask: Any
) -> None:
    source = open_source(mask=clip(noise(3)))
    for index in range(3):
        ask(source, index)
    with pytest.raises(InputError, match="ends after 3 frames; frame 3 has no mask") as caught:
        ask(source, 3)
    assert "score no more than have one with --frame-count 3, or" in caught.value.remedy


@pytest.mark.parametrize("first", [2, 3])
def test_frames_to_score_are_counted_from_the_first_that_is_scored(
    clip: Any, open_source: Any, ask: Any, first: int
) -> None:
    source = open_source(mask=clip(noise(3)), first_frame=first)
    for index in range(3 - first):
        ask(source, index)
    with pytest.raises(InputError, match="ends after 3 frames; frame 3") as caught:
        ask(source, 3 - first)
    assert ("--frame-count" in caught.value.remedy) == (first == 2)
    if first == 2:
        assert "--frame-count 1, or" in caught.value.remedy


def test_clip_that_goes_on_is_refused_at_the_end(clip: Any, open_source: Any, ask: Any) -> None:
    source = open_source(mask=clip(noise(3)))
    ask(source, 0)
    ask(source, 1)
    with pytest.raises(InputError, match="goes on after frame 1"):
        source.finish(2, whole=True)


def test_clip_may_go_on_when_the_run_was_cut_short(clip: Any, open_source: Any, ask: Any) -> None:
    source = open_source(mask=clip(noise(3)))
    ask(source, 0)
    source.finish(1, whole=False)


def test_clip_that_changes_during_the_run_is_refused(clip: Any, open_source: Any, ask: Any) -> None:
    path = clip(noise(3))
    source = open_source(mask=path)
    ask(source, 0)
    with path.open("ab") as file:
        file.write(b"\0")
    with pytest.raises(InputError, match="changed while it was being read"):
        source.finish(1, whole=False)
    with pytest.raises(InputError, match="changed while it was being read"):
        source.provenance()


def test_frames_out_of_order_are_a_mistake_of_the_caller(
    clip: Any, open_source: Any, ask: Any
) -> None:
    source = open_source(mask=clip(noise(3)))
    with pytest.raises(ValueError, match="expected frame 0, not 1"):
        ask(source, 1)


def test_colour_video_is_refused_at_its_frame(
    tmp_path: Path, encode: Any, open_source: Any, ask: Any
) -> None:
    gray = np.full((54, 64), 128, np.uint8)
    colour = gray.copy()
    colour[40:, :] = 200
    path = encode(tmp_path / "a.mkv", [gray, colour], codec="ffv1", pix_fmt="yuv420p")
    source = open_source(mask=path)
    ask(source, 0)
    with pytest.raises(InputError, match="frame 1: not a gray picture"):
        ask(source, 1)


@pytest.mark.parametrize("seed", range(4))
def test_damaged_video_is_refused_not_concealed(
    tmp_path: Path, ffmpeg: str, open_source: Any, ask: Any, seed: int
) -> None:
    path = tmp_path / "a.h264"
    lavfi = "testsrc2=size=128x72:rate=5:duration=2,hue=s=0"
    command = f"{ffmpeg} -v error -f lavfi -i {lavfi} -c:v libx264 -pix_fmt yuv420p {path}"
    subprocess.run(command.split(), check=True)
    content = bytearray(path.read_bytes())
    random = np.random.default_rng(seed)
    for at in random.integers(len(content) // 5, len(content) * 4 // 5, 30):
        content[at] ^= 0x55
    path.write_bytes(content)
    source = open_source(mask=path)
    asked = (ask(source, index) for index in range(10))
    with pytest.raises(InputError, match=r"damaged|cannot be decoded"):
        list(asked)


def test_size_that_changes_mid_stream_is_refused_at_its_frame(
    tmp_path: Path, ffmpeg: str, open_source: Any, ask: Any
) -> None:
    for size in ("128x72", "256x144"):
        lavfi = f"color=gray:size={size}:rate=5:duration=1"
        command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", lavfi, "-c:v", "mpeg2video"]
        subprocess.run([*command, f"{size}.m2v"], check=True, cwd=tmp_path)
    path = tmp_path / "both.m2v"
    path.write_bytes(
        b"".join((tmp_path / f"{it}.m2v").read_bytes() for it in ("128x72", "256x144"))
    )
    source = open_source(mask=path)
    asked = (ask(source, index) for index in range(9))
    with pytest.raises(InputError, match=r"frame [45]: is 256x144, where .* 128x72"):
        list(asked)


def test_several_video_streams_are_refused(tmp_path: Path, ffmpeg: str, open_source: Any) -> None:
    lavfi = "color=gray:size=64x36:rate=5:duration=1"
    command = f"{ffmpeg} -v error -f lavfi -i {lavfi} -map 0:v -map 0:v -c:v ffv1 a.mkv"
    subprocess.run(command.split(), check=True, cwd=tmp_path)
    with pytest.raises(InputError, match="has 2 video streams"):
        open_source(mask=tmp_path / "a.mkv")


def test_rotated_video_is_refused(tmp_path: Path, ffmpeg: str, open_source: Any, ask: Any) -> None:
    lavfi = "color=gray:size=64x36:rate=5:duration=1"
    make = f"{ffmpeg} -v error -f lavfi -i {lavfi} -c:v libx264 -pix_fmt yuv420p a.mp4"
    turn = f"{ffmpeg} -v error -display_rotation 180 -i a.mp4 -c copy b.mp4"
    for command in (make, turn):
        subprocess.run(command.split(), check=True, cwd=tmp_path)
    source = open_source(mask=tmp_path / "b.mp4")
    with pytest.raises(InputError, match=r"frame 0: is stored with a rotation of -?180 degrees"):
        ask(source, 0)


def test_video_in_another_shape_is_refused(clip: Any, open_source: Any) -> None:
    with pytest.raises(InputError, match="64x36 has another shape than the 64x64 frame"):
        open_source(mask=clip(noise(1)), width=64, height=64)


def test_long_clip_is_never_held_in_memory(clip: Any, open_source: Any, ask: Any) -> None:
    shape = (288, 512)
    source = open_source(mask=clip(noise(4, shape=shape) * 15), width=512, height=288)
    tracemalloc.start()
    try:
        for index in range(60):
            ask(source, index)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12 * 2 * shape[0] * shape[1]


def test_provenance_names_the_file_and_its_digest(clip: Any, open_source: Any) -> None:
    path = clip(noise(1))
    source = open_source(mask=path)
    assert source.label == f"mask:{path}"
    assert source.region_names == ()
    assert json.loads(json.dumps(source.provenance(), allow_nan=False)) == {
        "kind": "clip",
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "codec": "ffv1",
        "width": 64,
        "height": 36,
        "origin": None,
    }


def test_closing_twice_is_harmless_and_a_closed_clip_has_no_masks(
    clip: Any, open_source: Any, ask: Any
) -> None:
    source = open_source(mask=clip(noise(3)))
    ask(source, 0)
    source.close()
    source.close()
    with pytest.raises(InputError, match="ends after 1 frames"):
        ask(source, 1)
