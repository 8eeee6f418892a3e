"""From a YUV frame to the network's input: box average, colour, normalisation, on every backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import plain
import pytest
from support import ALL_FORMATS, random_frame

from roi_accel.backends.frame import ColourMatrix, ColourRange, Frame, PixelFormat
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.backends.tables import IMAGENET_MEAN, IMAGENET_STD

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

# Bounds on float64 are the contract's own: test_contract.py holds each backend to it, bit for bit.
on_the_reference = pytest.mark.parametrize("backend", ["numpy"], indirect=True)
by_formats = pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)


def a_plan(pixel_format: PixelFormat, size: tuple[int, int], model: ModelSize, **rest: Any) -> Plan:
    return Plan(
        pixel_format=pixel_format,
        width=size[0],
        height=size[1],
        mask_width=model.width,
        mask_height=model.height,
        model=model,
        **rest,
    )


def levels(model_input: np.ndarray) -> np.ndarray:
    """Undo the normalisation: float64[3, height, width] in 0..255."""
    mean = np.array(IMAGENET_MEAN)[:, None, None]
    std = np.array(IMAGENET_STD)[:, None, None]
    return (model_input[0].astype(np.float64) * std + mean) * 255


def box_mean(plane: np.ndarray, height: int, width: int) -> np.ndarray:
    """Mean over [floor(i*H/h), ceil((i+1)*H/h)) in each direction, float64."""
    source_height, source_width = plane.shape
    out = np.empty((height, width))
    for y in range(height):
        top, bottom = y * source_height // height, -(-(y + 1) * source_height // height)
        for x in range(width):
            left, right = x * source_width // width, -(-(x + 1) * source_width // width)
            out[y, x] = plane[top:bottom, left:right].mean()
    return out


@on_the_reference
@by_formats
@pytest.mark.parametrize("size", [(97, 61), (33, 35), (176, 144)], ids=str)
@pytest.mark.parametrize("colour_range", ColourRange)
def test_input_is_the_box_average_in_rgb_within_rounding(
    backend: Backend, pixel_format: PixelFormat, size: tuple[int, int], colour_range: ColourRange
) -> None:
    model = ModelSize(24, 16, 24, 16)
    frame = random_frame(np.random.default_rng(1), pixel_format, *size)
    with backend.open(a_plan(pixel_format, size, model, colour_range=colour_range)) as session:
        found = session.preprocess(frame)
    shift = 2 ** (pixel_format.bit_depth - 8)
    y, u, v = (box_mean(plane, 16, 24) / shift for plane in frame.planes)
    full = colour_range is ColourRange.FULL
    exact = plain.rgb(y, u, v, ColourMatrix.BT709, full)
    assert found.dtype == np.float32
    assert found.shape == (1, 3, 16, 24)
    # Each of Y, U and V is rounded twice (average, 8 bits) before gains of at most 2.1.
    assert np.abs(levels(found) - exact).max() <= 4.0


@on_the_reference
@pytest.mark.parametrize("matrix", ColourMatrix)
@pytest.mark.parametrize("colour_range", ColourRange)
def test_every_colour_is_within_one_level_of_float64(
    backend: Backend, matrix: ColourMatrix, colour_range: ColourRange
) -> None:
    codes = np.arange(0, 256, 3, dtype=np.uint8)
    y, u, v = (grid.reshape(86 * 2, -1) for grid in np.meshgrid(codes, codes, codes, indexing="ij"))
    pixel_format = PixelFormat("444", 8)
    height, width = y.shape
    model = ModelSize(width, height, width, height)
    plan = a_plan(
        pixel_format, (width, height), model, colour_matrix=matrix, colour_range=colour_range
    )
    with backend.open(plan) as session:
        found = session.preprocess(Frame((y, u, v), pixel_format))
    exact = plain.rgb(y, u, v, matrix, colour_range is ColourRange.FULL)
    assert np.abs(levels(found) - exact).max() <= 0.51


@by_formats
def test_a_flat_frame_gives_a_flat_input(backend: Backend, pixel_format: PixelFormat) -> None:
    middle = 128 << (pixel_format.bit_depth - 8)
    planes = [np.full(s, middle, pixel_format.dtype) for s in pixel_format.plane_shapes(97, 61)]
    model = ModelSize(32, 24, 32, 24)
    with backend.open(a_plan(pixel_format, (97, 61), model)) as session:
        found = levels(session.preprocess(Frame(tuple(planes), pixel_format)))
    assert np.ptp(found, axis=(1, 2)).max() == 0
    assert found == pytest.approx((128 - 16) * 255 / 219, abs=0.51)


@by_formats
def test_padding_repeats_the_edge(backend: Backend, pixel_format: PixelFormat) -> None:
    frame = random_frame(np.random.default_rng(3), pixel_format, 97, 61)
    with backend.open(a_plan(pixel_format, (97, 61), ModelSize(97, 61, 104, 64))) as session:
        found = session.preprocess(frame)
    assert found.shape == (1, 3, 64, 104)
    assert (found[..., 61:, :] == found[..., 60:61, :]).all()
    assert (found[..., 97:] == found[..., 96:97]).all()


@by_formats
def test_white_at_every_depth_is_white(backend: Backend, pixel_format: PixelFormat) -> None:
    shift = pixel_format.bit_depth - 8
    shapes = pixel_format.plane_shapes(64, 64)
    planes = [
        np.full(shape, code << shift, pixel_format.dtype)
        for shape, code in zip(shapes, (235, 128, 128), strict=True)
    ]
    with backend.open(a_plan(pixel_format, (64, 64), ModelSize(16, 16, 16, 16))) as session:
        found = levels(session.preprocess(Frame(tuple(planes), pixel_format)))
    assert found == pytest.approx(255, abs=0.01)


def test_the_largest_box_sum_is_exact_at_16_bits(backend: Backend) -> None:
    pixel_format = PixelFormat("420", 16)
    planes = [np.full(s, 65535, np.uint16) for s in pixel_format.plane_shapes(2000, 2000)]
    model = ModelSize(8, 8, 8, 8)
    plan = a_plan(pixel_format, (2000, 2000), model, colour_range=ColourRange.FULL)
    with backend.open(plan) as session:
        found = levels(session.preprocess(Frame(tuple(planes), pixel_format)))
    exact = plain.rgb(*np.full((3, 1), 255.0), ColourMatrix.BT709, True)
    assert found.mean(axis=(1, 2)) == pytest.approx(np.ravel(exact), abs=0.51)


def test_a_box_sum_that_could_overflow_is_refused() -> None:
    with pytest.raises(ValueError, match="would not fit in 32 bits"):
        a_plan(PixelFormat("420", 16), (4096, 4096), ModelSize(8, 8, 8, 8))


def test_a_plan_without_a_network_has_no_input(backend: Backend) -> None:
    pixel_format = PixelFormat("420", 8)
    plan = Plan(pixel_format=pixel_format, width=64, height=64, mask_width=1, mask_height=1)
    frame = random_frame(np.random.default_rng(0), pixel_format, 64, 64)
    with backend.open(plan) as session, pytest.raises(ValueError, match="no model size"):
        session.preprocess(frame)
