"""The Python face of the main job: `score` takes what the command line takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence  # noqa: TC003 - score reads its own annotations
from fractions import Fraction  # noqa: TC003 - as above
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, overload

from roi_accel._util.files import check_output, write_atomically
from roi_accel.api.keywords import check_keywords, is_path, wrong_type
from roi_accel.backends.frame import PixelFormat
from roi_accel.errors import InputError
from roi_accel.inference.batch_size import parse_batch
from roi_accel.inference.network import SaliencySize
from roi_accel.options import AUTO_CROP, ScoreOptions
from roi_accel.parity.gate import GateMode  # noqa: TC001 - as above
from roi_accel.report.run import Report
from roi_accel.run.score import score_all
from roi_accel.video import RawGeometry, Rectangle
from roi_accel.video.opening import RAW_SUFFIXES
from roi_accel.video.raw import geometry_incomplete
from roi_accel.video.scaling import Kernel, TargetSize
from roi_accel.video.source import SourceFile
from roi_accel.video.time_range import parse_rate, parse_seconds

if TYPE_CHECKING:
    from roi_accel.results.result import Result

_TIMES = ("start", "duration", "mask_smooth")

AnyPath = str | PathLike[str]


class MaskingKeywords(TypedDict, total=False):
    """Keyword arguments that decide frames and their masks; each has the command line's default."""

    width: int
    height: int
    pix_fmt: str
    fps: float | str | Fraction
    scale: Kernel
    scale_to: str
    crop: str
    frame_skip_ref: int
    start: float | str | Fraction
    duration: float | str | Fraction
    saliency_model: AnyPath
    saliency_size: int | str
    saliency_batch: int | str
    saliency_stride: int
    mask: AnyPath
    roi: str | Sequence[str]
    roi_track: AnyPath
    synthetic_mask: float
    mask_smooth: float | str | Fraction
    threshold: float
    fade: float
    backend: str
    device: str
    ep: str
    strict_ep: bool
    gate: GateMode
    dump: AnyPath
    calibration: AnyPath
    threads: int
    frame_count: int
    overwrite: bool
    progress: Callable[[int, int | None], None]


class ScoreKeywords(MaskingKeywords, total=False):
    """The keyword arguments of `score`; every one has the command line's default."""

    frame_skip_dist: int
    weight: float
    model: str | Sequence[str]
    feature: str | Sequence[str]
    vmaf: AnyPath
    subsample: int
    shortest: bool
    html: AnyPath


