"""What a scorer promises: to score the frames of a run, and to say what it needs for that."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from roi_accel._util.closing import Closing
from roi_accel.errors import RoiAccelError, ScorerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from roi_accel.backends.frame import FrameSet, PixelFormat
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Backend
    from roi_accel.scorers.options import VmafFeature, VmafModel

Needs = Literal["masked frames", "weights"]


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
