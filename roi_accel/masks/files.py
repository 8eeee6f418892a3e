"""What holds for every file of masks: a regular file, a size and shape that fit, and a digest."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING

from roi_accel._util.closing import Closing
from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.masks.source import MaskPlace
from roi_accel.video.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from roi_accel.masks.origin import MaskOrigin
    from roi_accel.masks.source import Mask

OPTION = "--mask"
MAX_SIDE = 16384
MAX_SAMPLES = 1 << 27  # guard: mask-sample-limit
"""256 MiB as a mask: enough for 16384x8192, too little for a decompression bomb to do harm."""

MODEL_MULTIPLE = 8
"""Networks work at sides rounded to multiples of this, and their exported masks have them."""


class MaskFile(Closing):
    """One opened file: how large its masks are, and they themselves in order.

    Parameters
    ----------
    path : Path
    width, height : int
        The frame's luma size in pixels, whose shape the masks must have.
    scaled : (int, int), optional
        (height, width) of the frame after scaling, whose shape will do as well.

    Attributes
    ----------
    source : SourceFile
        The file as it was when it was opened.
    size : (int, int)
        (height, width) of the masks.
    codec : str
        FFmpeg's name of the decoder, or ``npz``.

    Raises
    ------
    InputError
        The file cannot be opened, is of the wrong kind, too large to decode safely, damaged, or
        its masks have another shape than the frame.
    """

    size: tuple[int, int]
    place = MaskPlace()
    origin: MaskOrigin | None = None
    is_picture = False
    codec: str

    def __init__(
        self, path: Path, *, width: int, height: int, scaled: tuple[int, int] | None = None
    ) -> None:
        self.source = SourceFile.examine(path, OPTION)
        self._where = self.source.name
        self._file = self.source.open()
        try:
            self._examine()
            if scaled is None or not has_shape(self.size, scaled):
                shape = self.place.shape(height, width)
                check_shape(self.size, shape, self._where)  # guard: mask-file-shape
        except BaseException:
            self.close()
            raise

    @abstractmethod
    def _examine(self) -> None:
        """Find out what the attributes are; InputError where the file is of the wrong kind."""

    @abstractmethod
    def masks(self) -> Generator[Mask]:
        """Yield the masks in order, one decoded at a time; InputError where one is damaged."""

    def facts(self, kind: str, sha256: str) -> dict[str, object]:
        """Return what a result records of the file; `sha256` is its digest."""
        return {
            "kind": kind,
            "path": printable(self.source.path),
            "sha256": sha256,
            "codec": self.codec,
            "width": self.size[1],
            "height": self.size[0],
        }

    def close(self) -> None:
        """Release the file; harmless when repeated."""
        self._file.close()


def check_size(width: int, height: int, where: str) -> None:
    """Raise InputError for sizes that would be dangerous or pointless to decode."""
    limit = f"{MAX_SIDE} pixels per side and {MAX_SAMPLES >> 20} Mi pixels"
    if width < 1 or height < 1:
        # FFmpeg leaves sizes that it refuses at 0.
        msg = f"{where}: damaged, or larger than any mask may be ({limit})"
        raise InputError(msg, remedy="scale the mask to the frame's size")
    if max(width, height) > MAX_SIDE or width * height > MAX_SAMPLES:  # guard: mask-size-limits
        msg = f"{where}: {width}x{height} is larger than a mask may be ({limit})"
        raise InputError(msg, remedy="scale the mask to the frame's size")


def check_shape(mask: tuple[int, int], frame: tuple[int, int], where: str) -> None:
    """Raise InputError unless the mask `has_shape` of the frame; `where` is the file."""
    if has_shape(mask, frame):
        return
    height, width = mask
    frame_height, frame_width = frame
    msg = (
        f"{where}: {width}x{height} has another shape than the {frame_width}x{frame_height} "
        f"frame ({width / height:.4f} against {frame_width / frame_height:.4f})"
    )
    raise InputError(msg, remedy="crop or scale the mask to the frame's aspect ratio")


def has_shape(mask: tuple[int, int], frame: tuple[int, int]) -> bool:
    """Return whether some common scale makes `frame` into `mask` up to rounding.

    Each side may miss that scale by one pixel; by half of `MODEL_MULTIPLE`, where both sides are
    multiples of it, because the masks of networks have sides rounded so. Both sizes are
    (height, width) in pixels.
    """
    height, width = mask
    frame_height, frame_width = frame
    rounded = width % MODEL_MULTIPLE == 0 and height % MODEL_MULTIPLE == 0
    slack = [
        # A side that would round to nothing is rounded up to one multiple.
        1 if not rounded else MODEL_MULTIPLE if side == MODEL_MULTIPLE else MODEL_MULTIPLE // 2
        for side in mask
    ]
    # With width = s * frame_width +- slack and height likewise, the scale s cancels out.
    return abs(width * frame_height - height * frame_width) <= (  # guard: mask-picture-shape
        slack[0] * frame_width + slack[1] * frame_height
    )
