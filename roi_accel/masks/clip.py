"""A mask per frame from a file: a video as segmentation tools write it, or an archive of masks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.masks.source import Mask, MaskSource

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.files import MaskFile

_AS_LONG = "give a mask clip as long as the reference"


class ClipSource(MaskSource):
    """A gray video or an archive whose mask N is that of frame N (``--mask FILE``).

    It is decoded as it is asked for: memory does not grow with its length.

    Parameters
    ----------
    file : MaskFile
        The opened file, which this source closes.
    first_frame : int
        The reference's frame whose mask comes first; masks of frames before it are decoded and left
        out.

    Raises
    ------
    InputError
        The file says that its first mask is of a later frame.
    """

    def __init__(self, file: MaskFile, *, first_frame: int = 0) -> None:
        self.label = f"mask:{printable(file.source.path)}"
        self.size = file.size
        self.region_names: tuple[str, ...] = ()
        self.covers = file.place.crop
        self.origin = file.origin
        self._file = file
        self._where = file.source.name
        self._stream = file.masks()
        self._next = 0
        self._first = first_frame - file.place.first_frame
        if self._first < 0:  # guard: mask-first-frame
            start = file.place.first_frame
            msg = (
                f"{self._where}: begins with the mask of the reference's frame {start}, "
                f"but frame {first_frame} is scored first"
            )
            both = f"--frame-skip-ref {start} --frame-skip-dist {start}"
            remedy = f"give --start as when it was made, or cut both with {both}"
            raise InputError(msg, remedy=remedy)
        self._digest: str | None = None

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[Mask, ...]:
        """Return the mask of frame `index`.

        Raises
        ------
        InputError
            The clip ends before this frame, or the frame is not a mask.
        ValueError
            `index` is not one more than in the last call: a mistake of the caller.
        """
        del reference, session
        if index != self._next:
            msg = f"masks are read in order: expected frame {self._next}, not {index}"
            raise ValueError(msg)
        if index == 0:
            self._skip()
        mask = next(self._stream, None)
        if mask is None:
            raise self._ended()
        self._next += 1
        return (mask,)

    def _skip(self) -> None:
        for number in range(self._first):
            if next(self._stream, None) is None:
                msg = f"{self._where}: ends after {number} frames, within those that are skipped"
                raise InputError(msg, remedy=_AS_LONG)

    def _ended(self) -> InputError:
        count = self._first + self._next
        msg = f"{self._where}: ends after {count} frames; frame {count} has no mask"
        cut = (
            f"score no more than have one with --frame-count {self._next}, or "
            if self._next
            else ""
        )
        return InputError(msg, remedy=cut + _AS_LONG)

    def provenance(self) -> dict[str, object]:
        """Return the file's facts; the digest is taken at the first call, which reads the file."""
        if self._digest is None:
            self._digest = self._file.source.sha256()
        return {
            "kind": "clip",
            "path": printable(self._file.source.path),
            "sha256": self._digest,
            "codec": self._file.codec,
            "width": self.size[1],
            "height": self.size[0],
            "origin": self.origin and self.origin.facts(),
        }

    def finish(self, frame_count: int, *, whole: bool) -> None:
        """Refuse a clip that goes on after the video, unless the run was cut short on purpose."""
        if whole and next(self._stream, None) is not None:  # guard: mask-clip-too-long
            last = self._first + frame_count - 1
            msg = f"{self._where}: goes on after frame {last}, the video's last"
            raise InputError(msg, remedy="give a mask clip as long as the video")
        self._file.source.check_unchanged()  # guard: mask-changes

    def close(self) -> None:
        """Release decoder and file."""
        self._stream.close()
        self._file.close()
