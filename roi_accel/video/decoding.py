"""One pass of FFmpeg over a file, through PyAV, that refuses all damage FFmpeg can report.

A player conceals what it cannot decode and ends where it loses its way; a scorer must do neither.
What no decoder reports stays unseen: FFV1, HuffYUV and VP9 conceal in silence, HEVC unless the
stream carries picture hashes, and an elementary stream does not know how long it was.
"""

from __future__ import annotations

from contextlib import closing, contextmanager
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.video.info import MAX_SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator
    from pathlib import Path

    from av.container import InputContainer
    from av.packet import Packet
    from av.video.codeccontext import VideoCodecContext
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

    from roi_accel.video.source import SourceFile

# How a decoder can be made to report damage was measured, by flipping bytes of short clips.
#
# These mark every frame in which they concealed damage, but on a single thread only: with more,
# H.264 leaves the concealing out, and the mark with it. The others are set to give up at damage
# ("explode"), which these need not be, and must not: they would refuse sound files whose encoder
# merely breaks a rule on reference counts.
_MARK_DAMAGE = frozenset({"h264", "mpeg1video", "mpeg2video", "mpeg4"})

# These make exactly one frame of each packet, as do those that FFmpeg calls intra-only, so that a
# frame they lost shows in the count. Only these may decode several frames at once: then PyAV drops
# an error that comes in one call with a frame, and where frames are reordered such a frame may
# itself be the damaged one. On two cores that costs H.264 and HEVC a seventh of their speed and
# VP9, MPEG-2 and MPEG-4 nothing; and decoding is not what scoring waits for.
_ONE_TO_ONE = frozenset({"ffv1", "png", "libdav1d", "libaom-av1", "av1"})

# Not video but text, or lists of other files and patterns of names.
_NOT_CONTAINERS = frozenset({"rawvideo", "tty", "image2", "concat", "hls", "dash"})

_EBML_ID = b"\x1a\x45\xdf\xa3"
_SEGMENT_ID = b"\x18\x53\x80\x67"
_MP4_FIRST = {b"ftyp", b"styp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot", b"sidx"}
_MP4_ESSENTIAL = {b"moov", b"moof", b"mdat"}
_MP4_HEADER = 8
_MP4_LARGE_HEADER = 16
_MP4_LARGE = 1  # the 32-bit size that announces a 64-bit one
_RIFF_UNKNOWN = (0, 0xFFFFFFFF)
_MOST_ELEMENTS = 1_000_000  # an hour of one-frame fragments; bounds the walk through hostile files

_ATTACHED_PICTURE = 1 << 10  # AV_DISPOSITION_ATTACHED_PIC
_BUFFER_BYTES = 1 << 18  # one call from FFmpeg into Python per quarter megabyte
_SECOND = 1_000_000  # AV_TIME_BASE
_SHORTFALL_SECONDS = 0.5
_SHORTFALL_SHARE = 0.05
_AGAIN = "the file is damaged; copy or encode it again"
_RAW_HINT = "for raw video add --width, --height and --pix-fmt"


class _NamelessFile:
    """A file as FFmpeg sees it: bytes without a name.

    FFmpeg reads meaning into names (``http:``, ``concat:``, ``%03d``), so it is given none but the
    suffix, which helps it to tell elementary streams apart.
    """

    def __init__(self, stream: BinaryIO, suffix: str) -> None:
        self.name = f"video{suffix}"
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell


@contextmanager
def opened(source: SourceFile, suffix: str) -> Iterator[tuple[InputContainer, VideoStream]]:
    """Open a file as a container, and find its first video stream.

    The suffix is ``.mp4`` or the like, "" where the name has none that is known. InputError if PyAV
    is missing, the file is cut off, or it holds no video that can be decoded.
    """
    try:
        import av  # noqa: PLC0415  (heavy, and needed for nothing but containers)
    except ImportError as error:
        msg = f"{source.name}: PyAV is needed to decode it, and cannot be imported ({error})"
        raise InputError(msg, remedy='pip install "roi-accel[cpu]"') from error
    path = source.path
    with source.open() as file:
        missing = missing_bytes(file, source.size)
        file.seek(0)
        if missing:  # guard: container-cut-off
            msg = f"{printable(path)}: is cut off: {missing} bytes are missing at its end"
            raise InputError(msg, remedy="copy or encode the file again")
        try:
            container = av.open(  # guard: container-nameless
                _NamelessFile(file, suffix),
                "r",
                # No file or address that is named inside the file is ever opened. (Not `options`:
                # PyAV 14 crashes with those on formats whose streams show up late, such as FLV.)
                container_options={"protocol_whitelist": "none"},
                metadata_errors="replace",
                buffer_size=_BUFFER_BYTES,
            )
        except (av.FFmpegError, OSError) as error:
            msg = f"{printable(path)}: is not a video that FFmpeg can open ({_reason(error)})"
            raise InputError(msg, remedy=_RAW_HINT) from error
        with closing(container):
            yield container, _first_video(container, path)


