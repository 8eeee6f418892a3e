"""Upsampling and substitution: each property of the contract, on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plain
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import ALL_FORMATS, random_frame

from roi_accel.backends.arithmetic import interpolate_lines, line_terms
from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.backends.tables import axis_table

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

UPSAMPLE_TOLERANCE = 5e-5
ODD_SIZES = [(33, 35), (32, 32), (176, 144), (97, 241)]
unit = st.floats(0.0, 1.0, width=32)
formats = st.sampled_from(ALL_FORMATS)
side = st.integers(1, 90)

by_formats = pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)


def a_plan(pixel_format: PixelFormat, size: tuple[int, int], mask: np.ndarray, **rest: Any) -> Plan:
    height, width = mask.shape
    return Plan(
        pixel_format=pixel_format,
        width=size[0],
        height=size[1],
        mask_width=width,
        mask_height=height,
        **rest,
    )


def a_mask(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    return rng.integers(0, 65536, (height, width), dtype=np.uint16)


@given(st.integers(1, 4000), st.integers(1, 60), side, side, st.integers(0, 2**32 - 1))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_upsampling_stays_within_the_parity_tolerance_of_float64(
    backend: Backend, width: int, height: int, mask_width: int, mask_height: int, seed: int
) -> None:
    mask = a_mask(np.random.default_rng(seed), mask_width, mask_height)
    # With threshold 0 and fade 1 alpha is the mask itself, on a scale of 65536 for 65535.
    plan = a_plan(PixelFormat("444", 8), (width, height), mask, threshold=0.0, fade=1.0)
    with backend.open(plan) as session:
        luma, _, _ = session.upsample(mask)
    exact = plain.upsample(mask, height, width) / 65535
    # The fade adds at most 1.5 of its own codes to upsampling's share.
    assert np.abs(luma / 65536 - exact).max() <= UPSAMPLE_TOLERANCE + 1.5 / 65536


@given(st.integers(1, 4000), st.integers(1, 60), side, side, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_interpolation_alone_stays_within_its_derived_bound(
    width: int, height: int, mask_width: int, mask_height: int, seed: int
) -> None:
    mask = a_mask(np.random.default_rng(seed), mask_width, mask_height)
    across, down = axis_table(mask_width, width), axis_table(mask_height, height)
    wide, scratch = np.empty((2, mask_height, width), np.uint32)
    terms = line_terms(mask.astype(np.uint32), 1)
    interpolate_lines(terms, across.left, across.weight, 1, wide, scratch)
    codes, scratch = np.empty((2, height, width), np.uint32)
    interpolate_lines(line_terms(wide, 0), down.left, down.weight[:, None], 0, codes, scratch)
    error = np.abs(codes - plain.upsample(mask, height, width)).max() / 65535
    assert error <= 3.9e-5 <= UPSAMPLE_TOLERANCE


@given(st.integers(1, 4000), side, st.integers(0, 2**32 - 1))
@settings(deadline=None)
def test_interpolating_lines_is_interpolating_samples(width: int, cells: int, seed: int) -> None:
    codes = a_mask(np.random.default_rng(seed), cells, 3)
    table = axis_table(cells, width)
    lines, scratch = np.empty((2, 3, width), np.uint32)
    left, right = (codes[:, side].astype(np.uint64) for side in (table.left, table.right))
    one_by_one = (left * (65536 - table.weight) + right * table.weight + 32768) >> 16
    terms = line_terms(codes.astype(np.uint32), 1)
    interpolate_lines(terms, table.left, table.weight, 1, lines, scratch)
    np.testing.assert_array_equal(lines, one_by_one)


@by_formats
@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("fade", [0.0, 0.1, 1.0])
def test_substitution_is_within_one_code_of_float64(
    backend: Backend, pixel_format: PixelFormat, size: tuple[int, int], fade: float
) -> None:
    rng = np.random.default_rng(7)
    mask = a_mask(rng, 24, 16)
    plan = a_plan(pixel_format, size, mask, fade=fade)
    reference, distorted = (random_frame(rng, pixel_format, *size) for _ in range(2))
    with backend.open(plan) as session:
        masked = session.substitute(reference, distorted, mask)
        alphas = session.upsample(mask)
    for ref, dist, out, alpha in zip(
        reference.planes, distorted.planes, masked.planes, alphas, strict=True
    ):
        share = alpha / 65536
        exact = ref * (1 - share) + dist * share
        assert out.dtype == pixel_format.dtype
        assert np.abs(out - np.rint(exact)).max() <= 1
        # Rounding to nearest: never further from the exact value than half a code.
        assert np.abs(out - exact).max() <= 0.5


@by_formats
@pytest.mark.parametrize("fade", [0.0, 0.1, 1.0])
def test_alpha_on_every_plane_follows_float64(
    backend: Backend, pixel_format: PixelFormat, fade: float
) -> None:
    mask = a_mask(np.random.default_rng(11), 24, 16)
    plan = a_plan(pixel_format, (97, 61), mask, fade=fade)
    with backend.open(plan) as session:
        alphas = session.upsample(mask)
    for alpha, (height, width) in zip(alphas, plan.plane_shapes, strict=True):
        codes = plain.upsample(mask, height, width)
        exact = plain.alpha(codes, plan.threshold, plan.fade)
        # Upsampling's error is stretched by the fade; a step may flip only where it is that close.
        slack = UPSAMPLE_TOLERANCE / fade + 1.5 / 65536 if fade else 0.0
        near = np.abs(codes / 65535 - plan.threshold) <= UPSAMPLE_TOLERANCE if fade == 0 else False
        assert alpha.shape == (height, width)
        assert ((np.abs(alpha / 65536 - exact) <= slack) | near).all()


@by_formats
@pytest.mark.parametrize(("code", "source"), [(0, "reference"), (65535, "distorted")])
def test_alpha_zero_is_the_reference_and_alpha_one_the_distorted_untouched(
    backend: Backend, pixel_format: PixelFormat, code: int, source: str
) -> None:
    rng = np.random.default_rng(5)
    mask = np.full((9, 16), code, np.uint16)
    # A checkerboard corner keeps a block from being copied whole, so the arithmetic is used too.
    mask[0, ::2] = 65535 - code
    frames = {n: random_frame(rng, pixel_format, 97, 241) for n in ("reference", "distorted")}
    plan = a_plan(pixel_format, (97, 241), mask)
    with backend.open(plan) as session:
        masked = session.substitute(frames["reference"], frames["distorted"], mask)
    for plane, out in zip(frames[source].planes, masked.planes, strict=True):
        bottom = len(out) // 2
        assert np.array_equal(out[bottom:], plane[bottom:])
        assert not np.array_equal(out, plane)


@given(
    formats, st.integers(1, 200), st.integers(1, 70), side, side, unit, unit, st.integers(0, 999)
)
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_equal_inputs_give_the_reference(
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
    mask = a_mask(rng, mask_width, mask_height)
    frame = random_frame(rng, pixel_format, width, height)
    plan = a_plan(pixel_format, (width, height), mask, threshold=threshold, fade=fade)
    with backend.open(plan) as session:
        masked = session.substitute(frame, frame, mask)
    assert all(map(np.array_equal, masked.planes, frame.planes))


@by_formats
def test_inputs_are_never_written_and_may_be_read_only_views_with_padded_rows(
    backend: Backend, pixel_format: PixelFormat
) -> None:
    rng = np.random.default_rng(9)
    mask = a_mask(rng, 24, 16)
    frames = [_padded(random_frame(rng, pixel_format, 97, 61)) for _ in range(2)]
    before = [plane.copy() for frame in frames for plane in frame.planes]
    plan = a_plan(pixel_format, (97, 61), mask, model=ModelSize(32, 24, 32, 24))
    mask.setflags(write=False)
    with backend.open(plan) as session:
        session.preprocess(frames[0])
        masked = session.substitute(*frames, mask)
        dense = [Frame(tuple(p.copy() for p in f.planes), pixel_format) for f in frames]
        again = session.substitute(*dense, mask)
    after = [plane for frame in frames for plane in frame.planes]
    assert all(map(np.array_equal, before, after))
    assert all(map(np.array_equal, masked.planes, again.planes))


def _padded(frame: Frame) -> Frame:
    planes = []
    for plane in frame.planes:
        wide = np.full((plane.shape[0], plane.shape[1] + 13), 7, plane.dtype)
        wide[:, : plane.shape[1]] = plane
        wide.setflags(write=False)
        planes.append(wide[:, : plane.shape[1]])
    return Frame(tuple(planes), frame.pixel_format)


def test_results_are_new_frames_that_a_later_call_leaves_alone(backend: Backend) -> None:
    rng = np.random.default_rng(2)
    pixel_format = PixelFormat("420", 8)
    mask, other = a_mask(rng, 24, 16), a_mask(rng, 24, 16)
    frames = [random_frame(rng, pixel_format, 96, 64) for _ in range(2)]
    with backend.open(a_plan(pixel_format, (96, 64), mask)) as session:
        first = session.substitute(*frames, mask)
        kept = [plane.copy() for plane in first.planes]
        second = session.substitute(*frames, other)
    assert all(map(np.array_equal, first.planes, kept))
    assert not np.array_equal(first.planes[0], second.planes[0])


@pytest.mark.parametrize("fade", [0.0, 0.1, 1.0])
def test_blocks_copied_whole_hold_what_the_arithmetic_gives(backend: Backend, fade: float) -> None:
    # Bands of 0 and 65535 and of codes right at the fade's ends: shortcuts must not move an edge.
    rng = np.random.default_rng(4)
    # At 16 bits, so that an alpha of one code shows.
    plan_codes = Plan(
        pixel_format=PixelFormat("420", 16),
        width=640,
        height=480,
        mask_width=8,
        mask_height=40,
        fade=fade,
    )
    ends = [plan_codes.threshold_code, plan_codes.threshold_code + plan_codes.fade_code]
    codes = [0, *(e + d for e in ends for d in (-1, 0, 1)), 65535]
    rows = np.clip(np.repeat(codes, 5), 0, 65535)
    mask = np.repeat(rows[:, None], 8, axis=1).astype(np.uint16)
    reference, distorted = (random_frame(rng, plan_codes.pixel_format, 640, 480) for _ in range(2))
    with backend.open(plan_codes) as session:
        masked = session.substitute(reference, distorted, mask)
        alphas = session.upsample(mask)
    for ref, dist, out, alpha in zip(
        reference.planes, distorted.planes, masked.planes, alphas, strict=True
    ):
        wide = alpha.astype(np.uint64)
        assert np.array_equal(out, (ref * (65536 - wide) + dist * wide + 32768) >> 16)
