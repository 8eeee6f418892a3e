"""FFmpeg with libvmaf as a scorer: one process reads all streams, and a filter scores each."""

from __future__ import annotations

import re
from importlib import resources
from typing import TYPE_CHECKING, ClassVar, Self

from roi_accel.errors import ScorerError
from roi_accel.scorers.program import REMEDY, ProgramScorer, ask
from roi_accel.scorers.scoring import Launch, log_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from roi_accel.scorers.protocol import ScoringRequest


def bundled_ffmpeg() -> str | None:
    """Return the path of imageio-ffmpeg's binary, None where it is not installed."""
    # Its own get_ffmpeg_exe() may answer with one from a variable, from conda or from PATH.
    try:
        folder = resources.files("imageio_ffmpeg.binaries")
    except ImportError:
        return None
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("ffmpeg-"))
    return str(folder.joinpath(names[-1])) if names else None


class FfmpegScorer(ProgramScorer):
    """An ffmpeg executable whose libvmaf filter is that of ffmpeg 5.1 or newer."""

    name: ClassVar[str] = "ffmpeg"

    @classmethod
    def candidates(cls) -> list[tuple[str | None, str]]:
        """Return the one on PATH, then that of imageio-ffmpeg."""
        return [*super().candidates(), (bundled_ffmpeg(), "imageio-ffmpeg")]

    @classmethod
    def identify(cls, path: Path, source: str) -> Self:
        """Return the ffmpeg at `path`; ScorerError if it is not one, or has no usable libvmaf."""
        version = re.search(r"ffmpeg version (\S+)", ask(path, "-hide_banner", "-version"))
        if version is None:
            msg = f"{path} does not answer like ffmpeg"
            raise ScorerError(msg, remedy=REMEDY)
        options = ask(path, "-hide_banner", "-h", "filter=libvmaf")
        if "n_threads" not in options:  # guard: vmaf-without-libvmaf
            msg = f"{path} (ffmpeg {version.group(1)}) was built without libvmaf"
            raise ScorerError(msg, remedy=REMEDY)
        if not re.search(r"^\s+feature\s", options, re.MULTILINE):
            msg = f"{path} (ffmpeg {version.group(1)}) has a libvmaf filter older than ffmpeg 5.1"
            raise ScorerError(msg, remedy=REMEDY)
        return cls(path, version.group(1), source)

    def launches(self, request: ScoringRequest, model_files: Sequence[str]) -> list[Launch]:
        """Return the one process, which reads every stream."""
        models = zip(request.models, model_files, strict=True)
        options = {
            "log_fmt": "json",
            "n_threads": str(request.threads_per_variant),
            "n_subsample": str(request.subsample),
            "model": f"'{in_filter(model.argument(file) for model, file in models)}'",
        }
        if request.features:
            features = in_filter(feature.filter_argument for feature in request.features)
            options["feature"] = f"'{features}'"
        # All streams have the same frame rate, so equal frames have equal times; a stream that ends
        # early ends the comparison instead of repeating its last frame, which the count reveals.
        options |= {"shortest": "1", "repeatlast": "0"}
        common = ":".join(f"{key}={value}" for key, value in options.items())
        variants = range(1, request.variants + 1)

        def arguments(pipes: Sequence[int]) -> list[str]:
            command = [str(self.path), "-hide_banner", "-nostdin", "-loglevel", "error"]
            for pipe in pipes:
                command += ["-f", "rawvideo", "-framerate", "25"]
                command += ["-pixel_format", request.pixel_format.name]
                command += ["-video_size", f"{request.width}x{request.height}"]
                command += ["-i", f"pipe:{pipe}"]
            for v in variants:
                # A graph of its own per variant: ffmpeg gives each graph a thread, which copies
                # frames and measures motion; one thread for two variants would leave a core idle.
                graph = f"[{v}:v][0:v]libvmaf=log_path={log_name(v)}:{common}[out{v}]"
                command += ["-filter_complex", graph]
            for v in variants:
                command += ["-map", f"[out{v}]", "-fps_mode", "passthrough", "-f", "null", "-"]
            return command

        return [Launch(tuple(range(request.variants + 1)), arguments)]


def in_filter(arguments: Iterable[str]) -> str:
    r"""Return values of FFmpeg's ``model=`` or ``feature=``, colons escaped for a filter graph."""
    return "|".join(arguments).replace(":", r"\:")
