"""The Python face of `roi-accel mask`: `mask` writes the masks that `score` would score with."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Unpack

from roi_accel._util.error_translation import require
from roi_accel._util.files import StagedFiles
from roi_accel._util.suggest import no_such
from roi_accel.api.score import CallOptions, checked_path
from roi_accel.errors import OutputError
from roi_accel.mask_export.outputs import (
    SUFFIXES,
    check_picture,
    check_suffix,
    is_picture,
    make_sink,
    write_all,
)
from roi_accel.mask_export.run import open_mask_run
from roi_accel.options import Caller, Given, ScoreOptions, declared, documented, option
from roi_accel.report.contact_sheet import Sheet

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.api.keywords import AnyPath, MaskKeywords

_CALLER = Caller("keyword", "help(roi_accel.mask) says what each keyword takes")
_PATH_REMEDY = 'for example roi_accel.mask("ref.mp4", "masks.npz")'


class MaskCall(ScoreOptions, CallOptions):
    """All keywords of `mask`, and those of `score` that it refuses: see `KEYWORDS`."""

    frame: int | None = option(
        None,
        "Which frame a picture shows, counted from 0 as in a result.",
        "The picture",
        unset="the middle one",
    )
    sheet: Annotated[Sheet, Given("int | str", lambda count: Sheet.parse(str(count)))] | None = (
        option(
            None,
            "How many frames a picture shows instead, evenly spread in time: ``12``, or rows "
            'x columns such as ``"3x4"``.',
            "The picture",
        )
    )


KEYWORDS = {
    name: each for name, each in declared(MaskCall).items() if each.option.concerns == "masks"
}
"""What `mask` takes: neither what decides the distorted video nor what decides its score."""


@dataclass(frozen=True, kw_only=True)
class MaskFile:
    """A file of masks, or a picture of some, that `mask` has written.

    Attributes
    ----------
    path : Path
    frames : int
        How many frames have their mask in it.
    height, width : int
        Of every mask, in samples; a picture shows them at the size of the frames.
    saliency_model : str
        What the masks come from, as in a `Result`.
    warnings : tuple of str
        What the user should know that is not a failure, one line each.
    """

    path: Path
    frames: int
    height: int
    width: int
    saliency_model: str
    warnings: tuple[str, ...]


def mask(reference: AnyPath, output: AnyPath, **keywords: Unpack[MaskKeywords]) -> MaskFile:
    """Write the masks that `score` would score a reference's frames with, and score nothing.

    Every keyword may be left out, or be None, which is the same.

    Parameters
    ----------
    reference : path
        The undistorted video, as `score` takes it.
    output : path
        What to write, by its suffix: ``.npz``, an archive whose ``masks`` are uint16[frames,
        height, width], 0..65535 for saliency 0..1; ``.mkv``, the same as lossless gray video; or
        ``.png``, a picture of masks over their frames, which needs the extra ``report``. It is
        whole or absent. Archive and video, given back as `mask`, score the same to the last digit.
    **keywords

    Returns
    -------
    MaskFile

    Raises
    ------
    InputError
        A file or keyword cannot be used.
    ModelError
        The saliency network cannot be had, read or trusted.
    BackendUnavailable
        A backend, device or execution provider that was asked for is not there, or memory ran out.
    OutputError
        `output` exists, or cannot be written; or what draws pictures is missing.
    ParityError
        The gate found a difference: this device's masks cannot be trusted.
    RoiAccelError
        All of these. Each says what was found, what was expected and what to do.

    Examples
    --------
    >>> made = roi_accel.mask("ref.mp4", "masks.npz", mask_smooth=0.5)
    >>> masks = np.load(made.path, allow_pickle=False)["masks"]
    >>> roi_accel.score("ref.mp4", "dist.mp4", mask=made.path)
    """
    for name in keywords:
        if name not in KEYWORDS:
            raise no_such(name, KEYWORDS, what="keyword", otherwise=_CALLER.guide)
    video = checked_path("reference", reference, remedy=_PATH_REMEDY)
    path = checked_path("output", output, remedy=_PATH_REMEDY)
    check_suffix(path, SUFFIXES, said_by="output")
    options = MaskCall.given(_CALLER, keywords, [video])
    check_picture(path, options.frame, options.sheet, said_by="output")
    if is_picture(path):
        require("PIL", "report", "a picture", error=OutputError)
    inputs = [video, *options.files()]
    with ExitStack() as resources:
        staged = resources.enter_context(
            StagedFiles([path], overwrite=options.overwrite, inputs=inputs)
        )
        run = resources.enter_context(open_mask_run(video, None, options))
        sink = make_sink(path, staged, run, resources, frame=options.frame, sheet=options.sheet)
        write_all(run, [sink], options.progress)
        height, width = run.source.size
        made = MaskFile(
            path=path,
            frames=sink.frames,
            height=height,
            width=width,
            saliency_model=run.source.label,
            warnings=tuple(dict.fromkeys(run.warnings)),
        )
        staged.commit()
    return made


mask.__doc__ = documented(mask.__doc__, KEYWORDS.values())
