"""Options that say which frames are scored, and which part of them at what size."""

from __future__ import annotations

from typing import Annotated

import typer

from roi_accel.video.scaling import Kernel

RAW = "Raw input"
SELECTION = "What is scored of it"

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
