"""Masks over time are exact integers: held to plain fractions, and to their bounds."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.backends.arithmetic import (
    MAX_FRAMES_APART,
    STATE_BITS,
    WEIGHT_BITS,
    between,
    codes_of,
    smooth,
    smoothing_weight,
    state_of,
)

ONE = 2**WEIGHT_BITS
MAX_STATE = 65535 << STATE_BITS

codes = st.integers(0, 65535) | st.sampled_from([0, 1, 65534, 65535])
weights = st.integers(1, ONE) | st.sampled_from([1, 2, ONE // 2, ONE - 1, ONE])
steps = st.integers(1, MAX_FRAMES_APART)


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def exact_weight(frames: Fraction) -> int:
    """Return the weight by the exponential's series, in fractions, beyond any doubt of rounding."""
    power = total = Fraction(1)
    for number in range(1, 150):
        power *= Fraction(-1, number) / frames
        total += power
    return half_up((1 - total) * ONE)


def mask(*values: int) -> np.ndarray:
    return np.array([values], np.uint16)


# Between two masks


@given(codes, codes, steps, st.data())
def test_between_two_masks_is_the_exact_value_rounded_half_up(
    first: int, second: int, steps: int, data: st.DataObject
) -> None:
    step = data.draw(st.integers(0, steps))
    wanted = half_up(Fraction(first * (steps - step) + second * step, steps))
    found = between(mask(first), mask(second), step, steps)
    assert found.dtype == np.uint16
    assert found.tolist() == [[wanted]]


@given(codes, codes, steps)
def test_both_ends_are_the_masks_themselves(first: int, second: int, steps: int) -> None:
    assert between(mask(first), mask(second), 0, steps).tolist() == [[first]]
    assert between(mask(first), mask(second), steps, steps).tolist() == [[second]]


def test_what_is_between_does_not_touch_the_masks() -> None:
    first, second = mask(3, 9), mask(5, 1)
    between(first, second, 1, 2)
    assert (first.tolist(), second.tolist()) == ([[3, 9]], [[5, 1]])


# The weight


@given(
    st.integers(1, 240_000),
    st.integers(1, 1001),
    st.fractions(Fraction(1, 10), 60, max_denominator=999),
)
def test_weight_is_the_exact_exponential_rounded(rate: int, per: int, seconds: Fraction) -> None:
    frames = max(Fraction(rate, per) * seconds, Fraction(1, 20))
    assert smoothing_weight(frames) == exact_weight(frames)


@pytest.mark.parametrize(
    ("frames", "weight"),
    [
        (Fraction(1, 10**9), ONE),
        (Fraction(1), 678734282),
        (Fraction(12), 85851656),
        (Fraction(30000, 1001) / 10, 304628601),
        (Fraction(3600), 298220),
        (Fraction(10**12), 1),
    ],
)
def test_weight_is_the_same_number_on_every_machine(frames: Fraction, weight: int) -> None:
    assert smoothing_weight(frames) == weight


# Smoothing


@given(st.lists(st.tuples(codes, st.integers(0, MAX_STATE)), min_size=1, max_size=9), weights)
def test_a_step_of_smoothing_is_the_exact_value_rounded_half_up(
    pairs: list[tuple[int, int]], weight: int
) -> None:
    state = np.array([[each for _, each in pairs]], np.int64)
    moved = smooth(state, mask(*(code for code, _ in pairs)), weight)
    wanted = [
        before + half_up(Fraction(((code << STATE_BITS) - before) * weight, ONE))
        for code, before in pairs
    ]
    assert state.tolist() == [wanted]
    assert moved == (wanted != [before for _, before in pairs])


@given(codes, st.integers(0, MAX_STATE), weights)
def test_a_state_never_leaves_the_span_to_the_mask(code: int, before: int, weight: int) -> None:
    state = np.array([[before]], np.int64)
    smooth(state, mask(code), weight)
    low, high = sorted((before, code << STATE_BITS))
    assert low <= state.item() <= high


@given(st.integers(0, MAX_STATE))
def test_a_mask_of_a_state_is_the_exact_value_rounded_half_up(state: int) -> None:
    found = codes_of(np.array([[state]], np.int64))
    assert found.dtype == np.uint16
    assert found.item() == half_up(Fraction(state, 2**STATE_BITS))


@given(codes, weights)
def test_a_constant_mask_stays_exactly_constant(code: int, weight: int) -> None:
    state = state_of(mask(code))
    for _ in range(3):
        assert not smooth(state, mask(code), weight)
        assert codes_of(state).item() == code


@given(codes, codes)
def test_a_whole_weight_is_no_smoothing(first: int, second: int) -> None:
    state = state_of(mask(first))
    smooth(state, mask(second), ONE)
    assert codes_of(state).item() == second


@pytest.mark.parametrize("frames", [1, 2, 12, 25, 250, 3600])
def test_a_step_is_63_percent_done_after_the_time_constant(frames: int) -> None:
    up, down = state_of(mask(0)), state_of(mask(65535))
    weight = smoothing_weight(Fraction(frames))
    for _ in range(frames):
        smooth(up, mask(65535), weight)
        smooth(down, mask(0), weight)
    assert abs(codes_of(up).item() - 65535 * (1 - math.exp(-1))) <= 1
    assert abs(codes_of(down).item() - 65535 * math.exp(-1)) <= 1


@pytest.mark.parametrize("frames", [0.5, 3, 12, 60, 750, 3600])
@pytest.mark.parametrize("kind", ["noise", "square", "rise"])
def test_smoothed_masks_are_within_the_documented_bound_of_real_numbers(
    frames: float, kind: str
) -> None:
    count, size = 2000, 64
    rng = np.random.default_rng(7)
    made = {
        "noise": rng.integers(0, 65536, (count, size)),
        "square": 65535 * (np.arange(count)[:, None] // rng.integers(1, 400, size) % 2),
        "rise": np.minimum(np.arange(count)[:, None] * rng.integers(1, 99, size), 65535),
    }[kind].astype(np.uint16)
    weight, share = smoothing_weight(Fraction(frames)), -math.expm1(-1 / frames)
    state, real = state_of(made[0]), made[0].astype(np.float64)
    for each in made[1:]:
        smooth(state, each, weight)
        real += share * (each - real)
        assert np.abs(codes_of(state) - real).max() <= 0.5 + 3.9e-5 * (frames + 1)
