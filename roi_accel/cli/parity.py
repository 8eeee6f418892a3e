"""`roi-accel parity`: the matrix of this machine, and records to compare machines with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from roi_accel._util.files import check_output, write_atomically
from roi_accel.api.score import raw_geometry
from roi_accel.checks.clip_case import DEFAULT_FRAMES
from roi_accel.checks.matrix_run import FORMAT_NAMES, ParityOptions, run_parity
from roi_accel.checks.record_run import compare_files, make_record
from roi_accel.cli import common
from roi_accel.cli.console import frame_progress, print_note, print_warning
from roi_accel.cli.group import Group
from roi_accel.cli.lists import split_names
from roi_accel.cli.parity_output import ReportOutput
from roi_accel.errors import InputError
from roi_accel.options import DEFAULT_NETWORK
from roi_accel.parity.record import write_record
from roi_accel.parity.tolerance import STAGES

_WHO = "Who is compared"
_WHAT = "What is compared"
_RAW = "Raw video"

app = typer.Typer(
    cls=Group,
    invoke_without_command=True,
    no_args_is_help=False,
)

Json = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the report as JSON; - for stdout.",
        rich_help_panel=common.OUTPUT,
    ),
]
Markdown = Annotated[
    Path | None,
    typer.Option(
        "--markdown",
        metavar="FILE",
        help="Write it as Markdown, for a pull request.",
        rich_help_panel=common.OUTPUT,
    ),
]
Junit = Annotated[
    Path | None,
    typer.Option(
        "--junit",
        metavar="FILE",
        help="Write it as JUnit XML, for a CI.",
        rich_help_panel=common.OUTPUT,
    ),
]
Backends = Annotated[
    str | None,
    typer.Option(
        "--backends",
        "--backend",
        metavar="A,B",
        help="Backends, as 'roi-accel devices' names them.",
        show_default="all",
        rich_help_panel=_WHO,
    ),
]
Devices = Annotated[
    str | None,
    typer.Option(
        "--devices",
        "--device",
        metavar="all|ID,ID",
        help="Every device of every backend, or these, such as opencl:0.1.",
        show_default="each backend's first",
        rich_help_panel=_WHO,
    ),
]
Eps = Annotated[
    str | None,
    typer.Option(
        metavar="A,B",
        help="Execution providers, as --ep of 'score' names them; held against cpu.",
        show_default="all of this onnxruntime",
        rich_help_panel=_WHO,
    ),
]
Fp16 = Annotated[
    bool,
    typer.Option("--fp16", help="Also let providers compute in float16.", rich_help_panel=_WHO),
]
SaliencyModel = Annotated[
    str,
    typer.Option(help="The network of the stage saliency.", rich_help_panel=_WHAT),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        metavar="TOML", help="Tolerances measured for single devices.", rich_help_panel=_WHAT
    ),
]


@app.callback()
def parity(
    context: typer.Context,
    backends: Backends = None,
    devices: Devices = None,
    eps: Eps = None,
    fp16: Fp16 = False,
    require_backend: Annotated[
        list[str] | None,
        typer.Option(help="Fail if this one is absent; repeatable.", rich_help_panel=_WHO),
    ] = None,
    require_ep: Annotated[
        list[str] | None,
        typer.Option(help="Fail if this provider is absent; repeatable.", rich_help_panel=_WHO),
    ] = None,
    stages: Annotated[
        str,
        typer.Option(metavar="A,B", help="Stages to compare.", rich_help_panel=_WHAT),
    ] = ",".join(STAGES),
    formats: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Pixel formats by FFmpeg's names, such as yuv420p10le.",
            show_default="all",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    reference: Annotated[
        Path | None,
        typer.Option(
            "-r", "--reference", help="A video of yours, in addition.", rich_help_panel=_WHAT
        ),
    ] = None,
    distorted: Annotated[
        Path | None,
        typer.Option("-d", "--distorted", help="Its distorted version.", rich_help_panel=_WHAT),
    ] = None,
    frames: Annotated[
        int, typer.Option(help="How many frames of it.", rich_help_panel=_WHAT)
    ] = DEFAULT_FRAMES,
    saliency_model: SaliencyModel = DEFAULT_NETWORK,
    vmaf: Annotated[
        str | None,
        typer.Option(
            help="A vmaf or ffmpeg executable.",
            show_default="the first found",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    calibration: Calibration = None,
    width: Annotated[
        int | None, typer.Option("-w", "--width", help="In pixels.", rich_help_panel=_RAW)
    ] = None,
    height: Annotated[
        int | None, typer.Option("--height", help="In pixels.", rich_help_panel=_RAW)
    ] = None,
    pix_fmt: Annotated[
        str | None, typer.Option(help="Such as yuv420p10le.", rich_help_panel=_RAW)
    ] = None,
    json_file: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    overwrite: common.Overwrite = False,
    progress: common.Progress = None,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Check that every backend, device and execution provider gives the same answer.

    Exit code 0: all that was compared agrees. 1: something differs. 2: an error, or nothing to
    compare. Examples:

        roi-accel parity

        roi-accel parity --backends numpy,numba,opencl --junit parity.xml

        roi-accel parity -r ref.mp4 -d dist.mp4 --require-backend opencl
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context)
        return
    output = ReportOutput(json_file, markdown, junit, overwrite=overwrite)
    output.check([path for path in (reference, distorted, calibration) if path])
    options = ParityOptions(
        backends=_list(backends, "--backends"),
        devices=_list(devices, "--devices") or (),
        stages=_list(stages, "--stages") or STAGES,
        formats=_list(formats, "--formats") or FORMAT_NAMES,
        reference=reference,
        distorted=distorted,
        raw=raw_geometry(width=width, height=height, pix_fmt=pix_fmt),
        frames=frames,
        eps=_list(eps, "--eps"),
        half=fp16,
        saliency_model=saliency_model,
        vmaf=vmaf,
        require_backend=tuple(require_backend or ()),
        require_ep=tuple(require_ep or ()),
        calibration=calibration,
    )
    with frame_progress(show=progress, what="comparing", unit="cases/s") as advance:
        report = run_parity(options, progress=advance, tell=print_warning)
    output.write(report)
    raise typer.Exit(report.exit_code)


def _refuse_misplaced(context: typer.Context) -> None:
    """Raise InputError for an option of the matrix before a subcommand, which would ignore it."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = "--" + name.removesuffix("_file").replace("_", "-")
            msg = f"{option} stands before {context.invoked_subcommand}, which would not see it"
            raise InputError(msg, remedy=f"write it after {context.invoked_subcommand}")


