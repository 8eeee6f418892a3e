"""Readers over readers: what is left out of a video, or changed, before it is scored."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.video.reader import VideoReader

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from roi_accel.backends.frame import Frame
    from roi_accel.video.info import VideoInfo
    from roi_accel.video.rectangle import Rectangle


class DerivedReader(VideoReader):
    """A reader whose frames are made of another reader's, which it closes.

    Parameters
    ----------
    inner : VideoReader
    info : VideoInfo
        What is true of the frames that this one gives.
    """

    def __init__(self, inner: VideoReader, info: VideoInfo) -> None:
        super().__init__(info)
        self._inner = inner

    @abstractmethod
    def _derive(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Give the frames that are made of `frames`."""

    def __iter__(self) -> Iterator[Frame]:
        return self._derived(iter(self._inner))

    def _derived(self, frames: Any) -> Generator[Frame, None, None]:  # noqa: ANN401 - a generator
        with closing(frames):
            yield from self._derive(frames)

    def close(self) -> None:
        """End the reading; safe to call twice, and from another thread."""
        self._inner.close()


class SkippingReader(DerivedReader):
    """A video from some frame on.

    The frames before it are read and checked like all others: only so is a frame's number certain
    in every kind of file.

    Parameters
    ----------
    inner : VideoReader
    count : int
        How many frames to leave out, at least 1.
    because : str
        The options that say so, for messages.

    Raises
    ------
    InputError
        The video is known to have no more frames than are left out.
    """

    def __init__(self, inner: VideoReader, count: int, because: str) -> None:
        info = inner.info
        self._count = count
        self._because = because
        if info.frame_count is not None and info.frame_count <= count:
            raise self._nothing_left(info, info.frame_count)
        super().__init__(
            inner,
            replace(
                info,
                frame_count=None if info.frame_count is None else info.frame_count - count,
                estimated_frame_count=max((info.estimated_frame_count or 0) - count, 0) or None,
                skipped=info.skipped + count,
            ),
        )

    def _derive(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        for number in range(self._count):
            if next(frames, None) is None:
                raise self._nothing_left(self.info, number)
        first = next(frames, None)
        if first is None:
            raise self._nothing_left(self.info, self._count)
        yield first
        yield from frames

    def _nothing_left(self, info: VideoInfo, found: int) -> InputError:
        msg = f"{printable(info.path)}: has {found} frames, and {self._because} skips {self._count}"
        return InputError(msg, remedy="skip fewer")


class CroppedReader(DerivedReader):
    """A rectangle of every frame, as views that copy nothing.

    Parameters
    ----------
    inner : VideoReader
    rectangle : Rectangle

    Raises
    ------
    InputError
        The rectangle is not inside the frame, or cuts through a chroma sample.
    """

    def __init__(self, inner: VideoReader, rectangle: Rectangle) -> None:
        info = inner.info
        rectangle.check(info.pixel_format, info.width, info.height)
        self._rectangle = rectangle
        super().__init__(
            inner, replace(info, width=rectangle.width, height=rectangle.height, crop=rectangle)
        )

    def _derive(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        return map(self._rectangle.of, frames)
