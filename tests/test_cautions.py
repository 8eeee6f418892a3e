"""What is no failure but must be said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from roi_accel.assemble import MaskMeans
from roi_accel.backends.frame import ColourMatrix, ColourRange, PixelFormat
from roi_accel.cautions import cautions
from roi_accel.options import ScoreOptions
from roi_accel.video import VideoInfo
from roi_accel.vmaf import Scorer

FFMPEG = Scorer("ffmpeg", Path("ffmpeg"), "9", "PATH")
TOOL = Scorer("vmaf", Path("vmaf"), "3.2.0", "--vmaf")


def video(path: str = "ref.mp4", width: int = 640) -> VideoInfo:
    return VideoInfo(
        path=Path(path),
        kind="container",
        width=width,
        height=360,
        pixel_format=PixelFormat("420", 8),
        colour_matrix=ColourMatrix.BT709,
        colour_matrix_source="stream",
        colour_range=ColourRange.LIMITED,
        colour_range_source="stream",
        transfer="bt709",
    )


def seen(frames: int, *, alpha: float = 0.25) -> list[MaskMeans]:
    return [MaskMeans(0.3, alpha)] * frames


@pytest.mark.parametrize(("alpha", "name"), [(0.0, "empty"), (1.0, "full")])
def test_masks_without_effect_are_told(alpha: float, name: str) -> None:
    means = [*seen(8), *seen(2, alpha=alpha)]
    (line,) = cautions(video(), video("dist.mp4"), ScoreOptions(), FFMPEG, means)
    assert f"{name} on 2 of 10 frames" in line


def test_a_doubtful_geometry_is_told() -> None:
    distorted = replace(video("dist.yuv"), doubt="is read as yuv420p, but looks wider")
    (line,) = cautions(video(), distorted, ScoreOptions(), FFMPEG, seen(10))
    assert line == "dist.yuv is read as yuv420p, but looks wider"


def test_a_few_masks_without_effect_are_a_fade_to_black() -> None:
    means = [*seen(9), *seen(1, alpha=0.0)]
    assert not cautions(video(), video("dist.mp4"), ScoreOptions(), FFMPEG, means)


def test_a_synthetic_mask_is_what_was_asked_for() -> None:
    options = ScoreOptions(synthetic_mask=0.0)
    assert not cautions(video(), video("dist.mp4"), options, FFMPEG, seen(10, alpha=0.0))


def test_a_plain_pair_has_nothing_to_say() -> None:
    assert cautions(video(), video("dist.mp4"), ScoreOptions(), FFMPEG, seen(10)) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour_range": ColourRange.FULL}, "colour range differs"),
        ({"colour_matrix": ColourMatrix.BT601}, "colour matrix differs"),
        ({"transfer": "smpte2084"}, "transfer differs"),
    ],
)
def test_colours_that_differ_within_a_pair_are_said(change: dict[str, object], words: str) -> None:
    (line,) = cautions(
        video(), replace(video("dist.mp4"), **change), ScoreOptions(), FFMPEG, seen(10)
    )
    assert words in line


def test_a_transfer_that_one_side_leaves_open_is_no_difference() -> None:
    assert not cautions(
        video(), replace(video("dist.mp4"), transfer=None), ScoreOptions(), FFMPEG, seen(10)
    )


def test_a_file_against_itself_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    (line,) = cautions(video(str(path)), video(str(path)), ScoreOptions(), FFMPEG, seen(10))
    assert "against itself" in line


def test_a_threshold_that_no_mask_can_pass_is_said() -> None:
    options = ScoreOptions(threshold=0.95, fade=0.1)
    (line,) = cautions(video(), video("dist.mp4"), options, FFMPEG, seen(10))
    assert "more than 1" in line


def test_fewer_frames_than_asked_for_is_said() -> None:
    (line,) = cautions(video(), video("dist.mp4"), ScoreOptions(frame_count=50), FFMPEG, seen(5))
    assert "only 5 frames" in line


@pytest.mark.parametrize(
    ("width", "scorer", "said"), [(270, TOOL, 1), (270, FFMPEG, 0), (640, TOOL, 0)]
)
def test_a_tool_named_for_a_width_that_it_gets_wrong_is_said(
    width: int, scorer: Scorer, said: int
) -> None:
    found = cautions(video(width=width), video("d.mp4", width), ScoreOptions(), scorer, seen(10))
    assert len(found) == said
