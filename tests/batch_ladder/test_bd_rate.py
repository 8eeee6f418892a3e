"""Claims about BD-rate: its value, held against other arithmetic, and when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ladders import ANCHOR, group, ladder

from roi_accel.errors import InputError
from roi_accel.ladder.bd_rate import bd_rate, compare
from roi_accel.ladder.ladder import METRICS, read_results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# Example data in the README of FAU-LMS/bjontegaard: libx265 presets, kbit/s and PSNR.
PUBLISHED = (
    ((1358.24, 34.851), (2486.44, 36.845), (4593.60, 38.615), (9487.76, 40.037)),
    ((1356.24, 34.987), (2451.52, 36.970), (4469.00, 38.651), (9787.80, 40.121)),
)


def slopes(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slopes that keep a cubic monotone (Fritsch and Butland, 1984), ends by Moler."""
    h, d = np.diff(x), np.diff(y) / np.diff(x)

    def end(h0: float, h1: float, d0: float, d1: float) -> float:
        slope = ((2 * h0 + h1) * d0 - h0 * d1) / (h0 + h1)
        if np.sign(slope) != np.sign(d0):
            return 0.0
        if np.sign(d0) != np.sign(d1) and abs(slope) > 3 * abs(d0):
            return 3 * d0
        return float(slope)

    w1, w2 = 2 * h[1:] + h[:-1], h[1:] + 2 * h[:-1]
    inner = (w1 + w2) / (w1 / d[:-1] + w2 / d[1:])
    first, last = end(h[0], h[1], d[0], d[1]), end(h[-1], h[-2], d[-1], d[-2])
    return np.array([first, *inner, last])


def mean_log_rate(points: Sequence[tuple[float, float]], low: float, high: float) -> float:
    """Return the mean logarithm of the bitrate between two scores, by Gauss and Legendre.

    Exact for the cubics between two points, of which each is integrated by itself.
    """
    y, x = np.log([p[0] for p in points]), np.array([p[1] for p in points])
    m = slopes(x, y)
    nodes, weights = np.polynomial.legendre.leggauss(4)
    total = 0.0
    for at, (left, right) in enumerate(pairwise(x)):
        start, stop = max(left, low), min(right, high)
        if start >= stop:
            continue
        h = right - left
        t = ((start + stop) / 2 + (stop - start) / 2 * nodes - left) / h
        value = (
            (2 * t**3 - 3 * t**2 + 1) * y[at]
            + (t**3 - 2 * t**2 + t) * h * m[at]
            + (3 * t**2 - 2 * t**3) * y[at + 1]
            + (t**3 - t**2) * h * m[at + 1]
        )
        total += (stop - start) / 2 * float(weights @ value)
    return total / (high - low)


def by_hand(anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]]) -> float:
    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])
    means = [mean_log_rate(each, low, high) for each in (test, anchor)]
    return 100 * float(np.expm1(means[0] - means[1]))


def percent(
    anchor: Sequence[tuple[float, float]], test: Sequence[tuple[float, float]], **how: Any
) -> float:
    rate = bd_rate(ladder("anchor", anchor), ladder("test", test), "vmaf_roi", **how)
    assert rate.percent is not None, rate.reason
    return rate.percent


def scaled(points: Sequence[tuple[float, float]], factor: float) -> list[tuple[float, float]]:
    return [(rate * factor, score) for rate, score in points]


@pytest.mark.parametrize("factor", [0.5, 0.8, 1.0, 1.25])
def test_bits_times_a_factor_at_equal_scores_are_that_many_percent(factor: float) -> None:
    assert percent(ANCHOR, scaled(ANCHOR, factor)) == pytest.approx(100 * (factor - 1))


def test_the_published_example_agrees_with_other_arithmetic() -> None:
    assert percent(*PUBLISHED) == pytest.approx(by_hand(*PUBLISHED), abs=1e-9)
    assert -5 < percent(*PUBLISHED) < -4


def test_ladders_of_different_length_and_range_agree_with_other_arithmetic() -> None:
    test = [(90e3, 45.0), (150e3, 58.0), (380e3, 77.5), (900e3, 88.0)]
    assert percent(ANCHOR, test) == pytest.approx(by_hand(ANCHOR, test), abs=1e-9)


def test_there_and_back_cancel() -> None:
    there, back = percent(*PUBLISHED), percent(*reversed(PUBLISHED))
    assert (1 + there / 100) * (1 + back / 100) == pytest.approx(1)


def test_the_better_encoder_saves_bits_on_every_score(real_results: Path) -> None:
    (found,) = read_results(real_results).references
    fast, slow = found.ladders
    for metric in METRICS:
        curves = [[(e.bitrate, e.scores[metric]) for e in each.encodes] for each in (fast, slow)]
        rate = bd_rate(fast, slow, metric)
        assert rate.percent is not None
        assert -90 < rate.percent < -10
        assert rate.percent == pytest.approx(by_hand(*curves), abs=1e-9)
        assert rate.left_out == (0, 0)


def test_where_score_falls_with_bitrate_the_hull_stands_for_the_ladder() -> None:
    dented = [*ANCHOR, (500e3, 70.0)]
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", dented), "vmaf_roi")
    assert rate.percent == pytest.approx(0)
    assert rate.left_out == (0, 1)


