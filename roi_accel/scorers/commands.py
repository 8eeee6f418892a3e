"""The scorers' command lines: how each kind is told to read its streams and where to log.

Streams are numbered: 0 is the reference, 1 and up are the variants of the distorted video that are
scored against it. Every stream reaches its program through an inherited pipe.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.errors import InputError
from roi_accel.scorers.options import (
    VmafFeature,
    VmafModel,
    filter_features,
    filter_models,
    tool_feature,
    tool_model,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from roi_accel.backends.frame import PixelFormat
    from roi_accel.scorers.find import Scorer


_SAFE_WIDTH = 16
"""Widths that are a multiple of this were scored alike by every program that was tried."""


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """What is to be scored, apart from the frames themselves.

    Attributes
    ----------
    pixel_format, width, height
        Geometry of every stream.
    variants : int
        How many streams are scored against the reference.
    models, features
        What to compute; the first model is the one that is blended.
    threads : int
        libvmaf's threads, all variants together; at least one each.
    subsample : int
        Score every n-th frame.
    """

    pixel_format: PixelFormat
    width: int
    height: int
    variants: int
    models: tuple[VmafModel, ...]
    features: tuple[VmafFeature, ...] = ()
    threads: int = 1
    subsample: int = 1


@dataclass(frozen=True)
class Launch:
    """One scorer process: which streams it reads, and its arguments once their pipes are known."""

    streams: tuple[int, ...]
    arguments: Callable[[Sequence[int]], list[str]]


def log_name(variant: int) -> str:
    """Return the file in the working folder to which the scores of `variant` (from 1) go."""
    return f"variant{variant}.json"


def plan_launches(scorer: Scorer, request: ScoringRequest, folder: Path) -> list[Launch]:
    """Return the processes that score `request`, to be run in `folder`.

    Raises
    ------
    InputError
        The `vmaf` tool cannot be given this geometry reliably.
    """
    files = tuple(_copy_model(model, n, folder) for n, model in enumerate(request.models))
    if scorer.kind == "ffmpeg":
        return [_ffmpeg_launch(scorer, request, files)]
    _check_tool_geometry(request)  # guard: odd-size-tool
    return [_tool_launch(scorer, request, files, v + 1) for v in range(request.variants)]


def _copy_model(model: VmafModel, number: int, folder: Path) -> str:
    """Copy a model file to a name that needs no quoting anywhere, and return that name."""
    if model.path is None:
        return ""
    name = f"model{number}.json"  # guard: model-plain-name
    try:
        shutil.copyfile(model.path, folder / name)
    except OSError as error:
        msg = f"the VMAF model {model.path} cannot be read: {error.strerror or error}"
        raise InputError(msg, remedy="check the file that --model names") from error
    return name


def _threads_per_variant(request: ScoringRequest) -> int:
    return max(1, request.threads // request.variants)


def _ffmpeg_launch(scorer: Scorer, request: ScoringRequest, model_files: tuple[str, ...]) -> Launch:
    """One ffmpeg reads all streams; one libvmaf filter scores each variant."""
    options = {
        "log_fmt": "json",
        "n_threads": str(_threads_per_variant(request)),
        "n_subsample": str(request.subsample),
        "model": f"'{filter_models(request.models, model_files)}'",
    }
    if request.features:
        options["feature"] = f"'{filter_features(request.features)}'"
    # All streams have the same frame rate, so equal frames have equal times; a stream that ends
    # early ends the comparison instead of repeating its last frame, and the count then tells.
    options |= {"shortest": "1", "repeatlast": "0"}
    common = ":".join(f"{key}={value}" for key, value in options.items())

    variants = range(1, request.variants + 1)
    # A graph of its own per variant: ffmpeg gives each graph a thread, which copies frames and
    # measures motion, and one such thread for two variants would leave a core idle meanwhile.
    graphs = [f"[{v}:v][0:v]libvmaf=log_path={log_name(v)}:{common}[out{v}]" for v in variants]

    def arguments(pipes: Sequence[int]) -> list[str]:
        command = [str(scorer.path), "-hide_banner", "-nostdin", "-loglevel", "error"]
        for pipe in pipes:
            command += ["-f", "rawvideo", "-framerate", "25"]
            command += ["-pixel_format", request.pixel_format.name]
            command += ["-video_size", f"{request.width}x{request.height}"]
            command += ["-i", f"pipe:{pipe}"]
        for graph in graphs:
            command += ["-filter_complex", graph]
        for variant in variants:
            command += ["-map", f"[out{variant}]", "-fps_mode", "passthrough", "-f", "null", "-"]
        return command

    return Launch(tuple(range(request.variants + 1)), arguments)


def has_odd_chroma(pixel_format: PixelFormat, width: int, height: int) -> bool:
    """Whether chroma planes are rounded up: vmaf 3.2 reads them rounded down, older ones up."""
    (luma_height, luma_width), (height, width), _ = pixel_format.plane_shapes(width, height)
    return width * 2 == luma_width + 1 or height * 2 == luma_height + 1  # guard: odd-chroma


def is_unsafe_for_tool(pixel_format: PixelFormat, width: int, height: int) -> bool:
    """Whether the `vmaf` tool may misread these frames or score them wrongly.

    It misreads odd chroma. And version 3.2.0's vector code gives other scores than its plain code,
    which ffmpeg's libvmaf agrees with, at many widths that are no multiple of 16: 92.89 instead of
    93.31 at 270x480, 85.44 instead of 94.73 at 130x96 (docs/adr/0003-vmaf-through-pipes.md).
    """
    return bool(width % _SAFE_WIDTH) or has_odd_chroma(pixel_format, width, height)


def _check_tool_geometry(request: ScoringRequest) -> None:
    if has_odd_chroma(request.pixel_format, request.width, request.height):
        msg = (
            f"the vmaf tool's versions disagree on the chroma planes of {request.width}x"
            f"{request.height} {request.pixel_format.name} frames"
        )
        raise InputError(msg, remedy="score odd sizes with an ffmpeg: --vmaf ffmpeg")


def _tool_launch(
    scorer: Scorer, request: ScoringRequest, model_files: tuple[str, ...], variant: int
) -> Launch:
    """One `vmaf` process scores one variant; each gets its own copy of the reference's stream."""

    def arguments(pipes: Sequence[int]) -> list[str]:
        reference, distorted = (f"/dev/fd/{pipe}" for pipe in pipes)
        command = [str(scorer.path), "--reference", reference, "--distorted", distorted]
        command += ["--width", str(request.width), "--height", str(request.height)]
        command += ["--pixel_format", request.pixel_format.subsampling]
        command += ["--bitdepth", str(request.pixel_format.bit_depth)]
        for model, file in zip(request.models, model_files, strict=True):
            command += ["--model", tool_model(model, file)]
        for feature in request.features:
            command += ["--feature", tool_feature(feature)]
        command += ["--threads", str(_threads_per_variant(request))]
        command += ["--subsample", str(request.subsample)]
        return [*command, "--json", "--output", log_name(variant), "--quiet"]

    return Launch((0, variant), arguments)
