"""The alternatives on a processor: FFmpeg's filters, OpenCV, float NumPy.

Each gets the same frames and masks, and as many threads as our backends. FFmpeg and OpenCV get the
mask with its fade applied, at its own resolution and outside of the measured time: a favour, since
neither has a filter for the fade that would not cost another pass.
"""

from __future__ import annotations

import itertools
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.arithmetic import apply_fade
from roi_accel.backends.plan import MASK_MAX
from roi_accel.backends.tables import ONE, fade_table
from roi_accel.bench.contender import Contender, require

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask
    from roi_accel.bench.inputs import Inputs

FFMPEG = "FFmpeg scale + maskedmerge"
OPENCV = "OpenCV resize + blendLinear"
FLOAT_NUMPY = "float NumPy"

_EARLY_FADE = "fades the mask before it is enlarged, not after"
_FLOAT = "float32, whose last bits the processor decides"


def ffmpeg(inputs: Inputs, threads: int) -> Contender:
    """Return FFmpeg's filter graph, run in this process through PyAV: frames in, frames out.

    The mask comes as 4:4:4 with itself in every plane, so that one `scale` enlarges it to every
    plane's grid; chroma positions are set to ours.
    """
    av = require("av", "PyAV", 'pip install "roi-accel[cpu]"')
    require("av.filter", "PyAV", 'pip install "roi-accel[cpu]"')
    plan = inputs.plan
    name, mask_format = plan.pixel_format.name, _mask_format(plan)
    graph = _MergeGraph(av, plan, threads)
    shift = 16 - plan.pixel_format.bit_depth
    dtype = plan.pixel_format.dtype
    frames = [
        (
            _av_frame(av, reference.planes, name),
            _av_frame(av, distorted.planes, name),
            _av_frame(av, [(faded_mask(plan, mask) >> shift).astype(dtype)] * 3, mask_format),
        )
        for reference, distorted, mask in zip(
            inputs.references, inputs.distorted, inputs.masks, strict=True
        )
    ]
    versions = {key: ".".join(map(str, value)) for key, value in av.library_versions.items()}
    return Contender(
        FFMPEG,
        "peer",
        lambda number: graph.run(frames[number]),
        inputs.count,
        {"pyav": av.__version__} | {key: versions[key] for key in ("libavfilter", "libswscale")},
        threads=threads,
        to_planes=lambda output: [_av_plane(plane, dtype) for plane in output.planes],
        difference=f"{_EARLY_FADE}; keeps the mask in the video's own depth; maskedmerge truncates",
    )


class _MergeGraph:
    """`scale` for the mask, then `maskedmerge`, with sources and a sink in this process."""

    def __init__(self, av: Any, plan: Plan, threads: int) -> None:  # noqa: ANN401 - a module
        # Its filters do not keep a graph alive.
        self._graph = av.filter.Graph()
        self._graph.threads = threads
        name = plan.pixel_format.name
        size = f"{plan.width}x{plan.height}"
        mask_size = f"{plan.mask_width}x{plan.mask_height}"
        forms = ((size, name), (size, name), (mask_size, _mask_format(plan)))
        self._sources = [self._source(*form) for form in forms]
        centred = "out_h_chr_pos=128:out_v_chr_pos=128"
        scale = self._graph.add("scale", f"{plan.width}:{plan.height}:flags=bilinear:{centred}")
        convert = self._graph.add("format", name)
        merge = self._graph.add("maskedmerge")
        self._sink = self._graph.add("buffersink")
        reference, distorted, mask = self._sources
        reference.link_to(merge, 0, 0)
        distorted.link_to(merge, 0, 1)
        mask.link_to(scale)
        scale.link_to(convert)
        convert.link_to(merge, 0, 2)
        merge.link_to(self._sink)
        self._graph.configure()
        self._clock = itertools.count()

    def run(self, frames: tuple[Any, Any, Any]) -> Any:  # noqa: ANN401 - PyAV's VideoFrame
        """Return the merged frame of reference, distorted and mask."""
        pts = next(self._clock)
        for frame, source in zip(frames, self._sources, strict=True):
            frame.pts = pts
            source.push(frame)
        return self._sink.pull()

    def _source(self, size: str, pixel_format: str) -> Any:  # noqa: ANN401 - PyAV's filter context
        return self._graph.add(
            "buffer", f"video_size={size}:pix_fmt={pixel_format}:time_base=1/25:range=tv"
        )


