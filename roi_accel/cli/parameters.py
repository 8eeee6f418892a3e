"""Options that several commands have, declared once, so that they mean the same in each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from roi_accel.api.score import input_choices, raw_geometry
from roi_accel.backends.host import available_cores
from roi_accel.cli import completions
from roi_accel.devices.dispatch import AUTO, BACKENDS
from roi_accel.errors import InputError
from roi_accel.inference import network as saliency
from roi_accel.inference.batch_size import AUTO_BATCH, MAX_BATCH, parse_batch
from roi_accel.masks.over_time import MAX_STRIDE
from roi_accel.options import ScoreOptions
from roi_accel.parity.gate import GATE_MODES
from roi_accel.video.scaling import Kernel

if TYPE_CHECKING:
    from collections.abc import Sequence

AnyName = TypeVar("AnyName", Path, str)

INPUT = "Input"
RAW = "Raw input"
SELECTION = "What is scored of it"
MASK = "Where people look"
BLEND = "From mask to score"
RUN = "How it is computed"

Reference = Annotated[
    list[Path],  # so that a second one is not taken without a word; see `only_reference`
    typer.Option(
        "-r",
        "--reference",
        metavar="<Path>",
        help="The undistorted video.",
        rich_help_panel=INPUT,
    ),
]
Width = Annotated[int | None, typer.Option("-w", "--width", help="In pixels.", rich_help_panel=RAW)]
Height = Annotated[int | None, typer.Option("--height", help="In pixels.", rich_help_panel=RAW)]
PixelFormat = Annotated[
    str | None,
    typer.Option("-p", "--pixel-format", help="420, 422 or 444.", rich_help_panel=RAW),
]
Bitdepth = Annotated[
    int | None, typer.Option("-b", "--bitdepth", help="8, 10, 12 or 16.", rich_help_panel=RAW)
]
PixFmt = Annotated[
    str | None,
    typer.Option(
        help="Format and depth at once, such as yuv420p10le.",
        autocompletion=completions.pixel_formats,
        rich_help_panel=RAW,
    ),
]
Fps = Annotated[
    str | None,
    typer.Option(
        help="Frames per second, such as 25 or 30000/1001, for --start, --duration and "
        "--mask-smooth.",
        rich_help_panel=RAW,
    ),
]
Scale = Annotated[
    Kernel | None,
    typer.Option(
        help="Scale the distorted video to the reference's size; with --scale-to, how.",
        show_default="no scaling",
        rich_help_panel=SELECTION,
    ),
]
ScaleTo = Annotated[
    str | None,
    typer.Option(
        metavar="1080p|WxH",
        help="Scale both videos: to fit a name, or to a size.",
        rich_help_panel=SELECTION,
    ),
]
Crop = Annotated[
    str | None,
    typer.Option(
        metavar="auto|W:H:X:Y",
        help="Leave out the reference's black bars, or all but a rectangle, after scaling.",
        rich_help_panel=SELECTION,
    ),
]
FrameSkipRef = Annotated[
    int,
    typer.Option(
        metavar="N", help="Skip the reference's first N frames.", rich_help_panel=SELECTION
    ),
]
FrameSkipDist = Annotated[
    int,
    typer.Option(
        metavar="N",
        help="Skip the first N frames of every distorted video.",
        rich_help_panel=SELECTION,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="Score both videos from here on, after the skipped frames.",
        rich_help_panel=SELECTION,
    ),
]
Duration = Annotated[
    str | None,
    typer.Option(metavar="SECONDS", help="Score so much and no more.", rich_help_panel=SELECTION),
]
FrameCount = Annotated[
    int | None, typer.Option(help="Stop after so many frames.", rich_help_panel=RUN)
]
Shortest = Annotated[
    bool,
    typer.Option(
        "--shortest",
        help="Score the common part of videos of unequal length.",
        rich_help_panel=RUN,
    ),
]
SaliencyModel = Annotated[
    str,
    typer.Option(
        help="A name that 'roi-accel models list' shows, or an ONNX file.",
        autocompletion=completions.networks,
        rich_help_panel=MASK,
    ),
]
SaliencySize = Annotated[
    str,
    typer.Option(
        help="The network's long side in pixels, aspect kept; or 'native'.",
        rich_help_panel=MASK,
    ),
]
SaliencyBatch = Annotated[
    str,
    typer.Option(
        metavar="N",
        help=f"Frames that the network looks at at once, at most, up to {MAX_BATCH}; or "
        f"'{AUTO_BATCH}'.",
        rich_help_panel=MASK,
    ),
]
SaliencyStride = Annotated[
    int,
    typer.Option(
        metavar="N",
        help=f"The network looks at every N-th frame, up to {MAX_STRIDE}; masks between are "
        "interpolated.",
        rich_help_panel=MASK,
    ),
]
Mask = Annotated[
    Path | None,
    typer.Option(
        help="A gray picture, a video of masks, or an array of them (.npz).", rich_help_panel=MASK
    ),
]
Roi = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]X,Y,W,H",
        help="A box in pixels; repeatable; named boxes are also scored one by one.",
        rich_help_panel=MASK,
    ),
]
RoiTrack = Annotated[
    Path | None,
    typer.Option(help="A CSV or JSON file of boxes per frame.", rich_help_panel=MASK),
]
SyntheticMask = Annotated[
    float | None,
    typer.Option(
        metavar="FILL",
        help="The same saliency everywhere, from 0 to 1.",
        rich_help_panel=MASK,
    ),
]
MaskSmooth = Annotated[
    str | None,
    typer.Option(
        metavar="SECONDS",
        help="Smooth masks over time, with this time constant; raw input needs --fps.",
        rich_help_panel=MASK,
    ),
]
Threshold = Annotated[
    float,
    typer.Option(help="Saliency up to which a pixel counts as perfect.", rich_help_panel=BLEND),
]
Fade = Annotated[
    float,
    typer.Option(help="Width of the ramp above the threshold; 0 is a step.", rich_help_panel=BLEND),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help=f"{AUTO} or one of {', '.join(BACKENDS)}; see 'roi-accel devices'.",
        show_default=f"ROI_ACCEL_BACKEND, else {AUTO}",
        autocompletion=completions.backends,
        rich_help_panel=RUN,
    ),
]
Device = Annotated[
    str | None,
    typer.Option(
        help="A device that 'roi-accel devices' shows, such as cuda:1 or opencl:intel.",
        show_default="the backend's first",
        rich_help_panel=RUN,
    ),
]
Ep = Annotated[
    str | None,
    typer.Option(
        help="ONNX Runtime's execution provider for the network: cpu, cuda:1, openvino:GPU, "
        "plugin:NAME=LIBRARY, ...",
        show_default="matches the device",
        autocompletion=completions.providers,
        rich_help_panel=RUN,
    ),
]
StrictEp = Annotated[
    bool,
    typer.Option(
        "--strict-ep",
        help="Fail if another provider runs the network, or part of it.",
        rich_help_panel=RUN,
    ),
]
Gate = Annotated[
    str,
    typer.Option(
        metavar="|".join(GATE_MODES),
        autocompletion=completions.gates,
        help="Which frames the reference backend checks before VMAF sees them: the first, "
        "a sample, all; 'off' leaves out the device's self-test too.",
        rich_help_panel=RUN,
    ),
]
Dump = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER",
        help="Where to save the arrays (.npz) if the gate finds a difference.",
        rich_help_panel=RUN,
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        metavar="TOML",
        help="Tolerances of the network's map, per device.",
        rich_help_panel=RUN,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        help="Threads for decoding, the network and libvmaf.",
        show_default="all cores",
        rich_help_panel=RUN,
    ),
]


def only_reference(given: Sequence[AnyName]) -> AnyName:
    """Return the one reference that was given; InputError where there are more."""
    if len(given) > 1:
        names = " and ".join(map(str, given))
        msg = f"-r is given {len(given)} times, {names}, and there is one reference"
        raise InputError(msg, remedy="for pairs of several references see roi-accel batch --help")
    return given[0]


def check_named_once(distorted: Sequence[Path]) -> None:
    """Raise InputError where a distorted video is given twice, which would be scored twice."""
    for path, count in Counter(distorted).items():
        if count > 1:
            msg = f"-d {path} is given {count} times"
            raise InputError(msg, remedy="name every distorted video once")


def make_options(
    videos: Sequence[Path],
    **typed: Any,  # noqa: ANN401 - as many types as options
) -> ScoreOptions:
    """Return what was typed, by the names of the parameters, as the options of a score of `videos`.

    Raises
    ------
    InputError
        A value is malformed or out of range.
    """
    raw = ("width", "height", "pix_fmt", "pixel_format", "bitdepth")
    choices = ("fps", "scale_to", "crop", "start", "duration", "mask_smooth")
    geometry = raw_geometry(**{name: typed.pop(name) for name in raw}, videos=videos)
    typed |= input_choices(**{name: typed.pop(name) for name in choices})
    typed["saliency_size"] = saliency.SaliencySize.parse(typed["saliency_size"])
    typed["saliency_batch"] = parse_batch(typed["saliency_batch"])
    typed["roi"] = tuple(typed["roi"] or ())
    if typed["threads"] is None:
        typed["threads"] = available_cores()
    return ScoreOptions(raw=geometry, **typed)
