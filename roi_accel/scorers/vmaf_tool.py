"""libvmaf's own `vmaf` tool as a scorer: a process per variant, and the frames it gets wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from roi_accel.errors import InputError, ScorerError
from roi_accel.scorers.ffmpeg import FfmpegScorer
from roi_accel.scorers.program import ON_PATH, REMEDY, ProgramScorer, ask
from roi_accel.scorers.scoring import Launch, log_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.scorers.protocol import ScoringRequest
    from roi_accel.scorers.scoring import ProgramScoring

_SAFE_WIDTH = 16
"""Multiples of this width were scored alike by every program that was tried."""

_EXCERPT = 60


class VmafTool(ProgramScorer):
    """The `vmaf` executable of libvmaf.

    Its versions disagree on odd chroma planes: 3.2 rounds their size down, older ones up. And the
    vector code of version 3.2.0 gives other scores than its plain code, with which ffmpeg's libvmaf
    agrees, at many widths that are not a multiple of 16: 92.89 instead of 93.31 at 270x480, 85.44
    instead of 94.73 at 130x96 (docs/adr/0003-vmaf-through-pipes.md). Such frames go to an ffmpeg,
    unless this tool was asked for by name.
    """

    name: ClassVar[str] = "vmaf"

    @classmethod
    def identify(cls, path: Path, source: str) -> Self:
        """Return the tool at `path`; ScorerError if it is something else."""
        # The version alone proves nothing: every program has one, and a vmaf built from a shallow
        # clone has a bare commit hash.
        usage = ask(path, "--help")
        if not ("--reference" in usage and "--distorted" in usage and "--json" in usage):
            lines = usage.strip().splitlines()
            printed = repr(lines[0][:_EXCERPT]) if lines else "nothing"
            msg = f"{path} does not answer like vmaf: --help printed {printed}"
            remedy = "name a vmaf or ffmpeg executable with --vmaf, or leave it out"
            raise ScorerError(msg, remedy=remedy)
        words = ask(path, "--version").split()
        return cls(path, words[-1] if words else "unknown", source)

    def open(self, request: ScoringRequest) -> ProgramScoring:
        """Start scoring, by an ffmpeg where this tool may be wrong and was only found on PATH.

        InputError if it was asked for by name, and its versions disagree on the chroma planes.
        """
        odd, unsafe = has_odd_chroma(request), bool(request.width % _SAFE_WIDTH)
        if (odd or unsafe) and self.source == ON_PATH:
            for ffmpeg in FfmpegScorer.installed():
                return ffmpeg.open(request)
            msg = "frames of this size need an ffmpeg with libvmaf, and there is none on PATH"
            raise ScorerError(msg, remedy=REMEDY)
        if odd:  # guard: odd-size-tool
            msg = (
                f"the vmaf tool's versions disagree on the chroma planes of {request.width}x"
                f"{request.height} {request.pixel_format.name} frames"
            )
            raise InputError(msg, remedy="score odd sizes with an ffmpeg: --vmaf ffmpeg")
        scoring = super().open(request)
        if unsafe:
            warning = (
                f"the vmaf tool's scores at a width of {request.width}, which is not a multiple of "
                "16, may differ from libvmaf's plain code; leave out --vmaf to use an ffmpeg"
            )
            scoring.warnings = (warning,)
        return scoring

    def launches(self, request: ScoringRequest, model_files: Sequence[str]) -> list[Launch]:
        """Return a process per variant, each with its own copy of the reference's stream."""
        return [
            self._launch(request, model_files, variant)
            for variant in range(1, request.variants + 1)
        ]

    def _launch(self, request: ScoringRequest, model_files: Sequence[str], variant: int) -> Launch:
        def arguments(pipes: Sequence[int]) -> list[str]:
            reference, distorted = (f"/dev/fd/{pipe}" for pipe in pipes)
            command = [str(self.path), "--reference", reference, "--distorted", distorted]
            command += ["--width", str(request.width), "--height", str(request.height)]
            command += ["--pixel_format", request.pixel_format.subsampling]
            command += ["--bitdepth", str(request.pixel_format.bit_depth)]
            for model, file in zip(request.models, model_files, strict=True):
                command += ["--model", model.argument(file)]
            for feature in request.features:
                command += ["--feature", feature.argument]
            command += ["--threads", str(request.threads_per_variant)]
            command += ["--subsample", str(request.subsample)]
            return [*command, "--json", "--output", log_name(variant), "--quiet"]

        return Launch((0, variant), arguments)


def has_odd_chroma(request: ScoringRequest) -> bool:
    """Whether the chroma planes of the request's frames are rounded up to whole samples."""
    planes = request.pixel_format.plane_shapes(request.width, request.height)
    (luma_height, luma_width), (height, width), _ = planes
    return width * 2 == luma_width + 1 or height * 2 == luma_height + 1  # guard: odd-chroma