def opencv(inputs: Inputs, threads: int) -> Contender:
    """Return `cv2.resize` to each plane's grid and `cv2.blendLinear`.

    `blendLinear` takes 8 bits and float only, so deeper samples are converted to float and back.
    """
    cv2 = require("cv2", "OpenCV", 'pip install "roi-accel[bench]"')
    cv2.setNumThreads(threads)
    plan = inputs.plan
    is_deep = plan.pixel_format.bit_depth > 8  # noqa: PLR2004 - what blendLinear takes
    masks = [(faded_mask(plan, mask) / MASK_MAX).astype(np.float32) for mask in inputs.masks]

    def blend(reference: NDArray[Any], distorted: NDArray[Any], share: NDArray[Any]) -> Any:  # noqa: ANN401 - as above
        rest = cv2.subtract(1.0, share)
        if not is_deep:
            return cv2.blendLinear(distorted, reference, share, rest)
        deep = (plane.astype(np.float32) for plane in (distorted, reference))
        return np.rint(cv2.blendLinear(*deep, share, rest)).astype(np.uint16)

    def frame(number: int) -> list[Any]:
        def share_of(shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - an untyped module's array
            return cv2.resize(masks[number], shape[::-1], interpolation=cv2.INTER_LINEAR)

        frames = inputs.references[number].planes, inputs.distorted[number].planes
        return blended(*frames, share_of, blend)

    facts, why = {"opencv": cv2.__version__}, f"{_EARLY_FADE}; {_FLOAT}"
    return Contender(OPENCV, "peer", frame, inputs.count, facts, threads=threads, difference=why)


def float_numpy(inputs: Inputs, _threads: int) -> Contender:
    """Return the formula as it is written down: enlarge, fade, mix and round in float32."""
    plan = inputs.plan
    masks = [(mask / MASK_MAX).astype(np.float32) for mask in inputs.masks]

    def blend(reference: NDArray[Any], distorted: NDArray[Any], share: NDArray[Any]) -> Any:  # noqa: ANN401 - as above
        return np.rint(distorted * share + reference * (1 - share)).astype(reference.dtype)

    def frame(number: int) -> list[Any]:
        def share_of(shape: tuple[int, ...]) -> NDArray[np.float32]:
            height, width = shape
            return faded(enlarged(masks[number], height, width), plan.threshold, plan.fade)

        frames = inputs.references[number].planes, inputs.distorted[number].planes
        return blended(*frames, share_of, blend)

    facts = {"numpy": np.__version__}
    return Contender(FLOAT_NUMPY, "peer", frame, inputs.count, facts, difference=_FLOAT)


def blended(
    references: Sequence[Any],
    distorted: Sequence[Any],
    share_of: Callable[[tuple[int, ...]], Any],
    blend: Callable[[Any, Any, Any], Any],
) -> list[Any]:
    """Return a frame's planes, blended; the share of each size is made once.

    Parameters
    ----------
    references, distorted : sequence of arrays
        The planes.
    share_of : callable
        From (height, width) to the share of the distorted plane, 0 to 1.
    blend : callable
        From reference, distorted and share to the blended plane.
    """
    share = cache(share_of)
    return [
        blend(ref, dist, share(tuple(ref.shape)))
        for ref, dist in zip(references, distorted, strict=True)
    ]


def enlarged(mask: NDArray[np.float32], height: int, width: int) -> NDArray[np.float32]:
    """Return `mask` at height x width: bilinear, half-pixel centres, edges clamped, in float32."""
    for axis, target in ((0, height), (1, width)):
        source = mask.shape[axis]
        centre = np.clip((np.arange(target) + 0.5) * source / target - 0.5, 0, source - 1)
        left = centre.astype(np.intp)
        right = np.minimum(left + 1, source - 1)
        share = np.expand_dims((centre - left).astype(np.float32), 1 - axis)
        mask = np.take(mask, left, axis) * (1 - share) + np.take(mask, right, axis) * share
    return mask


def faded(saliency: NDArray[np.float32], threshold: float, fade: float) -> NDArray[np.float32]:
    """Return 0 up to `threshold`, 1 from `threshold` + `fade` on, a line between."""
    if fade == 0:
        return (saliency >= threshold).astype(np.float32)
    share: NDArray[np.float32] = (saliency - np.float32(threshold)) / np.float32(fade)
    return share.clip(0, 1)


def faded_mask(plan: Plan, mask: Mask) -> NDArray[np.uint32]:
    """Return `mask` with threshold and fade applied at its own resolution, 0..65535."""
    codes = mask.astype(np.uint32)
    apply_fade(codes, fade_table(plan.threshold_code, plan.fade_code))
    return np.minimum(codes, ONE - 1)


PEERS: dict[str, Callable[[Inputs, int], Contender]] = {
    FFMPEG: ffmpeg,
    OPENCV: opencv,
    FLOAT_NUMPY: float_numpy,
}


def _mask_format(plan: Plan) -> str:
    return plan.pixel_format.name.replace("420", "444").replace("422", "444")


def _av_frame(av: Any, planes: Any, pixel_format: str) -> Any:  # noqa: ANN401 - PyAV's module and VideoFrame
    height, width = planes[0].shape
    frame = av.VideoFrame(width, height, pixel_format)
    frame.time_base = Fraction(1, 25)
    frame.color_range = 1  # limited, as the filter graph's sources say
    for plane, samples in zip(frame.planes, planes, strict=True):
        _av_plane(plane, samples.dtype)[:] = samples
    return frame


def _av_plane(plane: Any, dtype: np.dtype[Any]) -> NDArray[Any]:  # noqa: ANN401 - as above
    rows = np.frombuffer(plane, dtype).reshape(plane.height, -1)
    return rows[:, : plane.width]
