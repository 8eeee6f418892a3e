"""What is no failure but must be said."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from roi_accel.backends.frame import ColourMatrix, ColourRange, PixelFormat
from roi_accel.options import ScoreOptions
from roi_accel.results.build import MaskMeans
from roi_accel.results.warnings import pair_warnings
from roi_accel.video import VideoInfo


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
    (line,) = pair_warnings(video(), video("dist.mp4"), ScoreOptions(), means)
    assert f"{name} on 2 of 10 frames" in line


def test_a_doubtful_geometry_is_told() -> None:
    distorted = replace(video("dist.yuv"), doubt="is read as yuv420p, but looks wider")
    (line,) = pair_warnings(video(), distorted, ScoreOptions(), seen(10))
    assert line == "dist.yuv is read as yuv420p, but looks wider"


def test_a_few_masks_without_effect_are_a_fade_to_black() -> None:
    means = [*seen(9), *seen(1, alpha=0.0)]
    assert not pair_warnings(video(), video("dist.mp4"), ScoreOptions(), means)


def test_a_synthetic_mask_is_what_was_asked_for() -> None:
    options = ScoreOptions(synthetic_mask=0.0)
    assert not pair_warnings(video(), video("dist.mp4"), options, seen(10, alpha=0.0))


@pytest.mark.parametrize(
    ("alpha", "threshold", "said"),
    [
        (0.006, 0.9, "mask coverage is 0.6% on average at threshold 0.9: the rest is perfect"),
        (0.006, 0.9, "; try --threshold 0.3"),
        (0.006, 0.3, "; try --threshold 0.1"),
        (0.006, 0.0, "; try another --saliency-model"),
        (0.91, 0.0, "mask coverage is 91% on average at threshold 0: vmaf_masked is nearly vm"),
        (0.91, 0.0, "; try --threshold 0.3"),
        (0.91, 0.3, "; try --threshold 0.65"),
    ],
)
def test_a_network_s_masks_that_count_hardly_or_nearly_everywhere_are_told(
    alpha: float, threshold: float, said: str
) -> None:
    options = ScoreOptions(threshold=threshold)
    (line,) = pair_warnings(video(), video("dist.mp4"), options, seen(10, alpha=alpha))
    assert said in line


@pytest.mark.parametrize("alpha", [0.02, 0.1, 0.5, 0.9])
def test_masks_that_leave_a_part_to_score_are_not_told(alpha: float) -> None:
    assert not pair_warnings(video(), video("dist.mp4"), ScoreOptions(), seen(10, alpha=alpha))


def test_masks_are_told_by_their_mean_over_the_run() -> None:
    means = [*seen(9, alpha=0.01), *seen(1, alpha=0.5)]
    assert not pair_warnings(video(), video("dist.mp4"), ScoreOptions(), means)


@pytest.mark.parametrize("alpha", [0.001, 0.99])
@pytest.mark.parametrize(
    "given",
    [
        {"roi": ("0,0,9,9",)},
        {"roi_track": Path("boxes.csv")},
        {"mask": Path("face.png")},
        {"synthetic_mask": 0.31},
    ],
)
def test_an_area_that_somebody_meant_is_not_told(given: dict[str, object], alpha: float) -> None:
    options = ScoreOptions(**given)  # type: ignore[arg-type]
    assert not pair_warnings(video(), video("dist.mp4"), options, seen(10, alpha=alpha))


def test_masks_that_are_mostly_empty_are_told_once() -> None:
    means = [*seen(8, alpha=0.001), *seen(2, alpha=0.0)]
    (line,) = pair_warnings(video(), video("dist.mp4"), ScoreOptions(), means)
    assert "empty on 2 of 10 frames" in line


def test_a_plain_pair_has_nothing_to_say() -> None:
    assert pair_warnings(video(), video("dist.mp4"), ScoreOptions(), seen(10)) == ()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"colour_range": ColourRange.FULL}, "colour range differs"),
        ({"colour_matrix": ColourMatrix.BT601}, "colour matrix differs"),
        ({"transfer": "smpte170m"}, "transfer differs"),
    ],
)
def test_colours_that_differ_within_a_pair_are_said(change: dict[str, object], words: str) -> None:
    (line,) = pair_warnings(video(), replace(video("dist.mp4"), **change), ScoreOptions(), seen(10))
    assert words in line


def test_a_transfer_that_one_side_leaves_open_is_no_difference() -> None:
    assert not pair_warnings(
        video(), replace(video("dist.mp4"), transfer=None), ScoreOptions(), seen(10)
    )


def test_a_file_against_itself_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"x")
    (line,) = pair_warnings(video(str(path)), video(str(path)), ScoreOptions(), seen(10))
    assert "against itself" in line


def test_a_threshold_that_no_mask_can_pass_is_said() -> None:
    options = ScoreOptions(threshold=0.95, fade=0.1)
    (line,) = pair_warnings(video(), video("dist.mp4"), options, seen(10))
    assert "more than 1" in line


def test_fewer_frames_than_asked_for_is_said() -> None:
    (line,) = pair_warnings(video(), video("dist.mp4"), ScoreOptions(frame_count=50), seen(5))
    assert "only 5 frames" in line


@pytest.mark.parametrize(("transfer", "kind"), [("smpte2084", "PQ"), ("arib-std-b67", "HLG")])
def test_high_dynamic_range_is_said(transfer: str, kind: str) -> None:
    one, other = (replace(video(name), transfer=transfer) for name in ("ref.mp4", "dist.mp4"))
    (line,) = pair_warnings(one, other, ScoreOptions(), seen(10))
    assert f"{kind} ({transfer})" in line
    assert "SDR" in line


def test_frame_rates_that_differ_are_said() -> None:
    one = replace(video(), frame_rate=Fraction(25))
    other = replace(video("dist.mp4"), frame_rate=Fraction(30000, 1001))
    (line,) = pair_warnings(one, other, ScoreOptions(), seen(10))
    assert "25 frames per second" in line
    assert "29.97" in line


@pytest.mark.parametrize("other", [None, Fraction(25), Fraction(2503, 100)])
def test_frame_rates_that_agree_or_are_unknown_are_not_said(other: Fraction | None) -> None:
    one = replace(video(), frame_rate=Fraction(25))
    two = replace(video("dist.mp4"), frame_rate=other)
    assert not pair_warnings(one, two, ScoreOptions(), seen(10))


@pytest.mark.parametrize(
    ("size", "model", "better"),
    [
        ((3840, 2160), "vmaf_v0.6.1", "vmaf_4k_v0.6.1"),
        ((2160, 3840), "vmaf_v0.6.1neg", "vmaf_4k_v0.6.1neg"),
        ((3840, 1600), "vmaf_float_v0.6.1", "vmaf_float_4k_v0.6.1"),
        ((1920, 1080), "vmaf_4k_v0.6.1", "vmaf_v0.6.1"),
        ((3840, 2160), "vmaf_4k_v0.6.1", None),
        ((1920, 1080), "vmaf_v0.6.1", None),
        ((2560, 1440), "vmaf_v0.6.1", None),
        ((3840, 2160), "vmaf_b_v0.6.3", None),
    ],
)
def test_a_model_for_another_resolution_is_said_with_the_one_for_this(
    size: tuple[int, int], model: str, better: str | None
) -> None:
    one, other = (
        replace(video(name), width=size[0], height=size[1]) for name in ("ref.mp4", "dist.mp4")
    )
    options = ScoreOptions(model=(f"version={model}",))
    found = pair_warnings(one, other, options, seen(10))
    if better is None:
        assert not found
    else:
        (line,) = found
        assert f"--model version={better} " in line
