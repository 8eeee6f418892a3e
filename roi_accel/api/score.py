"""The Python face of the main job: `score` takes what the command line takes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Unpack, overload

from pydantic import SkipValidation

from roi_accel._util.files import check_output, write_atomically
from roi_accel.errors import InputError
from roi_accel.options import (
    PYTHON,
    File,
    Given,
    Options,
    ScoreOptions,
    declared,
    documented,
    is_path,
    option,
    wrong_type,
)
from roi_accel.report.run import Report
from roi_accel.run.score import score_all

if TYPE_CHECKING:
    from roi_accel.api.keywords import AnyPath, ScoreKeywords
    from roi_accel.results.result import Result

_OUTPUT = "Output"
_PATH_REMEDY = 'for example roi_accel.score("ref.mp4", "dist.mp4")'


class CallOptions(Options):
    """The keywords that `score` and `mask` take besides the options of a score."""

    overwrite: bool = option(
        False, "Replace a file that exists, which is an error otherwise.", _OUTPUT
    )
    progress: Annotated[Any, SkipValidation, Given("Progress", lambda function: function)] = option(
        None,
        "Called as ``progress(done, total)`` by the calling thread after every frame, "
        "with the number of frames done and of all frames, None where that is unknown. What it "
        "raises ends the run.",
        _OUTPUT,
    )


class ScoreCall(ScoreOptions, CallOptions):
    """All keywords of `score`."""

    html: File | None = option(
        None,
        "Where to write a page with curves and pictures of the run, for people; it needs "
        "the extra ``report``. It is written when everything is scored, whole or not at all.",
        _OUTPUT,
        concerns="vmaf",
    )


@overload
def score(reference: AnyPath, distorted: AnyPath, **keywords: Unpack[ScoreKeywords]) -> Result: ...
@overload
def score(
    reference: AnyPath,
    distorted: list[AnyPath] | tuple[AnyPath, ...],
    **keywords: Unpack[ScoreKeywords],
) -> list[Result]: ...
def score(
    reference: AnyPath,
    distorted: AnyPath | list[AnyPath] | tuple[AnyPath, ...],
    **keywords: Unpack[ScoreKeywords],
) -> Result | list[Result]:
    """Score a distorted video against its reference by where people look.

    Every keyword may be left out, or be None, which is the same.

    Parameters
    ----------
    reference : path
        The undistorted video: raw YUV, Y4M, or anything FFmpeg decodes.
    distorted : path, or list or tuple of paths
        Of the same size, pixel format and number of frames. Several share one decode of the
        reference and one pass of the network.
    **keywords

    Returns
    -------
    Result, or a list of them if `distorted` is a list or tuple

    Raises
    ------
    InputError
        A file or keyword cannot be used: misspelt, of the wrong type, out of range, damaged, or of
        another size or length.
    ModelError
        The saliency network cannot be had, read or trusted.
    BackendUnavailable
        A backend, device or execution provider that was asked for is not there, or memory ran out.
    ScorerError
        VMAF is missing or failed.
    OutputError
        `html` exists, or the libraries that draw it are missing, which is found before anything is
        decoded; or `html` or `dump` cannot be written.
    ParityError
        The gate found a difference: this device's masking cannot be trusted.
    RoiAccelError
        All of these. Each says what was found, what was expected and what to do.

    Examples
    --------
    >>> result = roi_accel.score("ref.mp4", "dist.mp4", weight=0.5)
    >>> result.vmaf_roi
    >>> best = max(roi_accel.score("ref.mp4", encodes), key=lambda each: each.vmaf_masked)
    """
    is_single = is_path(distorted)
    paths = [distorted] if is_single else distorted
    if not isinstance(paths, list | tuple):
        expected = "a path, or a list or tuple of paths"
        raise wrong_type(distorted, expected, name="distorted", remedy=_PATH_REMEDY)
    if not paths:
        msg = "distorted is empty, so that there is nothing to score"
        raise InputError(msg, remedy=_PATH_REMEDY)
    video = checked_path("reference", reference, remedy=_PATH_REMEDY)
    videos = [checked_path("distorted", path, remedy=_PATH_REMEDY) for path in paths]
    options = ScoreCall.given(PYTHON, keywords, [video, *videos])
    inputs = [video, *videos, *options.files()]
    report = None
    if options.html is not None:
        check_output(options.html, overwrite=options.overwrite, inputs=inputs)
        report = Report(options.html, videos=len(paths))
    results = score_all(
        video,
        videos,
        options,
        progress=options.progress,
        revisit=report.thumbnails if report else None,
    )
    if report is not None:
        page = report.page(results)
        write_atomically(report.path, page, overwrite=options.overwrite, inputs=inputs)
    return results[0] if is_single else results


score.__doc__ = documented(score.__doc__, declared(ScoreCall).values())


def checked_path(name: str, value: Any, *, remedy: str) -> Path:  # noqa: ANN401 - whatever a caller gave
    """Return the argument `name` as a path; InputError where it is something else."""
    if not is_path(value):
        raise wrong_type(value, "a path", name=name, remedy=remedy)
    return Path(value)