@overload
def score(reference: AnyPath, distorted: AnyPath, **keywords: Unpack[ScoreKeywords]) -> Result: ...
@overload
def score(
    reference: AnyPath,
    distorted: list[AnyPath] | tuple[AnyPath, ...],
    **keywords: Unpack[ScoreKeywords],
) -> list[Result]: ...
def score(
    reference: AnyPath,
    distorted: AnyPath | list[AnyPath] | tuple[AnyPath, ...],
    **keywords: Unpack[ScoreKeywords],
) -> Result | list[Result]:
    """Score a distorted video against its reference by where people look.

    Every keyword may be left out, or be None, which is the same.

    Parameters
    ----------
    reference : path
        The undistorted video: raw YUV, Y4M, or anything FFmpeg decodes.
    distorted : path, or list or tuple of paths
        Of the same size, pixel format and number of frames. Several share one decode of the
        reference and one pass of the network.
    width, height : int
        Of raw input, in pixels. Other files say it themselves.
    pix_fmt : str
        Of raw input, by FFmpeg's name: ``yuv420p``, ``yuv422p10le``, ...
    fps : number or str
        Frames per second of raw input, such as 25 or ``"30000/1001"``; only `start`, `duration`
        and `mask_smooth` need it.
    scale : {"bicubic", "bilinear", "lanczos"}
        Scale the distorted video to the reference's size, which is an error to differ otherwise.
    scale_to : str
        Scale both, to a size such as ``1280x720`` or to fit a name such as ``1080p``.
    crop : str
        ``"auto"`` leaves out the reference's black bars in both videos; ``"W:H:X:Y"`` scores that
        rectangle, in pixels after scaling. Masks refer to the whole frame of the reference's file.
    frame_skip_ref, frame_skip_dist : int
        Leave out so many frames at the beginning of the reference, of every distorted video.
        Default 0.
    start, duration : number or str
        Score the frames from so many seconds on, and for so many, in both videos, counted at the
        reference's frame rate from the first frames that are not skipped.
    saliency_model : str or path
        A name that ``roi-accel models list`` shows, or an ONNX file. Default ``center-surround``,
        which is built in.
    saliency_size : int or str
        The network's long side in pixels, or ``native``. Default 256.
    saliency_batch : int or str
        Frames that the network looks at at once, at most, from 1 to 64; or ``auto``, the default.
        The masks do not depend on it.
    saliency_stride : int
        The network looks at every N-th frame and at the last, from 1 to 32; the masks between are
        interpolated. Default 1. Another stride is another score.
    mask : path
        In place of a network: a gray picture, a video of masks, or a NumPy archive of them.
    roi : str or list of str
        In place of a network: boxes in pixels from the top left, ``"X,Y,W,H"`` or
        ``"NAME=X,Y,W,H"``. Named boxes are also scored one by one.
    roi_track : path
        In place of a network: a CSV or JSON file of boxes per frame.
    synthetic_mask : float
        In place of a network: the same saliency everywhere, in [0, 1].
    mask_smooth : number or str
        Time constant in seconds, up to 60, by which masks of any kind are smoothed over time, each
        after those before it. Default: not at all, as with 0. Another one is another score.
    threshold : float
        Saliency in [0, 1] up to which a pixel counts as perfect. Default 0.3.
    fade : float
        Width of the ramp above the threshold, in [0, 1]; 0 is a step. Default 0.1.
    weight : float
        The masked score's share in ``vmaf_roi``, in [0, 1]. Default 0.5.
    backend : str
        ``auto``, ``numpy``, ``numba``, ``opencl`` or ``cuda``. Default: the variable
        ``ROI_ACCEL_BACKEND``, else ``auto``. All give the same result.
    device : str
        Such as ``cuda:1`` or ``opencl:intel``. Default: the backend's first.
    ep : str
        The ONNX Runtime execution provider for the network, such as ``openvino:GPU``. Default: the
        one that matches the backend's device.
    strict_ep : bool
        Whether it is an error that another provider runs the network, or part of it; otherwise it
        is a warning. Default False.
    gate : {"sample", "first", "all", "off"}
        Which frames the reference backend checks before VMAF sees them. ``off`` leaves out the
        device's self-test too. Default ``sample``: the first two, every 31st and the last.
    dump : path
        Folder for the arrays if the gate finds a difference. Default: they are not kept.
    calibration : path
        TOML file with tolerances of the network's map, per device. Default: the built-in ones.
    model : str or list of str
        VMAF's models in libvmaf's own syntax; the first is blended, the others are reported beside
        it. Default ``version=vmaf_v0.6.1``.
    feature : str or list of str
        Further features in libvmaf's own syntax, such as ``psnr``. Default none.
    vmaf : path
        A `vmaf` or `ffmpeg` executable. Default: the first that is found.
    threads : int
        Threads to use, at least 1. Default: all cores.
    subsample : int
        Score every n-th frame. Default 1.
    frame_count : int
        Stop after so many frames. Default: all.
    shortest : bool
        Score the common part of videos of unequal length, which is an error otherwise. Default
        False.
    html : path
        Where to write a page with curves and pictures of the run, for people; it needs the extra
        ``report``. Default: none is made. It is written when all is scored, whole or not at all.
    overwrite : bool
        Whether `html` may replace a file, which is an error otherwise. Default False.
    progress : function
        Called as ``progress(done, total)`` by the calling thread after every frame, with the number
        of frames done and of all frames, None where that is unknown. What it raises ends the run.

    Returns
    -------
    Result, or a list of them if `distorted` is a list or tuple

    Raises
    ------
    InputError
        A file or keyword cannot be used: misspelt, of the wrong type, out of range, damaged, or of
        another size or length.
    ModelError
        The saliency network cannot be had, read or trusted.
    BackendUnavailable
        A backend, device or execution provider that was asked for is not there, or memory ran out.
    ScorerError
        VMAF is missing or failed.
    OutputError
        `html` exists, or the libraries that draw it are missing, which is found before anything is
        decoded; or `html` or `dump` cannot be written.
    ParityError
        The gate found a difference: this device's masking cannot be trusted.
    RoiAccelError
        All of these. Each says what was found, what was expected and what to do.

    Examples
    --------
    >>> result = roi_accel.score("ref.mp4", "dist.mp4", weight=0.5)
    >>> result.vmaf_roi
    >>> best = max(roi_accel.score("ref.mp4", encodes), key=lambda each: each.vmaf_masked)
    """
    checked = check_keywords(keywords, ScoreKeywords, function="roi_accel.score", remedies=REMEDIES)
    progress = checked.pop("progress", None)
    is_single = is_path(distorted)
    paths = [distorted] if is_single else distorted
    if not isinstance(paths, list | tuple):
        expected = "a path, or a list or tuple of paths"
        raise wrong_type(distorted, expected, name="distorted", remedy=_PATH_REMEDY)
    if not paths:
        msg = "distorted is empty, so that there is nothing to score"
        raise InputError(msg, remedy=_PATH_REMEDY)
    videos = [
        checked_path("reference", reference, remedy=_PATH_REMEDY),
        *(checked_path("distorted", path, remedy=_PATH_REMEDY) for path in paths),
    ]
    html, overwrite = checked.pop("html", None), checked.pop("overwrite", False)
    options = options_from(checked, videos)
    inputs = [*videos, *options.files()]
    report = None
    if html is not None:
        check_output(Path(html), overwrite=overwrite, inputs=inputs)
        report = Report(Path(html), videos=len(paths))
    revisit = report.thumbnails if report else None
    results = score_all(videos[0], videos[1:], options, progress=progress, revisit=revisit)
    if report is not None:
        page = report.page(results)
        write_atomically(report.path, page, overwrite=overwrite, inputs=inputs)
    return results[0] if is_single else results


