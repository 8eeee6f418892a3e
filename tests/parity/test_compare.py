"""The checker is checked: every way of differing is seen, counted and placed."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.parity.compare import (
    Comparison,
    Difference,
    combine,
    compare,
    input_channels,
)


def planes(dtype: str = "u1") -> dict[str, np.ndarray]:
    rng = np.random.default_rng(3)
    return {
        name: rng.integers(0, 200, shape).astype(dtype)
        for name, shape in (("Y", (6, 8)), ("U", (3, 4)), ("V", (3, 4)))
    }


def changed(named: dict[str, np.ndarray], plane: str, y: int, x: int, value: float) -> dict:
    other = {name: array.copy() for name, array in named.items()}
    other[plane][y, x] = value
    return other


def test_equal_answers_agree_and_every_value_is_counted() -> None:
    found = compare(planes(), planes())
    assert found == Comparison(compared=6 * 8 + 2 * 3 * 4)
    assert found.agrees


@given(st.sampled_from("YUV"), st.integers(0, 2), st.integers(0, 3), st.integers(1, 55))
def test_one_changed_sample_is_found_at_its_place(plane: str, y: int, x: int, by: int) -> None:
    good = planes()
    wanted = int(good[plane][y, x])
    found = compare(good, changed(good, plane, y, x, wanted + by))
    assert not found.agrees
    assert found.first == Difference(plane, (y, x), wanted, wanted + by)
    assert found.first.index == (y, x)
    assert (found.compared, found.differing, found.maximum) == (72, 1, by)


def test_the_first_of_several_is_the_first_in_reading_order() -> None:
    good = planes()
    bad = changed(changed(changed(good, "V", 0, 0, 255), "U", 2, 1, 254), "U", 1, 3, 255)
    found = compare(good, bad)
    assert found.first is not None
    assert (found.first.plane, found.first.index) == ("U", (1, 3))
    assert found.differing == 3


def test_the_difference_of_unsigned_codes_does_not_wrap() -> None:
    found = compare({"Y": np.array([[0]], "u4")}, {"Y": np.array([[2**32 - 1]], "u4")})
    assert found.maximum == 2**32 - 1


@pytest.mark.parametrize(("by", "agrees"), [(4e-5, True), (6e-5, False)])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_tolerance_passes_what_is_under_it_and_nothing_above(
    by: float, agrees: bool, sign: int
) -> None:
    good = {"mask": np.full((4, 4), 0.5, np.float32)}
    bad = changed(good, "mask", 2, 1, 0.5 + sign * by)
    found = compare(good, bad, tolerance=5e-5)
    assert found.agrees is agrees
    assert found.maximum == pytest.approx(by, abs=1e-7)
    assert (found.first is None) is agrees


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("tolerance", [0.0, 5e-5, math.inf])
def test_what_is_not_finite_fails_on_either_side_and_on_both(
    value: float, tolerance: float
) -> None:
    good = {"mask": np.full((2, 3), 0.5, np.float32)}
    bad = changed(good, "mask", 1, 2, value)
    for wanted, got in ((good, bad), (bad, good), (bad, bad)):
        found = compare(wanted, got, tolerance=tolerance)
        assert not found.agrees
        assert found.differing == 1
        assert found.first is not None
        assert found.first.index == (1, 2)
        assert math.isfinite(found.maximum)


def test_without_tolerance_the_bits_must_be_equal() -> None:
    found = compare({"R": np.zeros((1, 1), "f4")}, {"R": -np.zeros((1, 1), "f4")})
    assert not found.agrees
    assert compare(
        {"R": np.zeros((1, 1), "f4")}, {"R": -np.zeros((1, 1), "f4")}, tolerance=1e-9
    ).agrees


@pytest.mark.parametrize(
    ("got", "match"),
    [
        ({"Y": np.zeros((2, 3), "u2")}, r"plane Y: wanted uint8\[2, 3\], got uint16\[2, 3\]"),
        ({"Y": np.zeros((3, 2), "u1")}, r"plane Y: wanted uint8\[2, 3\], got uint8\[3, 2\]"),
        ({}, "wanted the planes Y, got none"),
        ({"U": np.zeros((2, 3), "u1")}, "wanted the planes Y, got U"),
    ],
)
def test_another_shape_type_or_plane_is_a_problem_that_says_so(
    got: dict[str, np.ndarray], match: str
) -> None:
    found = compare({"Y": np.zeros((2, 3), "u1")}, got)
    assert not found.agrees
    assert found.compared == 0
    assert re.search(match, str(found))


def test_nothing_compared_is_no_agreement() -> None:
    assert not compare({}, {}).agrees
    assert not compare({"Y": np.zeros((0, 4))}, {"Y": np.zeros((0, 4))}).agrees
    assert not combine([]).agrees


def test_views_with_padded_rows_are_compared_by_their_samples() -> None:
    padded = np.zeros((4, 16), np.float32)
    view = padded[:, :5]
    padded[:, 5:] = 9
    assert compare({"Y": view}, {"Y": np.zeros((4, 5), np.float32)}).agrees


def test_frames_together_keep_the_first_failure_and_add_up() -> None:
    good, bad = planes(), changed(planes(), "U", 1, 1, 255)
    found = combine(compare(good, each).at_frame(n) for n, each in enumerate((good, bad, bad)))
    assert (found.compared, found.differing) == (3 * 72, 2)
    assert found.first is not None
    assert found.first.frame == 1


def test_a_problem_names_its_frame() -> None:
    assert compare({"Y": np.zeros(1)}, {}).at_frame(2).problem.startswith("frame 2: wanted")


def test_the_line_says_where_and_how_much() -> None:
    good = planes()
    good["V"][2, 3] = 100
    line = str(compare(good, changed(good, "V", 2, 3, 101)).at_frame(7))
    assert line == (
        "frame 7, V, y 2, x 3: wanted 100, got 101; 1 of 72 values differ, at most by 1"
    )


def test_the_networks_input_is_compared_by_channel_and_a_foreign_shape_as_it_is() -> None:
    assert tuple(input_channels(np.zeros((1, 3, 2, 2), np.float32))) == ("R", "G", "B")
    assert tuple(input_channels(np.zeros((1, 4, 2, 2), np.float32))) == ("input",)
