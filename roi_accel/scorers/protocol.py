"""What a scorer promises, and the check of its scores: every frame, each a finite number."""

from __future__ import annotations

import json
import sys
from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from roi_accel._util.closing import Closing
from roi_accel._util.strict_json import unique_keys
from roi_accel._util.text import printable
from roi_accel.errors import RoiAccelError, ScorerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from roi_accel.backends.frame import FrameSet, PixelFormat
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Backend
    from roi_accel.scorers.options import VmafFeature, VmafModel

_REMEDY = "try another scorer with --vmaf, and report this with --debug's output"
Needs = Literal["masked frames", "weights"]
NEEDS: tuple[Needs, ...] = get_args(Needs)


@dataclass(frozen=True, kw_only=True)
class ScoringRequest:
    """What is to be scored, apart from the frames themselves.

    Attributes
    ----------
    masks : int
        Masks per frame: the union's, then one per region. 0 where full frames alone are scored.
    models, features
        What to compute. The first model is the one that is blended.
    threads : int
        For all videos together.
    subsample : int
        Score every n-th frame.
    backend, plan
        The verified backend of the run and the plan of its sessions, for scorers that need weights:
        they open sessions of their own. None for others, which are opened before there is a
        backend, and where `masks` is 0.
    """

    pixel_format: PixelFormat
    width: int
    height: int
    videos: int
    masks: int = 0
    models: tuple[VmafModel, ...]
    features: tuple[VmafFeature, ...] = ()
    threads: int = 1
    subsample: int = 1
    backend: Backend | None = None
    plan: Plan | None = None

    @property
    def variants(self) -> int:
        """How many streams programs score against the reference: each video, full and masked."""
        return self.videos * (1 + self.masks)

    @property
    def threads_per_variant(self) -> int:
        """Threads for each of them, at least one."""
        return max(1, self.threads // self.variants)


@dataclass(frozen=True)
class ScoreLog:
    """The scores of one video, or of one of its masked variants.

    `version` is that of the library that computed them; a result calls it ``libvmaf``. The frames
    that were scored are counted from 0, and `metrics` has for each metric its value per scored
    frame; one is named after each model of the request.
    """

    version: str
    frame_numbers: tuple[int, ...]
    metrics: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class VideoScores:
    """What a scorer says of one distorted video: its full frames, then each mask in order."""

    full: ScoreLog
    masked: tuple[ScoreLog, ...] = ()


class Scoring(Closing):
    """A running scorer, as a context manager.

    `scorer` is the one at work: another than was asked to open it where that one hands over.
    """

    warnings: tuple[str, ...] = ()
    """What the reader of these scores should know of how they were made."""

    def __init__(self, scorer: Scorer, request: ScoringRequest) -> None:
        self.scorer = scorer
        self.request = request

    @abstractmethod
    def feed(self, frames: FrameSet) -> None:
        """Take the frames of the next instant, which must not change afterwards.

        `frames.masked` is empty where the scorer needs weights, and `frames.masks` has the masks
        uint16[mask_height, mask_width] of `request.plan`. May wait for room.
        """

    @abstractmethod
    def finish(self) -> list[VideoScores]:
        """Wait for the scores per distorted video; ScorerError if not every frame has one."""

    def close(self) -> None:
        """Leave nothing behind: no process, no file. A second time does nothing."""


class Scorer(Protocol):
    """Something that scores distorted videos against a reference, with and without masks.

    A class in the table of scorers, or of an entry point, is called with the keyword `source`.
    """

    @property
    def name(self) -> str:
        """As a result's provenance calls it."""
        ...

    @property
    def needs(self) -> Needs:
        """Whether it scores frames that were masked for it, or unmasked ones by their masks."""
        ...

    @property
    def version(self) -> str:
        """Of this program or package."""
        ...

    @property
    def source(self) -> str:
        """Where it was found: ``--vmaf``, ``ROI_ACCEL_VMAF``, ``PATH`` or ``imageio-ffmpeg``."""
        ...

    def open(self, request: ScoringRequest) -> Scoring:
        """Start scoring.

        What cannot be scored is found out here, before a frame is decoded.

        Raises
        ------
        InputError
            Frames of this geometry cannot be scored by it.
        ScorerError
            It cannot be started, or does not know a model or a feature.
        """
        ...


@contextmanager
def scorer_errors(scorer: Scorer) -> Iterator[None]:
    """Raise what a scorer raises unexpectedly as a ScorerError that names the scorer."""
    try:
        yield
    except (RoiAccelError, MemoryError):
        raise
    except Exception as error:
        msg = f"the scorer {scorer.name} failed: {type(error).__name__}: {error}"
        raise ScorerError(msg, remedy="report it to its authors, or use another --vmaf") from error


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
            msg = f"{what} of scored frame {number} is {_shown(value)}, not a number (float or int)"
            raise ScorerError(msg, remedy=_REMEDY)


def _shown(value: object) -> str:
    return printable(value if isinstance(value, str) else repr(value))[:80]
