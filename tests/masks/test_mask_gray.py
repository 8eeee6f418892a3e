"""From decoded pictures of any pixel format to masks."""

from __future__ import annotations

import math
import re
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from roi_accel.errors import InputError
from roi_accel.masks.gray import expansion, to_mask

WIDTH, HEIGHT = 9, 5

FULL_DEPTHS = {"gray": 8, "gray9le": 9, "gray10le": 10, "gray10be": 10, "gray12le": 12}
FULL_DEPTHS |= {"gray14le": 14, "gray16le": 16, "gray16be": 16}
RGB_8 = ("rgb24", "bgr24", "rgba", "bgra", "argb", "abgr", "rgb0", "bgr0", "0rgb", "0bgr", "gbrp")
RGB_16 = (
    "rgb48le",
    "rgb48be",
    "bgr48le",
    "rgba64le",
    "rgba64be",
    "bgra64le",
    "gbrp16le",
    "gbrap16le",
)


@pytest.fixture
def picture(av: Any) -> Any:
    """Make a decoded frame whose planes hold given samples, and noise in the rows' padding."""

    def make(pix_fmt: str, planes: list[np.ndarray[Any, Any]], color_range: int = 0) -> Any:
        frame = av.VideoFrame(WIDTH, HEIGHT, pix_fmt)
        assert len(frame.planes) == len(planes)
        for plane, samples in zip(frame.planes, planes, strict=True):
            content = np.full((plane.height, plane.line_size), 0xA5, np.uint8)
            raw = np.ascontiguousarray(samples).view(np.uint8).reshape(plane.height, -1)
            content[:, : raw.shape[1]] = raw
            plane.update(content.tobytes())
        frame.color_range = color_range
        return frame

    return make


def samples_of(depth: int, order: str = "<", seed: int = 0) -> np.ndarray[Any, Any]:
    """All of a depth's ends, and noise between them."""
    values = np.random.default_rng(seed).integers(0, 1 << depth, (HEIGHT, WIDTH))
    values[0, :2] = 0, (1 << depth) - 1
    return values.astype("u1" if depth == 8 else f"{order}u2")


def rounded(value: Fraction) -> int:
    """To the nearest whole number, ties up."""
    return math.floor(value + Fraction(1, 2))


