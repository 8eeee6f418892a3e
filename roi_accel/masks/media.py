"""A mask file behind FFmpeg's decoders, with every door shut that a mask does not need."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.masks.files import open_regular, require_unchanged, sha256_file
from roi_accel.masks.gray import to_mask
from roi_accel.masks.origin import origin_in_tags
from roi_accel.masks.place import MaskPlace

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from roi_accel.masks.source import Mask

OPTION = "--mask"
MAX_SIDE = 16384
MAX_SAMPLES = 1 << 27  # guard: mask-sample-limit
"""256 MiB as a mask: enough for 16384x8192, too little for a decompression bomb to do harm."""

MODEL_MULTIPLE = 8
"""Networks work at sides rounded to multiples of this, and their exported masks have them."""

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


class MaskMedia:
    """One opened mask file: what it is, how large, and its masks in order.

    FFmpeg reads through a handle opened here. It never sees the file's name, so nothing in the
    name is a pattern or a protocol; and playlists that name other files cannot open them.

    Parameters
    ----------
    path : Path
        The file.
    width, height : int
        The frame's luma size in pixels, whose shape the masks must have.
    scaled : (int, int), optional
        (height, width) of the frame after scaling, whose shape will do as well.

    Attributes
    ----------
    size : (int, int)
        (height, width) of the masks.
    place : MaskPlace
        Which frames and part of them the masks are about.
    origin : MaskOrigin or None
        What made the masks, where the file says it.
    is_picture : bool
        Whether the file's format holds one picture rather than a video.
    codec : str
        FFmpeg's name of the decoder.

    Raises
    ------
    InputError
        PyAV is missing, or the file cannot be opened, has no or several video streams, is too
        large to decode safely, or of another shape than the frame.
    """

    def __init__(
        self, path: Path, *, width: int, height: int, scaled: tuple[int, int] | None = None
    ) -> None:
        self._path = path
        self._where = f"{OPTION} {printable(path)}"
        self._file, self._state = open_regular(path, OPTION)
        self._container: InputContainer | None = None
        try:
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
            height, width = self.place.shape(height, width)
            if scaled is None or not has_shape(self.size, scaled):
                check_shape(self.size, (height, width), self._where)  # guard: mask-file-shape
            names = self._container.format.name
            brand = self._container.metadata.get("major_brand", "")
            self.is_picture = names.endswith("_pipe") or brand in _STILL_BRANDS
            context.options = {**context.options, **_limits()}
            if self.codec == "mjpeg":
                # A JPEG cut short decodes to gray rows without this; other decoders fail by
                # themselves, and TIFF's takes harmless old tags for errors with it.
                context.options = {**context.options, "err_detect": "explode"}
            if self.is_picture:
                context.thread_count = 1  # each thread would hold a picture of its own
            else:
                context.thread_type = "AUTO"
        except BaseException:
            self.close()
            raise

    def masks(self) -> Generator[Mask]:
        """Yield the masks in order, one decoded at a time.

        Raises
        ------
        InputError
            A frame cannot be decoded, is no gray picture, or has another size than the first.
        """
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

    def sha256(self) -> str:
        """Return the file's SHA-256, read anew; InputError if the file changed since."""
        return sha256_file(self._path, OPTION, self._state)

    def require_unchanged(self) -> None:
        """Raise InputError if the file is no longer the one that was opened."""
        require_unchanged(self._path, OPTION, self._state)

    def close(self) -> None:
        """Release decoder and file; harmless when repeated."""
        if self._container is not None:
            self._container.close()
            self._container = None
        self._file.close()


def _limits() -> dict[str, str]:
    return {"max_pixels": str(MAX_SAMPLES)}


def _open(file: BinaryIO, where: str) -> InputContainer:
    """Return the container in `file`, opened by content alone."""
    try:
        import av  # noqa: PLC0415 (av is heavy and optional)
    except ImportError as error:
        msg = f"{where}: reading pictures and videos needs PyAV: {error}"
        raise InputError(msg, remedy='pip install "roi-accel[cpu]"') from error
    try:
        return av.open(
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
    """Raise InputError unless the mask `has_shape` of the frame.

    Parameters
    ----------
    mask, frame : (int, int)
        (height, width) in pixels.
    where : str
        The file, for the message.
    """
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
    multiples of it, because the masks of networks have sides rounded so.

    Parameters
    ----------
    mask, frame : (int, int)
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
