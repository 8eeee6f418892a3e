"""What tests of several folders import by name: formats, frames of noise, the command."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel.backends.frame import PIXEL_FORMATS, Frame, PixelFormat

if TYPE_CHECKING:
    import numpy as np

ROOT = Path(__file__).resolve().parent.parent
DATA_VARIABLE = "ROI_ACCEL_TEST_DATA"

ALL_FORMATS = PIXEL_FORMATS


def data_folder() -> Path:
    """Return the folder of real clips and networks, which need not exist."""
    return Path(os.environ.get(DATA_VARIABLE, ROOT.parent / "shared"))


def console_script() -> str:
    """Return the path of the installed `roi-accel`, the one beside this Python."""
    path = shutil.which("roi-accel", path=str(Path(sys.executable).parent))
    assert path, "roi-accel is not installed beside this Python"
    return path


def random_frame(
    rng: np.random.Generator, pixel_format: PixelFormat, width: int, height: int
) -> Frame:
    """Return a frame of noise over the whole range of its format."""
    y, u, v = (
        rng.integers(0, pixel_format.max_value + 1, shape, dtype=pixel_format.dtype)
        for shape in pixel_format.plane_shapes(width, height)
    )
    return Frame((y, u, v), pixel_format)


class Enough(Exception):  # noqa: N818 - no error of anyone's
    """What `Stopping` raises."""


class Stopping:
    """A progress callback that ends the run at its third frame.

    Attributes
    ----------
    seen : list of int
        The numbers of frames that it was told of.
    """

    def __init__(self, frames: int) -> None:
        self.seen: list[int] = []
        self._frames = frames

    def __call__(self, done: int, total: int | None) -> None:
        assert total in {None, self._frames}
        self.seen.append(done)
        if done == 3:
            raise Enough
