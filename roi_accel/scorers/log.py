"""A scorer's log, believed only when whole: every frame that was fed, every score a number."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from roi_accel._util.strict_json import unique_keys
from roi_accel._util.text import printable
from roi_accel.errors import ScorerError
from roi_accel.scorers.protocol import ScoreLog

_REMEDY = "try another scorer with --vmaf, and report this with --debug's output"

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.scorers.protocol import ScoringRequest, VideoScores


def read_log(path: Path, *, frames_fed: int, subsample: int, scores: tuple[str, ...]) -> ScoreLog:
    """Return the JSON log at `path` that a scorer wrote; the parameters are those of `check_log`.

    Raises
    ------
    ScorerError
        The log is absent or not JSON, or `check_log` refuses it.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique_keys)
        frames = content["frames"]
        numbers = tuple(frame["frameNum"] for frame in frames)
        names = tuple(frames[0]["metrics"]) if frames else ()
        metrics = {name: tuple(frame["metrics"][name] for frame in frames) for name in names}
        version = str(content["version"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        hint = "; a model and a feature share it" if "duplicate key" in str(error) else ""
        msg = f"VMAF left no usable log ({type(error).__name__}: {error}{hint})"
        raise ScorerError(msg, remedy=_REMEDY) from error
    log = ScoreLog(version, numbers, metrics)
    check_log(log, frames_fed=frames_fed, subsample=subsample, scores=scores)
    return log


def check_scores(
    videos: Sequence[VideoScores], request: ScoringRequest, *, frames_fed: int, scorer: str
) -> None:
    """Raise ScorerError unless every video and mask of `request` has whole scores.

    Parameters
    ----------
    videos : sequence of VideoScores
        What the scorer called `scorer` answered.
    request : ScoringRequest
    frames_fed : int
        How many frames it was given.
    scorer : str
    """
    counts = [len(video.masked) for video in videos]
    if counts != [request.masks] * request.videos:
        msg = f"{scorer} scored {counts} masks, not {[request.masks] * request.videos}"
        raise ScorerError(msg, remedy=_REMEDY)
    subsample, scores = request.subsample, tuple(model.name for model in request.models)
    for log in (log for video in videos for log in (video.full, *video.masked)):
        check_log(log, frames_fed=frames_fed, subsample=subsample, scores=scores, who=scorer)


def check_log(
    log: ScoreLog, *, frames_fed: int, subsample: int, scores: tuple[str, ...], who: str = "VMAF"
) -> None:
    """Raise ScorerError unless `log` has every frame and score, each a finite number.

    Parameters
    ----------
    log : ScoreLog
    frames_fed : int
        How many frames the scorer was given.
    subsample : int
        It was asked for every `subsample`-th frame alone.
    scores : tuple of str
        The metrics that must be there: the models' names.
    who : str
        Whose log it is, for the message.
    """
    numbers, expected = log.frame_numbers, tuple(range(0, frames_fed, subsample))
    # True and 1.0 equal 1, but are not a frame's number.
    if numbers != expected or not all(type(n) is int for n in numbers):  # guard: vmaf-log-frames
        msg = (
            f"{who} scored {len(numbers)} frames where {len(expected)} were expected "
            f"({frames_fed} frames fed, one of every {subsample} scored)"
        )
        raise ScorerError(msg, remedy=_REMEDY)
    for name in scores:
        if name not in log.metrics:
            names = ", ".join(map(_shown, log.metrics)) or "none"
            msg = f"{who} has no score {name!r}; it has {names}"
            raise ScorerError(msg, remedy=_REMEDY)
    for name, values in log.metrics.items():
        if len(values) != len(numbers):
            msg = f"{who} has {len(values)} values of {_shown(name)} for {len(numbers)} frames"
            raise ScorerError(msg, remedy=_REMEDY)
        _check_finite(f"{who}'s {_shown(name)}", values)  # guard: vmaf-log-finite


def _check_finite(what: str, values: tuple[Any, ...]) -> None:
    for number, value in enumerate(values):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # JSON's whole numbers may be too large for a float; a NaN compares false.
        if not (is_number and abs(value) <= sys.float_info.max):
            msg = f"{what} of scored frame {number} is {_shown(value)}, not a number"
            raise ScorerError(msg, remedy=_REMEDY)


def _shown(value: object) -> str:
    return printable(value if isinstance(value, str) else repr(value))[:80]
