"""`roi-accel mask`: what counted, as a file that people look at or programs read."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roi_accel._util.files import StagedFiles
from roi_accel.cli import common, parameters
from roi_accel.cli.console import frame_progress, print_note, print_warning
from roi_accel.cli.interrupt import writing
from roi_accel.cli.outputs import check_outputs
from roi_accel.errors import InputError
from roi_accel.inference.batch_size import AUTO_BATCH
from roi_accel.inference.network import DEFAULT_SIZE
from roi_accel.mask_export.outputs import (
    PICTURE_SUFFIX,
    SUFFIXES,
    MaskedVideo,
    check_picture,
    check_suffix,
    fill,
    is_picture,
    taker_of,
)
from roi_accel.mask_export.run import open_mask_run
from roi_accel.masks.archive import SUFFIX as ARCHIVE_SUFFIX
from roi_accel.masks.writing import CLIP_SUFFIX
from roi_accel.options import DEFAULT_FADE, DEFAULT_NETWORK, DEFAULT_THRESHOLD
from roi_accel.parity.gate import DEFAULT_GATE
from roi_accel.report.contact_sheet import Sheet
from roi_accel.report.need import require_pillow
from roi_accel.results.summary import counted
from roi_accel.video import writing as videos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.mask_export.outputs import Taker

_PICTURE = "The picture"


def mask(
    reference: parameters.Reference,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help=f"Write the masks here, by suffix: {PICTURE_SUFFIX}, a picture of a mask over its "
            f"frame; {CLIP_SUFFIX}, lossless gray video; {ARCHIVE_SUFFIX}, NumPy's archive.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    masked_yuv: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write the masked distorted video here, raw or as .y4m, for any other metric.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    distorted_videos: Annotated[
        list[Path] | None,
        typer.Option(
            "-d",
            "--distorted",
            help="The distorted video, for --masked-yuv.",
            rich_help_panel=parameters.INPUT,
        ),
    ] = None,
    frame: Annotated[
        int | None,
        typer.Option(
            help="Which frame to show, counted from 0 as in a result.",
            show_default="the middle one",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        typer.Option(
            metavar="N|ROWSxCOLUMNS",
            help="Show so many frames instead, evenly spread over time.",
            rich_help_panel=_PICTURE,
        ),
    ] = None,
    width: parameters.Width = None,
    height: parameters.Height = None,
    pixel_format: parameters.PixelFormat = None,
    bitdepth: parameters.Bitdepth = None,
    pix_fmt: parameters.PixFmt = None,
    fps: parameters.Fps = None,
    scale: parameters.Scale = None,
    scale_to: parameters.ScaleTo = None,
    crop: parameters.Crop = None,
    frame_skip_ref: parameters.FrameSkipRef = 0,
    frame_skip_dist: parameters.FrameSkipDist = 0,
    start: parameters.Start = None,
    duration: parameters.Duration = None,
    frame_count: parameters.FrameCount = None,
    shortest: parameters.Shortest = False,
    saliency_model: parameters.SaliencyModel = DEFAULT_NETWORK,
    saliency_size: parameters.SaliencySize = str(DEFAULT_SIZE),
    saliency_batch: parameters.SaliencyBatch = AUTO_BATCH,
    saliency_stride: parameters.SaliencyStride = 1,
    mask: parameters.Mask = None,
    roi: parameters.Roi = None,
    roi_track: parameters.RoiTrack = None,
    synthetic_mask: parameters.SyntheticMask = None,
    mask_smooth: parameters.MaskSmooth = None,
    threshold: parameters.Threshold = DEFAULT_THRESHOLD,
    fade: parameters.Fade = DEFAULT_FADE,
    backend: parameters.Backend = None,
    device: parameters.Device = None,
    ep: parameters.Ep = None,
    strict_ep: parameters.StrictEp = False,
    gate: parameters.Gate = DEFAULT_GATE,
    dump: parameters.Dump = None,
    calibration: parameters.Calibration = None,
    threads: parameters.Threads = None,
    overwrite: common.Overwrite = False,
    quiet: common.Quiet = False,
    progress: common.Progress = None,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Write the masks that a score is made with: to be seen, kept, and given back with --mask.

    The options that decide frames and masks mean what they mean in 'roi-accel score'. Examples:

        roi-accel mask -r ref.mp4 -o mask.png

        roi-accel mask -r ref.mp4 -o sheet.png --sheet 3x4

        roi-accel mask -r ref.mp4 -o masks.mkv

        roi-accel mask -r ref.mp4 -d dist.mp4 --masked-yuv masked.y4m
    """
    distorted = _only(distorted_videos or ())
    _check_asked(output, masked_yuv, distorted, frame, sheet)
    video = parameters.only_reference(reference)
    inputs = [video, Path(saliency_model)]
    inputs += [path for path in (distorted, mask, roi_track, calibration) if path]
    named = {"--output": output, "--masked-yuv": masked_yuv}
    paths = check_outputs(named, overwrite=overwrite, inputs=inputs)
    if is_picture(output):
        require_pillow()
    wanted = Sheet.parse(sheet) if sheet is not None else None
    options = parameters.make_options(
        [video, *([distorted] if distorted else [])],
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        pixel_format=pixel_format,
        bitdepth=bitdepth,
        fps=fps,
        scale=scale,
        scale_to=scale_to,
        crop=crop,
        frame_skip_ref=frame_skip_ref,
        frame_skip_dist=frame_skip_dist,
        start=start,
        duration=duration,
        frame_count=frame_count,
        shortest=shortest,
        saliency_model=saliency_model,
        saliency_size=saliency_size,
        saliency_batch=saliency_batch,
        saliency_stride=saliency_stride,
        mask=mask,
        roi=roi,
        roi_track=roi_track,
        synthetic_mask=synthetic_mask,
        mask_smooth=mask_smooth,
        threshold=threshold,
        fade=fade,
        backend=backend,
        device=device,
        ep=ep,
        strict_ep=strict_ep,
        gate=gate,
        dump=dump,
        calibration=calibration,
        threads=threads,
    )
    with ExitStack() as resources:
        staged = resources.enter_context(StagedFiles(paths, overwrite=overwrite, inputs=inputs))
        run = resources.enter_context(open_mask_run(video, distorted, options))
        takers: list[Taker] = []
        if output is not None:
            takers.append(taker_of(output, staged, run, resources, frame=frame, sheet=wanted))
        if masked_yuv is not None:
            takers.append(MaskedVideo(masked_yuv, staged, run))
        advance = resources.enter_context(
            frame_progress(show=False if quiet else progress, what="looking")
        )
        said, alphas = fill(run, takers, advance)
        for warning in dict.fromkeys(run.warnings):
            print_warning(warning)
        with writing():  # guard: signal-while-masks-move
            staged.commit()
    if not quiet:
        for path, text in zip(paths, said, strict=True):
            print_note(f"{path}: {text}")
        print_note(f"counts at --threshold {threshold:g} --fade {fade:g}: {counted(alphas)}")


