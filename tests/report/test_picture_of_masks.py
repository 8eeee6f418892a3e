"""Claims about the picture of a mask: its colours, its lines, and the scale that explains both."""

from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from roi_accel.backends.frame import ColourMatrix, ColourRange, Frame, PixelFormat
from roi_accel.backends.plan import Plan
from roi_accel.errors import InputError
from roi_accel.report.contact_sheet import Legend, Sheet
from roi_accel.video.info import VideoInfo
from roi_accel.video.rgb import colour_map, mask_over

Image = pytest.importorskip("PIL.Image")
ImageDraw = pytest.importorskip("PIL.ImageDraw")
mask_picture = pytest.importorskip("roi_accel.report.mask_picture")

WIDTH, HEIGHT = 640, 360


def legend(
    width: int = WIDTH, height: int = HEIGHT, *, name: str = "ref.mp4", **changes: float
) -> Legend:
    info = VideoInfo(
        path=Path(name),
        kind="container",
        width=width,
        height=height,
        pixel_format=PixelFormat("420", 8),
        colour_matrix=ColourMatrix.BT709,
        colour_matrix_source="assumed",
        colour_range=ColourRange.LIMITED,
        colour_range_source="assumed",
    )
    plan = Plan(
        pixel_format=info.pixel_format,
        width=width,
        height=height,
        mask_width=64,
        mask_height=36,
        **({"threshold": 0.3, "fade": 0.1} | changes),
    )
    return Legend(info=info, rate=Fraction(25), label="roi", plan=plan)


def gray(width: int = WIDTH, height: int = HEIGHT) -> Frame:
    shapes = PixelFormat("420", 8).plane_shapes(width, height)
    y, u, v = (np.full(shape, 126, np.uint8) for shape in shapes)
    return Frame((y, u + 2, v + 2), PixelFormat("420", 8))


def ramp() -> np.ndarray[Any, Any]:
    """Return a mask that grows from left to right."""
    return np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (36, 1))


def pixels(
    about: Legend, masks: list[np.ndarray[Any, Any]], sheet: Sheet | None = None
) -> np.ndarray[Any, Any]:
    picture = mask_picture.MaskPicture(about, sheet)
    for number, mask in enumerate(masks):
        picture.add(number, gray(about.info.width, about.info.height), mask)
    with Image.open(io.BytesIO(picture.png())) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def white(row: np.ndarray[Any, Any]) -> list[int]:
    return [int(x) for x in np.flatnonzero((row == 255).all(axis=-1))]


