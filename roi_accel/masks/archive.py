"""Masks in NumPy's archive (.npz): checked before memory is taken, read one frame at a time."""

from __future__ import annotations

import io
import re
import struct
import warnings
import zipfile
import zlib
from contextlib import contextmanager
from tokenize import TokenError
from typing import IO, TYPE_CHECKING, Any, BinaryIO, cast

import numpy as np
from numpy.lib import format as npy

from roi_accel.errors import InputError
from roi_accel.masks.files import OPTION, MaskFile, check_size
from roi_accel.masks.origin import ABOUT, MaskOrigin, read_about
from roi_accel.masks.source import CROP, FIRST_FRAME, MaskPlace
from roi_accel.video.source import SourceFile

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from roi_accel.masks.source import Mask

SUFFIX = ".npz"
MASKS = "masks"
"""The array of an archive: uint16[frames, height, width]; `ABOUT` is the text beside it."""

_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")
_MOST_AT_ONCE = 1 << 20
_MOST_ABOUT = 1 << 18
_AXES = 3
_REMEDY = "write it with roi-accel mask, or numpy.savez_compressed(FILE, masks=ARRAY)"
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, OverflowError),
    # What zipfile says of encryption and of methods and versions that it does not know.
    *(RuntimeError, NotImplementedError, LookupError),
    # What NumPy says of a header, down to what Python's parser does, and JSON's of its text.
    *(ValueError, SyntaxError, TypeError, TokenError, RecursionError, Warning),
)


def is_archive(path: Path) -> bool:
    """Return whether a file is an archive, by content or name; InputError if it cannot be read."""
    head = SourceFile.examine(path, OPTION).head()
    return head.startswith(_MAGIC) or path.suffix.lower() == SUFFIX


class MaskArchive(MaskFile):
    """An archive of masks. Nothing in the file is ever unpickled or executed."""

    codec = "npz"

    def _examine(self) -> None:
        with self._damage("is not a NumPy archive, or cut off"):
            self._archive = zipfile.ZipFile(cast("IO[bytes]", _SmallReads(self._file)))
        self._count, self.size, self._dtype, self._start = self._examine_masks()
        self.place, self.origin = self._read_about()

    def masks(self) -> Generator[Mask]:
        """Yield the masks in order, one decompressed at a time; InputError for a damaged file."""
        if self._file.closed:
            return
        with self._damage("is damaged"):
            member = self._open(MASKS)
            member.read(self._start)
        with member:
            for index in range(self._count):
                if self._file.closed:
                    return
                mask = np.empty(self.size, self._dtype)
                with self._damage(f"frame {index} is damaged"):
                    _fill(member, mask)
                    if index == self._count - 1:
                        member.read(1)  # The check sum is verified at the end.
                native: Mask = mask.astype(np.uint16, copy=False)
                native.setflags(write=False)
                yield native

    @contextmanager
    def _damage(self, what: str) -> Iterator[None]:
        """Turn what zipfile and NumPy raise over a damaged file into one line."""
        try:
            yield
        except _DAMAGE as error:
            reason = " ".join(str(error).split())[:120] or type(error).__name__
            msg = f"{self._where}: {what}: {reason}"
            raise InputError(msg, remedy=_REMEDY) from error

    def _open(self, name: str) -> IO[bytes]:
        info = self._archive.getinfo(f"{name}.npy")
        # guard: mask-archive-method
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            msg = f"compression method {info.compress_type} is not one that NumPy writes"
            raise NotImplementedError(msg)
        return self._archive.open(info)

    def _examine_masks(self) -> tuple[int, tuple[int, int], np.dtype[Any], int]:
        """Return how many masks there are, their size and type, and where their samples start."""
        names = [info.filename for info in self._archive.infolist()]
        if f"{MASKS}.npy" not in names:
            found = ", ".join(repr(name[:40].removesuffix(".npy")) for name in names[:5]) or "none"
            msg = f"{self._where}: has no array {MASKS!r}; found {found}"
            raise InputError(msg, remedy=_REMEDY)
        with self._damage("is damaged"), self._open(MASKS) as member:
            shape, is_fortran, dtype = _read_header(member)
            start = member.tell()
        # guard: mask-archive-type
        if dtype.kind != "u" or dtype.itemsize != np.dtype(np.uint16).itemsize:
            msg = (
                f"{self._where}: {MASKS!r} is {str(dtype)[:40]}; expected uint16, 0..65535 for 0..1"
            )
            remedy = "numpy.floor(SALIENCY * 65535 + 0.5).astype(numpy.uint16) makes it so"
            raise InputError(msg, remedy=remedy)
        if len(shape) != _AXES or is_fortran or shape[0] < 1:
            order = " in Fortran order" if is_fortran else ""
            msg = f"{self._where}: {MASKS!r} has shape {_short(shape)}{order}"
            raise InputError(msg, remedy="expected (frames, height, width), in C order")
        count, height, width = shape
        check_size(width, height, self._where)
        expected = start + count * height * width * dtype.itemsize
        held = self._archive.getinfo(f"{MASKS}.npy").file_size
        if held != expected:  # guard: mask-archive-size
            shown = _short(shape)
            msg = f"{self._where}: {MASKS!r} takes {held} bytes, which shape {shown} does not"
            raise InputError(msg, remedy=_REMEDY)
        return count, (height, width), dtype, start

    def _read_about(self) -> tuple[MaskPlace, MaskOrigin | None]:
        if f"{ABOUT}.npy" not in self._archive.namelist():
            return MaskPlace(), None
        with self._damage(f"its {ABOUT!r} is damaged"), self._open(ABOUT) as member:
            content = member.read(_MOST_ABOUT + 1)
            if len(content) > _MOST_ABOUT:
                msg = f"longer than {_MOST_ABOUT} bytes"
                raise ValueError(msg)
            about = read_about(_read_text(content))
            tags = {name: str(about[name]) for name in (FIRST_FRAME, CROP) if name in about}
            origin = MaskOrigin.from_about(about)
        return MaskPlace.from_tags(tags, self._where), origin