def _only(distorted: Sequence[Path]) -> Path | None:
    """Return the one distorted video; `score` takes several, and people who know it try them."""
    if len(distorted) > 1:
        msg = f"-d was given {len(distorted)} times, and --masked-yuv is one video"
        raise InputError(msg, remedy="run it once for each")
    return distorted[0] if distorted else None


def _check_asked(
    output: Path | None,
    masked_yuv: Path | None,
    distorted: Path | None,
    frame: int | None,
    sheet: str | None,
) -> None:
    """Raise InputError where what is asked for does not fit together."""
    if output is None and masked_yuv is None:
        msg = "nothing is to be written"
        raise InputError(msg, remedy=f"name a file with -o ({', '.join(SUFFIXES)}) or --masked-yuv")
    if output is not None:
        check_suffix(output, SUFFIXES, said_by="-o")
    if masked_yuv is not None:
        check_suffix(masked_yuv, videos.SUFFIXES, said_by="--masked-yuv")
    if (distorted is None) != (masked_yuv is None):
        has, lacks = ("--masked-yuv", "-d") if distorted is None else ("-d", "--masked-yuv")
        msg = f"{has} was given without {lacks}"
        raise InputError(msg, remedy="masks are of the reference; -d and --masked-yuv go together")
    check_picture(output, frame, sheet, said_by="-o")
