"""The parity matrix of this machine, from options to report."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._util.files import sha256_of
from roi_accel._util.suggest import no_such
from roi_accel._version import __version__
from roi_accel.backends.frame import PIXEL_FORMATS
from roi_accel.checks.clip_case import DEFAULT_FRAMES, ClipCase
from roi_accel.checks.participants import find_backends, find_providers
from roi_accel.checks.vmaf_metric import vmaf_ruler
from roi_accel.errors import InputError, ScorerError
from roi_accel.inference.models import resolve
from roi_accel.options import DEFAULT_NETWORK
from roi_accel.parity.accumulator import Tally
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.cases import cases
from roi_accel.parity.cells import Report
from roi_accel.parity.matrix import run_backends, run_networks
from roi_accel.parity.tolerance import STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from os import PathLike
    from pathlib import Path

    from roi_accel.checks.participants import Backends, Providers
    from roi_accel.parity.cases import Case
    from roi_accel.parity.cells import Cell, Participant
    from roi_accel.parity.scores import OpenRuler
    from roi_accel.video import RawGeometry

FORMAT_NAMES = tuple(each.name for each in PIXEL_FORMATS)
SALIENCY: Stage = "saliency"
SCORE: Stage = "score"


@dataclass(frozen=True, kw_only=True)
class ParityOptions:
    """What to compare; the command line's help says what each one means.

    Raises
    ------
    InputError
        A stage or format is unknown, one video of a pair is missing, or a requirement can never be
        looked at.
    """

    backends: tuple[str, ...] | None = None
    devices: tuple[str, ...] = ()
    stages: tuple[str, ...] = STAGES
    formats: tuple[str, ...] = FORMAT_NAMES
    reference: Path | None = None
    distorted: Path | None = None
    raw: RawGeometry | None = None
    frames: int = DEFAULT_FRAMES
    eps: tuple[str, ...] | None = None
    half: bool = False
    saliency_model: str | PathLike[str] = DEFAULT_NETWORK
    vmaf: str | None = None
    require_backend: tuple[str, ...] = ()
    require_ep: tuple[str, ...] = ()
    calibration: Path | None = None

    def __post_init__(self) -> None:
        for stage in self.stages:
            if stage not in STAGES:
                raise no_such(stage, STAGES, what="stage")
        for name in self.formats:
            if name not in FORMAT_NAMES:
                raise no_such(name, FORMAT_NAMES, what="pixel format")
        if (self.reference is None) != (self.distorted is None):
            msg = "a pair of videos takes both --reference and --distorted"
            raise InputError(msg, remedy="name both, or neither")
        if self.require_backend and not self.backend_stages:
            msg = "--require-backend needs a stage that backends compute"
            raise InputError(msg, remedy="add one to --stages, such as substitute")
        if self.require_ep and SALIENCY not in self.stages:
            msg = "--require-ep needs the stage saliency"
            raise InputError(msg, remedy="add saliency to --stages")

    @property
    def backend_stages(self) -> list[Stage]:
        """The stages to compare that backends compute, or that score what they computed."""
        return [stage for stage in STAGES if stage in self.stages and stage != SALIENCY]


def run_parity(
    options: ParityOptions,
    *,
    progress: Callable[[int, int | None], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Report:
    """Return the matrix of stages, formats and pairs on this machine.

    Parameters
    ----------
    options : ParityOptions
    progress : callable, optional
        Called with the number of cases done and of all cases.
    tell : callable, optional
        Called before the first case with a line for each that is required and absent.

    Raises
    ------
    RoiAccelError
        An option or a file cannot be used. What a backend, provider or VMAF does wrong is never
        raised: it stands in the report.
    """
    calibration = read_calibration(options.calibration) if options.calibration else Calibration()
    chosen = _cases(options)
    networks = [case for case in chosen if case.has_pictures]
    run = _Run(calibration, options, Counter(progress, _total(options, chosen, networks)))
    with ExitStack() as resources:
        backends = run.find_backends() if options.backend_stages else None
        providers = run.find_providers(resources) if SALIENCY in options.stages else None
        for found in (backends, providers):
            for each in found.participants if found else ():
                if tell and each.absent and each.fatal:
                    why = f"so this ends with an error: {each.absent}"
                    tell(f"{each.name} is required and absent, {why}")
        if backends:
            run.backends(chosen, backends)
        if providers:
            run.networks(networks, providers)
    return run.report()


class Counter:
    """Turns "one more" into "so many of so many".

    Parameters
    ----------
    progress : callable or None
        Called with both numbers.
    total : int
    """

    def __init__(self, progress: Callable[[int, int | None], None] | None, total: int) -> None:
        self._progress = progress
        self._total = total
        self._done = 0

    def __call__(self) -> None:
        """Count one more."""
        self._done += 1
        if self._progress:
            self._progress(self._done, self._total)


class _Run:
    """Gathers the parts of the report."""

    def __init__(
        self, calibration: Calibration, options: ParityOptions, advance: Callable[[], None]
    ) -> None:
        self._calibration = calibration
        self._options = options
        self._advance = advance
        self._cells: list[Cell] = []
        self._participants: list[Participant] = []
        self._provenance = provenance()

    def find_backends(self) -> Backends:
        options = self._options
        return find_backends(
            options.backends, devices=options.devices, required=options.require_backend
        )

    def find_providers(self, resources: ExitStack) -> Providers:
        options = self._options
        return find_providers(
            resolve(options.saliency_model),
            resources,
            options.eps,
            half=options.half,
            required=options.require_ep,
        )

    def backends(self, chosen: Sequence[Case], found: Backends) -> None:
        options = self._options
        tally = self._tally(found.participants, options.backend_stages)
        ruler = self._ruler(tally) if SCORE in options.stages else None
        stages = options.backend_stages
        run_backends(
            chosen, found.computing, tally, stages=stages, open_ruler=ruler, advance=self._advance
        )
        self._keep(tally)

    def networks(self, chosen: Sequence[Case], found: Providers) -> None:
        tally = self._tally(found.participants, [SALIENCY])
        if len(found.looking) > 1:
            run_networks(chosen, found.looking, tally, advance=self._advance)
        else:
            names = ", ".join(each.name for each in found.looking)
            tally.skip(
                SALIENCY,
                f"only {names or 'no provider'} can run the network here, so there is nothing to "
                "compare; see docs/providers.md for what brings another",
            )
        self._keep(tally)

    def report(self) -> Report:
        """Return the report; calibration rules that matched nobody are warnings."""
        names = [each.names for each in self._participants if not each.absent]
        warnings = tuple(
            f"{rule.tolerance.source}: no device here matches {rule.pattern!r}"
            for rule in self._calibration.unused(names)
        )
        path = self._options.calibration
        if path is not None:
            self._provenance["calibration"] = {"file": path.name, "sha256": sha256_of(path)}
        return Report(
            cells=tuple(sorted(self._cells, key=lambda cell: STAGES.index(cell.stage))),
            participants=tuple(self._participants),
            warnings=warnings,
            provenance=self._provenance,
        )

    def _tally(self, participants: Sequence[Participant], stages: Sequence[Stage]) -> Tally:
        return Tally(
            participants,
            stages=stages,
            formats=self._options.formats,
            calibration=self._calibration,
            repetitions=True,
        )

    def _keep(self, tally: Tally) -> None:
        self._cells += tally.cells()
        self._participants += tally.participants.values()

    def _ruler(self, tally: Tally) -> OpenRuler | None:
        try:
            open_ruler, scorer = vmaf_ruler(self._options.vmaf)
        except ScorerError as error:
            # Without a VMAF there is nothing to score with; one that was named was relied upon.
            note = tally.skip if self._options.vmaf is None else tally.refuse
            note(SCORE, str(error))
            return None
        self._provenance["vmaf"] = {"scorer": scorer.kind, "version": scorer.version}
        return open_ruler


def provenance() -> dict[str, Any]:
    """Return what a report or record says of its machine, program and time."""
    return {
        "roi_accel": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "host": platform.node(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _cases(options: ParityOptions) -> list[Case]:
    chosen: list[Case] = [
        case for case in cases() if case.plan.pixel_format.name in options.formats
    ]
    if options.reference is not None and options.distorted is not None:
        clip = ClipCase(
            options.reference, options.distorted, raw=options.raw, frames=options.frames
        )
        if clip.plan.pixel_format.name not in options.formats:
            msg = f"the videos are {clip.plan.pixel_format.name}, which --formats leaves out"
            raise InputError(msg, remedy="add it to --formats")
        chosen.append(clip)
    return chosen


def _total(options: ParityOptions, chosen: Sequence[Case], networks: Sequence[Case]) -> int:
    total = len(chosen) if options.backend_stages else 0
    return total + (len(networks) if SALIENCY in options.stages else 0)
