"""The tables of the integer contract, against exact rationals and float64."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.backends.arithmetic import apply_fade
from roi_accel.backends.frame import ColourMatrix, ColourRange
from roi_accel.backends.tables import (
    axis_table,
    box_table,
    colour_table,
    fade_table,
    normalisation_table,
)

sizes = st.integers(1, 4096)


@given(sizes, sizes)
def test_axis_weights_are_the_exact_position_rounded_to_nearest(source: int, target: int) -> None:
    table = axis_table(source, target)
    for x in {0, target // 3, target // 2, target - 1}:
        exact = Fraction((2 * x + 1) * source - target, 2 * target)
        exact = min(max(exact, Fraction(0)), Fraction(source - 1))
        found = int(table.left[x]) + Fraction(int(table.weight[x]), 65536)
        assert abs(found - exact) <= Fraction(1, 2 * 65536)


@given(sizes, sizes)
def test_axis_indices_are_neighbours_inside_the_source(source: int, target: int) -> None:
    table = axis_table(source, target)
    assert (table.left <= table.right).all()
    assert (table.right - table.left <= 1).all()
    assert table.right.max() < source
    assert table.weight.max() <= 65536


@given(sizes)
def test_an_axis_of_equal_sizes_changes_nothing(size: int) -> None:
    table = axis_table(size, size)
    assert (table.left == np.arange(size)).all()
    assert (table.weight == 0).all()


@given(sizes, sizes)
def test_boxes_cover_the_source_without_a_gap(source: int, target: int) -> None:
    table = box_table(source, target, target)
    assert table.start[0] == 0
    assert table.stop[-1] == source
    assert (table.stop > table.start).all()
    assert (table.start[1:] <= table.stop[:-1]).all()


@pytest.mark.parametrize(("source", "target", "padded"), [(324, 324, 328), (1080, 141, 144)])
def test_padding_repeats_the_last_box(source: int, target: int, padded: int) -> None:
    table = box_table(source, target, padded)
    assert len(table.start) == padded
    assert (table.start[target:] == table.start[target - 1]).all()
    assert (table.stop[target:] == source).all()


FADES = [1, 2, 3, 7, 100, 6554, 21845, 32767, 32768, 32769, 43691, 65534, 65535]


@pytest.mark.parametrize("fade", FADES)
@pytest.mark.parametrize("threshold", [0, 1, 19661, 65534, 65535])
def test_alpha_is_exact_at_both_ends_monotone_and_within_two_codes(
    threshold: int, fade: int
) -> None:
    codes = np.arange(65536, dtype=np.uint32)
    alpha = codes.copy()
    apply_fade(alpha, fade_table(threshold, fade))
    assert (alpha[: threshold + 1] == 0).all()
    assert (alpha[threshold + fade :] == 65536).all()
    assert (np.diff(alpha.astype(np.int64)) >= 0).all()
    exact = np.clip((codes.astype(float) - threshold) / fade, 0, 1) * 65536
    assert np.abs(alpha - exact).max() <= 1.5


@given(st.integers(1, 65535))
def test_the_slope_never_leaves_32_bits(fade: int) -> None:
    table = fade_table(0, fade)
    assert fade * table.slope + 16384 < 2**32


@pytest.mark.parametrize("threshold", [0, 1, 19661, 65535])
def test_a_fade_of_zero_is_a_step_at_the_threshold(threshold: int) -> None:
    alpha = np.arange(65536, dtype=np.uint32)
    apply_fade(alpha, fade_table(threshold, 0))
    assert (alpha[:threshold] == 0).all()
    assert (alpha[threshold:] == 65536).all()


@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("colour_range", ColourRange)
def test_gray_stays_gray_and_white_is_white(
    matrix: ColourMatrix, colour_range: ColourRange
) -> None:
    table = colour_table(matrix, colour_range)
    white = 255 if colour_range is ColourRange.FULL else 235
    assert (table.luma * (white - table.black) + 32768) >> 16 == 255


def test_bt601_limited_has_the_well_known_coefficients() -> None:
    table = colour_table(ColourMatrix.BT601, ColourRange.LIMITED)
    found = [
        c / 65536 for c in (table.luma, table.v_to_r, table.u_to_g, table.v_to_g, table.u_to_b)
    ]
    assert found == pytest.approx([1.164384, 1.596027, 0.391762, 0.812968, 2.017232], abs=1e-5)


def test_the_network_gets_imagenets_normalisation() -> None:
    table = normalisation_table()
    assert table.dtype == np.float32
    assert table[0, 0] == np.float32(-0.485 / 0.229)
    assert table[2, 255] == np.float32((1 - 0.406) / 0.225)