REMEDIES = {
    "mask": (
        "name a picture, a video of masks or an archive of them; an array becomes one with "
        'numpy.savez_compressed("masks.npz", masks=ARRAY), uint16[frames, height, width]'
    )
}
"""What a keyword of the wrong type should be, where `help` is not enough."""

_PATH_REMEDY = 'for example roi_accel.score("ref.mp4", "dist.mp4")'


def checked_path(name: str, value: Any, *, remedy: str) -> Path:  # noqa: ANN401 - whatever a caller gave
    """Return the argument `name` as a path; InputError where it is none."""
    if not is_path(value):
        raise wrong_type(value, "a path", name=name, remedy=remedy)
    return Path(value)


def options_from(checked: Mapping[str, Any], videos: Sequence[Path] = ()) -> ScoreOptions:
    """Return the options that checked keywords of `score` mean.

    Parameters
    ----------
    checked : mapping of str to object
        Of `ScoreKeywords`, and the command line's ``pixel_format`` and ``bitdepth``.
    videos : sequence of Path, optional
        What is scored with them, for messages.

    Raises
    ------
    InputError
        One is malformed or out of range, or two contradict each other.
    """
    keywords = dict(checked)
    geometry = ("width", "height", "pix_fmt", "pixel_format", "bitdepth")
    raw = raw_geometry(**{name: keywords.pop(name, None) for name in geometry}, videos=videos)
    if "saliency_size" in keywords:
        keywords["saliency_size"] = SaliencySize.parse(keywords["saliency_size"])
    if "saliency_batch" in keywords:
        keywords["saliency_batch"] = parse_batch(keywords["saliency_batch"])
    keywords |= input_choices(
        **{name: keywords.pop(name, None) for name in ("fps", "scale_to", "crop", *_TIMES)}
    )
    for name in ("mask", "roi_track", "dump", "calibration"):
        if name in keywords:
            keywords[name] = Path(keywords[name])
    if "vmaf" in keywords:
        keywords["vmaf"] = str(keywords["vmaf"])
    for name in ("model", "feature", "roi"):
        if name in keywords:
            value = keywords[name]
            keywords[name] = (value,) if isinstance(value, str) else tuple(value)
    return ScoreOptions(raw=raw, **keywords)


