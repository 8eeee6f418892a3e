"""The one table of scorers, and the rule that chooses among them."""

from __future__ import annotations

import importlib
import os
import shutil
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._util.suggest import did_you_mean
from roi_accel.errors import RoiAccelError, ScorerError
from roi_accel.scorers.program import REMEDY
from roi_accel.scorers.protocol import NEEDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.scorers.program import ProgramScorer
    from roi_accel.scorers.protocol import Scorer

SCORERS = {
    "vmaf": "roi_accel.scorers.vmaf_tool:VmafTool",
    "ffmpeg": "roi_accel.scorers.ffmpeg:FfmpegScorer",
}
"""Name of each scorer and where its class is; imported only when it is asked for."""

PROGRAMS = ("vmaf", "ffmpeg")
"""Those that are executables, in the order in which they are tried unless one is asked for."""

ENTRY_POINTS = "roi_accel.scorers"
"""The group in which other packages name theirs."""

VMAF_VARIABLE = "ROI_ACCEL_VMAF"


def scorer_names() -> tuple[str, ...]:
    """Return the names of all scorers: our own, then those of entry points."""
    others = sorted(point.name for point in entry_points(group=ENTRY_POINTS))
    return tuple(dict.fromkeys((*SCORERS, *others)))


def find_scorer(requested: str | None = None) -> Scorer:
    """Return the scorer to use; ScorerError if the one asked for cannot be used, or none was found.

    In this order: `requested`, the variable ``ROI_ACCEL_VMAF``, `vmaf` on PATH, `ffmpeg` on PATH if
    it has libvmaf, the ffmpeg inside imageio-ffmpeg. What is asked for by name never falls back. It
    is the name of a scorer in the table, or a `vmaf` or `ffmpeg`: a path, or a command on PATH.
    """
    for text, source in ((requested, "--vmaf"), (os.environ.get(VMAF_VARIABLE), VMAF_VARIABLE)):
        if text:
            return _requested(text, source)
    for scorer in installed_programs():
        return scorer
    msg = "no VMAF found: neither vmaf nor an ffmpeg with libvmaf is on PATH"
    raise ScorerError(msg, remedy=REMEDY)


def installed_programs() -> Iterator[ProgramScorer]:
    """Yield every usable program on PATH and in imageio-ffmpeg, in the order of preference."""
    for name in PROGRAMS:
        yield from _scorer_class(name).installed()


def open_named(name: str, source: str) -> Scorer:
    """Return the scorer called `name`, other than a program; ScorerError if it cannot be used."""
    remedy = "repair the package that it is from"
    try:
        scorer: Scorer = _scorer_class(name)(source=source)
        texts = {"name": scorer.name, "version": scorer.version, "source": scorer.source}
        needs = scorer.needs
    except RoiAccelError:
        raise
    except Exception as error:
        msg = f"the scorer {name} cannot be used: {type(error).__name__}: {error}"
        raise ScorerError(msg, remedy=remedy) from error
    wrong = {key: text for key, text in texts.items() if not isinstance(text, str)}
    if needs not in NEEDS:
        wrong["needs"] = needs
    for key, value in wrong.items():
        expected = " or ".join(map(repr, NEEDS)) if key == "needs" else "text"
        msg = f"the scorer {name} has {value!r} as {key}; {expected} was expected"
        raise ScorerError(msg, remedy=remedy)
    return scorer


def _requested(text: str, source: str) -> Scorer:
    names = [name for name in scorer_names() if name not in PROGRAMS]
    if text in names:
        return open_named(text, source)
    path = shutil.which(text)
    if path is None:
        msg = f"{source} names {text!r}, which is not an executable file or a command on PATH"
        raise ScorerError(msg, remedy=f"{did_you_mean(text, names)}check the path; {REMEDY}")
    name = "ffmpeg" if "ffmpeg" in Path(path).name.lower() else "vmaf"
    program: ProgramScorer = _scorer_class(name).identify(Path(path).absolute(), source)
    return program


def _scorer_class(name: str) -> Any:  # noqa: ANN401 - whatever class an entry point names
    location = SCORERS.get(name)
    if location is None:
        (point,) = entry_points(group=ENTRY_POINTS, name=name)
        return point.load()
    module, _, attribute = location.partition(":")
    return getattr(importlib.import_module(module), attribute)
