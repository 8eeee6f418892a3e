"""A picture of masks over their frames, with the scale that says what their colours mean."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from PIL.PngImagePlugin import PngInfo

from roi_accel._util.text import printable
from roi_accel.backends.arithmetic import apply_fade
from roi_accel.backends.plan import MASK_MAX
from roi_accel.backends.tables import fade_table
from roi_accel.masks.media import PICTURE_FOR_PEOPLE
from roi_accel.video.rgb import enlarge, mask_over, to_rgb

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Mask
    from roi_accel.report.contact_sheet import Legend, Sheet
    from roi_accel.video.rgb import Rgb

LEAST_WIDTH, MOST_WIDTH = 640, 1920
"""Of the picture, in pixels: as wide as the scale's words need, and no wider than a screen."""

MOST_PIXELS = 1 << 25
"""Of all frames of a picture together: what a viewer opens without a thought."""

_LEAST_FONT, _MOST_FONT = 13, 26
_PAPER, _INK, _FAINT = (255, 255, 255), (32, 32, 32), (120, 120, 120)
_WHOLE = 65536  # of alpha
_TICKS = 5


class MaskPicture:
    """Puts frames with their masks side by side, and a scale below them.

    The colours are viridis, violet where nobody looks and yellow where all do, over the frame's
    luminance. A thin white line goes around what begins to count, a thick one around what counts in
    full; they are one line where there is no fade.

    Parameters
    ----------
    legend : Legend
        What the scale says.
    sheet : Sheet or None
        The grid; None for one frame.
    """

    def __init__(self, legend: Legend, sheet: Sheet | None) -> None:
        self._legend = legend
        name = printable(legend.info.path.name)
        self._frame_name = f" of {name}" if sheet is None else ""
        self._sheet_words = () if sheet is None else (f"frames of {name}",)
        self._columns = sheet.columns if sheet else 1
        self._rows = sheet.rows if sheet else 1
        info = legend.info
        width = min(max(info.width, LEAST_WIDTH), MOST_WIDTH)
        if sheet is not None:
            width = MOST_WIDTH if self._columns * info.width >= MOST_WIDTH else LEAST_WIDTH
            width = max(width, min(MOST_WIDTH, self._columns * info.width))
        self._font_size = min(max(width // 64, _LEAST_FONT), _MOST_FONT)
        self._gap = self._font_size // 2
        self._cell_width = min(
            (width - self._gap * (self._columns - 1)) // self._columns,
            math.isqrt(MOST_PIXELS * info.width // (info.height * self._rows * self._columns)),
        )
        self._cell_height = max(1, round(self._cell_width * info.height / info.width))
        self._line = round(self._font_size * 1.5)
        cells = self._cell_width * self._columns + self._gap * (self._columns - 1)
        self._width = max(cells, LEAST_WIDTH)
        self._cells: list[tuple[int, Image.Image]] = []

    def add(self, index: int, reference: Frame, mask: Mask) -> None:
        """Show a frame in the next cell.

        Parameters
        ----------
        index : int
            Its number, 0-based.
        reference : Frame
        mask : uint16[mask_height, mask_width]
        """
        info = self._legend.info
        rgb = to_rgb(reference, info.colour_matrix, info.colour_range)
        over = mask_over(rgb, enlarge(mask, info.height, info.width))
        size = (self._cell_width, self._cell_height)
        grown = self._cell_width > info.width
        cell = Image.fromarray(over).resize(
            size, Image.Resampling.NEAREST if grown else Image.Resampling.LANCZOS
        )
        pixels = np.array(cell)
        self._outline(pixels, enlarge(mask, self._cell_height, self._cell_width))
        self._cells.append((index, Image.fromarray(pixels)))

    def png(self) -> bytes:
        """Return the picture as the content of a PNG file."""
        row = self._cell_height + self._line
        scale = _Scale(self._legend, self._width, self._font_size, self._line, self._sheet_words)
        height = row * self._rows + self._gap * (self._rows - 1) + scale.height
        picture = Image.new("RGB", (self._width, height), _PAPER)
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(self._font_size)
        for place, (index, cell) in enumerate(self._cells):
            y, x = divmod(place, self._columns)
            left, top = x * (self._cell_width + self._gap), y * (row + self._gap)
            picture.paste(cell, (left, top))
            words = _fitting(self._words(index), self._cell_width - self._gap, font)
            draw.text((left + self._gap, top + self._cell_height + 2), words, _INK, font)
        picture.paste(scale.draw(), (0, height - scale.height))
        about = PngInfo()
        about.add_text(*PICTURE_FOR_PEOPLE)
        with io.BytesIO() as file:
            picture.save(file, "PNG", pnginfo=about)
            return file.getvalue()

    def _words(self, index: int) -> str:
        legend = self._legend
        words = f"frame {index}"
        if legend.rate:
            # In the file, where a player finds it.
            words += f", {float((legend.info.skipped + index) / legend.rate):.2f} s"
        return words + self._frame_name

    def _outline(self, pixels: Rgb, mask: NDArray[np.uint16]) -> None:
        """Draw the lines around what begins to count, and what counts in full."""
        plan = self._legend.plan
        alpha = mask.astype(np.uint32)
        apply_fade(alpha, fade_table(plan.threshold_code, plan.fade_code))
        thin = max(1, self._cell_width // 640)
        pixels[_edge(alpha > 0, thin) | _edge(alpha >= _WHOLE, 2 * thin)] = 255


@dataclass(frozen=True)
class _Scale:
    """The colours with their numbers, and below them how much of the distorted video counts."""

    legend: Legend
    width: int
    font_size: int
    line: int
    sheet_words: tuple[str, ...]

    @property
    def height(self) -> int:
        """In pixels."""
        return (3 + len(self._words())) * self.line + self.font_size

    def draw(self) -> Image.Image:
        plan = self.legend.plan
        picture = Image.new("RGB", (self.width, self.height), _PAPER)
        draw = ImageDraw.Draw(picture)
        font = ImageFont.load_default(self.font_size)
        left, right = self.font_size, self.width - self.font_size
        top = self.font_size
        # Every colour of the picture is in it: from left to right the mask, downwards the frame.
        mask = np.linspace(0, MASK_MAX, right - left).astype(np.uint16)
        shades = np.linspace(0, 255, self.line).astype(np.uint8)
        rgb = np.broadcast_to(shades[:, None, None], (self.line, right - left, 3))
        grid = np.broadcast_to(mask, (self.line, right - left))
        picture.paste(Image.fromarray(mask_over(rgb, grid)), (left, top))
        below = top + self.line
        alpha = mask.astype(np.uint32)
        apply_fade(alpha, fade_table(plan.threshold_code, plan.fade_code))
        counts = np.broadcast_to(
            (alpha * 255 // _WHOLE).astype(np.uint8), (self.line // 2, *alpha.shape)
        )
        picture.paste(Image.fromarray(np.ascontiguousarray(counts)), (left, below))
        bottom = below + self.line // 2
        draw.rectangle((left, below, right - 1, bottom - 1), outline=_FAINT)
        for tick in range(_TICKS + 1):
            x = left + (right - left - 1) * tick // _TICKS
            draw.line((x, bottom, x, bottom + 4), _INK)
            draw.text((x, bottom + 5), f"{tick / _TICKS:g}", _INK, font, anchor="ma")
        marks = [plan.threshold, plan.threshold + plan.fade]
        for mark in dict.fromkeys(marks):
            if mark <= 1:
                x = left + round((right - left - 1) * mark)
                draw.line((x, top - 4, x, bottom + 4), _PAPER, 3)
                draw.line((x, top - 4, x, bottom + 4), _INK, 1)
        y = bottom + 5 + self.line
        for words in self._words():
            draw.text((left, y), _fitting(words, right - left, font), _INK, font)
            y += self.line
        return picture

    def _words(self) -> tuple[str, ...]:
        plan = self.legend.plan
        size = f"{plan.mask_width}x{plan.mask_height}"
        start, full = f"{plan.threshold:g}", f"{plan.threshold + plan.fade:.6g}"
        lines = f"thin line at {start}, thick line at {full}" if plan.fade else f"line at {start}"
        return (
            *self.sheet_words,
            f"0 where nobody looks, 1 where all do; mask of {size} by {self.legend.label}",
            f"threshold {start}, fade {plan.fade:g}: black counts as perfect, white in full",
            f"in the picture: {lines}",
        )


def _edge(inside: NDArray[np.bool_], thick: int) -> NDArray[np.bool_]:
    """Return the pixels of `inside` within `thick` pixels of what is outside; not at the rim."""
    core = np.pad(inside, thick, mode="edge")
    height, width = inside.shape
    kept = np.ones_like(inside)
    for step in (*range(-thick, 0), *range(1, thick + 1)):
        kept &= core[thick + step : thick + step + height, thick : thick + width]
        kept &= core[thick : thick + height, thick + step : thick + step + width]
    return inside & ~kept


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return as much of `text` as is `width` pixels wide."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "...") > width:
        text = text[:-1]
    return text + "..."
