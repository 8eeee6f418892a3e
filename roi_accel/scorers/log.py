"""VMAF's JSON log, believed only when whole: every frame that was fed, every score a number."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class VmafLog:
    """What VMAF said of one pair of streams.

    Attributes
    ----------
    version : str
        libvmaf's own version, as its log has it.
    frame_numbers : tuple of int
        The frames that were scored, 0-based.
    metrics : mapping of str to tuple of float
        For each metric its value per scored frame.
    """

    version: str
    frame_numbers: tuple[int, ...]
    metrics: Mapping[str, tuple[float, ...]]


def read_log(path: Path, *, frames_fed: int, subsample: int, scores: tuple[str, ...]) -> VmafLog:
    """Return the log at `path`.

    Parameters
    ----------
    path : Path
        The JSON log that the scorer wrote.
    frames_fed : int
        How many frames the scorer was given.
    subsample : int
        The scorer was told to score every `subsample`-th frame.
    scores : tuple of str
        The metrics that must be there: the models' names.

    Raises
    ------
    ScorerError
        The log is absent, not JSON, has other frames than were fed, lacks a score, or one is not a
        finite number.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repeats)
        frames = content["frames"]
        numbers = tuple(frame["frameNum"] for frame in frames)
        names = tuple(frames[0]["metrics"]) if frames else ()
        metrics = {name: tuple(frame["metrics"][name] for frame in frames) for name in names}
        version = str(content["version"])
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        msg = f"VMAF left no usable log ({type(error).__name__}: {error})"
        raise ScorerError(msg, remedy=_REMEDY) from error
    expected = tuple(range(0, frames_fed, subsample))
    # True and 1.0 equal 1, but are no frame's number.
    # guard: vmaf-log-frames
    if numbers != expected or not all(type(number) is int for number in numbers):
        msg = (
            f"VMAF scored {len(numbers)} frames where {len(expected)} were expected "
            f"({frames_fed} frames fed, every {subsample}. scored)"
        )
        raise ScorerError(msg, remedy=_REMEDY)
    for name in scores:
        if name not in metrics:
            msg = f"VMAF's log has no score {name!r}; it has {', '.join(map(_shown, metrics))}"
            raise ScorerError(msg, remedy=_REMEDY)
    for name, values in metrics.items():
        _check_finite(name, values)  # guard: vmaf-log-finite
    return VmafLog(version, numbers, metrics)


_REMEDY = "try another VMAF with --vmaf, and report this with --debug's output"


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return `pairs` as a dictionary; of two equal names one would hide the other's value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        msg = f"it gives {repeated!r} twice: a model and a feature share the name"
        raise ValueError(msg)
    return found


def _check_finite(name: str, values: tuple[Any, ...]) -> None:
    for number, value in enumerate(values):
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # JSON's whole numbers may be too large for a float; a NaN compares false.
        if not (is_number and abs(value) <= sys.float_info.max):
            msg = f"VMAF's {_shown(name)} of scored frame {number} is {_shown(value)}, not a number"
            raise ScorerError(msg, remedy=_REMEDY)


def _shown(value: object) -> str:
    """Return the beginning of a value for a message, without what no terminal can show."""
    return (value if isinstance(value, str) and value.isprintable() else repr(value))[:80]
