"""Scaling by FFmpeg's libswscale, with the flags under which it gives the same bytes anywhere."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, cast, get_args

import numpy as np

from roi_accel._util.text import printable
from roi_accel.errors import InputError
from roi_accel.video.info import MAX_SIDE
from roi_accel.video.layouts import LAYOUTS, repack
from roi_accel.video.reader import DerivedReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from av.filter import Graph
    from av.video.frame import VideoFrame

    from roi_accel.backends.frame import Frame
    from roi_accel.video.reader import VideoReader

Kernel = Literal["bicubic", "bilinear", "lanczos"]
KERNELS: tuple[Kernel, ...] = get_args(Kernel)
DEFAULT_KERNEL: Kernel = "bicubic"
"""What VMAF's authors advise, and what they scaled with when they trained it."""

_FLAGS = "accurate_rnd+full_chroma_int+bitexact"
"""Exact rounding, chroma at full precision, and no shortcut that some processor alone takes."""

_HEIGHTS: Mapping[str, tuple[int, int]] = {
    "480p": (854, 480),
    "540p": (960, 540),
    "720p": (1280, 720),
    "1080p": (1920, 1080),
    "1440p": (2560, 1440),
    "2160p": (3840, 2160),
    "4k": (3840, 2160),
}
_SIZE = re.compile(r"([0-9]{1,6})x([0-9]{1,6})")


@dataclass(frozen=True)
class TargetSize:
    """What ``--scale-to`` names, in pixels: a size, or a box of 16:9 that the picture shall fit.

    The size is only a box where `keeps_shape`, turned with the picture: a picture that is wider
    than it gets lower, one that is not as wide gets narrower. `text` is what it was called.
    """

    width: int
    height: int
    keeps_shape: bool
    text: str

    @classmethod
    def parse(cls, text: str) -> TargetSize:
        """Return the target that ``1080p`` or ``1920x1080`` names; InputError for anything else."""
        name = text.strip().lower()
        if name in _HEIGHTS:
            return cls(*_HEIGHTS[name], keeps_shape=True, text=name)
        match = _SIZE.fullmatch(name)
        width, height = (int(side) for side in match.groups()) if match else (0, 0)
        if min(width, height) < 1 or max(width, height) > MAX_SIDE:
            msg = f"{text[:40]!r} is neither a name nor WxH with sides up to {MAX_SIDE}"
            raise InputError(msg, remedy=f"one of {', '.join(_HEIGHTS)}, or such as 1920x1080")
        return cls(width, height, keeps_shape=False, text=name)

    def for_frame(self, width: int, height: int) -> tuple[int, int]:
        """Return the width and height that a frame of `width` x `height` pixels is scaled to."""
        if not self.keeps_shape:
            return self.width, self.height
        box = (self.width, self.height) if width >= height else (self.height, self.width)
        scale = min(Fraction(box[0], width), Fraction(box[1], height))
        # Even sides, which every subsampling takes; those of the box itself may be kept as it is.
        sides = (max(2, 2 * round(side * scale / 2)) for side in (width, height))
        across, down = (min(side, most) for side, most in zip(sides, box, strict=True))
        return across, down


def flags_of(kernel: Kernel) -> str:
    """Return the value of FFmpeg's ``-vf scale=...:flags=`` that scales alike."""
    return f"{kernel}+{_FLAGS}"


def scaling_facts(kernel: Kernel) -> dict[str, str]:
    """Return what the result says of the scaler; strict JSON."""
    import av  # noqa: PLC0415 (heavy, and needed for nothing but this)

    version = ".".join(str(part) for part in av.library_versions["libswscale"])
    return {"kernel": kernel, "flags": flags_of(kernel), "libswscale": version}


class ScaledReader(DerivedReader):
    """Every frame at another size, as FFmpeg's scale filter makes it.

    Matrix, range, depth and subsampling stay; chroma is taken to sit where FFmpeg takes it to sit
    in video that does not say: at the left, in both sizes. InputError without PyAV.

    Parameters
    ----------
    inner : VideoReader
    width, height : int
        The new luma size in pixels.
    kernel : {"bicubic", "bilinear", "lanczos"}
    """

    def __init__(self, inner: VideoReader, *, width: int, height: int, kernel: Kernel) -> None:
        info = inner.info
        size = info.width, info.height
        super().__init__(inner, replace(info, width=width, height=height, scaled_from=size))
        self._kernel = kernel
        self._source = inner.info
        try:
            import av  # noqa: F401, PLC0415 (heavy, and needed for nothing but this)
        except ImportError as error:
            msg = f"{printable(info.path)}: PyAV is needed to scale it, and fails to load ({error})"
            raise InputError(msg, remedy='pip install "roi-accel[cpu]"') from error

    def _derive(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        info = self.info
        layout = LAYOUTS[info.pixel_format.name]
        with self._translated():
            graph = self._graph()
        for index, frame in enumerate(frames):
            picture = _picture(frame)
            picture.pts = index
            with self._translated():
                graph.push(picture)
                scaled = cast("VideoFrame", graph.pull())
            yield repack(scaled.planes, layout, info.width, info.height)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Turn what libswscale refuses, such as a reduction beyond its filters, into InputError."""
        import av  # noqa: PLC0415 (heavy, and needed for nothing but this)

        try:
            yield
        except (av.FFmpegError, OSError) as error:
            before, after = (f"{info.width}x{info.height}" for info in (self._source, self.info))
            path = printable(self.info.path)
            msg = f"{path}: cannot be scaled from {before} to {after}: {error}"
            raise InputError(msg, remedy="scale it in smaller steps first, with ffmpeg") from error

    def _graph(self) -> Graph:
        from av.filter import Graph  # noqa: PLC0415 (heavy, and needed for nothing but this)
        from av.video.format import VideoFormat  # noqa: PLC0415

        graph = Graph()
        graph.threads = 1
        entry = graph.add_buffer(
            width=self._source.width,
            height=self._source.height,
            format=VideoFormat(self._source.pixel_format.name),
            time_base=Fraction(1, 25),
        )
        size = f"{self.info.width}:{self.info.height}"
        scale = graph.add("scale", f"{size}:flags={flags_of(self._kernel)}")  # guard: scaling-flags
        graph.link_nodes(entry, scale, graph.add("buffersink")).configure()
        return graph


def _picture(frame: Frame) -> VideoFrame:
    """Return a copy of `frame` as FFmpeg holds pictures."""
    from av.video.frame import VideoFrame  # noqa: PLC0415 (heavy, and needed for nothing but this)

    picture = VideoFrame(frame.width, frame.height, frame.pixel_format.name)
    for plane, samples in zip(picture.planes, frame.planes, strict=True):
        rows = np.frombuffer(memoryview(plane), np.uint8)
        rows = rows[: samples.shape[0] * plane.line_size].reshape(samples.shape[0], plane.line_size)
        rows[:, : samples.shape[1] * samples.itemsize] = np.ascontiguousarray(samples).view(
            np.uint8
        )
    return picture