class _SmallReads:
    """A file of which no more is read at once than an honest archive needs.

    Python's zipfile reads the list of members in one piece, as long as the file says it is.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, size: int = -1) -> bytes:
        # guard: mask-archive-members
        data = self._file.read(min(size, _MOST_AT_ONCE + 1) if size >= 0 else _MOST_AT_ONCE + 1)
        if len(data) > _MOST_AT_ONCE:
            msg = "its list of members is longer than that of any archive of masks"
            raise zipfile.BadZipFile(msg)
        return data


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Return shape, whether columns come first, and type of the array that begins here."""
    version = npy.read_magic(member)
    if version != (1, 0):
        # Others have headers of up to 4 GiB, for types with more names than masks have.
        msg = f"version {version} of NumPy's format; 1.0 was expected"
        raise ValueError(msg)
    header: tuple[tuple[int, ...], bool, np.dtype[Any]]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            header = npy.read_array_header_1_0(member)
        except MemoryError as error:  # Python's parser ran out of its own stack.
            msg = "its header is nested too deeply"
            raise ValueError(msg) from error
    return header


def _fill(member: IO[bytes], mask: np.ndarray[Any, Any]) -> None:
    """Read the next samples into `mask`; EOFError where the member ends before."""
    view = mask.reshape(-1).view(np.uint8).data
    filled = 0
    while filled < len(view):
        # zipfile has no readinto of its own, and would make a second copy of all that is asked for.
        data = member.read(min(len(view) - filled, _MOST_AT_ONCE))
        if not data:
            msg = f"{len(view) - filled} bytes are missing"
            raise EOFError(msg)
        view[filled : filled + len(data)] = data
        filled += len(data)


def _read_text(content: bytes) -> str:
    """Return the text that an array without axes holds; ValueError for any other array."""
    stream = io.BytesIO(content)
    shape, _, dtype = _read_header(stream)
    rest = stream.read()
    if shape or dtype.kind != "U" or dtype.itemsize != len(rest):
        msg = "it is not text"
        raise ValueError(msg)
    return str(np.frombuffer(rest, dtype)[0])


def _short(shape: tuple[int, ...]) -> str:
    return re.sub(r"[0-9]{12,}", "...", str(shape))[:80]
