"""Masks as files that are read back exactly: lossless video or NumPy's archive, as they come."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from abc import abstractmethod
from contextlib import contextmanager, suppress
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.lib import format as npy

from roi_accel._util.closing import Closing
from roi_accel._util.error_translation import require
from roi_accel.errors import OutputError
from roi_accel.masks.archive import MASKS
from roi_accel.masks.archive import SUFFIX as ARCHIVE_SUFFIX
from roi_accel.masks.origin import ABOUT, origin_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from roi_accel.masks.source import Mask, MaskPlace

CLIP_SUFFIX = ".mkv"
DEFAULT_RATE = Fraction(25)
"""Frames per second where nobody knows, FFmpeg's own guess."""

_FASTEST = 1000
"""Matroska's clock counts milliseconds."""

_LEAST_SLICED_SIDE = 8
"""FFV1's versions with check sums cut a picture into slices, which needs some size."""

_TIME = (1980, 1, 1, 0, 0, 0)
"""A zip's earliest, so that equal masks make equal files."""


class MaskWriter(Closing):
    """Takes a run's masks in order."""

    @abstractmethod
    def write(self, mask: Mask) -> None:
        """Take the next mask, uint16 of the size that was announced."""

    @abstractmethod
    def finish(self, about: Mapping[str, Any]) -> None:
        """Write what is left, and `about` over `origin`, where the file has room at its end."""


def open_mask_writer(
    path: Path,
    file: BinaryIO,
    *,
    size: tuple[int, int],
    rate: Fraction | None,
    place: MaskPlace,
    origin: Mapping[str, Any],
) -> MaskWriter:
    """Return the writer for a file of this name.

    Parameters
    ----------
    path : Path
        Its suffix is ``.mkv`` or ``.npz``.
    file : binary file
        What is written to, from its beginning.
    size : (int, int)
        (height, width) of the masks.
    rate : Fraction or None
        Frames per second, where they are known.
    place : MaskPlace
        Which frames and part of them the masks are about.
    origin : mapping
        What makes them, as far as it is known before the first; strict JSON.

    Raises
    ------
    OutputError
        PyAV is missing.
    """
    if path.suffix.lower() == ARCHIVE_SUFFIX:
        return ArchiveWriter(file, folder=path.parent, size=size, place=place, origin=origin)
    return ClipWriter(file, size=size, rate=rate, place=place, origin=origin)


class ClipWriter(MaskWriter):
    """Masks as gray video of 16 bits: FFV1 in Matroska, a frame per mask, every one a key frame."""

    def __init__(
        self,
        file: BinaryIO,
        *,
        size: tuple[int, int],
        rate: Fraction | None,
        place: MaskPlace,
        origin: Mapping[str, Any],
    ) -> None:
        av = require("av", "cpu", "writing a video of masks", error=OutputError)
        from av.codec.context import Flags  # noqa: PLC0415 (av is heavy and optional)
        from av.video.reformatter import ColorRange  # noqa: PLC0415

        self._frame_of = av.VideoFrame.from_ndarray
        self._file = _Watched(file)
        self._container = av.open(
            self._file, "w", format="matroska", container_options={"fflags": "+bitexact"}
        )
        self._container.metadata.update(place.tags() | {ABOUT: origin_text(origin)})
        height, width = size
        plain = min(size) < _LEAST_SLICED_SIDE
        options = {"level": "1"} if plain else {"level": "3", "slicecrc": "1"}
        self._stream = self._container.add_stream("ffv1", rate=_usable(rate), options=options)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = "gray16le"
        context = self._stream.codec_context
        context.gop_size = 1
        context.thread_count = 1
        context.color_range = ColorRange.JPEG
        context.flags |= Flags.bitexact
        self._count = 0

    def write(self, mask: Mask) -> None:
        """Take the next mask, uint16 of the size that was announced."""
        frame = self._frame_of(np.ascontiguousarray(mask), format="gray16le")
        frame.pts = self._count
        with self._file.telling():
            self._container.mux(self._stream.encode(frame))
        self._count += 1

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write what is left; the tags, which come first, stay as they are."""
        del about
        with self._file.telling():
            self._container.mux(self._stream.encode())
            self._container.close()

    def close(self) -> None:
        """Let go of the encoder."""
        with suppress(OSError), self._file.telling():  # what a full disk kept out is of no use
            self._container.close()


class _Watched:
    """A file that remembers why it could not be written, which FFmpeg does not hand on."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._error: OSError | None = None
        self.seek, self.tell = file.seek, file.tell

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self._error = error
            raise

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Raise the file's own error in place of what FFmpeg makes of it."""
        try:
            yield
        except Exception:
            if self._error is not None:  # guard: mask-output-error
                raise self._error from None
            raise
        if self._error is not None:
            raise self._error


class ArchiveWriter(MaskWriter):
    """Masks as one array of NumPy's archive, uint16[frames, height, width], and what made them.

    An array's size stands before its samples, so they wait in a nameless file in `folder`, whose
    disk has room for them, until all are there.
    """

    def __init__(
        self,
        file: BinaryIO,
        *,
        folder: Path,
        size: tuple[int, int],
        place: MaskPlace,
        origin: Mapping[str, Any],
    ) -> None:
        self._file = file
        self._size = size
        self._known = {**place.tags(), **origin}
        self._samples = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by close
        self._count = 0

    def write(self, mask: Mask) -> None:
        """Take the next mask, uint16 of the size that was announced."""
        self._samples.write(np.ascontiguousarray(mask, "<u2").data)
        self._count += 1

    def finish(self, about: Mapping[str, Any]) -> None:
        """Write the archive."""
        text = origin_text({**self._known, **about})
        header = {"descr": "<u2", "fortran_order": False, "shape": (self._count, *self._size)}
        self._samples.seek(0)
        with zipfile.ZipFile(self._file, "w") as archive:
            with archive.open(_member(MASKS), "w", force_zip64=True) as member:
                npy.write_array_header_1_0(member, header)
                shutil.copyfileobj(self._samples, member, 1 << 20)
            with archive.open(_member(ABOUT), "w") as member:
                npy.write_array(member, np.array(text), allow_pickle=False)

    def close(self) -> None:
        """Let go of the samples."""
        self._samples.close()


def _member(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(f"{name}.npy", _TIME)
    info.compress_type = zipfile.ZIP_DEFLATED
    return info


def _usable(rate: Fraction | None) -> Fraction:
    """Return a rate that Matroska's clock can tell, the default for none and for absurd ones."""
    if rate is None or not 0 < rate <= _FASTEST:
        return DEFAULT_RATE
    return rate.limit_denominator(1 << 16) or DEFAULT_RATE
