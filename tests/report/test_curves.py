"""Claims about what a report draws: no peak is lost, and the frames it marks are the worst."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from pages import wavy_result
from results import make_result

from roi_accel.report.curves import (
    example_frames,
    gather,
    histogram,
    series,
    thinned,
    worst_frames,
)
from roi_accel.results.result import FrameScore

if TYPE_CHECKING:
    from roi_accel.results.result import Result


def result_of(roi: list[float]) -> Result:
    """Return a result whose blended scores are these."""
    scores = [
        FrameScore(
            frame_number=number,
            metrics=dict.fromkeys(("vmaf_full", "vmaf_masked", "vmaf_roi"), score),
            saliency_mean=0.25,
            alpha_mean=0.125,
            regions={},
        )
        for number, score in enumerate(roi)
    ]
    return replace(make_result(), frames=tuple(scores))


def test_a_short_clip_is_drawn_whole_with_every_digit() -> None:
    result = wavy_result(200)
    curves = gather([result])
    assert curves.frames.tolist() == list(range(200))
    for metric in ("vmaf_full", "vmaf_masked", "vmaf_roi"):
        wanted = [frame.metrics[metric] for frame in result.frames]
        assert curves.columns[f"v0_{metric}"].tolist() == wanted


def test_curves_of_every_video_and_region_are_there() -> None:
    results = [wavy_result(5, regions=("face", "hand"), seed=seed) for seed in (1, 2)]
    columns = gather(results).columns
    kinds = ("vmaf_full", "vmaf_masked", "vmaf_roi", "region0", "region1")
    assert sorted(columns) == sorted(f"v{video}_{kind}" for video in (0, 1) for kind in kinds)
    hand = [frame.regions["hand"]["vmaf_roi"] for frame in results[1].frames]
    assert columns["v1_region1"].tolist() == hand


def test_a_long_clip_is_thinned_without_losing_a_peak_of_any_curve() -> None:
    rng = np.random.default_rng(3)
    curves = [rng.normal(80, 3, 50_000) for _ in range(3)]
    curves[0][12_345] = 3.0
    curves[2][40_001] = 99.9
    kept = thinned(curves, 6_000)
    assert len(kept) <= 6_002
    assert kept[0] == 0
    assert kept[-1] == 49_999
    assert {12_345, 40_001} <= set(kept.tolist())
    # A stretch of the line rises as high and falls as low as it did.
    for start in range(0, 50_000, 1_000):
        part = kept[(kept >= start) & (kept < start + 1_000)]
        for values in curves:
            assert values[part].max() >= np.sort(values[start : start + 1_000])[-20]


def test_the_drawn_frames_are_in_order_and_none_is_drawn_twice() -> None:
    kept = thinned([np.arange(30_000.0), -np.arange(30_000.0)], 5_000)
    assert (np.diff(kept) > 0).all()


def test_the_worst_frames_begin_with_the_lowest_and_lie_apart() -> None:
    result = wavy_result(1_000)
    roi = series(result, "vmaf_roi")
    worst = worst_frames(result)
    assert worst[0] == roi.argmin()
    assert len(worst) == 5
    assert min(abs(a - b) for a in worst for b in worst if a != b) >= 25
    assert [roi[frame] for frame in worst] == sorted(roi[frame] for frame in worst)


def test_worst_frames_are_named_by_their_numbers_not_their_places() -> None:
    every_second = make_result(frames=12).frames[::2]  # as with --subsample 2
    result = replace(make_result(), frames=every_second)
    assert worst_frames(result) == [0, 4]
    assert example_frames(result) == {"worst": 0, "median": 4, "best": 10}


@pytest.mark.parametrize(
    ("roi", "worst"),
    [
        ([70.0], [0]),
        ([70.0, 60.0], [1]),
        ([70.0, 60.0, 80.0], [1]),
        ([70.0, 60.0, 75.0, 90.0], [1]),
        ([60.0, 90.0, 70.0, 80.0], [0, 2]),
        ([90.0, 60.0, 61.0, 80.0, 70.0, 85.0], [1, 4]),
    ],
)
def test_of_a_very_short_clip_neither_neighbours_nor_the_better_half_are_the_worst(
    roi: list[float], worst: list[int]
) -> None:
    assert worst_frames(result_of(roi)) == worst


def test_every_marked_frame_of_a_thinned_clip_is_drawn() -> None:
    # It falls slowly towards one place: the second worst lies beside frames that are worse.
    fall = 50 + np.abs(np.arange(12_000) - 6_071) / 300
    results = [result_of(fall.tolist())] * 10
    drawn = gather(results).frames.tolist()
    assert len(drawn) < 12_000
    assert set(worst_frames(results[0])) <= set(drawn)


@pytest.mark.parametrize(
    ("frames", "names"),
    [(1, ["worst"]), (2, ["worst", "best"]), (3, ["worst", "median", "best"])],
)
def test_no_frame_is_shown_twice_as_an_example(frames: int, names: list[str]) -> None:
    examples = example_frames(make_result(frames=frames))
    assert list(examples) == names
    assert len(set(examples.values())) == len(examples)


@pytest.mark.parametrize("spread", [0.0, 0.01, 0.7, 3.0, 40.0, 130.0, 4_000.0])
def test_a_histogram_counts_every_frame_between_round_edges(spread: float) -> None:
    values = 97.43 - spread * np.random.default_rng(5).random(500)
    edges, counts = histogram(values)
    assert counts.sum() == 500
    assert len(counts) <= 25
    assert edges[0] <= values.min()
    assert values.max() <= edges[-1]
    for low, high, count in zip(edges, edges[1:], counts, strict=False):
        inside = ((values >= low + 1e-9) & (values < high - 1e-9)).sum()
        assert abs(inside - count) <= 1
