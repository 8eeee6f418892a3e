"""A program that scores: how it is identified, tried with a flat frame, and asked to score."""

from __future__ import annotations

import shutil
import subprocess
from abc import ABC, abstractmethod
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

import numpy as np

from roi_accel.backends.frame import Frame, FrameSet, PixelFormat
from roi_accel.errors import InputError, RoiAccelError, ScorerError
from roi_accel.scorers.options import DEFAULT_MODEL, guess_names, parse_models
from roi_accel.scorers.protocol import Needs, ScoringRequest
from roi_accel.scorers.scoring import STALL_SECONDS, ProgramScoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.scorers.options import VmafModel
    from roi_accel.scorers.scoring import Launch

ON_PATH = "PATH"
REMEDY = 'pip install "roi-accel[cpu]" brings an ffmpeg with libvmaf; or name one with --vmaf'

_ANSWER_SECONDS = 30
_TRIAL_SIDE = 64
_TRIAL_SECONDS = 20.0


@dataclass(frozen=True)
class ProgramScorer(ABC):
    """An executable with libvmaf, at an absolute path since it is run in another folder."""

    path: Path
    version: str
    source: str

    name: ClassVar[str]
    needs: ClassVar[Needs] = "masked frames"

    @classmethod
    def candidates(cls) -> list[tuple[str | None, str]]:
        """Return where one may be, the preferred first: a path if there is a file, and a source."""
        return [(shutil.which(cls.name), ON_PATH)]

    @classmethod
    def installed(cls) -> Iterator[Self]:
        """Yield the usable ones among the candidates."""
        for path, source in cls.candidates():
            if path is None:
                continue
            try:
                program = cls.identify(Path(path).absolute(), source)
            except ScorerError:
                continue  # An ffmpeg without libvmaf on PATH is common, and not a fault.
            yield program

    @classmethod
    @abstractmethod
    def identify(cls, path: Path, source: str) -> Self:
        """Return the program at `path`; ScorerError if it cannot be run or is another program."""

    @abstractmethod
    def launches(self, request: ScoringRequest, model_files: Sequence[str]) -> list[Launch]:
        """Return the processes that score `request`, whose model files have these names."""

    def plan(self, request: ScoringRequest, folder: Path) -> list[Launch]:
        """Return the processes that score `request` in `folder`, to which models are copied.

        InputError if a model file cannot be read.
        """
        files = [_copy_model(model, n, folder) for n, model in enumerate(request.models)]
        return self.launches(request, files)

    def open(self, request: ScoringRequest) -> ProgramScoring:
        """Start scoring; see `Scorer.open`.

        Both programs read their models and features only when the first frames have come; by then a
        clip may have been decoded and masked in vain. So they are tried with a flat frame first,
        except the default model alone: it is in every libvmaf since version 2.
        """
        is_default = request.models == parse_models((DEFAULT_MODEL,)) and not request.features
        if not is_default:  # guard: vmaf-unknown-model
            try:
                # Its scores are not read: a feature such as psnr_hvs is infinite there.
                with self._flat_frame(request) as scoring:
                    scoring.end()
            except ScorerError as error:
                guess = guess_names(request.models, request.features)
                raise ScorerError(error.message, remedy=guess + error.remedy) from error
        return ProgramScoring(self, request)

    def libvmaf_version(self) -> str:
        """Return the version that libvmaf writes into its log, or why there is none."""
        request = ScoringRequest(
            pixel_format=PixelFormat("420", 8),
            width=_TRIAL_SIDE,
            height=_TRIAL_SIDE,
            videos=1,
            models=parse_models((DEFAULT_MODEL,)),
        )
        try:
            with self._flat_frame(request, stall_seconds=_TRIAL_SECONDS) as scoring:
                return scoring.finish()[0].full.version
        except RoiAccelError as error:
            return f"unusable: {error}"

    @contextmanager
    def _flat_frame(
        self, request: ScoringRequest, *, stall_seconds: float = STALL_SECONDS
    ) -> Iterator[ProgramScoring]:
        """Open a run of one gray frame of the request's geometry: models may refuse small ones."""
        pixel_format = request.pixel_format
        y, u, v = (
            np.full(shape, pixel_format.max_value // 2, pixel_format.dtype)
            for shape in pixel_format.plane_shapes(request.width, request.height)
        )
        gray = Frame((y, u, v), pixel_format)
        one = replace(request, videos=1, masks=0, subsample=1)
        with ProgramScoring(self, one, stall_seconds=stall_seconds) as scoring:
            scoring.feed(FrameSet(0, is_last=True, reference=gray, distorted=(gray,)))
            yield scoring


def ask(path: Path, *arguments: str) -> str:
    """Return what a program prints; ScorerError if it cannot be run or does not end."""
    try:
        done = subprocess.run(  # noqa: S603 - the user's own choice of executable, no shell
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_ANSWER_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{path} cannot be run: {error}"
        raise ScorerError(msg, remedy=REMEDY) from error
    return done.stdout.decode(errors="replace")


def _copy_model(model: VmafModel, number: int, folder: Path) -> str:
    """Copy a model file to a name that needs no quoting anywhere, and return that name."""
    if model.path is None:
        return ""
    name = f"model{number}.json"  # guard: model-plain-name
    try:
        shutil.copyfile(model.path, folder / name)
    except OSError as error:
        msg = f"the VMAF model {model.path} cannot be read: {error.strerror or error}"
        raise InputError(msg, remedy="check the file that --model names") from error
    return name
