"""What a picture of masks shows: the grid of a contact sheet, and the words of its legend."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.errors import InputError

if TYPE_CHECKING:
    from fractions import Fraction

    from roi_accel.backends.plan import Plan
    from roi_accel.video import VideoInfo

MAX_CELLS = 100

_TEXT = re.compile(r"\s*([0-9]{1,4})(?:x([0-9]{1,4}))?\s*")


@dataclass(frozen=True)
class Sheet:
    """A grid of frames.

    Attributes
    ----------
    rows, columns : int
    cells : int
        How many of them are filled, row by row.
    """

    rows: int
    columns: int
    cells: int

    @classmethod
    def parse(cls, text: str) -> Sheet:
        """Return the sheet that ``--sheet`` means: ``N`` frames, or ``ROWSxCOLUMNS``.

        Raises
        ------
        InputError
            The text is neither, or asks for no frame or more than `MAX_CELLS`.
        """
        match = _TEXT.fullmatch(text)
        first, second = (int(group or 0) for group in match.groups()) if match else (0, 0)
        is_grid = match is not None and match[2] is not None
        cells = first * second if is_grid else first
        if not 1 <= cells <= MAX_CELLS:
            msg = f"--sheet {text[:40]!r} is neither a number of frames nor ROWSxCOLUMNS"
            raise InputError(msg, remedy=f"such as --sheet 3x4; from 1 to {MAX_CELLS} frames")
        if is_grid:
            return cls(first, second, cells)
        columns = math.isqrt(cells - 1) + 1
        return cls(-(-cells // columns), columns, cells)

    def frames(self, count: int) -> tuple[int, ...]:
        """Return the frames to show of `count`: the middle ones of as many equal parts.

        Raises
        ------
        InputError
            There are fewer frames than cells.
        """
        if count < self.cells:
            msg = f"--sheet asks for {self.cells} frames, and there are {count}"
            raise InputError(msg, remedy=f"--sheet {max(count, 1)} shows all of them")
        return tuple((2 * cell + 1) * count // (2 * self.cells) for cell in range(self.cells))


@dataclass(frozen=True, kw_only=True)
class Legend:
    """What a picture says about the masks in it.

    Attributes
    ----------
    info : VideoInfo
        The reference's.
    rate : Fraction or None
        Frames per second.
    label : str
        What the masks come from.
    plan : Plan
        With the masks' size, threshold and fade.
    """

    info: VideoInfo
    rate: Fraction | None
    label: str
    plan: Plan