@pytest.mark.parametrize("depth", [1, 8, 9, 10, 12, 14, 16])
def test_full_range_expands_as_exact_fractions_do(depth: int) -> None:
    table = expansion(depth, limited=False)
    top = (1 << depth) - 1
    codes = range(0, top + 1, max(1, top // 997))
    assert [int(table[code]) for code in codes] == [
        rounded(Fraction(code * 65535, top)) for code in codes
    ]
    assert table[0] == 0
    assert table[top] == 65535


@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_limited_range_expands_as_exact_fractions_do(depth: int) -> None:
    table = expansion(depth, limited=True)
    scale = 1 << depth - 8
    codes = range(0, 1 << depth, max(1, (1 << depth) // 997))
    wanted = [
        min(max(rounded(Fraction((code - 16 * scale) * 65535, 219 * scale)), 0), 65535)
        for code in codes
    ]
    assert [int(table[code]) for code in codes] == wanted
    assert table[16 * scale] == table[0] == 0
    assert table[235 * scale] == table[-1] == 65535
    assert table[16 * scale + 1] > 0 or depth == 16


def test_gray_of_16_bits_expands_to_itself() -> None:
    np.testing.assert_array_equal(expansion(16, limited=False), np.arange(65536))


@pytest.mark.parametrize(("pix_fmt", "depth"), FULL_DEPTHS.items())
@pytest.mark.parametrize("color_range", [0, 2])
def test_gray_is_full_range_unless_it_says_otherwise(
    picture: Any, pix_fmt: str, depth: int, color_range: int
) -> None:
    samples = samples_of(depth, ">" if pix_fmt.endswith("be") else "<")
    mask = to_mask(picture(pix_fmt, [samples], color_range), "it")
    np.testing.assert_array_equal(mask, expansion(depth, limited=False)[samples])
    assert mask.dtype == np.uint16
    assert mask.dtype.isnative
    assert not mask.flags.writeable


@pytest.mark.parametrize("pix_fmt", ["gray", "gray10le", "gray16le"])
def test_gray_that_says_limited_is_limited(picture: Any, pix_fmt: str) -> None:
    samples = samples_of(FULL_DEPTHS[pix_fmt])
    mask = to_mask(picture(pix_fmt, [samples], 1), "it")
    np.testing.assert_array_equal(mask, expansion(FULL_DEPTHS[pix_fmt], limited=True)[samples])


@pytest.mark.parametrize(
    ("pix_fmt", "color_range", "limited"),
    [
        ("yuv420p", 0, True),
        ("yuv420p", 1, True),
        ("yuv420p", 2, False),
        ("yuvj420p", 0, False),
        ("yuv422p10le", 0, True),
        ("yuv444p16le", 2, False),
        ("nv12", 0, True),
    ],
)
def test_yuv_is_limited_unless_it_says_otherwise(
    picture: Any, pix_fmt: str, color_range: int, *, limited: bool
) -> None:
    depth = 10 if "10" in pix_fmt else 16 if pix_fmt.endswith("16le") else 8
    luma = samples_of(depth)
    mask = to_mask(picture(pix_fmt, [luma, *neutral(pix_fmt, depth)], color_range), "it")
    np.testing.assert_array_equal(mask, expansion(depth, limited=limited)[luma])


def neutral(pix_fmt: str, depth: int, offset: int = 0) -> list[np.ndarray[Any, Any]]:
    """Chroma planes of a gray picture, but for `offset` in the last sample of the last plane."""
    half = (-(-HEIGHT // 2), -(-WIDTH // 2))
    shape = (half[0], 2 * half[1]) if pix_fmt == "nv12" else half
    if "422" in pix_fmt:
        shape = (HEIGHT, half[1])
    if "444" in pix_fmt:
        shape = (HEIGHT, WIDTH)
    count = 1 if pix_fmt == "nv12" else 2
    dtype = "u1" if depth == 8 else "<u2"
    planes = [np.full(shape, 1 << depth - 1, dtype) for _ in range(count)]
    planes[-1][-1, -1] = (1 << depth - 1) + offset
    return planes


@pytest.mark.parametrize(("pix_fmt", "depth"), [("yuv420p", 8), ("nv12", 8), ("yuv422p10le", 10)])
@pytest.mark.parametrize("sign", [1, -1])
def test_chroma_may_miss_neutral_by_what_codecs_leave_but_not_more(
    picture: Any, pix_fmt: str, depth: int, sign: int
) -> None:
    luma, most = samples_of(depth), 4 << depth - 8
    to_mask(picture(pix_fmt, [luma, *neutral(pix_fmt, depth, sign * most)]), "it")
    with pytest.raises(InputError, match="not a gray picture: its chroma is not neutral"):
        to_mask(picture(pix_fmt, [luma, *neutral(pix_fmt, depth, sign * (most + 1))]), "it")


def channels_of(pix_fmt: str) -> str:
    """The channels in order of storage: letters, and '0' for what is no channel."""
    if pix_fmt.startswith("gb"):
        return "gbra" if pix_fmt.startswith("gbra") else "gbr"
    return re.sub(r"(24|48|64)(le|be)?$", "", pix_fmt)


def opaque_rgb(pix_fmt: str, gray: np.ndarray[Any, Any]) -> list[np.ndarray[Any, Any]]:
    """Channels of an opaque RGB picture that are equal; what is no channel is noise."""
    opaque, noise = np.full_like(gray, np.iinfo(gray.dtype).max), np.full_like(gray, 77)
    special = {"a": opaque, "0": noise}
    return [special.get(channel, gray).copy() for channel in channels_of(pix_fmt)]


def stored(pix_fmt: str, channels: list[np.ndarray[Any, Any]]) -> list[np.ndarray[Any, Any]]:
    """Planes as the format stores them: apart, or interleaved."""
    if pix_fmt.startswith("gb"):
        return channels
    return [np.stack(channels, axis=2, dtype=channels[0].dtype)]


def rgb_samples(pix_fmt: str) -> np.ndarray[Any, Any]:
    return samples_of(16 if pix_fmt in RGB_16 else 8, ">" if pix_fmt.endswith("be") else "<")


@pytest.mark.parametrize("pix_fmt", [*RGB_8, *RGB_16])
def test_rgb_with_equal_channels_is_gray(picture: Any, pix_fmt: str) -> None:
    gray = rgb_samples(pix_fmt)
    mask = to_mask(picture(pix_fmt, stored(pix_fmt, opaque_rgb(pix_fmt, gray))), "it")
    depth = 16 if pix_fmt in RGB_16 else 8
    np.testing.assert_array_equal(mask, expansion(depth, limited=False)[gray])


@pytest.mark.parametrize(
    ("pix_fmt", "at"),
    [(name, at) for name in (*RGB_8, *RGB_16) for at in range(len(channels_of(name)))],
)
def test_one_sample_that_differs_makes_it_no_gray_picture(
    picture: Any, pix_fmt: str, at: int
) -> None:
    channels = opaque_rgb(pix_fmt, rgb_samples(pix_fmt))
    channels[at][3, 4] ^= 1
    frame = picture(pix_fmt, stored(pix_fmt, channels))
    if channels_of(pix_fmt)[at] == "0":
        to_mask(frame, "it")  # what is no channel cannot matter
    else:
        reason = "transparent" if channels_of(pix_fmt)[at] == "a" else "differ at x=4, y=3"
        with pytest.raises(InputError, match=reason):
            to_mask(frame, "it")


@pytest.mark.parametrize("pix_fmt", ["ya8", "ya16le", "ya16be"])
def test_opaque_gray_with_alpha_is_taken_and_transparent_is_not(picture: Any, pix_fmt: str) -> None:
    depth = 8 if pix_fmt == "ya8" else 16
    gray = samples_of(depth, ">" if pix_fmt.endswith("be") else "<")
    opaque = np.full_like(gray, (1 << depth) - 1)
    pixels = np.stack([gray, opaque], axis=2, dtype=gray.dtype)
    mask = to_mask(picture(pix_fmt, [pixels]), "it")
    np.testing.assert_array_equal(mask, expansion(depth, limited=False)[gray])
    pixels[2, 2, 1] -= 1
    with pytest.raises(InputError, match="it: has transparent pixels"):
        to_mask(picture(pix_fmt, [pixels]), "it")


def test_transparent_yuv_is_refused(picture: Any) -> None:
    planes = [samples_of(8), *neutral("yuv420p", 8), np.full((HEIGHT, WIDTH), 255, np.uint8)]
    to_mask(picture("yuva420p", planes), "it")
    planes[3][0, 0] = 254
    with pytest.raises(InputError, match="transparent"):
        to_mask(picture("yuva420p", planes), "it")


@pytest.mark.parametrize(("pix_fmt", "inverted"), [("monob", False), ("monow", True)])
def test_one_bit_is_black_or_white(picture: Any, pix_fmt: str, *, inverted: bool) -> None:
    bits = np.random.default_rng(1).integers(0, 2, (HEIGHT, WIDTH), dtype=np.uint8)
    mask = to_mask(picture(pix_fmt, [np.packbits(bits ^ inverted, axis=1)]), "it")
    np.testing.assert_array_equal(mask, bits.astype(np.uint16) * 65535)


def test_samples_above_the_depth_are_refused_not_masked_off(picture: Any) -> None:
    samples = samples_of(10)
    samples[2, 2] = 1024
    with pytest.raises(InputError, match="sample 1024 is above 1023"):
        to_mask(picture("gray10le", [samples]), "it")


@pytest.mark.parametrize("pix_fmt", ["grayf32le", "gbrpf32le", "rgb565le", "uyvy422", "p010le"])
def test_other_pixel_formats_are_refused_by_name(av: Any, pix_fmt: str) -> None:
    with pytest.raises(InputError, match=f"it: pixel format {pix_fmt} is not supported"):
        to_mask(av.VideoFrame(WIDTH, HEIGHT, pix_fmt), "it")
