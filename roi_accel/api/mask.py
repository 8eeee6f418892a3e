"""The Python face of `roi-accel mask`: `mask` writes the masks that `score` would score with."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path  # noqa: TC003 - mask reads its own annotations
from typing import Unpack

from roi_accel._util.files import StagedFiles
from roi_accel.api.keywords import check_keywords
from roi_accel.api.score import REMEDIES, AnyPath, MaskingKeywords, checked_path, options_from
from roi_accel.mask_export.outputs import (
    SUFFIXES,
    check_picture,
    check_suffix,
    fill,
    is_picture,
    taker_of,
)
from roi_accel.mask_export.run import open_mask_run
from roi_accel.report.contact_sheet import Sheet
from roi_accel.report.need import require_pillow


class MaskKeywords(MaskingKeywords, total=False):
    """The keyword arguments of `mask`; every one has the command line's default."""

    frame: int
    sheet: int | str


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
        What the user should know that is no failure, one line each.
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
    frame : int
        Which frame a picture shows, counted from 0 as in a result. Default: the middle one.
    sheet : int or str
        How many frames a picture shows instead, evenly spread over time: ``12``, or rows x columns
        such as ``"3x4"``.
    width, height, pix_fmt, fps, scale, scale_to, crop, frame_skip_ref, start, duration, frame_count
        Which frames; as `score` takes them.
    saliency_model, saliency_size, saliency_batch, saliency_stride, mask_smooth
        The network, and the masks over time; as `score` takes them.
    mask, roi, roi_track, synthetic_mask
        In place of a network; as `score` takes them.
    threshold, fade : float
        Drawn in pictures, and in neither of the other files. Default 0.3 and 0.1.
    backend, device, ep, strict_ep, gate, dump, calibration, threads
        What computes the masks, and how it is checked; as `score` takes them.
    overwrite : bool
        Whether `output` may replace a file, which is an error otherwise. Default False.
    progress : function
        Called as ``progress(done, total)`` after every frame, as by `score`.

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
    checked = check_keywords(keywords, MaskKeywords, function="roi_accel.mask", remedies=REMEDIES)
    progress, overwrite = checked.pop("progress", None), checked.pop("overwrite", False)
    frame, sheet = checked.pop("frame", None), checked.pop("sheet", None)
    video = checked_path("reference", reference, remedy=_PATH_REMEDY)
    path = checked_path("output", output, remedy=_PATH_REMEDY)
    check_suffix(path, SUFFIXES, said_by="output")
    check_picture(path, frame, sheet, said_by="output")
    if is_picture(path):
        require_pillow()
    wanted = None if sheet is None else Sheet.parse(str(sheet))
    options = options_from(checked, [video])
    inputs = [video, *options.files()]
    with ExitStack() as resources:
        staged = resources.enter_context(StagedFiles([path], overwrite=overwrite, inputs=inputs))
        run = resources.enter_context(open_mask_run(video, None, options))
        taker = taker_of(path, staged, run, resources, frame=frame, sheet=wanted)
        fill(run, [taker], progress)
        height, width = run.size
        made = MaskFile(
            path=path,
            frames=taker.frames,
            height=height,
            width=width,
            saliency_model=run.label,
            warnings=tuple(dict.fromkeys(run.warnings)),
        )
        staged.commit()
    return made


_PATH_REMEDY = 'for example roi_accel.mask("ref.mp4", "masks.npz")'
