"""Whole runs as commands on clips made on the spot, so that anyone can repeat a figure."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel.errors import InputError
from roi_accel.scorers import find_scorer
from roi_accel.scorers.ffmpeg import FfmpegScorer

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULT, PLAIN_LOG = "result.json", "plain.json"
"""The files of `score`'s result and of plain VMAF's log, in the folder that they run in."""

_QUALITIES = (36, 40, 32, 44, 30, 46, 34, 42)
"""x264's CRF of each distorted video, all different."""

_QUIET = ("-hide_banner", "-nostdin", "-loglevel", "error", "-y")
_POLL_SECONDS = 0.02
_KIB_PER_MIB = 1024


@dataclass(frozen=True)
class Pair:
    """A reference and its distorted videos, H.264 in MP4 or raw YUV."""

    reference: Path
    distorted: tuple[Path, ...]
    width: int
    height: int
    pixel_format: str
    is_raw: bool = False


@dataclass(frozen=True)
class Setting:
    """What all sides of a comparison have in common; the network is a name or a path."""

    ffmpeg: Path
    threads: int
    frames: int
    saliency_model: str = "center-surround"
    saliency_size: str = "256"
    backend: str = "auto"


def find_ffmpeg(requested: str | None = None) -> FfmpegScorer:
    """Return the ffmpeg that `find_scorer` finds; InputError if it finds another scorer."""
    scorer = find_scorer(requested)
    if isinstance(scorer, FfmpegScorer):
        return scorer
    msg = f"{scorer.name} reads no video files, so there is nothing plain to compare with"
    raise InputError(msg, remedy="name an ffmpeg with libvmaf: --vmaf FFMPEG")


def make_pair(
    scorer: FfmpegScorer,
    folder: Path,
    frames: int,
    *,
    size: tuple[int, int],
    bit_depth: int = 8,
    distorted: int = 1,
) -> Pair:
    """Make a noisy test pattern and badly encoded copies of it, all H.264.

    Parameters
    ----------
    scorer : FfmpegScorer
        Its ffmpeg encodes.
    folder : Path
        Where the files are made.
    frames : int
    size : (int, int)
        Width and height in pixels.
    bit_depth : {8, 10}
    distorted : int
        The number of copies, 1 to 8.
    """
    width, height = size
    pixel_format = "yuv420p" if bit_depth == 8 else f"yuv420p{bit_depth}le"  # noqa: PLR2004
    source = f"testsrc2=size={width}x{height}:rate=25,noise=alls=12:allf=t,format={pixel_format}"
    encode = ["-c:v", "libx264", "-preset", "veryfast", "-crf"]
    names = ["reference.mp4", *(f"distorted{number}.mp4" for number in range(distorted))]
    from_pattern = ["-f", "lavfi", "-i", source, "-frames:v", str(frames), *encode, "12", names[0]]
    run_command([str(scorer.path), *_QUIET, *from_pattern], folder)
    for name, quality in zip(names[1:], _QUALITIES, strict=False):
        copied = ["-i", names[0], *encode, str(quality), name]
        run_command([str(scorer.path), *_QUIET, *copied], folder)
    reference, *copies = (folder / name for name in names)
    return Pair(reference, tuple(copies), width, height, pixel_format)


def as_raw(scorer: FfmpegScorer, pair: Pair) -> Pair:
    """Return `pair` as raw YUV files beside it, which need no decoding; InputError as above."""
    sources = (pair.reference, *pair.distorted)
    for path in sources:
        decode = ["-i", path.name, "-f", "rawvideo", path.with_suffix(".yuv").name]
        run_command([str(scorer.path), *_QUIET, *decode], path.parent)
    reference, *distorted = (path.with_suffix(".yuv") for path in sources)
    return replace(pair, reference=reference, distorted=tuple(distorted), is_raw=True)


def plain(setting: Setting, pair: Pair, distorted: Path) -> list[str]:
    """Return one plain VMAF run of ffmpeg, from the files."""
    raw = ["-f", "rawvideo", "-pixel_format", pair.pixel_format]
    raw += ["-video_size", f"{pair.width}x{pair.height}"]
    command = [str(setting.ffmpeg), *_QUIET]
    for path in (distorted, pair.reference):
        command += [*(raw if pair.is_raw else ()), "-i", f"file:{path}"]
    graph = f"libvmaf=log_fmt=json:log_path={PLAIN_LOG}:n_threads={setting.threads}"
    return [*command, "-frames:v", str(setting.frames), "-lavfi", graph, "-f", "null", "-"]


def ours(setting: Setting, pair: Pair, distorted: Sequence[Path], *more: str) -> list[str]:
    """Return one whole `roi-accel score`, with `more` options."""
    command = [sys.executable, "-m", "roi_accel", "score", "--quiet", "--overwrite"]
    command += ["-r", str(pair.reference), "-o", RESULT, "--backend", setting.backend]
    for path in distorted:
        command += ["-d", str(path)]
    if pair.is_raw:
        command += ["-w", str(pair.width), "--height", str(pair.height)]
        command += ["--pix-fmt", pair.pixel_format]
    command += ["--vmaf", str(setting.ffmpeg), "--threads", str(setting.threads)]
    command += ["--frame-count", str(setting.frames)]
    command += ["--saliency-model", setting.saliency_model]
    return [*command, "--saliency-size", setting.saliency_size, *more]


def vmaf_roi_scores_way(setting: Setting, pair: Pair, network: Path) -> list[str]:
    """Return the steps of vmaf-roi-score on raw files, written plainly (`plain_steps`)."""
    command = [sys.executable, "-m", "roi_accel.bench.plain_steps", str(pair.reference)]
    command += [str(pair.distorted[0]), str(network), "--ffmpeg", str(setting.ffmpeg)]
    command += ["--width", str(pair.width), "--height", str(pair.height)]
    command += ["--pixel-format", pair.pixel_format, "--frames", str(setting.frames)]
    return [*command, "--threads", str(setting.threads)]


def run_command(command: Sequence[str], folder: Path) -> None:
    """Run `command` in `folder`; InputError with the last line of its stderr if it fails."""
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)  # noqa: S603 - a list, no shell
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines()
        raise _failed(command, lines[-1] if lines else f"exit code {done.returncode}")


def peak_mib(command: Sequence[str], folder: Path) -> float:
    """Run `command` in `folder` and return its peak resident memory in MiB, without its children's.

    `getrusage` would include VMAF's process. The kernel's own high-water mark is read instead while
    the command runs; it never falls, so only the last hundredths of a second can be missed.
    InputError if the command fails, or this system has no such mark (Linux does).
    """
    peak = 0
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - a list, no shell
        while process.poll() is None:
            peak = max(peak, _high_water_kib(process.pid))
            time.sleep(_POLL_SECONDS)
    if process.returncode:
        raise _failed(command, f"exit code {process.returncode}")
    if not peak:
        msg = "this system does not report a process's peak memory in /proc/PID/status"
        raise InputError(msg, remedy="measure memory on Linux")
    return peak / _KIB_PER_MIB


def _failed(command: Sequence[str], reason: str) -> InputError:
    msg = f"{Path(command[0]).name} failed: {reason}"
    return InputError(msg, remedy="try the command by hand: " + " ".join(command))


def _high_water_kib(pid: int) -> int:
    """Return VmHWM of a process, or 0 where it has ended or there is none."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)
