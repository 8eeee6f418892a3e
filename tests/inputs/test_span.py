"""Which frames are scored: skipped ones, seconds, and the masks that go with them."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clips import P8, damaged, run_ffmpeg, smooth_frames, write_raw, write_y4m
from scored import metrics, score

from roi_accel.errors import InputError
from roi_accel.video.time_range import frames_before, frames_within, parse_rate, parse_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.frame import Frame

RAW = {"width": 96, "height": 64, "pix_fmt": "yuv420p"}


@pytest.fixture
def pair(tmp_path: Path, good: list[Frame], bad: list[Frame]) -> tuple[Path, Path]:
    """Return 12 frames of each at 25 per second."""
    return write_y4m(tmp_path / "ref.y4m", good), write_y4m(tmp_path / "dist.y4m", bad)


def cut(folder: Path, good: list[Frame], bad: list[Frame], **options: Any) -> list[Any]:
    """Score files that hold these frames alone."""
    reference = write_y4m(folder / "cut-ref.y4m", good)
    return metrics(score(reference, write_y4m(folder / "cut-dist.y4m", bad), **options))


def test_skipped_frames_are_left_out_of_each_video(
    tmp_path: Path, pair: tuple[Path, Path], good: list[Frame], bad: list[Frame]
) -> None:
    result = score(*pair, frame_skip_ref=3, frame_skip_dist=1, shortest=True)
    assert metrics(result) == cut(tmp_path, good[3:], bad[1:10])
    assert [frame.frame_number for frame in result.frames] == list(range(9))


def test_a_pair_that_is_off_by_two_frames_is_mended_by_skipping(
    tmp_path: Path, pair: tuple[Path, Path], bad: list[Frame]
) -> None:
    late = write_y4m(tmp_path / "late.y4m", [bad[0], bad[0], *bad])
    assert metrics(score(pair[0], late, frame_skip_dist=2)) == metrics(score(*pair))


def test_skipping_without_shortest_leaves_unequal_lengths_an_error(
    pair: tuple[Path, Path],
) -> None:
    with pytest.raises(InputError, match=r"has 12 frames, .* has 10, after the 0 and 2"):
        score(*pair, frame_skip_dist=2)


def test_raw_video_counts_what_is_left(tmp_path: Path, good: list[Frame]) -> None:
    reference = write_raw(tmp_path / "ref.yuv", good)
    late = write_raw(tmp_path / "late.yuv", [good[0], *good])
    assert len(score(reference, late, frame_skip_dist=1, **RAW).frames) == 12
    with pytest.raises(InputError, match="has 11"):
        score(reference, late, frame_skip_dist=2, **RAW)


@pytest.mark.parametrize("kind", ["y4m", "yuv"])
def test_skipping_everything_is_refused(tmp_path: Path, good: list[Frame], kind: str) -> None:
    write = write_y4m if kind == "y4m" else write_raw
    path = write(tmp_path / f"clip.{kind}", good)
    options = {} if kind == "y4m" else RAW
    with pytest.raises(InputError, match=r"has 12 frames, and --frame-skip-ref 12 skips 12"):
        score(path, path, frame_skip_ref=12, **options)


@pytest.mark.parametrize("name", ["frame_skip_ref", "frame_skip_dist"])
def test_a_negative_number_of_frames_is_refused(pair: tuple[Path, Path], name: str) -> None:
    with pytest.raises(InputError, match="at least 0, not -1"):
        score(*pair, **{name: -1})


def test_seconds_are_frames_at_the_references_rate(
    tmp_path: Path, pair: tuple[Path, Path], good: list[Frame], bad: list[Frame]
) -> None:
    result = score(*pair, start=0.08, duration="0.2")
    assert metrics(result) == cut(tmp_path, good[2:7], bad[2:7])


def test_seconds_count_from_the_frames_that_are_not_skipped(
    tmp_path: Path, pair: tuple[Path, Path], good: list[Frame], bad: list[Frame]
) -> None:
    result = score(*pair, frame_skip_dist=1, start=0.08, duration=0.2)
    assert metrics(result) == cut(tmp_path, good[2:7], bad[3:8])


def test_the_fewer_of_duration_and_frame_count_ends_the_run(pair: tuple[Path, Path]) -> None:
    assert len(score(*pair, duration=0.2, frame_count=3).frames) == 3
    assert len(score(*pair, duration=0.2, frame_count=9).frames) == 5


def test_a_duration_beyond_the_end_is_told(pair: tuple[Path, Path]) -> None:
    result = score(*pair, start=0.2, duration=5)
    assert len(result.frames) == 7
    assert any("--duration" in line and "only 7 frames" in line for line in result.warnings)


def test_a_start_beyond_the_end_is_refused(pair: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=r"has 12 frames, and --start skips 25"):
        score(*pair, start=1)


def test_stretches_that_follow_one_another_hold_every_frame_once(
    pair: tuple[Path, Path],
) -> None:
    parts = [score(*pair, start=at / 10, duration=0.1) for at in range(5)]
    means = [frame.metrics["vmaf_full"] for part in parts for frame in part.frames]
    assert len(means) == 12


def test_raw_video_needs_its_rate_for_seconds(tmp_path: Path, good: list[Frame]) -> None:
    path = write_raw(tmp_path / "clip.yuv", good)
    with pytest.raises(InputError, match="frame rate, which --start needs") as caught:
        score(path, path, start=0.2, **RAW)
    assert "--fps" in caught.value.remedy
    result = score(path, path, start=0.2, fps=50, **RAW)
    assert len(result.frames) == 2
    assert result.provenance["parameters"]["fps"] == "50"


@pytest.mark.parametrize("needs_a_rate", [{"start": 0.2}, {}])
def test_a_rate_that_contradicts_the_file_is_refused(
    pair: tuple[Path, Path], needs_a_rate: dict[str, float]
) -> None:
    with pytest.raises(InputError, match="declares 25 fps"):
        score(*pair, fps=30, **needs_a_rate)


def test_a_rate_that_the_file_states_too_is_taken(pair: tuple[Path, Path]) -> None:
    assert score(*pair, fps=25).provenance["parameters"]["fps"] == "25"


def test_a_container_is_cut_at_the_same_frames(pair: tuple[Path, Path]) -> None:
    packed = []
    for path in pair:
        packed.append(path.with_suffix(".mkv"))
        run_ffmpeg("-i", path, "-c:v", "ffv1", packed[-1])
    one = score(*packed, start=0.12, duration=0.16, frame_skip_ref=1)
    assert metrics(one) == metrics(score(*pair, start=0.12, duration=0.16, frame_skip_ref=1))
    assert len(one.frames) == 4


def test_what_was_left_out_is_in_the_provenance(pair: tuple[Path, Path]) -> None:
    facts = score(*pair, frame_skip_ref=1, start=0.08, duration=0.2).provenance
    parameters = facts["parameters"]
    assert (parameters["frame_skip_ref"], parameters["frame_skip_dist"]) == (1, 0)
    assert (parameters["start"], parameters["duration"]) == (0.08, 0.2)
    assert (facts["reference"]["skipped_frames"], facts["distorted"]["skipped_frames"]) == (3, 2)


# Masks


@pytest.fixture
def mask_clip(tmp_path: Path) -> Path:
    """Return a mask of 12 frames in which a bar of 8 pixels moves by 8 pixels a frame."""
    raw, path = tmp_path / "masks.raw", tmp_path / "masks.mkv"
    masks = np.zeros((12, 64, 96), np.uint8)
    for number in range(12):
        masks[number, :, 8 * number : 8 * number + 8] = 255
    raw.write_bytes(masks.tobytes())
    run_ffmpeg("-f", "rawvideo", "-pix_fmt", "gray", "-s", "96x64", "-i", raw, "-c:v", "ffv1", path)
    return path


def track(path: Path, numbers: range) -> Path:
    rows = [f"{number},{8 * number},0,8,64" for number in numbers]
    path.write_text("\n".join(["frame,x,y,w,h", *rows]))
    return path


def test_a_mask_clip_follows_the_references_frames(
    tmp_path: Path, pair: tuple[Path, Path], mask_clip: Path
) -> None:
    boxes = track(tmp_path / "boxes.csv", range(12))
    by_box = score(*pair, frame_skip_ref=2, frame_skip_dist=2, roi_track=boxes)
    by_clip = score(*pair, frame_skip_ref=2, frame_skip_dist=2, mask=mask_clip)
    assert metrics(by_clip) == metrics(by_box)


def test_a_track_follows_the_references_frames(
    tmp_path: Path, pair: tuple[Path, Path], good: list[Frame], bad: list[Frame]
) -> None:
    boxes = track(tmp_path / "boxes.csv", range(12))
    result = score(*pair, frame_skip_ref=3, frame_skip_dist=3, roi_track=boxes)
    moved = tmp_path / "moved.csv"
    moved.write_text("frame,x,y,w,h\n" + "\n".join(f"{n},{8 * (n + 3)},0,8,64" for n in range(9)))
    assert metrics(result) == cut(tmp_path, good[3:], bad[3:], roi_track=moved)
    assert result.provenance["mask"]["empty_frames"] == 0
    assert not result.warnings


def test_a_mask_clip_that_is_as_long_as_the_reference_fits_when_frames_are_skipped(
    pair: tuple[Path, Path], mask_clip: Path
) -> None:
    assert len(score(*pair, frame_skip_ref=2, frame_skip_dist=2, mask=mask_clip).frames) == 10
    assert len(score(*pair, start=0.08, duration=0.08, mask=mask_clip).frames) == 2


def test_a_mask_clip_that_ends_within_the_skipped_frames_is_refused(
    tmp_path: Path, mask_clip: Path
) -> None:
    frames = smooth_frames(P8, 96, 64, 20)
    reference = write_y4m(tmp_path / "long.y4m", frames)
    distorted = write_y4m(tmp_path / "long-dist.y4m", damaged(frames))
    with pytest.raises(InputError, match="ends after 12 frames"):
        score(reference, distorted, start=0.6, mask=mask_clip)


# Exact numbers


def test_no_frame_is_lost_or_doubled_at_broadcast_rates() -> None:
    rate = parse_rate("30000/1001")
    ends = [frames_before(Fraction(second), rate) for second in range(100)]
    assert [ends[0], ends[1], ends[34]] == [0, 30, 1019]
    total = 0
    for second in range(99):
        first, count = frames_within(Fraction(second), Fraction(1), rate)
        assert first == total
        total += count or 0


def test_decimals_are_exact() -> None:
    assert parse_seconds(0.1) * 30 == 3
    assert frames_before(parse_seconds("0.7"), Fraction(10)) == 7


@pytest.mark.parametrize("value", ["", "-1", "1e3", "nan", "1:30", "1" * 12, float("inf"), -0.5])
def test_a_time_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="is not a time in seconds"):
        parse_seconds(value)


@pytest.mark.parametrize("value", ["", "0", "0/1", "25/0", "-25", "fast", float("nan")])
def test_a_rate_that_is_none_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match="is not a number of frames per second"):
        parse_rate(value)


def test_a_duration_without_a_frame_is_refused() -> None:
    with pytest.raises(InputError, match="no frame begins"):
        frames_within(Fraction("0.01"), Fraction("0.001"), Fraction(25))
