"""The parity matrix of this machine, from options to report."""

from __future__ import annotations

import itertools
import platform
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._util.files import sha256_of
from roi_accel._util.timing import Stopwatch
from roi_accel._version import __version__
from roi_accel.backends.host import available_cores
from roi_accel.backends.plan import Plan
from roi_accel.checks.participants import Backends, Providers, find_backends, find_providers
from roi_accel.errors import InputError, ScorerError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import DEFAULT_SIZE, SaliencySize
from roi_accel.options.parity import SALIENCY, ParityOptions
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.cases import Sample, SeededCase, cases
from roi_accel.parity.cells import Findings, make_report
from roi_accel.parity.matrix import SCORE, run_backends, run_networks
from roi_accel.run.inputs import synced_frames
from roi_accel.scorers import DEFAULT_MODEL, ScoringRequest, find_scorer, parse_models
from roi_accel.video import check_same_geometry, open_video
from roi_accel.video.info import MIN_SCORABLE_SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from roi_accel.parity.cases import Case
    from roi_accel.parity.cells import Report
    from roi_accel.scorers import Scorer, Scoring
    from roi_accel.video import RawGeometry


def run_parity(
    options: ParityOptions,
    *,
    progress: Callable[[int, int | None], None] | None = None,
    tell: Callable[[str], None] | None = None,
) -> Report:
    """Return the matrix of stages, formats and pairs on this machine.

    Parameters
    ----------
    progress : callable, optional
        Called with the number of cases done and of all cases.
    tell : callable, optional
        Called before the first case with a line for each participant that is required and absent.

    Raises
    ------
    RoiAccelError
        An option or a file cannot be used. What a backend, provider or VMAF does wrong is never
        raised: it is in the report.
    """
    calibration = read_calibration(options.calibration) if options.calibration else Calibration()
    chosen = _cases(options)
    pictures = [case for case in chosen if case.has_pictures]
    total = len(chosen) if options.backend_stages else 0
    total += len(pictures) if SALIENCY in options.stages else 0
    advance = counter(progress, total)
    start = partial(Findings, formats=options.formats, calibration=calibration, repetitions=True)
    parts: list[Findings] = []
    facts = provenance()
    with ExitStack() as resources:
        backends, providers = Backends((), ()), Providers((), ())
        if options.backend_stages:
            backends = find_backends(
                options.backends, devices=options.devices, required=options.require_backend
            )
        if SALIENCY in options.stages:
            providers = find_providers(
                resolve(options.saliency_model),
                resources,
                options.eps,
                half=options.fp16,
                required=options.require_ep,
            )
        for participant in (*backends.participants, *providers.participants):
            if tell and participant.absent and participant.fatal:
                why = f"so this ends with an error: {participant.absent}"
                tell(f"{participant.name} is required and absent, {why}")
        if options.backend_stages:
            findings = start(backends.participants, stages=options.backend_stages)
            parts.append(findings)
            scorer = _find_scorer(options, findings) if SCORE in options.stages else None
            if scorer:
                facts["vmaf"] = {"scorer": scorer.name, "version": scorer.version}
            run_backends(
                chosen,
                backends.runners,
                findings,
                stages=options.backend_stages,
                open_scoring=partial(open_scoring, scorer) if scorer else None,
                advance=advance,
            )
        if SALIENCY in options.stages:
            findings = start(providers.participants, stages=[SALIENCY])
            parts.append(findings)
            if len(providers.runners) > 1:
                run_networks(pictures, providers.runners, findings, advance=advance)
            else:
                name = providers.runners[0].name if providers.runners else "no provider"
                findings.skip(
                    SALIENCY,
                    f"only {name} can run the network here, so there is nothing to compare; "
                    "see docs/providers.md for what brings another",
                )
    if options.calibration is not None:
        sha256 = sha256_of(options.calibration)
        facts["calibration"] = {"file": options.calibration.name, "sha256": sha256}
    cells = [cell for findings in parts for cell in findings.cells()]
    participants = [each for findings in parts for each in findings.participants.values()]
    return make_report(cells, participants, calibration, among="here", provenance=facts)


def counter(progress: Callable[[int, int | None], None] | None, total: int) -> Callable[[], None]:
    """Return a function that, called once per step, tells `progress` how many are done."""
    done = itertools.count(1)
    return lambda: progress(next(done), total) if progress else None


def provenance() -> dict[str, Any]:
    """Return what a report or record says of its machine, program and time.

    The keys are ``roi_accel``, ``python``, ``numpy``, ``system``, ``host`` and ``date``.
    """
    return {
        "roi_accel": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "host": platform.node(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def open_scoring(scorer: Scorer, plan: Plan, videos: int) -> Scoring:
    """Start `scorer` with the default model on so many videos of the plan's frames, unmasked."""
    return scorer.open(
        ScoringRequest(
            pixel_format=plan.pixel_format,
            width=plan.width,
            height=plan.height,
            videos=videos,
            models=parse_models((DEFAULT_MODEL,)),
            threads=available_cores(),
        )
    )


def _find_scorer(options: ParityOptions, findings: Findings) -> Scorer | None:
    try:
        return find_scorer(options.vmaf)
    except ScorerError as error:
        # Without a VMAF there is nothing to score with; one that was named was relied upon.
        note = findings.skip if options.vmaf is None else findings.refuse
        note(SCORE, str(error))
        return None


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


class ClipCase:
    """The first frames of a reference and a distorted video, with masks from the corpus.

    What the pixels are masked with does not depend on where a mask is from, so the masks are noise
    and ramps in turn, at the size that the default network would give. InputError if a file cannot
    be read, or the two do not have the same geometry.
    """

    def __init__(
        self, reference: Path, distorted: Path, *, raw: RawGeometry | None, frames: int
    ) -> None:
        self._paths = (reference, distorted)
        self._raw = raw
        self._frames = frames
        with ExitStack() as resources:
            one, other = (
                resources.enter_context(open_video(path, raw=raw)).info for path in self._paths
            )
            check_same_geometry(one, other)
        model = SaliencySize(DEFAULT_SIZE).for_frame(one.width, one.height)
        self.name = f"{reference.name} and {distorted.name}"
        try:
            self.plan = Plan(
                pixel_format=one.pixel_format,
                width=one.width,
                height=one.height,
                mask_width=model.width,
                mask_height=model.height,
                colour_matrix=one.colour_matrix,
                colour_range=one.colour_range,
                model=model,
            )
        except ValueError as error:
            raise InputError(str(error), remedy="use a smaller video") from error
        self.has_pictures = min(one.width, one.height) >= MIN_SCORABLE_SIDE

    def samples(self) -> Iterator[Sample]:
        """Yield the frames; InputError if a file is damaged, or one ends before the other."""
        masks = [
            next(SeededCase(f"{kind} for a clip", self.plan, "noise", kind).samples()).mask
            for kind in ("ramp", "noise")
        ]
        with ExitStack() as resources:
            readers = [
                resources.enter_context(open_video(path, raw=self._raw)) for path in self._paths
            ]
            pairs = synced_frames(
                readers, frame_count=self._frames, shortest=False, stopwatch=Stopwatch()
            )
            number = -1
            for number, (reference, distorted) in enumerate(pairs):
                yield Sample(reference, distorted, masks[number % len(masks)])
            if number < 0:
                msg = f"there is no frame in {self._paths[0]}"
                raise InputError(msg, remedy="check the file")
