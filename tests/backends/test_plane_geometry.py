"""What is not the plan's is refused before a backend computes with it; on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import random_frame

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.backends.tables import plane_grids

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

P10 = PixelFormat("420", 10)
PLAN = Plan(
    pixel_format=P10,
    width=97,
    height=61,
    mask_width=24,
    mask_height=16,
    model=ModelSize(24, 16, 24, 16),
)
MASK = np.zeros((16, 24), np.uint16)


def a_frame(pixel_format: PixelFormat = P10, width: int = 97, height: int = 61) -> Frame:
    return random_frame(np.random.default_rng(0), pixel_format, width, height)


def narrowed(frame: Frame) -> Frame:
    y, u, v = frame.planes
    return Frame((y, u, v.astype(np.uint8)), frame.pixel_format)


WRONG_FRAMES = {
    "too small": (a_frame(height=60), r"plane Y is uint16\[60, 97\], but the plan has .*61, 97"),
    "too large": (a_frame(width=98), "plane Y is"),
    "other subsampling": (a_frame(PixelFormat("444", 10)), "yuv444p10le, but the plan yuv420p10le"),
    "other depth": (a_frame(PixelFormat("420", 12)), "yuv420p12le"),
    "other type": (narrowed(a_frame()), "plane V is uint8"),
}
WRONG_MASKS = {
    "too small": (MASK[1:], r"the mask is uint16\[15, 24\], but the plan has uint16\[16, 24\]"),
    "too large": (np.zeros((17, 24), np.uint16), "the mask is"),
    "other type": (MASK.astype(np.float32), "the mask is float32"),
}


@pytest.mark.parametrize("case", WRONG_FRAMES)
def test_a_frame_that_is_not_the_plans_is_refused(backend: Backend, case: str) -> None:
    wrong, message = WRONG_FRAMES[case]
    with backend.open(PLAN) as session:
        for pair in ((wrong, a_frame()), (a_frame(), wrong)):
            with pytest.raises(ValueError, match=message):
                session.substitute(*pair, MASK)
        with pytest.raises(ValueError, match=message):
            session.preprocess(wrong)


@pytest.mark.parametrize("case", WRONG_MASKS)
def test_a_mask_that_is_not_the_plans_is_refused(backend: Backend, case: str) -> None:
    wrong, message = WRONG_MASKS[case]
    with backend.open(PLAN) as session:
        with pytest.raises(ValueError, match=message):
            session.substitute(a_frame(), a_frame(), wrong)
        with pytest.raises(ValueError, match=message):
            session.upsample(wrong)


@pytest.mark.parametrize(
    ("subsampling", "planes"),
    [("420", [(0,), (1, 2)]), ("422", [(0,), (1, 2)]), ("444", [(0, 1, 2)])],
)
def test_planes_of_one_size_share_a_grid(subsampling: str, planes: list[tuple[int, ...]]) -> None:
    pixel_format = PixelFormat.from_name(f"yuv{subsampling}p")
    plan = Plan(pixel_format=pixel_format, width=97, height=61, mask_width=24, mask_height=16)
    assert [tuple(grid.planes) for grid in plane_grids(plan)] == planes
