"""The one way through: read a pair once, mask it once, and let VMAF score both variants at once."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from roi_accel._util.threads import share_threads
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.protocol import CountsSeconds, unwrapped
from roi_accel.diagnostics.inspector import Inspection
from roi_accel.errors import InputError
from roi_accel.results.build import Facts, assemble
from roi_accel.results.provenance import provenance, video_facts
from roi_accel.results.warnings import another_reference, cautions
from roi_accel.run.frame_pipeline import Stages
from roi_accel.run.replay import look_again
from roi_accel.run.setup import (
    find_calibration,
    find_over_time,
    open_given_source,
    open_inputs,
    open_masking,
)
from roi_accel.scorers import (
    ScoringRequest,
    check_scores,
    find_scorer,
    parse_features,
    parse_models,
    scorer_errors,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.backends.protocol import Session
    from roi_accel.masks import MaskSource
    from roi_accel.masks.over_time import OverTime
    from roi_accel.options import ScoreOptions
    from roi_accel.results.result import Result
    from roi_accel.run.frame_pipeline import Progress
    from roi_accel.run.inputs import Inputs
    from roi_accel.run.replay import Revisit
    from roi_accel.scorers import Scorer, Scoring


def score_all(
    reference: Path,
    distorted: Sequence[Path],
    options: ScoreOptions,
    *,
    progress: Progress | None = None,
    stopwatch: Stopwatch | None = None,
    revisit: Revisit | None = None,
) -> list[Result]:
    """Score each of `distorted` against `reference`, which is decoded and looked at once.

    Parameters
    ----------
    reference, distorted : Path
    options : ScoreOptions
    progress : callable, optional
        Called by the caller's thread with the frames done and the total, if it is known.
    stopwatch : Stopwatch, optional
        One that is traced, for a timeline of the run.
    revisit : Revisit, optional
        Who wants to see some frames again once the scores are known.

    Raises
    ------
    RoiAccelError
        One of its subclasses; nothing is left behind, no process, no file.
    """
    stopwatch = stopwatch or Stopwatch()
    _check_some(distorted)
    shares = share_threads(options.threads)
    with ExitStack() as resources:
        with stopwatch.stage("prepare"):
            models = parse_models(options.model)
            features = parse_features(options.feature)
            calibration = find_calibration(options)
            scorer = find_scorer(options.vmaf)
            inputs = open_inputs((reference, *distorted), options, shares, resources)
            readers = inputs.readers
            info = readers[0].info
            over_time = find_over_time(inputs, options)
            given = open_given_source(inputs, options, resources)
            regions = given.region_names if given else ()
            request = ScoringRequest(
                pixel_format=info.pixel_format,
                width=info.width,
                height=info.height,
                videos=len(distorted),
                masks=1 + len(regions),
                models=models,
                features=features,
                threads=shares.vmaf,
                subsample=options.subsample,
            )
            scoring = None
            if scorer.needs != "weights":
                # Before the backend and the network, so that VMAF starts while they load.
                scoring = _open_scoring(scorer, request, resources)
            masking = open_masking(
                *(inputs, given, distorted, options),
                *(shares, calibration, stopwatch, resources),
            )
            source, session, gate = masking.source, masking.session, masking.gate
            if scoring is None:
                gate.note(f"the scorer {scorer.name} takes weights: no frame was masked")
                request = replace(request, backend=masking.choice.backend, plan=session.plan)
                scoring = _open_scoring(scorer, request, resources)
        stages = Stages(
            *(readers, source, session, gate, scoring, stopwatch, progress),
            inspection=Inspection(
                [reader.info for reader in readers],
                skipped=(options.frame_skip_ref, options.frame_skip_dist),
            ),
            over_time=over_time,
        )
        stages.feed_all(frame_count=inputs.frame_count, shortest=options.shortest)
        gate.finish()
        whole = inputs.frame_count is None and not options.shortest
        source.finish(len(stages.means), whole=whole)
        with stopwatch.stage("vmaf_finish"):
            with scorer_errors(scoring.scorer):
                scores = scoring.finish()
            frames_fed = len(stages.means)
            check_scores(scores, request, frames_fed=frames_fed, scorer=scoring.scorer.name)
        with stopwatch.stage("identify"):
            doubts = another_reference(source, info.path)
        version = scores[0].full.version
        facts = provenance(info, source, masking.choice, options, scoring.scorer, version)
        timing = stopwatch.report(len(stages.means))
        device_session = unwrapped(session)
        if isinstance(device_session, CountsSeconds):
            timing["device"] = device_session.event_seconds
        results = [
            assemble(
                scores[number],
                stages.means,
                models=models,
                keep_features=bool(features),
                region_names=regions,
                weight=options.weight,
                facts=Facts(
                    reference=str(reference),
                    distorted=str(path),
                    saliency_model=source.label,
                    provenance=facts
                    | {
                        "scaling": inputs.scaling,
                        "smoothing": over_time.facts(),
                        "distorted": video_facts(readers[number + 1].info),
                    },
                    warnings=source.warnings
                    + doubts
                    + inputs.warnings[number]
                    + cautions(info, readers[number + 1].info, options, stages.means)
                    + scoring.warnings
                    + inputs.shortfall(len(stages.means))
                    + stages.inspection.warnings(number),
                    parity=gate.report(number),
                    timing=timing,
                ),
            )
            for number, path in enumerate(distorted)
        ]
        _look_again(
            *(revisit, results, inputs, options, source),
            *(over_time, len(stages.means), session, stopwatch),
        )
    return results


def _open_scoring(scorer: Scorer, request: ScoringRequest, resources: ExitStack) -> Scoring:
    with scorer_errors(scorer):
        return resources.enter_context(scorer.open(request))


def _check_some(distorted: Sequence[Path]) -> None:
    if not distorted:
        msg = "there is no distorted video to score"
        raise InputError(msg, remedy="name at least one")


def _look_again(
    revisit: Revisit | None,
    results: Sequence[Result],
    inputs: Inputs,
    options: ScoreOptions,
    source: MaskSource,
    over_time: OverTime,
    frame_count: int,
    session: Session,
    stopwatch: Stopwatch,
) -> None:
    """Show frames again to whoever wants it, masks from the network or from the source anew."""
    if revisit is None:
        return
    with stopwatch.stage("revisit"), ExitStack() as resources:
        given = open_given_source(inputs, options, resources)
        look_again(
            revisit,
            results,
            readers=inputs.readers,
            source=given or source,
            masks_in_order=given is not None,
            over_time=over_time,
            frame_count=frame_count,
            session=session,
        )
