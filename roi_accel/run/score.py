"""One scoring run: read a pair once, mask it once, and have VMAF score both variants at once."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel._util.timing import Stopwatch
from roi_accel.backends.protocol import CountsSeconds
from roi_accel.diagnostics.inspector import Inspector
from roi_accel.errors import InputError
from roi_accel.results.build import MaskMeans, MaskMeter, build_result
from roi_accel.results.provenance import provenance, video_facts
from roi_accel.results.warnings import other_reference, pair_warnings
from roi_accel.run.frame_pipeline import masked_frames
from roi_accel.run.replay import replay_frames
from roi_accel.run.setup import open_inputs, open_run
from roi_accel.scorers import (
    Scoring,
    ScoringRequest,
    find_scorer,
    is_unsafe_for_tool,
    parse_features,
    parse_models,
    try_models,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel.backends.frame_set import FrameSet
    from roi_accel.options import ScoreOptions
    from roi_accel.results.result import Result
    from roi_accel.run.frame_pipeline import Progress
    from roi_accel.run.replay import FrameObserver
    from roi_accel.run.setup import OpenInputs, Run
    from roi_accel.scorers import Scorer, VmafLog


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
            scorer = _find_scorer(options)
            inputs = resources.enter_context(
                open_inputs((reference, *distorted), options, stopwatch)
            )
            # Before the backend and the network, so that VMAF starts while they load.
            scoring = resources.enter_context(_open_scoring(scorer, inputs))
            run = resources.enter_context(open_run(inputs))
        notes = _FrameNotes(run)
        with closing(
            masked_frames(run, per_region=True, observe=notes.take, progress=progress)
        ) as frames:
            for each in frames:
                with stopwatch.stage("vmaf_feed", each.index):
                    scoring.feed(each)
        with stopwatch.stage("vmaf_finish"):
            logs = scoring.finish()
        results = _results(run, scoring, logs, notes)
        if revisit is not None:
            with stopwatch.stage("revisit"):
                replay_frames(run, revisit, results)
    return results


class _FrameNotes:
    """What the masks' thread notes of each frame beside its score."""

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


# The scorer


@dataclass(frozen=True)
class _Scoring:
    """VMAF at work on one run."""

    scorer: Scorer
    processes: Scoring

    def feed(self, frames: FrameSet) -> None:
        streams = [frames.reference]
        for distorted, masked in zip(frames.distorted, frames.masked, strict=True):
            streams += [distorted, *masked]
        self.processes.feed(streams)

    def finish(self) -> list[VmafLog]:
        return self.processes.finish()


def _find_scorer(options: ScoreOptions) -> Scorer:
    """Return the program that scores; wrong models and features are found before it."""
    parse_models(options.model)
    parse_features(options.feature)
    return find_scorer(options.vmaf)


@contextmanager
def _open_scoring(scorer: Scorer, inputs: OpenInputs) -> Iterator[_Scoring]:
    options, info = inputs.options, inputs.info
    if scorer.kind == "vmaf" and is_unsafe_for_tool(info.pixel_format, info.width, info.height):
        scorer = find_scorer(options.vmaf, ffmpeg_only=True)
    regions = inputs.given.region_names if inputs.given else ()
    request = ScoringRequest(
        pixel_format=info.pixel_format,
        width=info.width,
        height=info.height,
        variants=(2 + len(regions)) * (len(inputs.inputs.readers) - 1),
        models=parse_models(options.model),
        features=parse_features(options.feature),
        threads=inputs.threads.vmaf,
        subsample=options.subsample,
    )
    try_models(scorer, request)  # guard: vmaf-unknown-model
    with Scoring(scorer, request) as processes:
        yield _Scoring(scorer, processes)


# The results


def _results(
    run: Run, scoring: _Scoring, logs: Sequence[VmafLog], notes: _FrameNotes
) -> list[Result]:
    options, inputs, source, means = run.options, run.inputs, run.source, notes.means
    with run.stopwatch.stage("identify"):
        doubts = other_reference(source, run.info.path)
    common = provenance(run.info, source, run.choice, options, scoring.scorer, logs[0])
    common |= {"scaling": inputs.scaling, "smoothing": run.over_time.facts()}
    timing = run.stopwatch.report(len(means))
    if isinstance(run.session, CountsSeconds):
        timing["device"] = run.session.event_seconds
    videos = [reader.info for reader in inputs.readers[1:]]
    per_video = len(logs) // len(videos)
    return [
        build_result(
            logs[number * per_video : (number + 1) * per_video],
            means,
            models=parse_models(options.model),
            keep_features=bool(options.feature),
            region_names=source.region_names,
            weight=options.weight,
            reference=str(run.info.path),
            distorted=str(info.path),
            saliency_model=source.label,
            provenance=common | {"distorted": video_facts(info)},
            warnings=source.warnings
            + doubts
            + inputs.warnings[number]
            + pair_warnings(run.info, info, options, scoring.scorer, means)
            + inputs.shortfall(len(means))
            + notes.inspector.warnings(number),
            parity=run.gate.report(number),
            timing=timing,
        )
        for number, info in enumerate(videos)
    ]
