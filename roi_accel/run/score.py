"""One scoring run: read a pair once, mask it once, and score both variants at once."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from roi_accel._util.timing import Stopwatch
from roi_accel.backends.protocol import CountsSeconds
from roi_accel.diagnostics.inspector import Inspector
from roi_accel.errors import InputError
from roi_accel.results.build import (
    MaskMeans,
    MaskMeter,
    build_result,
    provenance,
    video_facts,
)
from roi_accel.results.warnings import other_reference, pair_warnings
from roi_accel.run.frame_pipeline import masked_frames, replay_frames
from roi_accel.run.setup import open_inputs, open_run
from roi_accel.scorers import (
    Scoring,
    ScoringRequest,
    check_scores,
    find_scorer,
    parse_features,
    parse_models,
    scorer_errors,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel.backends.frame import FrameSet
    from roi_accel.options import ScoreOptions
    from roi_accel.results.result import Result
    from roi_accel.run.frame_pipeline import FrameObserver, Progress
    from roi_accel.run.setup import OpenInputs, Run
    from roi_accel.scorers import Scorer, VideoScores, VmafFeature, VmafModel


def score_all(
    reference: Path,
    distorted: Sequence[Path],
    options: ScoreOptions,
    *,
    progress: Progress | None = None,
    stopwatch: Stopwatch | None = None,
    revisit: FrameObserver | None = None,
) -> list[Result]:
    """Score each of `distorted` against `reference`, which is decoded and given its masks once.

    Parameters
    ----------
    reference, distorted : Path
    options : ScoreOptions
    progress : callable, optional
        Called by the caller's thread with the frames done and the total, if it is known.
    stopwatch : Stopwatch, optional
        One that is traced, for a timeline of the run.
    revisit : FrameObserver, optional
        Is shown some frames again once the scores are known.

    Raises
    ------
    RoiAccelError
        One of its subclasses; nothing is left behind, no process, no file.
    """
    stopwatch = stopwatch or Stopwatch()
    if not distorted:
        msg = "there is no distorted video to score"
        raise InputError(msg, remedy="name at least one")
    with ExitStack() as resources:
        with stopwatch.stage("prepare"):
            models, features = parse_models(options.model), parse_features(options.feature)
            scorer = find_scorer(options.vmaf)
            opened = resources.enter_context(
                open_inputs((reference, *distorted), options, stopwatch)
            )
            request = _request(opened, models, features)
            if scorer.needs == "weights":
                run = resources.enter_context(open_run(opened))
                run.gate.note(f"the scorer {scorer.name} takes weights: no frame was masked")
                request = replace(request, backend=run.choice.backend, plan=run.session.plan)
                scoring = resources.enter_context(_open_scoring(scorer, request))
            else:
                # Before the backend and the network, so that VMAF starts while they load.
                scoring = resources.enter_context(_open_scoring(scorer, request))
                run = resources.enter_context(open_run(opened))
        observed = _Observed(run)
        frames = masked_frames(
            run,
            per_region=True,
            is_masked=scoring.scorer.needs == "masked frames",
            observe=observed.take,
            progress=progress,
        )
        with closing(frames):
            for each in frames:
                with stopwatch.stage("vmaf_feed", each.index), scorer_errors(scoring.scorer):
                    scoring.feed(each)
        with stopwatch.stage("vmaf_finish"), scorer_errors(scoring.scorer):
            scores = list(scoring.finish())
            count = len(observed.means)
            check_scores(scores, request, frames_fed=count, scorer=scoring.scorer.name)
        results = _results(run, scoring, scores, observed, models)
        if revisit is not None:
            with stopwatch.stage("revisit"):
                replay_frames(run, revisit, results)
    return results


def _request(
    opened: OpenInputs, models: tuple[VmafModel, ...], features: tuple[VmafFeature, ...]
) -> ScoringRequest:
    regions = opened.given.region_names if opened.given else ()
    return ScoringRequest(
        pixel_format=opened.info.pixel_format,
        width=opened.info.width,
        height=opened.info.height,
        videos=len(opened.inputs.readers) - 1,
        masks=1 + len(regions),
        models=models,
        features=features,
        threads=opened.options.threads,
        subsample=opened.options.subsample,
    )


@contextmanager
def _open_scoring(scorer: Scorer, request: ScoringRequest) -> Iterator[Scoring]:
    with scorer_errors(scorer):
        scoring = scorer.open(request)
        if not isinstance(scoring, Scoring):
            msg = f"open() returned {scoring!r}, not a Scoring"
            raise TypeError(msg)
        needs = scoring.scorer.needs
        if needs != scorer.needs:  # Frames are masked, or a backend is opened, by now.
            msg = f"it needs {scorer.needs} and handed over to one that needs {needs}"
            raise ValueError(msg)
    try:
        yield scoring
    except BaseException:
        with suppress(Exception):  # what came first is what went wrong
            scoring.close()
        raise
    with scorer_errors(scorer):
        scoring.close()


class _Observed:
    """What the thread that finds masks learns of each frame beside its scores."""

    def __init__(self, run: Run) -> None:
        options = run.options
        self._stopwatch = run.stopwatch
        self._measure = MaskMeter(run.session.plan)
        self.means: list[MaskMeans] = []
        self.inspector = Inspector(
            [reader.info for reader in run.inputs.readers],
            skipped=(options.frame_skip_ref, options.frame_skip_dist),
        )

    def take(self, frames: FrameSet) -> None:
        with self._stopwatch.stage("inspect", frames.index):
            self.inspector.take(frames)
        self.means.append(self._measure(frames.masks[0]))


def _results(
    run: Run,
    scoring: Scoring,
    scores: Sequence[VideoScores],
    observed: _Observed,
    models: tuple[VmafModel, ...],
) -> list[Result]:
    options, inputs, source, means = run.options, run.inputs, run.source, observed.means
    with run.stopwatch.stage("identify"):
        doubts = other_reference(source, run.info.path)
    version = scores[0].full.version
    common = provenance(run.info, source, run.choice, options, scoring.scorer, version)
    common |= {"scaling": inputs.scaling, "smoothing": run.over_time.facts()}
    timing = run.stopwatch.report(len(means))
    if isinstance(run.session, CountsSeconds):
        timing["device"] = run.session.event_seconds
    return [
        build_result(
            scores[number],
            means,
            models=models,
            keep_features=bool(options.feature),
            region_names=source.region_names,
            weight=options.weight,
            reference=str(run.info.path),
            distorted=str(reader.info.path),
            saliency_model=source.label,
            provenance=common | {"distorted": video_facts(reader.info)},
            warnings=source.warnings
            + doubts
            + inputs.warnings[number]
            + pair_warnings(run.info, reader.info, options, means)
            + tuple(scoring.warnings)
            + inputs.shortfall(len(means))
            + observed.inspector.warnings(number),
            parity=run.gate.report(number),
            timing=timing,
        )
        for number, reader in enumerate(inputs.readers[1:])
    ]
