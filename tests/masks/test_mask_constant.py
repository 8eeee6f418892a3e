"""--synthetic-mask."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.errors import InputError
from roi_accel.masks.still import ConstantSource
from roi_accel.options import ScoreOptions


@given(st.floats(0, 1))
def test_fill_is_quantised_as_a_networks_output_is(fill: float) -> None:
    source = ConstantSource(fill)
    (mask,) = source.masks(0, None, None)  # type: ignore[arg-type]
    assert mask.shape == (1, 1)
    assert int(mask[0, 0]) == math.floor(fill * 65535 + 0.5)


def test_every_frame_gets_the_same_object(open_source: Any, ask: Any) -> None:
    source = open_source(synthetic_mask=0.5)
    assert ask(source, 0)[0] is ask(source, 1)[0]


def test_result_calls_it_synthetic(open_source: Any) -> None:
    source = open_source(synthetic_mask=0.25)
    assert source.label == "synthetic"
    assert json.loads(json.dumps(source.provenance(), allow_nan=False)) == {
        "kind": "constant",
        "fill": 0.25,
    }


@pytest.mark.parametrize("fill", [-0.001, 1.001, math.nan, math.inf, -math.inf])
def test_fill_outside_0_to_1_is_refused(fill: float) -> None:
    with pytest.raises(InputError, match="synthetic_mask must be from 0 to 1"):
        ScoreOptions(synthetic_mask=fill)


def test_mask_cannot_be_written_to(open_source: Any, ask: Any) -> None:
    (mask,) = ask(open_source(synthetic_mask=1.0), 0)
    with pytest.raises(ValueError, match="read-only"):
        mask[0, 0] = np.uint16(0)
