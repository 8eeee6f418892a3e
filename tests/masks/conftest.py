"""Real mask files, written by FFmpeg's own encoders through PyAV."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
import pytest

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.masks import open_mask_source

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel.backends.protocol import Session
    from roi_accel.masks import Mask, MaskSource

# PyAV's formats for ndarrays have both byte orders; encoders want one of them.
_ARRAY_FORMATS = {"gray16be": "gray16le"}


class Encode(Protocol):
    def __call__(
        self,
        path: Path,
        pictures: Sequence[np.ndarray[Any, Any]],
        *,
        codec: str,
        pix_fmt: str,
        container: str | None = ...,
        **options: object,
    ) -> Path: ...


class AskFor(Protocol):
    def __call__(self, source: MaskSource, index: int) -> tuple[Mask, ...]: ...


@pytest.fixture
def av() -> Any:
    return pytest.importorskip("av")


@pytest.fixture
def encode(av: Any) -> Encode:
    """Write pictures, in the layout that PyAV takes for `pix_fmt`, as one file."""

    def write(
        path: Path,
        pictures: Sequence[np.ndarray[Any, Any]],
        *,
        codec: str,
        pix_fmt: str,
        container: str | None = None,
        **options: object,
    ) -> Path:
        settings = {key: str(value) for key, value in options.items()}
        array_format = _ARRAY_FORMATS.get(pix_fmt, pix_fmt)
        with av.open(str(path), "w", format=container) as output:
            frames = [av.VideoFrame.from_ndarray(it, format=array_format) for it in pictures]
            stream = output.add_stream(codec, rate=25, options=settings)
            stream.width, stream.height = frames[0].width, frames[0].height
            stream.pix_fmt = pix_fmt
            for number, frame in enumerate(frames):
                frame.pts = number
                output.mux(stream.encode(frame))
            output.mux(stream.encode())
        return path

    return write


@pytest.fixture
def opened() -> Iterator[list[MaskSource]]:
    """Sources to be closed after the test."""
    sources: list[MaskSource] = []
    yield sources
    for source in sources:
        source.close()


@pytest.fixture
def open_source(opened: list[MaskSource]) -> Any:
    """`open_mask_source` for a 64x36 frame unless told otherwise; closed after the test."""

    def call(**options: Any) -> MaskSource:
        source = open_mask_source(**{"width": 64, "height": 36, **options})
        assert source is not None
        opened.append(source)
        return source

    return call


@pytest.fixture
def ask() -> AskFor:
    """Ask a source for one frame's masks and hold it to what every source promises."""
    luma = np.zeros((36, 64), np.uint8)
    chroma = np.zeros((18, 32), np.uint8)
    frame = Frame((luma, chroma, chroma), PixelFormat("420", 8))
    # Only the network looks at the session; anything stands for it here.
    session = cast("Session", object())

    def call(source: MaskSource, index: int) -> tuple[Mask, ...]:
        masks = source.masks(index, frame, session)
        assert len(masks) == 1 + len(source.region_names)
        for mask in masks:
            assert mask.dtype == np.uint16
            assert mask.shape == source.size
            assert not mask.flags.writeable
            assert mask.flags.c_contiguous
        return masks

    return call


@pytest.fixture
def no_python_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.fixture
def ffmpeg() -> str:
    return str(pytest.importorskip("imageio_ffmpeg").get_ffmpeg_exe())
