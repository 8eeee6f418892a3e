"""Every backend gives, to the last bit, what the integer contract says when taken literally."""

from __future__ import annotations

from typing import TYPE_CHECKING

import exact
import numpy as np
import pytest
from covering import pairwise
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ALL_FORMATS, random_frame

from roi_accel.backends.frame import ColourMatrix, ColourRange, Frame, PixelFormat
from roi_accel.backends.plan import ModelSize, Plan

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

by_formats = pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)
side = st.integers(1, 60)
unit = st.floats(0.0, 1.0)


@given(
    st.sampled_from(ALL_FORMATS),
    st.integers(1, 200),
    st.integers(1, 90),
    side,
    side,
    unit,
    st.one_of(st.just(0.0), st.just(1.0), unit),
    st.integers(0, 2**32 - 1),
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_substitution_and_alpha_are_exact(
    backend: Backend,
    pixel_format: PixelFormat,
    width: int,
    height: int,
    mask_width: int,
    mask_height: int,
    threshold: float,
    fade: float,
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 65536, (mask_height, mask_width), dtype=np.uint16)
    plan = Plan(
        pixel_format=pixel_format,
        width=width,
        height=height,
        mask_width=mask_width,
        mask_height=mask_height,
        threshold=threshold,
        fade=fade,
    )
    reference, distorted = (random_frame(rng, pixel_format, width, height) for _ in range(2))
    with backend.open(plan) as session:
        masked = session.substitute(reference, distorted, mask)
        alphas = session.upsample(mask)
    wanted = exact.substitute(reference, distorted, mask, plan)
    assert all(map(np.array_equal, masked.planes, wanted))
    for alpha, shape in zip(alphas, plan.plane_shapes, strict=True):
        assert np.array_equal(alpha, exact.alpha(exact.upsample(mask, *shape), plan))


@pytest.mark.parametrize("threshold", [0, 19661, 65535])
@pytest.mark.parametrize("fade", [0, 1, 3, 6554, 32769, 65534, 65535])
def test_alpha_of_every_code_is_exact(backend: Backend, threshold: int, fade: int) -> None:
    # A fade of 65535 has products right beside a half, where rounding shows.
    codes = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    plan = Plan(
        pixel_format=PixelFormat("444", 8),
        width=256,
        height=256,
        mask_width=256,
        mask_height=256,
        threshold=threshold / 65535,
        fade=fade / 65535,
    )
    assert (plan.threshold_code, plan.fade_code) == (threshold, fade)
    with backend.open(plan) as session:
        alpha, _, _ = session.upsample(codes)
    assert np.array_equal(alpha, exact.alpha(codes.astype(np.int64), plan))


@pytest.mark.parametrize(
    ("pixel_format", "size", "matrix", "colour_range"),
    pairwise(
        ALL_FORMATS, [(97, 61), (33, 35), (176, 144), (20, 300)], [*ColourMatrix], [*ColourRange]
    ),
    ids=str,
)
def test_the_networks_input_is_exact(
    backend: Backend,
    pixel_format: PixelFormat,
    size: tuple[int, int],
    matrix: ColourMatrix,
    colour_range: ColourRange,
) -> None:
    model = ModelSize(22, 15, 24, 16)
    plan = Plan(
        pixel_format=pixel_format,
        width=size[0],
        height=size[1],
        mask_width=model.width,
        mask_height=model.height,
        colour_matrix=matrix,
        colour_range=colour_range,
        model=model,
    )
    frame = random_frame(np.random.default_rng(6), pixel_format, *size)
    with backend.open(plan) as session:
        found = session.preprocess(frame)
    assert np.array_equal(found, exact.preprocess(frame, plan))


@pytest.mark.parametrize("matrix", ColourMatrix)
def test_every_luma_beside_every_chroma_gives_the_exact_colour(
    backend: Backend, matrix: ColourMatrix
) -> None:
    # Of 65,536 pairs one or two lie right on a half, where rounding shows.
    luma, chroma = np.meshgrid(*[np.arange(256, dtype=np.uint8)] * 2)
    frame = Frame((luma, chroma, chroma), PixelFormat("444", 8))
    plan = Plan(
        pixel_format=frame.pixel_format,
        width=256,
        height=256,
        mask_width=1,
        mask_height=1,
        colour_matrix=matrix,
        model=ModelSize(256, 256, 256, 256),
    )
    with backend.open(plan) as session:
        found = session.preprocess(frame)
    assert np.array_equal(found, exact.preprocess(frame, plan))


@by_formats
def test_full_range_white_does_not_overflow_eight_bits(
    backend: Backend, pixel_format: PixelFormat
) -> None:
    # 1023 of 10 bits rounds to 256 of 8.
    model = ModelSize(8, 8, 8, 8)
    plan = Plan(
        pixel_format=pixel_format,
        width=64,
        height=64,
        mask_width=8,
        mask_height=8,
        colour_range=ColourRange.FULL,
        model=model,
    )
    frame = random_frame(np.random.default_rng(0), pixel_format, 64, 64)
    frame.planes[0].fill(pixel_format.max_value)
    with backend.open(plan) as session:
        found = session.preprocess(frame)
    assert np.array_equal(found, exact.preprocess(frame, plan))
