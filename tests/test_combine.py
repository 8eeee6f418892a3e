"""Claims about `roi_accel.results.build`: the blend and the pools are their formulas, no more."""

from __future__ import annotations

import statistics
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.results.build import blend, pool

SCORES = st.floats(-0.5, 110)
SERIES = st.lists(st.tuples(SCORES, st.floats(0, 1)), min_size=1, max_size=30)
NOT_FINITE = [float("nan"), float("inf"), float("-inf")]


@given(full=SCORES, masked=SCORES, weight=st.floats(0, 1))
def test_blend_is_its_formula(full: float, masked: float, weight: float) -> None:
    share = Fraction(weight)
    exact = (1 - share) * Fraction(full) + share * Fraction(masked)
    assert blend(full, masked, weight) == pytest.approx(float(exact), rel=1e-14, abs=1e-13)


@pytest.mark.parametrize(("weight", "expected"), [(0.0, 73.25), (1.0, 110.5)])
def test_blend_at_its_ends_is_exactly_one_score_and_never_clamped(
    weight: float, expected: float
) -> None:
    assert blend(73.25, 110.5, weight) == expected


@pytest.mark.parametrize("weight", [-0.01, 1.01, *NOT_FINITE])
def test_blend_refuses_a_weight_that_is_no_share(weight: float) -> None:
    with pytest.raises(ValueError, match="weight must be in"):
        blend(50.0, 50.0, weight)


@pytest.mark.parametrize("bad", NOT_FINITE)
def test_blend_refuses_a_score_that_is_not_finite_even_at_weight_zero(bad: float) -> None:
    for full, masked in ((bad, 50.0), (50.0, bad)):
        for weight in (0.0, 0.5, 1.0):
            with pytest.raises(ValueError, match="scores must be finite"):
                blend(full, masked, weight)


@given(SERIES)
def test_pools_agree_with_pythons_own_statistics(series: list[tuple[float, float]]) -> None:
    values, saliency = [value for value, _ in series], [share for _, share in series]
    pools = pool(values, saliency)
    low, *_, high = sorted([*values, *values])
    assert pools["min"] == low
    assert pools["max"] == high
    assert pools["mean"] == pytest.approx(statistics.fmean(values), rel=1e-12, abs=1e-12)
    # libvmaf's harmonic mean is that of the values plus one, less one.
    harmonic = statistics.harmonic_mean([value + 1 for value in values]) - 1
    assert pools["harmonic_mean"] == pytest.approx(harmonic, rel=1e-9, abs=1e-9)


@given(SERIES)
def test_saliency_weighted_mean_is_the_exact_quotient(series: list[tuple[float, float]]) -> None:
    exact = [(Fraction(value), Fraction(share)) for value, share in series]
    total = sum(share for _, share in exact)
    expected = (
        sum(value * share for value, share in exact) / total
        if total
        else sum(value for value, _ in exact) / len(exact)
    )
    pools = pool(*zip(*series, strict=True))
    assert pools["saliency_weighted_mean"] == pytest.approx(float(expected), rel=1e-6, abs=1e-9)


def test_saliency_weights_pull_the_mean_towards_the_salient_frame() -> None:
    assert pool([0.0, 100.0], [0.25, 0.75])["saliency_weighted_mean"] == 75.0
    assert pool([0.0, 100.0], [0.0, 0.0])["saliency_weighted_mean"] == 50.0


@pytest.mark.parametrize("lowest", [-1.0, -3.0])
def test_harmonic_mean_is_absent_where_it_means_nothing(lowest: float) -> None:
    assert set(pool([lowest, 50.0], [1.0, 1.0])) == {
        "min",
        "max",
        "mean",
        "saliency_weighted_mean",
    }


def test_harmonic_mean_of_zeros_is_zero() -> None:
    assert pool([0.0, 0.0], [1.0, 1.0])["harmonic_mean"] == 0.0


@pytest.mark.parametrize("bad", NOT_FINITE)
def test_pool_refuses_what_is_not_finite(bad: float) -> None:
    for values, saliency in (([1.0, bad], [1.0, 1.0]), ([1.0, 1.0], [bad, 1.0])):
        with pytest.raises(ValueError, match="must be finite"):
            pool(values, saliency)


def test_pool_refuses_series_of_unequal_length() -> None:
    with pytest.raises(ValueError, match=r"shorter|longer"):
        pool([1.0, 2.0], [1.0])
