"""From a float map to a mask: rounding, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from roi_accel.backends.arithmetic import mean_alpha, mean_saliency, quantise
from roi_accel.backends.tables import fade_table

maps = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2), elements=st.floats(0, 1, width=32)
)


@given(maps)
def test_codes_are_the_map_rounded_to_nearest(saliency: np.ndarray) -> None:
    codes = quantise(saliency)
    assert codes.dtype == np.uint16
    assert np.abs(codes - saliency.astype(np.float64) * 65535).max() <= 0.5


@given(hnp.arrays(np.uint16, (3, 5)))
def test_a_mask_survives_the_way_through_a_float_map(mask: np.ndarray) -> None:
    assert np.array_equal(quantise((mask / 65535).astype(np.float32)), mask)


@pytest.mark.parametrize("value", [-1e-6, 1 + 9e-7])
def test_a_rounding_error_outside_the_range_is_clamped(value: float) -> None:
    assert quantise(np.array([[value]], np.float32))[0, 0] in {0, 65535}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1e-5, 1.00001, 2.0])
def test_what_is_no_saliency_is_refused_with_its_position(value: float) -> None:
    saliency = np.zeros((4, 6), np.float32)
    saliency[2, 3] = value
    with pytest.raises(ValueError, match="y=2, x=3"):
        quantise(saliency)


def test_means_are_exact() -> None:
    mask = np.array([[0, 65535], [65535, 32768]], np.uint16)
    assert mean_saliency(mask) == (65535 + 65535 + 32768) / (4 * 65535)
    assert mean_alpha(mask, fade_table(40000, 0)) == 0.5
