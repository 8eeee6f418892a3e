"""Claims about pictures for the eye: right colours from YUV, and a mask that can be read."""

from __future__ import annotations

import numpy as np
import pytest
from clips import smooth_frames
from support import ALL_FORMATS

from roi_accel.backends.frame import ColourMatrix, ColourRange, Frame, PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import MASK_MAX, Plan
from roi_accel.video.rgb import colour_map, enlarge, mask_over, to_rgb

LIMITED, FULL = ColourRange.LIMITED, ColourRange.FULL
# Y, U, V of ITU-R BT.709 in limited range at 75 %: EBU Tech 3325's colour bars.
BARS = {
    (180, 128, 128): (191, 191, 191),
    (168, 44, 136): (191, 191, 0),
    (145, 147, 44): (0, 191, 191),
    (133, 63, 52): (0, 191, 0),
    (63, 193, 204): (191, 0, 191),
    (51, 109, 212): (191, 0, 0),
    (28, 212, 120): (0, 0, 191),
}


def flat(yuv: tuple[int, int, int], pixel_format: PixelFormat, *, odd: bool = False) -> Frame:
    """Return a frame of one colour given in 8 bits."""
    size = (5, 7) if odd else (4, 6)
    planes = [
        np.full(shape, level << (pixel_format.bit_depth - 8), pixel_format.dtype)
        for shape, level in zip(pixel_format.plane_shapes(size[1], size[0]), yuv, strict=True)
    ]
    return Frame((planes[0], planes[1], planes[2]), pixel_format)


@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda each: each.name)
@pytest.mark.parametrize(("yuv", "rgb"), BARS.items())
def test_colour_bars_have_their_colours_in_every_format(
    pixel_format: PixelFormat, yuv: tuple[int, int, int], rgb: tuple[int, int, int]
) -> None:
    picture = to_rgb(flat(yuv, pixel_format, odd=True), ColourMatrix.BT709, LIMITED)
    assert picture.shape == (5, 7, 3)
    assert picture.dtype == np.uint8
    assert np.abs(picture.astype(int) - rgb).max() <= 1


def test_the_range_decides_what_white_is() -> None:
    white = flat((235, 128, 128), PixelFormat("420", 8))
    assert to_rgb(white, ColourMatrix.BT601, LIMITED).min() == 255
    assert to_rgb(white, ColourMatrix.BT601, FULL).max() == 235


def test_the_matrix_decides_what_green_is() -> None:
    green = flat((133, 63, 52), PixelFormat("444", 8))
    assert to_rgb(green, ColourMatrix.BT601, LIMITED)[0, 0, 0] > 9


@pytest.mark.parametrize("size", [(96, 64), (95, 63)], ids=str)
def test_an_enlarged_mask_is_what_alpha_is_made_of(size: tuple[int, int]) -> None:
    width, height = size
    mask = np.random.default_rng(1).integers(0, MASK_MAX + 1, (9, 16), np.uint16)
    plan = Plan(
        pixel_format=PixelFormat("420", 8),
        width=width,
        height=height,
        mask_width=16,
        mask_height=9,
        threshold=0.0,
        fade=1.0,
    )
    with NumpyBackend().open(plan) as session:
        alpha = session.upsample(mask)[0]
    wanted = np.round(enlarge(mask, height, width) * (65536 / MASK_MAX))
    assert np.abs(wanted - alpha).max() <= 1.5


def test_a_higher_mask_is_a_lighter_colour() -> None:
    luminance = colour_map() @ [0.2126, 0.7152, 0.0722]
    assert (np.diff(luminance) > 0).all()
    assert luminance[-1] > luminance[0] + 170


def test_the_frame_shows_through_the_mask() -> None:
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0] = 255
    over = mask_over(rgb, np.full((2, 2), MASK_MAX, np.uint16)).astype(int)
    assert (over[0] - over[1] >= 85).all()


def test_only_the_mask_decides_the_hue() -> None:
    """A red and a gray frame of one luminance look alike under a mask."""
    red = np.full((1, 1, 3), (200, 0, 0), np.uint8)
    gray = np.full((1, 1, 3), round(200 * 0.299), np.uint8)
    mask = np.full((1, 1), 30000, np.uint16)
    assert np.abs(mask_over(red, mask).astype(int) - mask_over(gray, mask)).max() <= 1


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(3, 4\) does not lie on"):
        mask_over(np.zeros((4, 4, 3), np.uint8), np.zeros((3, 4), np.uint16))


def test_frames_are_not_written_to() -> None:
    (frame,) = smooth_frames(PixelFormat("420", 10), 64, 48, 1)
    before = [plane.copy() for plane in frame.planes]
    to_rgb(frame, ColourMatrix.BT709, LIMITED)
    assert all(np.array_equal(old, new) for old, new in zip(before, frame.planes, strict=True))
