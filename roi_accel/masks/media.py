"""Masks from videos, decoded by FFmpeg with every door shut that a mask does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from roi_accel._util.error_translation import require
from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.masks.files import MAX_SAMPLES, MaskFile, check_size
from roi_accel.masks.gray import to_mask
from roi_accel.masks.origin import origin_in_tags
from roi_accel.masks.source import Mask, MaskPlace, MaskSource

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Session
    from roi_accel.masks.source import Mask

PICTURE_FOR_PEOPLE = ("Software", "roi-accel mask")
"""Key and text in a PNG that `roi-accel mask` drew: masks in colour over frames, and a scale."""

_BUFFER = 1 << 20
_HEAD = 1 << 10
# ISO media brands of one picture (AVIF, HEIF); a sequence has others.
_STILL_BRANDS = ("avif", "heic", "heix", "mif1", "mif2", "miaf")
_RAW = "raw gray samples and TGA are not supported"
_REMEDY = (
    "give a gray picture or video, such as: ffmpeg -f rawvideo -pixel_format gray16le "
    "-video_size WxH -i MASK -c:v ffv1 mask.mkv"
)


class MaskMedia(MaskFile):
    """A picture or video of masks.

    FFmpeg reads through a handle opened here. It never sees the file's name, so nothing in the
    name is a pattern or a protocol; and playlists that name other files cannot open them.
    """

    _container: InputContainer | None = None

    def _examine(self) -> None:
        self._refuse_picture_for_people()
        # guard: mask-name-percent, mask-name-colon
        self._container = _open(self._file, self._where)
        self._stream = _video_stream(self._container, self._where)
        context = self._stream.codec_context
        self.codec = context.name
        self.size = (self._stream.height, self._stream.width)
        # guard: mask-picture-size
        check_size(self._stream.width, self._stream.height, self._where)
        self.place = MaskPlace.from_tags(self._container.metadata, self._where)
        self.origin = origin_in_tags(self._container.metadata, self._where)
        brand = self._container.metadata.get("major_brand", "")
        self.is_picture = self._container.format.name.endswith("_pipe") or brand in _STILL_BRANDS
        context.options = {**context.options, **_limits()}
        if self.codec == "mjpeg":
            # A JPEG cut short decodes to gray rows without this; other decoders fail by
            # themselves, and TIFF's takes harmless old tags for errors with it.
            context.options = {**context.options, "err_detect": "explode"}
        if self.is_picture:
            context.thread_count = 1  # each thread would hold a picture of its own
        else:
            context.thread_type = "AUTO"

    def masks(self) -> Generator[Mask]:
        """Yield the masks in order; InputError where a frame is damaged, not gray or resized."""
        for index, frame in enumerate(self._frames()):
            where = self._where if self.is_picture else f"{self._where}, frame {index}"
            if (frame.height, frame.width) != self.size:
                msg = (
                    f"{where}: is {frame.width}x{frame.height}, where the stream announced "
                    f"{self.size[1]}x{self.size[0]}"
                )
                raise InputError(msg, remedy="a mask keeps one size from the first frame on")
            yield to_mask(frame, where)

    def _frames(self) -> Iterator[VideoFrame]:
        from av.error import FFmpegError  # noqa: PLC0415 (av is heavy and optional)

        if self._container is None:
            return
        frames = self._container.decode(self._stream)
        index = 0
        while True:
            try:
                frame = next(frames, None)
            except (FFmpegError, OSError, ValueError) as error:
                msg = f"{self._where}, frame {index}: cannot be decoded: {_reason(error)}"
                raise InputError(msg, remedy="the file may be damaged; write it again") from error
            if frame is None:
                return
            if frame.is_corrupt:
                msg = f"{self._where}, frame {index}: is damaged"
                raise InputError(msg, remedy="write the file again")
            yield frame
            index += 1

    def _refuse_picture_for_people(self) -> None:
        """Raise InputError for what `roi-accel mask -o a.png` drew, which looks like a mask."""
        key, text = PICTURE_FOR_PEOPLE
        head = self._file.read(_HEAD)
        self._file.seek(0)
        if f"tEXt{key}\0{text}".encode() in head:
            msg = f"{self._where}: is a picture for people, drawn by roi-accel mask"
            raise InputError(msg, remedy="write masks with roi-accel mask -o masks.mkv, or .npz")

    def close(self) -> None:
        """Release decoder and file; harmless when repeated."""
        if self._container is not None:
            self._container.close()
            self._container = None
        super().close()


def _limits() -> dict[str, str]:
    return {"max_pixels": str(MAX_SAMPLES)}


def _open(file: BinaryIO, where: str) -> InputContainer:
    """Return the container in `file`, opened by content alone."""
    av = require("av", "cpu", f"{where}: reading pictures and videos")
    try:
        container: InputContainer = av.open(
            file,
            mode="r",
            # No protocol is called "none": a playlist in the file cannot open anything.
            options={"protocol_whitelist": "none", **_limits()},
            metadata_errors="replace",
            buffer_size=_BUFFER,
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        msg = f"{where}: neither a picture nor a video that FFmpeg reads ({_RAW}): {_reason(error)}"
        raise InputError(msg, remedy=_REMEDY) from error
    return container


def _reason(error: BaseException) -> str:
    """Return FFmpeg's text of what went wrong, without its numbers."""
    return str(getattr(error, "strerror", None) or error)


def _video_stream(container: InputContainer, where: str) -> VideoStream:
    """Return the only video stream; InputError if there is none, several, or no decoder for it."""
    streams = container.streams.video
    if len(streams) != 1:
        msg = f"{where}: has {len(streams)} video streams; expected one ({_RAW})"
        raise InputError(msg, remedy=_REMEDY)
    stream = streams[0]
    # PyAV's types leave out that a stream may come without a decoder.
    context: object = stream.codec_context
    if context is None:
        msg = f"{where}: PyAV's FFmpeg has no decoder for it"
        raise InputError(msg, remedy=_REMEDY)
    return stream


_AS_LONG = "give a mask clip as long as the reference"


class ClipSource(MaskSource):
    """A gray video or an archive whose mask N is that of frame N (``--mask FILE``).

    It is decoded as it is asked for: memory does not grow with its length.

    Parameters
    ----------
    file : MaskFile
        The opened file, which this source closes.
    first_frame : int
        The reference's frame whose mask comes first; masks of earlier frames are left out.

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
        """Return the mask of frame `index`; ValueError if that is not the next one."""
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
        origin = self.origin and self.origin.facts()
        return self._file.facts("clip", self._digest) | {"origin": origin}

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
