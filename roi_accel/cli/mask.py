"""`roi-accel mask`: writes the masks of a score, as a picture for people or data for programs."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from roi_accel._util.error_translation import require
from roi_accel._util.files import StagedFiles
from roi_accel.cli import _options as shared
from roi_accel.cli._options import INPUT, OUTPUT, Outputs, option
from roi_accel.cli.console import frame_progress, print_note, print_warning
from roi_accel.cli.interrupt import writing
from roi_accel.errors import InputError, OutputError
from roi_accel.mask_export.outputs import (
    PICTURE_SUFFIX,
    SUFFIXES,
    MaskedVideo,
    check_picture,
    check_suffix,
    is_picture,
    make_sink,
    write_all,
)
from roi_accel.mask_export.run import open_mask_run
from roi_accel.masks.archive import SUFFIX as ARCHIVE_SUFFIX
from roi_accel.masks.writing import CLIP_SUFFIX
from roi_accel.options import ScoreOptions
from roi_accel.report.contact_sheet import Sheet
from roi_accel.results.summary import counted
from roi_accel.video import y4m as videos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.mask_export.outputs import FrameSink

_PICTURE = "The picture"


@shared.with_options(ScoreOptions, without="vmaf")
def mask(
    reference: shared.Reference,
    distorted_videos: Annotated[
        list[Path] | None,
        option(INPUT, "The distorted video, for --masked-yuv.", "-d", "--distorted"),
    ] = None,
    frame: Annotated[
        int | None,
        option(
            _PICTURE,
            "Which frame to show, counted from 0 as in a result.",
            show_default="the middle one",
        ),
    ] = None,
    sheet: Annotated[
        str | None,
        option(
            _PICTURE,
            "Show this many frames instead, evenly spread over time.",
            metavar="N|ROWSxCOLUMNS",
        ),
    ] = None,
    output: Annotated[
        Path | None,
        option(
            OUTPUT,
            f"Write the masks here, by suffix: {PICTURE_SUFFIX}, a picture of a mask over its "
            f"frame; {CLIP_SUFFIX}, lossless gray video; {ARCHIVE_SUFFIX}, NumPy's archive.",
            "-o",
            "--output",
        ),
    ] = None,
    masked_yuv: Annotated[
        Path | None,
        option(
            OUTPUT,
            "Write the masked distorted video here, raw or as .y4m, for any other metric.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: shared.Quiet = False,
    progress: shared.Progress = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    **options: Any,  # noqa: ANN401 - those of the model
) -> None:
    """Write the masks that a score uses: to view, keep, or pass back with --mask.

    Options of frames and masks are those of 'roi-accel score'. Examples:

        roi-accel mask -r ref.mp4 -o mask.png

        roi-accel mask -r ref.mp4 -o sheet.png --sheet 3x4

        roi-accel mask -r ref.mp4 -o masks.mkv

        roi-accel mask -r ref.mp4 -d dist.mp4 --masked-yuv masked.y4m
    """
    distorted = _only(distorted_videos or ())
    _check_asked(output, masked_yuv, distorted, frame, sheet)
    video = shared.only_reference(reference)
    chosen = ScoreOptions.typed("mask", options, [video, *([distorted] if distorted else [])])
    inputs = [video, *([distorted] if distorted else []), *chosen.files()]
    named = {"--output": output, "--masked-yuv": masked_yuv}
    paths = Outputs(named, overwrite=overwrite, inputs=inputs).paths
    if is_picture(output):
        require("PIL", "report", "a picture", error=OutputError)
    wanted = Sheet.parse(sheet) if sheet is not None else None
    with ExitStack() as resources:
        staged = resources.enter_context(StagedFiles(paths, overwrite=overwrite, inputs=inputs))
        run = resources.enter_context(open_mask_run(video, distorted, chosen))
        sinks: list[FrameSink] = []
        if output is not None:
            sinks.append(make_sink(output, staged, run, resources, frame=frame, sheet=wanted))
        if masked_yuv is not None:
            sinks.append(MaskedVideo(masked_yuv, staged, run))
        advance = resources.enter_context(
            frame_progress(show=False if quiet else progress, what="looking")
        )
        said, alphas = write_all(run, sinks, advance)
        for warning in dict.fromkeys(run.warnings):
            print_warning(warning)
        with writing():  # guard: signal-while-masks-move
            staged.commit()
    if not quiet:
        for path, text in zip(paths, said, strict=True):
            print_note(f"{path}: {text}")
        print_note(
            f"counts at --threshold {chosen.threshold:g} --fade {chosen.fade:g}: {counted(alphas)}"
        )


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
        msg = "no output requested"
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
