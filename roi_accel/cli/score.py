"""`roi-accel score`: the main job's options, named after the `vmaf` tool and vmaf-roi-score."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import Annotated, cast

import typer

from roi_accel.api import input_choices, raw_geometry
from roi_accel.backends.host import available_cores
from roi_accel.batching import AUTO_BATCH, MAX_BATCH, parse_batch
from roi_accel.cli import completions, input_options
from roi_accel.cli.console import (
    frame_progress,
    is_terminal,
    print_summary,
    print_warning,
    write_stdout,
)
from roi_accel.cli.interrupt import writing
from roi_accel.dispatch import AUTO, BACKENDS
from roi_accel.errors import InputError
from roi_accel.files import check_output, write_together
from roi_accel.options import (
    DEFAULT_FADE,
    DEFAULT_NETWORK,
    DEFAULT_THRESHOLD,
    DEFAULT_WEIGHT,
    ScoreOptions,
)
from roi_accel.parity.gate import DEFAULT_GATE, GATE_MODES, GateMode
from roi_accel.pipeline import score_all
from roi_accel.report.run import Report
from roi_accel.result import to_csv, to_json
from roi_accel.saliency import DEFAULT_SIZE, SaliencySize
from roi_accel.timing import Stopwatch
from roi_accel.trace import trace_json
from roi_accel.vmaf import DEFAULT_MODEL

_INPUT = "Input"
_RAW = input_options.RAW
_MASK = "Where people look"
_BLEND = "From mask to score"
_RUN = "How it is computed"
_OUTPUT = "Output"


def score(
    reference: Annotated[
        Path,
        typer.Option("-r", "--reference", help="The undistorted video.", rich_help_panel=_INPUT),
    ],
    distorted: Annotated[
        list[Path],
        typer.Option(
            "-d",
            "--distorted",
            help="A distorted video; repeat for several, which share one decode of the reference.",
            rich_help_panel=_INPUT,
        ),
    ],
    width: Annotated[
        int | None, typer.Option("-w", "--width", help="In pixels.", rich_help_panel=_RAW)
    ] = None,
    height: Annotated[
        int | None, typer.Option("--height", help="In pixels.", rich_help_panel=_RAW)
    ] = None,
    pixel_format: Annotated[
        str | None,
        typer.Option("-p", "--pixel-format", help="420, 422 or 444.", rich_help_panel=_RAW),
    ] = None,
    bitdepth: Annotated[
        int | None, typer.Option("-b", "--bitdepth", help="8, 10, 12 or 16.", rich_help_panel=_RAW)
    ] = None,
    pix_fmt: Annotated[
        str | None,
        typer.Option(
            help="Format and depth at once, such as yuv420p10le.",
            autocompletion=completions.pixel_formats,
            rich_help_panel=_RAW,
        ),
    ] = None,
    fps: input_options.Fps = None,
    scale: input_options.Scale = None,
    scale_to: input_options.ScaleTo = None,
    crop: input_options.Crop = None,
    frame_skip_ref: input_options.FrameSkipRef = 0,
    frame_skip_dist: input_options.FrameSkipDist = 0,
    start: input_options.Start = None,
    duration: input_options.Duration = None,
    saliency_model: Annotated[
        str,
        typer.Option(
            help="A name that 'roi-accel models list' shows, or an ONNX file.",
            autocompletion=completions.networks,
            rich_help_panel=_MASK,
        ),
    ] = DEFAULT_NETWORK,
    saliency_size: Annotated[
        str,
        typer.Option(
            help="The network's long side in pixels, aspect kept; or 'native'.",
            rich_help_panel=_MASK,
        ),
    ] = str(DEFAULT_SIZE),
    saliency_batch: Annotated[
        str,
        typer.Option(
            metavar="N",
            help=f"Frames that the network looks at at once, at most, up to {MAX_BATCH}; or "
            f"'{AUTO_BATCH}'.",
            rich_help_panel=_MASK,
        ),
    ] = AUTO_BATCH,
    mask: Annotated[
        Path | None,
        typer.Option(help="A gray picture, or a video of masks.", rich_help_panel=_MASK),
    ] = None,
    roi: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[NAME=]X,Y,W,H",
            help="A box in pixels; repeatable; named boxes are also scored one by one.",
            rich_help_panel=_MASK,
        ),
    ] = None,
    roi_track: Annotated[
        Path | None,
        typer.Option(help="A CSV or JSON file of boxes per frame.", rich_help_panel=_MASK),
    ] = None,
    synthetic_mask: Annotated[
        float | None,
        typer.Option(
            metavar="FILL",
            help="The same saliency everywhere, from 0 to 1.",
            rich_help_panel=_MASK,
        ),
    ] = None,
    threshold: Annotated[
        float,
        typer.Option(
            help="Saliency up to which a pixel counts as perfect.", rich_help_panel=_BLEND
        ),
    ] = DEFAULT_THRESHOLD,
    fade: Annotated[
        float,
        typer.Option(
            help="Width of the ramp above the threshold; 0 is a step.", rich_help_panel=_BLEND
        ),
    ] = DEFAULT_FADE,
    weight: Annotated[
        float,
        typer.Option(help="The salient part's share in the blend.", rich_help_panel=_BLEND),
    ] = DEFAULT_WEIGHT,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "-m",
            "--model",
            help="VMAF model in libvmaf's syntax: version=, path=, name=; repeatable, "
            "the first is blended.",
            show_default=DEFAULT_MODEL,
            rich_help_panel=_RUN,
        ),
    ] = None,
    feature: Annotated[
        list[str] | None,
        typer.Option(
            help="A further libvmaf feature, such as psnr; repeatable.", rich_help_panel=_RUN
        ),
    ] = None,
    vmaf: Annotated[
        str | None,
        typer.Option(
            help="A vmaf or ffmpeg executable.",
            show_default="the first found",
            rich_help_panel=_RUN,
        ),
    ] = None,
    backend: Annotated[
        str | None,
        typer.Option(
            help=f"{AUTO} or one of {', '.join(BACKENDS)}; see 'roi-accel devices'.",
            show_default=f"ROI_ACCEL_BACKEND, else {AUTO}",
            autocompletion=completions.backends,
            rich_help_panel=_RUN,
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="A device that 'roi-accel devices' shows, such as cuda:1 or opencl:intel.",
            show_default="the backend's first",
            rich_help_panel=_RUN,
        ),
    ] = None,
    ep: Annotated[
        str | None,
        typer.Option(
            help="ONNX Runtime's execution provider for the network: cpu, cuda:1, openvino:GPU, "
            "plugin:NAME=LIBRARY, ...",
            show_default="matches the device",
            autocompletion=completions.providers,
            rich_help_panel=_RUN,
        ),
    ] = None,
    strict_ep: Annotated[
        bool,
        typer.Option(
            "--strict-ep",
            help="Fail if another provider runs the network, or part of it.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    gate: Annotated[
        str,
        typer.Option(
            metavar="|".join(GATE_MODES),
            autocompletion=completions.gates,
            help="Which frames the reference backend checks before VMAF sees them: the first, "
            "a sample, all; 'off' leaves out the device's self-test too.",
            rich_help_panel=_RUN,
        ),
    ] = DEFAULT_GATE,
    dump: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where to save the arrays (.npz) if the gate finds a difference.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    calibration: Annotated[
        Path | None,
        typer.Option(
            metavar="TOML",
            help="Tolerances of the network's map, per device.",
            rich_help_panel=_RUN,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            help="Threads for decoding, the network and libvmaf.",
            show_default="all cores",
            rich_help_panel=_RUN,
        ),
    ] = None,
    subsample: Annotated[
        int, typer.Option(help="Score every n-th frame.", rich_help_panel=_RUN)
    ] = 1,
    frame_count: Annotated[
        int | None, typer.Option(help="Stop after so many frames.", rich_help_panel=_RUN)
    ] = None,
    shortest: Annotated[
        bool,
        typer.Option(
            "--shortest",
            help="Score the common part of videos of unequal length.",
            rich_help_panel=_RUN,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write the JSON result here, all or nothing.",
            show_default="stdout",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a table with a row per frame here.", rich_help_panel=_OUTPUT),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(
            help="Write a page with curves and pictures of the run here, for people.",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            help="Write a timeline of the run here, which Perfetto opens.", rich_help_panel=_OUTPUT
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace existing output.", rich_help_panel=_OUTPUT),
    ] = False,
    quiet: Annotated[
        bool,
        typer.Option(
            "--quiet", help="No bar and no summary, only errors.", rich_help_panel=_OUTPUT
        ),
    ] = False,
    summary: Annotated[
        bool | None,
        typer.Option(
            "--summary/--no-summary",
            help="A table of the scores and how they came about, on stderr.",
            show_default="on a terminal",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress",
            help="A progress bar on stderr.",
            show_default="on a terminal",
            rich_help_panel=_OUTPUT,
        ),
    ] = None,
    debug: Annotated[  # noqa: ARG001 - read by main, which catches what commands raise
        bool,
        typer.Option("--debug", help="Show the traceback of a failure.", rich_help_panel=_OUTPUT),
    ] = False,
) -> None:
    """Score distorted videos against their reference by where people look.

    Prints the result as JSON. Examples:

        roi-accel score -r ref.mp4 -d dist.mp4

        roi-accel score -r ref.mp4 -d dist.mp4 --roi face=100,40,200,200 -o result.json

        roi-accel score -r ref.yuv -d dist.yuv -w 1920 --height 1080 --pix-fmt yuv420p10le
    """
    outputs = _outputs({"--output": output, "--csv": csv, "--html": html, "--trace": trace})
    options = ScoreOptions(
        raw=raw_geometry(
            width=width,
            height=height,
            pix_fmt=pix_fmt,
            pixel_format=pixel_format,
            bitdepth=bitdepth,
        ),
        scale=scale,
        frame_skip_ref=frame_skip_ref,
        frame_skip_dist=frame_skip_dist,
        **input_choices(fps=fps, scale_to=scale_to, crop=crop, start=start, duration=duration),
        saliency_model=saliency_model,
        saliency_size=SaliencySize.parse(saliency_size),
        saliency_batch=parse_batch(saliency_batch),
        mask=mask,
        roi=tuple(roi or ()),
        roi_track=roi_track,
        synthetic_mask=synthetic_mask,
        threshold=threshold,
        fade=fade,
        weight=weight,
        backend=backend,
        device=device,
        ep=ep,
        strict_ep=strict_ep,
        gate=cast("GateMode", gate),  # looked up by ScoreOptions, which guesses what was meant
        dump=dump,
        calibration=calibration,
        model=tuple(model or (DEFAULT_MODEL,)),
        feature=tuple(feature or ()),
        vmaf=vmaf,
        threads=available_cores() if threads is None else threads,
        subsample=subsample,
        frame_count=frame_count,
        shortest=shortest,
    )
    inputs = [reference, *distorted, *options.files()]
    for path in outputs:
        check_output(path, overwrite=overwrite, inputs=inputs)
    report = Report(html, videos=len(distorted)) if html is not None else None
    stopwatch = Stopwatch(is_traced=trace is not None)
    with frame_progress(show=False if quiet else progress) as advance:
        results = score_all(
            reference,
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
        contents[csv] = to_csv(results).encode()
    if output is not None:
        contents[output] = text.encode()
    else:
        write_stdout(text)
    with writing():
        write_together(contents, overwrite=overwrite, inputs=inputs)
    if not quiet and (is_terminal() if summary is None else summary):
        print_summary(results)


def _outputs(named: dict[str, Path | None]) -> list[Path]:
    """Return the files to be written; InputError where two options name the same."""
    first: dict[Path, str] = {}
    for option, path in named.items():
        if path is None:
            continue
        other = first.setdefault(path.resolve(), option)
        if other != option:
            msg = f"{other} and {option} both name {path}"
            raise InputError(msg, remedy="give each its own file")
    return [path for path in named.values() if path is not None]
