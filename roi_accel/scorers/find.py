"""Which program computes VMAF: the one asked for, or the first that is found and has libvmaf."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from roi_accel.errors import ScorerError

if TYPE_CHECKING:
    from collections.abc import Iterator

VMAF_VARIABLE = "ROI_ACCEL_VMAF"

_PROBE_SECONDS = 30
_EXCERPT = 60
_REMEDY = 'pip install "roi-accel[cpu]" brings an ffmpeg with libvmaf; or name one with --vmaf'

Kind = Literal["vmaf", "ffmpeg"]


@dataclass(frozen=True)
class Scorer:
    """A program that computes VMAF.

    Attributes
    ----------
    kind : {"vmaf", "ffmpeg"}
        The command line it understands.
    path : Path
        The executable.
    version : str
        What it says of itself.
    source : str
        Where it was found: ``--vmaf``, ``ROI_ACCEL_VMAF``, ``PATH`` or ``imageio-ffmpeg``.
    """

    kind: Kind
    path: Path
    version: str
    source: str


def find_scorer(requested: str | None = None, *, ffmpeg_only: bool = False) -> Scorer:
    """Return the scorer to use.

    In this order: `requested`, the variable ``ROI_ACCEL_VMAF``, `vmaf` on PATH, `ffmpeg` on PATH if
    it has libvmaf, the ffmpeg inside imageio-ffmpeg. What is asked for by name never falls back.

    Parameters
    ----------
    requested : str, optional
        A path, or a command on PATH.
    ffmpeg_only : bool
        Whether the `vmaf` tool cannot be trusted with these frames (see
        `roi_accel.scorers.commands.is_unsafe_for_tool`), so that it is passed over unless named.

    Raises
    ------
    ScorerError
        The one asked for cannot be run or has no libvmaf; or none was found.
    """
    for text, source in ((requested, "--vmaf"), (os.environ.get(VMAF_VARIABLE), VMAF_VARIABLE)):
        if text:
            return _requested(text, source)
    for scorer in _search():
        if not (ffmpeg_only and scorer.kind == "vmaf"):
            return scorer
    msg = "no VMAF found: neither vmaf nor an ffmpeg with libvmaf is on PATH"
    if ffmpeg_only:
        msg = "frames of this size need an ffmpeg with libvmaf, and there is none on PATH"
    raise ScorerError(msg, remedy=_REMEDY)


def find_all_scorers() -> list[Scorer]:
    """Return every usable scorer on PATH and in imageio-ffmpeg, in the order of preference."""
    return list(_search())


def _search() -> Iterator[Scorer]:
    candidates = [(shutil.which(name), "PATH") for name in ("vmaf", "ffmpeg")]
    candidates.append((bundled_ffmpeg(), "imageio-ffmpeg"))
    for path, source in candidates:
        if path is None:
            continue
        try:
            yield identify(Path(path).absolute(), source)
        except ScorerError:
            continue  # An ffmpeg without libvmaf on PATH is common, and no fault of anyone's.


def bundled_ffmpeg() -> str | None:
    """Return the path of imageio-ffmpeg's binary, None where it is not installed."""
    # Its own get_ffmpeg_exe() may answer with one from a variable, from conda or from PATH.
    try:
        folder = resources.files("imageio_ffmpeg.binaries")
    except ImportError:
        return None
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.startswith("ffmpeg-"))
    return str(folder.joinpath(names[-1])) if names else None


def identify(path: Path, source: str) -> Scorer:
    """Return what kind of scorer `path` is and its version.

    Raises
    ------
    ScorerError
        It cannot be run, is neither vmaf nor ffmpeg, or its ffmpeg has no libvmaf.
    """
    if "ffmpeg" in path.name.lower():
        return _identify_ffmpeg(path, source)
    # The version alone proves nothing: every program has one, and a vmaf built from a shallow clone
    # has a bare commit hash.
    usage = _run(path, "--help")
    if not ("--reference" in usage and "--distorted" in usage and "--json" in usage):
        msg = f"{path} does not answer like vmaf: --help printed {_excerpt(usage)}"
        remedy = "name a vmaf or ffmpeg executable with --vmaf, or leave it out"
        raise ScorerError(msg, remedy=remedy)
    words = _run(path, "--version").split()
    return Scorer("vmaf", path, words[-1] if words else "unknown", source)


def _excerpt(text: str) -> str:
    """Return the first line of `text`, shortened and in quotes."""
    lines = text.strip().splitlines()
    return repr(lines[0][:_EXCERPT]) if lines else "nothing"


def _identify_ffmpeg(path: Path, source: str) -> Scorer:
    version = re.search(r"ffmpeg version (\S+)", _run(path, "-hide_banner", "-version"))
    if version is None:
        msg = f"{path} does not answer like ffmpeg"
        raise ScorerError(msg, remedy=_REMEDY)
    options = _run(path, "-hide_banner", "-h", "filter=libvmaf")
    if "n_threads" not in options:  # guard: vmaf-without-libvmaf
        msg = f"{path} (ffmpeg {version.group(1)}) was built without libvmaf"
        raise ScorerError(msg, remedy=_REMEDY)
    if not re.search(r"^\s+feature\s", options, re.MULTILINE):
        msg = f"{path} (ffmpeg {version.group(1)}) has a libvmaf filter older than ffmpeg 5.1"
        raise ScorerError(msg, remedy=_REMEDY)
    return Scorer("ffmpeg", path, version.group(1), source)


def _requested(text: str, source: str) -> Scorer:
    path = shutil.which(text)
    if path is None:
        msg = f"{source} names {text!r}, which is not an executable file or a command on PATH"
        raise ScorerError(msg, remedy="check the path; " + _REMEDY)
    return identify(Path(path).absolute(), source)


def _run(path: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - the user's own choice of executable, no shell
            [str(path), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.SubprocessError) as error:
        msg = f"{path} cannot be run: {error}"
        raise ScorerError(msg, remedy=_REMEDY) from error
    return done.stdout.decode(errors="replace")