def decode(
    container: InputContainer, stream: VideoStream, path: Path, threads: int
) -> Generator[VideoFrame, None, None]:
    """Give the pictures of a stream that `opened` gave, in order of display.

    InputError at the first damaged packet or frame, and at an end that comes too soon.

    Parameters
    ----------
    container, stream
        As `opened` gives them.
    path : pathlib.Path
        For messages.
    threads : int
        0 for as many as FFmpeg finds right.
    """
    packets = frames = 0  # packets without those that an edit list hides
    end = Fraction(0)  # of the last packet, in seconds
    with _translated(path, lambda: frames):
        one_to_one = _prepare(stream.codec_context, threads)
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _damaged(path, frames, "a packet is incomplete")
            packets += bool(packet.size and not packet.is_discard)
            if packet.pts is not None and stream.time_base is not None:
                end = max(end, (packet.pts + (packet.duration or 0)) * stream.time_base)
            for picture in packet.decode():
                if picture.is_corrupt:
                    raise _damaged(path, frames, "the decoder had to conceal damage")
                frames += 1
                yield picture
    if one_to_one and frames < packets:
        msg = f"{printable(path)}: only {frames} of {packets} frames can be decoded"
        raise InputError(msg, remedy=_AGAIN)
    declared, reached = _declared_seconds(container, stream), float(end)
    # The last frame's own duration is often unknown.
    if declared - reached > max(_SHORTFALL_SECONDS, _SHORTFALL_SHARE * declared):
        msg = f"ends after {reached:.2f} s, but the file declares {declared:.2f} s"
        raise _damaged(path, frames, msg)


def demuxed(
    container: InputContainer, stream: VideoStream, path: Path
) -> Iterator[Packet[VideoStream]]:
    """Give the packets of a stream that `opened` gave, in the file's order; nothing is decoded.

    InputError at a packet that is incomplete, or where the container is damaged.
    """
    count = 0
    with _translated(path, lambda: count):
        for packet in container.demux(stream):
            if packet.is_corrupt:
                raise _damaged(path, count, "a packet is incomplete")
            if packet.size:  # FFmpeg ends with an empty one
                yield packet
                count += 1


def _prepare(context: VideoCodecContext, threads: int) -> bool:
    """Set a decoder up to report damage; return whether each packet must give a frame."""
    from av.codec.context import Flags  # noqa: PLC0415  (see opened)

    marks = context.name in _MARK_DAMAGE
    one_to_one = bool(context.codec.intra_only) or context.name in _ONE_TO_ONE
    recognition = "crccheck" if marks else "crccheck+explode"
    context.options = {"err_detect": recognition, "max_pixels": str(MAX_SIDE**2)}
    # Damaged frames are asked for because without it some are left out unsaid.
    context.flags |= int(Flags.output_corrupt)
    context.thread_type = "AUTO" if one_to_one else "SLICE"
    context.thread_count = 1 if marks else threads
    return one_to_one


@contextmanager
def _translated(path: Path, count: Callable[[], int]) -> Iterator[None]:
    """Turn what FFmpeg raises into an InputError that names the frame."""
    import av  # noqa: PLC0415  (see opened)

    try:
        yield
    except (av.FFmpegError, OSError) as error:
        raise _damaged(path, count(), _reason(error)) from error


def _first_video(container: InputContainer, path: Path) -> VideoStream:
    name = container.format.name
    if _NOT_CONTAINERS.intersection(name.split(",")):
        msg = f"{printable(path)}: is taken by FFmpeg for {name}, which is not a video file"
        raise InputError(msg, remedy=_RAW_HINT)
    videos = [stream for stream in container.streams.video if not _is_cover_art(stream)]
    if not videos:
        kinds = sorted({str(stream.type) for stream in container.streams}) or ["nothing"]
        msg = f"{printable(path)}: has no video stream; it holds {', '.join(kinds)} only"
        raise InputError(msg, remedy="name a file that has video")
    # PyAV's annotations do not say so, but a stream without a decoder has no context.
    context: VideoCodecContext | None = videos[0].codec_context
    if context is None:
        msg = f"{printable(path)}: this build of FFmpeg has no decoder for its video stream"
        raise InputError(msg, remedy="convert it with an ffmpeg that decodes it")
    return videos[0]


