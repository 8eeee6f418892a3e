"""`roi-accel score`: the main job's options, named after the `vmaf` tool and vmaf-roi-score."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import Annotated

import typer

from roi_accel._util.files import write_together
from roi_accel._util.timing import Stopwatch
from roi_accel._util.trace import trace_json
from roi_accel.cli import common, parameters
from roi_accel.cli.console import (
    frame_progress,
    is_terminal,
    print_summary,
    print_warning,
    write_stdout,
)
from roi_accel.cli.interrupt import writing
from roi_accel.cli.outputs import check_outputs
from roi_accel.inference.batch_size import AUTO_BATCH
from roi_accel.inference.network import DEFAULT_SIZE
from roi_accel.options import (
    DEFAULT_FADE,
    DEFAULT_NETWORK,
    DEFAULT_THRESHOLD,
    DEFAULT_WEIGHT,
)
from roi_accel.parity.gate import DEFAULT_GATE
from roi_accel.report.run import Report
from roi_accel.results.result import to_csv, to_json
from roi_accel.run.score import score_all
from roi_accel.scorers import DEFAULT_MODEL


def score(
    reference: parameters.Reference,
    distorted: Annotated[
        list[Path],
        typer.Option(
            "-d",
            "--distorted",
            help="A distorted video; repeat for several, which share one decode of the reference.",
            rich_help_panel=parameters.INPUT,
        ),
    ],
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
    weight: Annotated[
        float,
        typer.Option(
            help="The salient part's share in the blend.", rich_help_panel=parameters.BLEND
        ),
    ] = DEFAULT_WEIGHT,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            help="VMAF model in libvmaf's syntax: version=, path=, name=; repeatable, "
            "the first is blended.",
            show_default=DEFAULT_MODEL,
            rich_help_panel=parameters.RUN,
        ),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="A further libvmaf feature, such as psnr; repeatable.",
            rich_help_panel=parameters.RUN,
        ),
    ] = None,
    vmaf: Annotated[
        str | None,
        typer.Option(
            help="A vmaf or ffmpeg executable.",
            show_default="the first found",
            rich_help_panel=parameters.RUN,
        ),
    ] = None,
    backend: parameters.Backend = None,
    device: parameters.Device = None,
    ep: parameters.Ep = None,
    strict_ep: parameters.StrictEp = False,
    gate: parameters.Gate = DEFAULT_GATE,
    dump: parameters.Dump = None,
    calibration: parameters.Calibration = None,
    threads: parameters.Threads = None,
    subsample: Annotated[
        int, typer.Option(help="Score every n-th frame.", rich_help_panel=parameters.RUN)
    ] = 1,
    frame_count: parameters.FrameCount = None,
    shortest: parameters.Shortest = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write the JSON result here, all or nothing.",
            show_default="stdout",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a table with a row per frame here.", rich_help_panel=common.OUTPUT
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with curves and pictures of the run here, for people.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Write a timeline of the run here, which Perfetto opens.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    overwrite: common.Overwrite = False,
    quiet: common.Quiet = False,
    summary: Annotated[
        bool | None,
        typer.Option(
            "--summary/--no-summary",
            help="A table of the scores and how they came about, on stderr.",
            show_default="on a terminal",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    progress: common.Progress = None,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Score distorted videos against their reference by where people look.

    Prints the result as JSON. Examples:

        roi-accel score -r ref.mp4 -d dist.mp4

        roi-accel score -r ref.mp4 -d dist.mp4 --roi face=100,40,200,200 -o result.json

        roi-accel score -r ref.yuv -d dist.yuv -w 1920 --height 1080 --pix-fmt yuv420p10le
    """
    video = parameters.only_reference(reference)
    parameters.check_named_once(distorted)
    options = parameters.make_options(
        [video, *distorted],
        width=width,
        height=height,
        pix_fmt=pix_fmt,
        pixel_format=pixel_format,
        bitdepth=bitdepth,
        scale=scale,
        frame_skip_ref=frame_skip_ref,
        frame_skip_dist=frame_skip_dist,
        fps=fps,
        scale_to=scale_to,
        crop=crop,
        start=start,
        duration=duration,
        mask_smooth=mask_smooth,
        saliency_model=saliency_model,
        saliency_size=saliency_size,
        saliency_batch=saliency_batch,
        saliency_stride=saliency_stride,
        mask=mask,
        roi=roi,
        roi_track=roi_track,
        synthetic_mask=synthetic_mask,
        threshold=threshold,
        fade=fade,
        weight=weight,
        backend=backend,
        device=device,
        ep=ep,
        strict_ep=strict_ep,
        gate=gate,
        dump=dump,
        calibration=calibration,
        model=tuple(model or (DEFAULT_MODEL,)),
        feature=tuple(feature or ()),
        vmaf=vmaf,
        threads=threads,
        subsample=subsample,
        frame_count=frame_count,
        shortest=shortest,
    )
    inputs = [video, *distorted, *options.files()]
    named = {"--output": output, "--csv": csv, "--html": html, "--trace": trace}
    written = check_outputs(named, overwrite=overwrite, inputs=inputs)
    report = Report(html, videos=len(distorted)) if html is not None else None
    stopwatch = Stopwatch(is_traced=trace is not None)
    with frame_progress(show=False if quiet else progress) as advance:
        results = score_all(
            video,
            distorted,
            options,
            progress=advance,
            stopwatch=stopwatch,
            revisit=report.thumbnails if report else None,
        )
    for warning in dict.fromkeys(line for result in results for line in result.warnings):
        print_warning(warning)
    text = to_json(results[0] if len(results) == 1 else results)
    contents: dict[Path, bytes] = {}
    if trace is not None:
        contents[trace] = trace_json(stopwatch).encode()
    if report is not None:
        contents[report.path] = report.page(results)
    if csv is not None:
        contents[csv] = to_csv(results).encode()  # guard: csv-utf-8
    if output is not None:
        contents[output] = text.encode()
    else:
        write_stdout(text)
    with writing():  # guard: signal-while-writing
        write_together(contents, overwrite=overwrite, inputs=inputs)
    if not quiet and (is_terminal() if summary is None else summary):
        print_summary(results, written=written)
