"""Which FFmpeg pixel formats are planar YUV in another packing, and their exact repacking.

Only the place, byte order and alignment of samples differ between these formats; no sample is
computed. A format that is absent here would need arithmetic, and is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from roi_accel.backends.frame import PIXEL_FORMATS, Frame, PixelFormat

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from av.video.plane import VideoPlane


class Component(NamedTuple):
    """Where one component's samples are: plane, first sample in a row, distance to the next."""

    plane: int
    offset: int = 0
    step: int = 1


class Layout(NamedTuple):
    """How FFmpeg stores a format, and the planar format that holds the same samples.

    The components are Y, U and V; or Y alone for gray, whose chroma is then neutral (half the
    range). `shift` unused low bits are below each sample. `full_range` is whether the format's name
    itself says full range (``yuvj``).
    """

    pixel_format: PixelFormat
    components: tuple[Component, ...]
    shift: int = 0
    big_endian: bool = False
    full_range: bool = False


def _packed(order: str) -> tuple[Component, ...]:
    """Return Y, U and V of a packed 4:4:4 format, from its sample order such as ``AYUV``."""
    return tuple(Component(0, order.index(c), len(order)) for c in "YUV")


_BYTE = 8
_PLANAR = (Component(0), Component(1), Component(2))
_SEMI = (Component(0), Component(1, 0, 2), Component(1, 1, 2))
_SEMI_SWAPPED = (_SEMI[0], _SEMI[2], _SEMI[1])
_GRAY = (Component(0),)
_GRAY_ALPHA = (Component(0, 0, 2),)
# Of a packed 4:2:2 pair, four samples are two of luma and one of each chroma.
_YUYV = (Component(0, 0, 2), Component(0, 1, 4), Component(0, 3, 4))
_YVYU = (_YUYV[0], _YUYV[2], _YUYV[1])
_UYVY = (Component(0, 1, 2), Component(0, 0, 4), Component(0, 2, 4))

# FFmpeg's name, the planar format of the same samples, where each component is, and how many unused
# low bits a sample has.
_IRREGULAR = (
    ("nv12", "yuv420p", _SEMI, 0),
    ("nv21", "yuv420p", _SEMI_SWAPPED, 0),
    ("nv16", "yuv422p", _SEMI, 0),
    ("nv20", "yuv422p10le", _SEMI, 0),
    ("nv24", "yuv444p", _SEMI, 0),
    ("nv42", "yuv444p", _SEMI_SWAPPED, 0),
    ("yuyv422", "yuv422p", _YUYV, 0),
    ("yvyu422", "yuv422p", _YVYU, 0),
    ("uyvy422", "yuv422p", _UYVY, 0),
    ("y210", "yuv422p10le", _YUYV, 6),
    ("y212", "yuv422p12le", _YUYV, 4),
    ("y216", "yuv422p16le", _YUYV, 0),
    ("ayuv", "yuv444p", _packed("AYUV"), 0),
    ("vuya", "yuv444p", _packed("VUYA"), 0),
    ("vuyx", "yuv444p", _packed("VUYX"), 0),
    ("uyva", "yuv444p", _packed("UYVA"), 0),
    ("vyu444", "yuv444p", _packed("VYU"), 0),
    ("xv36", "yuv444p12le", _packed("UYVX"), 4),
    ("xv48", "yuv444p16le", _packed("UYVX"), 0),
    ("ayuv64", "yuv444p16le", _packed("AYUV"), 0),
    ("yuv444p10msb", "yuv444p10le", _PLANAR, 6),
    ("yuv444p12msb", "yuv444p12le", _PLANAR, 4),
    ("ya8", "yuv420p", _GRAY_ALPHA, 0),
    ("ya16", "yuv420p16le", _GRAY_ALPHA, 0),
)


def _entries() -> Iterator[tuple[str, PixelFormat, tuple[Component, ...], int]]:
    """Yield name without byte order, planar format, components and shift of every layout."""
    for pixel_format in PIXEL_FORMATS:
        subsampling, bits = pixel_format.subsampling, pixel_format.bit_depth
        deep = "" if bits == _BYTE else str(bits)
        yield f"yuv{subsampling}p{deep}", pixel_format, _PLANAR, 0
        yield f"yuva{subsampling}p{deep}", pixel_format, _PLANAR, 0  # alpha is dropped
        if bits == _BYTE:
            yield f"yuvj{subsampling}p", pixel_format, _PLANAR, 0
        else:
            # Two planes, the second of interleaved chroma; samples in the high bits of a word.
            yield f"p{subsampling[-1]}{bits}", pixel_format, _SEMI, 16 - bits
        if subsampling == "420":
            yield f"gray{deep}", pixel_format, _GRAY, 0
    for name, planar_name, components, shift in _IRREGULAR:
        yield name, PixelFormat.from_name(planar_name), components, shift


LAYOUTS: Mapping[str, Layout] = {
    name + end: Layout(pixel_format, components, shift, end == "be", name.startswith("yuvj"))
    for name, pixel_format, components, shift in _entries()
    for end in (("le", "be") if pixel_format.bit_depth > _BYTE else ("",))
}
"""FFmpeg's name of a pixel format to its layout."""


def repack(planes: Sequence[VideoPlane], layout: Layout, width: int, height: int) -> Frame:
    """Return the planar frame that holds the samples of `planes`.

    Where the layout is planar already the result is a read-only view, with padded rows, that keeps
    `planes` alive; otherwise it is a copy. ValueError if the picture is stored bottom-up, or has
    bits set below its samples, which a repacking would lose.

    Parameters
    ----------
    planes : sequence of av.video.plane.VideoPlane
    layout : Layout
    width, height : int
        Luma size.
    """
    pixel_format = layout.pixel_format
    shapes = pixel_format.plane_shapes(width, height)
    out = [
        _component(planes[component.plane], component, shape, layout)
        for component, shape in zip(layout.components, shapes, strict=False)
    ]
    if len(out) == 1:  # half the range adds no colour to gray
        neutral = np.full(shapes[1], 1 << (pixel_format.bit_depth - 1), pixel_format.dtype)
        neutral.flags.writeable = False
        out += [neutral, neutral]
    return Frame((out[0], out[1], out[2]), pixel_format)


def _component(
    plane: VideoPlane, component: Component, shape: tuple[int, int], layout: Layout
) -> np.ndarray:
    rows, columns = shape
    dtype = layout.pixel_format.dtype
    stored = dtype.newbyteorder(">") if layout.big_endian else dtype
    stride = plane.line_size
    if stride < 0:
        msg = "the picture is stored bottom-up"
        raise ValueError(msg)
    lines = np.frombuffer(memoryview(plane), np.uint8, rows * stride).reshape(rows, stride)
    samples: np.ndarray = lines[:, : stride - stride % stored.itemsize].view(stored)
    start, step = component.offset, component.step
    samples = samples[:, start : start + (columns - 1) * step + 1 : step]
    if layout.shift:
        if int(np.bitwise_or.reduce(samples, axis=None)) & ((1 << layout.shift) - 1):
            msg = f"bits are set below the {layout.pixel_format.bit_depth} bits of a sample"
            raise ValueError(msg)
        samples = samples >> layout.shift
    if samples.dtype != dtype or step != 1:
        samples = np.ascontiguousarray(samples, dtype)
    samples.flags.writeable = False
    return samples