def test_the_frame_keeps_its_size_and_has_the_colours_of_the_map() -> None:
    found = pixels(legend(threshold=1.0, fade=0.0), [ramp()])
    assert found.shape[1] == WIDTH
    over = found[HEIGHT // 2]
    gray_share = 0.35 * 128
    for level, x in ((0, 2), (255, WIDTH - 9)):
        assert np.abs(over[x] - (colour_map()[level] * 0.65 + gray_share)).max() < 3


def test_lines_go_where_counting_begins_and_where_it_is_full() -> None:
    found = pixels(legend(), [ramp()])
    places = white(found[HEIGHT // 2])
    ends = [x / WIDTH for x in (places[0], places[-1])]
    assert ends == pytest.approx([0.3, 0.4], abs=0.01)
    assert len(places) == 3  # a thin one and a thick one


def test_without_a_fade_there_is_one_line() -> None:
    places = white(pixels(legend(fade=0.0), [ramp()])[HEIGHT // 2])
    assert places[-1] - places[0] == 1
    assert places[0] / WIDTH == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("fill", [0, 65535])
def test_a_mask_without_an_edge_has_no_line(fill: int) -> None:
    found = pixels(legend(), [np.full((36, 64), fill, np.uint16)])
    assert white(found[:HEIGHT].reshape(-1, 3)) == []


def test_the_scale_holds_every_colour_of_the_map() -> None:
    below = pixels(legend(), [ramp()])[HEIGHT:]
    shade = np.full((1, 256, 3), 128, np.uint8)
    levels = (np.arange(256, dtype=np.uint32) * 65535 // 255).astype(np.uint16)[None]
    for colour in mask_over(shade, levels)[0][::16]:
        assert np.abs(below.astype(int) - colour).max(axis=-1).min() <= 8


def test_the_scale_moves_with_threshold_and_fade() -> None:
    one, same, other = (
        pixels(legend(threshold=t, fade=f), [ramp()])[HEIGHT:]
        for t, f in ((0.3, 0.1), (0.3, 0.1), (0.6, 0.2))
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


@pytest.mark.parametrize("size", [(96, 64), (33, 1000), (1000, 33), (2560, 1440)], ids=str)
def test_frames_of_any_size_fit_on_a_screen_with_a_scale_that_can_be_read(
    size: tuple[int, int],
) -> None:
    found = pixels(legend(*size), [ramp()])
    assert mask_picture.LEAST_WIDTH <= found.shape[1] <= mask_picture.MOST_WIDTH


def test_a_sheet_has_its_frames_row_by_row() -> None:
    masks = [np.full((36, 64), level * 13107, np.uint16) for level in range(5)]
    found = pixels(legend(), masks, Sheet.parse("2x3"))
    assert found.shape[1] <= mask_picture.MOST_WIDTH
    cell = found.shape[1] // 3
    centres = [found[cell // 4, cell // 2 + column * cell] for column in range(3)]
    expected = colour_map()[[0, 51, 102]] * 0.65 + 0.35 * 128
    assert np.abs(np.array(centres) - expected).max() < 3


@pytest.mark.parametrize("sheet", [None, "1", "2x3"])
def test_every_picture_names_its_reference(
    monkeypatch: pytest.MonkeyPatch, sheet: str | None
) -> None:
    written: list[str] = []
    draw = ImageDraw.ImageDraw.text

    def noting(self: Any, place: Any, text: str, *rest: Any, **how: Any) -> None:
        written.append(text)
        draw(self, place, text, *rest, **how)

    monkeypatch.setattr(ImageDraw.ImageDraw, "text", noting)
    grid = Sheet.parse(sheet) if sheet else None
    masks = [ramp()] * (grid.cells if grid else 1)
    found = pixels(legend(name="folder/ref\n.mp4"), masks, grid)
    assert [text for text in written if r"of ref\n.mp4" in text]
    assert (found[-3:] == 255).all()  # the words end above the picture's edge


def test_a_sheet_of_many_frames_stays_small_enough_to_open() -> None:
    masks = [ramp()] * 4
    found = pixels(legend(33, 1000), masks, Sheet.parse("4x1"))
    assert found.shape[0] * found.shape[1] < 2 * mask_picture.MOST_PIXELS


@pytest.mark.parametrize(
    ("text", "rows", "columns", "cells"),
    [("12", 3, 4, 12), ("5", 2, 3, 5), ("1", 1, 1, 1), ("3x4", 3, 4, 12), ("1x7", 1, 7, 7)],
)
def test_a_number_of_frames_is_laid_out_nearly_square(
    text: str, rows: int, columns: int, cells: int
) -> None:
    assert Sheet.parse(text) == Sheet(rows, columns, cells)


@pytest.mark.parametrize("text", ["", "0", "-1", "x3", "3x", "101", "11x10", "3x4x5", "1e1", "٣"])
def test_what_is_no_sheet_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="such as --sheet 3x4"):
        Sheet.parse(text)


@pytest.mark.parametrize("count", range(5, 60))
def test_a_sheets_frames_are_in_order_and_spread_evenly(count: int) -> None:
    frames = Sheet.parse("5").frames(count)
    steps = np.diff(frames)
    assert 0 <= frames[0] <= frames[-1] < count
    assert (steps >= 1).all()
    assert steps.max() - steps.min() <= 1
