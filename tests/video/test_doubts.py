"""Raw video read at its own bit depth causes no warning, and real pictures read wrongly do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import run_ffmpeg

from roi_accel.backends.frame import PixelFormat
from roi_accel.video import RawGeometry, open_video

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from numpy.typing import NDArray

    Painter = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]
    Picture = Callable[[int, int], NDArray[np.uint8]]

P8 = PixelFormat("420", 8)

# Each gives codes of 8 bits from columns and rows in parts of the frame, 0 to 1.
GRADED: dict[str, Painter] = {
    "gradient": lambda x, y: 16 + 219 * y + 0 * x,
    "gradient upwards": lambda x, y: 235 - 219 * y + 0 * x,
    "curved gradient": lambda x, y: 255 * y**2 + 0 * x,
    "waves downwards": lambda x, y: 128 + 100 * np.sin(20 * y) + 0 * x,
    "gradient across": lambda x, y: 16 + 219 * x + 0 * y,
    "diagonal gradient": lambda x, y: 16 + 150 * y + 69 * x,
    "round gradient": lambda x, y: 255 - 300 * np.hypot(x - 0.5, y - 0.5),
    "cartoon": lambda x, y: np.where(y > 0.6 + 0.1 * np.sin(5 * x), 90.0, 150 + 90 * y),
    "hill": lambda x, y: np.where(np.hypot(x - 0.5, 2 * (y - 1)) < 0.4, 70.0, 240 - 120 * y),
    "sun": lambda x, y: np.where(np.hypot(x - 0.7, y - 0.3) < 0.1, 235.0, 60 + 100 * y),
}


def _columns_and_rows(width: int, height: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    y, x = np.mgrid[:height, :width]
    return x, y


def painted(paint: Painter) -> Picture:
    def plane(width: int, height: int) -> NDArray[np.uint8]:
        x, y = _columns_and_rows(width, height)
        return np.clip(paint(x / width, y / height), 0, 255).astype(np.uint8)

    return plane


def rows(values: Callable[[NDArray[np.int64]], NDArray[np.generic]]) -> Picture:
    def plane(width: int, height: int) -> NDArray[np.uint8]:
        column = values(np.arange(height)).astype(np.uint8)
        return np.repeat(column[:, None], width, 1)

    return plane


def cells(size: int) -> Picture:
    def plane(width: int, height: int) -> NDArray[np.uint8]:
        x, y = _columns_and_rows(width, height)
        return ((x // size + y // size) % 2 * 255).astype(np.uint8)

    return plane


def striped(period: int) -> Picture:
    """Return vertical stripes that get brighter downwards."""

    def plane(width: int, height: int) -> NDArray[np.uint8]:
        x, y = _columns_and_rows(width, height)
        return (x % period * 2 < period) * (255 * y // height).astype(np.uint8)

    return plane


def bricks(size: int, moved: int) -> Picture:
    """Return vertical stripes of which each row is moved by so much from the one above."""

    def plane(width: int, height: int) -> NDArray[np.uint8]:
        x, y = _columns_and_rows(width, height)
        return ((x + moved * y) % (2 * size) // size * 219).astype(np.uint8)

    return plane


def flickering_waves(number: int) -> Picture:
    def plane(width: int, height: int) -> NDArray[np.uint8]:
        strength = np.random.default_rng(1).uniform(0, 120, (height, 1))
        waves = np.sin(np.arange(width) * (2 * np.pi * number / width))
        return (128 + strength * waves).astype(np.uint8)

    return plane


def flickering_stripes(width: int, height: int) -> NDArray[np.uint8]:
    strength = np.random.default_rng(1).integers(0, 256, (height, 1))
    return ((np.arange(width) % 16 < 8) * strength).astype(np.uint8)


def combed(moved: int) -> Picture:
    """Return a picture with texture of two fields, between which it moved."""

    def plane(width: int, height: int) -> NDArray[np.uint8]:
        x, y = _columns_and_rows(width, height)
        x = x + moved * (y % 2)
        waves = np.sin(x / 5) * np.cos(y / 40) + np.sin(x / 13 + y / 50) + np.sin(x / 41)
        return (128 + 40 * waves).astype(np.uint8)

    return plane


PICTURES: dict[str, Picture] = {
    **{name: painted(paint) for name, paint in GRADED.items()},
    **{f"stripes of {n} rows": rows(lambda y, n=n: y // n % 2 * 255) for n in (1, 2, 5, 16, 40)},
    **{f"a line every {n} rows": rows(lambda y, n=n: (y % n == 0) * 219) for n in (2, 3, 20)},
    "grey steps": rows(lambda y: y // 30 * 9 % 256),
    "random rows": rows(lambda y: np.random.default_rng(0).integers(0, 256, len(y))),
    **{f"cells of {n}": cells(n) for n in (1, 2, 8, 10, 40)},
    **{f"columns of {n}": striped(n) for n in (2, 16, 40)},
    "flickering columns": flickering_stripes,
    **{f"{n} flickering waves": flickering_waves(n) for n in (2, 4, 6, 12)},
    **{f"bricks of {n} moved by {by}": bricks(n, by) for n, by in ((16, 16), (10, 10), (16, 5))},
    **{f"combed by {n}": combed(n) for n in (3, 12, 30)},
    "combed gradient": rows(lambda y: y * 100 // len(y) + y % 2 * 100),
}


def frame_of(luma: NDArray[np.uint8], chroma: Iterable[NDArray[np.uint8]] | None = None) -> bytes:
    height, width = luma.shape
    grey = np.full((height // 2, width // 2), 128, np.uint8)
    return b"".join(plane.tobytes() for plane in (luma, *(chroma or (grey, grey))))


def doubt(path: Path, width: int, height: int, pixel_format: PixelFormat = P8) -> str:
    with open_video(path, raw=RawGeometry(width, height, pixel_format)) as reader:
        return reader.info.doubt


@pytest.mark.parametrize("name", PICTURES)
def test_drawn_pictures_are_not_doubted(tmp_path: Path, name: str) -> None:
    luma, chroma = PICTURES[name](640, 360), [PICTURES[name](320, 180)] * 2
    path = tmp_path / "clip.yuv"
    for planes in (None, chroma):
        path.write_bytes(frame_of(luma, planes) * 4)
        assert not doubt(path, 640, 360)


@pytest.mark.parametrize("source", ["allrgb", "allyuv", "testsrc2", "smptehdbars", "rgbtestsrc"])
def test_test_charts_are_not_doubted(tmp_path: Path, source: str) -> None:
    path = tmp_path / "clip.yuv"
    scaled = ("-f", "lavfi", "-i", source, "-vf", "scale=640:360")
    run_ffmpeg(*scaled, "-frames:v", 4, "-pix_fmt", "yuv420p", path)
    assert not doubt(path, 640, 360)


def test_drawn_pictures_of_more_than_8_bits_are_not_doubted(tmp_path: Path) -> None:
    path = tmp_path / "clip.yuv"
    for paint in GRADED.values():
        deep = (painted(paint)(1280, 720).astype("<u2") * 4) + 3
        path.write_bytes(deep.tobytes() + np.full(1280 * 360, 512, "<u2").tobytes())
        assert not doubt(path, 1280, 720, PixelFormat("420", 10))


@pytest.mark.parametrize("chroma", [128, None], ids=["grey", "striped"])
@pytest.mark.parametrize("bright", [0, 1])
@pytest.mark.parametrize("dark", [0, 3, 15])
def test_columns_of_one_pixel_are_not_taken_for_wider_samples(
    tmp_path: Path, dark: int, bright: int, chroma: int | None
) -> None:
    luma = np.full((720, 1280), dark, np.uint8)
    luma[:, bright::2] = 255
    planes = luma[:360, :640] if chroma is None else np.full((360, 640), chroma, np.uint8)
    path = tmp_path / "clip.yuv"
    path.write_bytes(frame_of(luma, [planes, planes]) * 2)
    assert not doubt(path, 1280, 720)


def test_noisy_columns_are_not_taken_for_wider_samples(tmp_path: Path) -> None:
    bytes_ = np.random.default_rng(0).integers(0, 256, 1280 * 720 * 3 // 2, np.uint8)
    bytes_[1::2] %= 4
    path = tmp_path / "clip.yuv"
    path.write_bytes(bytes_.tobytes())
    assert not doubt(path, 1280, 720)


@pytest.mark.parametrize(
    ("clip", "depth"),
    [("bigbuckbunny.mp4", 10), ("carphone_distorted.mp4", 10), ("carphone_distorted.mp4", 12)],
)
def test_real_video_of_more_bits_is_doubted(
    tmp_path: Path, real_file: Callable[[str], Path], clip: str, depth: int
) -> None:
    pixel_format = PixelFormat("420", depth)
    path = tmp_path / "clip.yuv"
    scaled = ("-i", real_file(f"clips/{clip}"), "-vf", "scale=640:360")
    run_ffmpeg(*scaled, "-frames:v", 12, "-pix_fmt", pixel_format.name, path)
    assert not doubt(path, 640, 360, pixel_format)
    for wrong in (8, 16):
        read = doubt(path, 640, 360, PixelFormat("420", wrong))
        assert read.endswith(
            f"look like {depth} bits; if they are, type --pix-fmt {pixel_format.name}"
        )


def test_real_video_of_8_bits_is_not_doubted(
    tmp_path: Path, real_file: Callable[[str], Path]
) -> None:
    path = tmp_path / "clip.yuv"
    run_ffmpeg(
        "-i", real_file("clips/bigbuckbunny.mp4"), "-frames:v", 12, "-pix_fmt", "yuv420p", path
    )
    with open_video(real_file("clips/bigbuckbunny.mp4")) as reader:
        assert not doubt(path, reader.info.width, reader.info.height)