def _is_cover_art(stream: VideoStream) -> bool:
    """Tell the picture of an album, which is a video stream in FFmpeg's eyes, from video."""
    # An IntFlag, a Flag, or absent (PyAV 14.0).
    flags: Any = getattr(stream, "disposition", 0)
    return bool(int(getattr(flags, "value", flags)) & _ATTACHED_PICTURE)


def _damaged(path: Path, index: int, reason: str) -> InputError:
    return InputError(
        f"{printable(path)}: cannot be decoded at frame {index}: {reason}", remedy=_AGAIN
    )


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error).split("\n", 1)[0].lower()


def _declared_seconds(container: InputContainer, stream: VideoStream) -> float:
    """Return the end of a stream that Matroska or FLV declares, 0 if there is none.

    FFmpeg may lose its way in the middle of such a file and take that for the end.
    """
    if not {"matroska", "flv"}.intersection(container.format.name.split(",")):
        return 0.0
    tag = stream.metadata.get("DURATION", "")  # of FFmpeg and mkvmerge, as 00:01:02.500000000
    try:
        hours, minutes, seconds = (float(part) for part in tag.split(":"))
    except ValueError:
        # The container's own duration is the longest stream's, so it speaks for a lone one only.
        alone = len(container.streams) == 1
        return (container.duration or 0) / _SECOND if alone else 0.0
    return hours * 3600 + minutes * 60 + seconds


def missing_bytes(stream: BinaryIO, size: int) -> int:
    """Return how many bytes the outermost elements of a container reach beyond its end.

    FFmpeg ends quietly where a file is cut off, but MP4, Matroska and AVI write these lengths.
    That is 0 if the file, of `size` bytes, is complete, or of a kind that does not say.
    """
    stream.seek(0)
    head = stream.read(64)
    if head[4:8] in _MP4_FIRST:
        end = _mp4_end(stream, size)
    elif head.startswith(_EBML_ID):
        end = _matroska_end(head)
    elif head[:4] == b"RIFF" and head[8:12] == b"AVI ":
        end = _riff_end(stream, size)
    else:
        end = 0
    return max(0, end - size)


def _mp4_end(stream: BinaryIO, size: int) -> int:
    """Return the end of the last box that matters, walking the top level (ISO/IEC 14496-12)."""
    position = end = 0
    for _ in range(_MOST_ELEMENTS):
        stream.seek(position)
        header = stream.read(_MP4_LARGE_HEADER)
        if len(header) < _MP4_HEADER:
            break
        length = int.from_bytes(header[:4], "big")
        if length == _MP4_LARGE:
            if len(header) < _MP4_LARGE_HEADER:
                break
            length = int.from_bytes(header[8:16], "big")
        if length < _MP4_HEADER:  # 0 is "to the end of the file", the rest is not a box
            break
        position += length
        # What follows the last known box may be anything: some cameras leave bytes behind.
        if header[4:8] in _MP4_ESSENTIAL:
            end = position
        if position >= size:
            break
    return end


def _matroska_end(head: bytes) -> int:
    """Return the end of the Segment, 0 if it says unknown, as live recordings do (RFC 8794)."""
    header = _vint(head, len(_EBML_ID))
    if header is None:
        return 0
    segment = header[1] + header[0]
    if head[segment : segment + 4] != _SEGMENT_ID:
        return 0
    length = _vint(head, segment + 4)
    return 0 if length is None else length[1] + length[0]


def _vint(data: bytes, at: int) -> tuple[int, int] | None:
    """Return an EBML length at `at` and the offset after it; None if unknown or malformed."""
    if at >= len(data) or data[at] == 0:
        return None
    width = 9 - data[at].bit_length()
    mask = (1 << (7 * width)) - 1
    value = int.from_bytes(data[at : at + width], "big") & mask
    return None if value == mask or at + width > len(data) else (value, at + width)


def _riff_end(stream: BinaryIO, size: int) -> int:
    """Return the end of the last RIFF list; OpenDML files have several."""
    position = end = 0
    for _ in range(_MOST_ELEMENTS):
        stream.seek(position)
        header = stream.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in _RIFF_UNKNOWN:
            break
        end = position + 8 + length
        position = end + (length & 1)
        if position >= size:
            break
    return end