def test_a_rising_ladder_is_taken_whole_even_where_it_bends_up() -> None:
    bent = [(100e3, 40.0), (200e3, 45.0), (400e3, 75.0), (800e3, 85.0), (1600e3, 90.0)]
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", bent), "vmaf_roi")
    assert rate.left_out == (0, 0)
    assert rate.percent == pytest.approx(by_hand(ANCHOR, bent), abs=1e-9)


def test_three_encodes_have_no_bd_rate() -> None:
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", ANCHOR[:3]), "vmaf_roi")
    assert rate.percent is None
    assert rate.reason == "test has 3 encodes with a bitrate, 4 are needed; add 1 or more"


def test_encodes_without_a_bitrate_do_not_count() -> None:
    raw = [*ANCHOR[:3], (None, 85.0), (None, 90.0)]
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", raw), "vmaf_roi")
    assert rate.reason.startswith("test has 3 encodes with a bitrate")


def test_a_hull_of_three_has_no_bd_rate() -> None:
    saturated = [*ANCHOR[:3], (800e3, 75.0), (1600e3, 75.0)]
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", saturated), "vmaf_roi")
    assert rate.percent is None
    assert rate.reason.startswith("test has 3 encodes on its hull, 4 are needed")


def test_ladders_whose_scores_never_meet_have_no_bd_rate_whatever_is_allowed() -> None:
    low = [(rate, score / 10) for rate, score in ANCHOR]
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", low), "vmaf_roi", min_overlap=0)
    assert rate.percent is None
    assert rate.overlap == 0
    assert "anchor has 40.00 to 90.00, test 4.00 to 9.00" in rate.reason


def test_ladders_that_hardly_meet_have_none_unless_it_is_allowed() -> None:
    half = [(rate, score - 25) for rate, score in ANCHOR]
    rate = bd_rate(ladder("anchor", ANCHOR), ladder("test", half), "vmaf_roi")
    assert rate.percent is None
    assert rate.overlap == pytest.approx(25 / 75)
    assert "only 33% of the scores are reached by both, 75% are needed" in rate.reason
    assert percent(ANCHOR, half, min_overlap=0.3) == pytest.approx(by_hand(ANCHOR, half), abs=1e-9)


def test_each_reference_s_first_ladder_is_the_anchor() -> None:
    groups = [
        group(ladder("a", ANCHOR), ladder("b", ANCHOR)),
        group(ladder("b", ANCHOR), ladder("a", ANCHOR), ladder("c", ANCHOR)),
    ]
    pairs = [[(r.anchor, r.test, r.metric) for r in each] for each in compare(groups)]
    assert pairs == [
        [("a", "b", metric) for metric in METRICS],
        [("b", name, metric) for name in ("a", "c") for metric in METRICS],
    ]


def test_an_anchor_that_is_named_is_the_one_and_where_it_is_absent_there_is_none() -> None:
    groups = [
        group(ladder("a", ANCHOR), ladder("b", ANCHOR)),
        group(ladder("a", ANCHOR), ladder("c", ANCHOR)),
    ]
    found = compare(groups, anchor="b")
    assert [[(r.anchor, r.test) for r in each] for each in found] == [[("b", "a")] * 3, []]


def test_an_unknown_anchor_is_met_with_the_nearest_there_is() -> None:
    with pytest.raises(InputError, match="no ladder 'x265'; did you mean x264"):
        compare([group(ladder("x264", ANCHOR), ladder("vp9", ANCHOR))], anchor="x265")


@pytest.mark.parametrize("overlap", [-0.1, 1.1, float("nan")])
def test_an_impossible_overlap_is_refused(overlap: float) -> None:
    with pytest.raises(InputError, match="from 0 to 1 was expected"):
        compare([group(ladder("a", ANCHOR))], min_overlap=overlap)


def test_without_the_library_the_place_of_the_number_says_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    ((rate, *_),) = compare([group(ladder("a", ANCHOR), ladder("b", ANCHOR))])
    assert rate.percent is None
    assert "needs bjontegaard" in rate.reason
    assert rate.reason.endswith('pip install "roi-accel[ladder]"')


def test_without_the_library_one_ladder_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bjontegaard", None)
    assert compare([group(ladder("a", ANCHOR))]) == ((),)


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | environment,
    )


def test_the_library_is_loaded_only_where_two_ladders_are_compared() -> None:
    code = (
        "import sys, roi_accel.ladder.bd_rate as b, roi_accel.ladder.ladder as l\n"
        "b.compare([l.ReferenceLadders('r', (l.Ladder('a', ()),))])\n"
        "print({'bjontegaard', 'scipy', 'matplotlib'} & set(sys.modules))"
    )
    assert run_python(code).stdout == "set()\n"


def test_the_library_s_own_libraries_are_silent_where_home_cannot_be_written() -> None:
    code = "import roi_accel.ladder.bd_rate as b; print(b._library().__name__)"
    done = run_python(code, HOME="/proc/none", XDG_CONFIG_HOME="", XDG_CACHE_HOME="")
    assert (done.stdout, done.stderr) == ("bjontegaard\n", "")