@app.command()
def record(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", help="The file to write.", rich_help_panel=common.OUTPUT),
    ],
    backends: Backends = None,
    devices: Devices = None,
    eps: Eps = None,
    fp16: Fp16 = False,
    saliency_model: SaliencyModel = DEFAULT_NETWORK,
    overwrite: common.Overwrite = False,
    progress: common.Progress = None,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Write what this machine answers to the corpus into a file, for `compare` on any machine.

    Example:

        roi-accel parity record -o node1.json
    """
    check_output(output, overwrite=overwrite)
    options = ParityOptions(
        backends=_list(backends, "--backends"),
        devices=_list(devices, "--devices") or (),
        eps=_list(eps, "--eps"),
        half=fp16,
        saliency_model=saliency_model,
    )
    with frame_progress(show=progress, what="recording", unit="cases/s") as advance:
        made = make_record(options, progress=advance)
    write_atomically(output, write_record(made).encode(), overwrite=overwrite)
    for entry in made.entries:
        print_note(f"recorded {entry.participant.name}")


@app.command()
def compare(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORD...", help="Files that 'record' wrote.")
    ],
    calibration: Calibration = None,
    json_file: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    overwrite: common.Overwrite = False,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Compare machines by their records, with each other and with the committed golden digests.

    One record alone is compared with the golden digests. Example:

        roi-accel parity compare node1.json node2.json --markdown parity.md
    """
    output = ReportOutput(json_file, markdown, junit, overwrite=overwrite)
    output.check([*records, *((calibration,) if calibration else ())])
    report = compare_files(records, calibration)
    output.write(report)
    raise typer.Exit(report.exit_code)


def _list(text: str | None, option: str) -> tuple[str, ...] | None:
    """Return the names of ``a,b``, each once; None where the option is not given."""
    return None if text is None else split_names(text, option)