def input_choices(
    *,
    fps: str | float | Fraction | None,
    scale_to: str | None,
    crop: str | None,
    start: str | float | Fraction | None,
    duration: str | float | Fraction | None,
    mask_smooth: str | float | Fraction | None,
) -> dict[str, Any]:
    """Return these options of `ScoreOptions` from what was written; None where nothing was.

    Raises
    ------
    InputError
        One of them is malformed.
    """
    return {
        "fps": None if fps is None else parse_rate(fps),
        "scale_to": None if scale_to is None else TargetSize.parse(scale_to),
        "crop": crop if crop is None or crop == AUTO_CROP else Rectangle.parse(crop),
        "start": None if start is None else parse_seconds(start, "--start"),
        "duration": None if duration is None else parse_seconds(duration, "--duration"),
        "mask_smooth": (
            None if mask_smooth is None else parse_seconds(mask_smooth, "--mask-smooth")
        ),
    }


def raw_geometry(
    *,
    width: int | None,
    height: int | None,
    pix_fmt: str | None = None,
    pixel_format: str | None = None,
    bitdepth: int | None = None,
    videos: Sequence[Path] = (),
) -> RawGeometry | None:
    """Return the geometry of raw input from its parts, None where no part is given.

    The format is either `pix_fmt`, or `pixel_format` (420, 422, 444) with `bitdepth`. Which parts
    are missing is told of the first of `videos` that is raw by its name.

    Raises
    ------
    InputError
        Parts are missing, contradict each other or are unknown.
    """
    parts = (width, height, pix_fmt, pixel_format, bitdepth)
    if all(part is None for part in parts):
        return None
    remedy = (
        "raw input needs --width, --height and either --pix-fmt yuv420p10le or -p 420 -b 10; "
        "for any other leave all of these out"
    )
    if pix_fmt is not None and (pixel_format is not None or bitdepth is not None):
        msg = "--pix-fmt already says what --pixel-format and --bitdepth say"
        raise InputError(msg, remedy="give one or the other")
    if width is None or height is None or (pix_fmt is None and None in (pixel_format, bitdepth)):
        given = {"--width": width, "--height": height, "--pix-fmt": pix_fmt or pixel_format}
        missing = [name for name, value in given.items() if value is None] or ["--bitdepth"]
        raw = next((path for path in videos if path.suffix.lower() in RAW_SUFFIXES), None)
        if raw is not None:
            source = SourceFile.examine(raw)
            raise geometry_incomplete(source, missing, width=width, height=height)
        msg = f"geometry is for raw input only, and this one lacks {' and '.join(missing)}"
        raise InputError(msg, remedy=f"{remedy} (-w is not --weight)")
    try:
        if pix_fmt is not None:
            return RawGeometry(width, height, PixelFormat.from_name(pix_fmt))
        return RawGeometry(width, height, PixelFormat(pixel_format, bitdepth))  # type: ignore[arg-type]
    except ValueError as error:
        raise InputError(str(error), remedy=remedy) from error
