"""The one way through: read a pair once, mask it once, and let VMAF score both variants at once."""

from __future__ import annotations

from contextlib import ExitStack, closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

from roi_accel.assemble import Facts, assemble
from roi_accel.backends.plan import Plan
from roi_accel.backends.protocol import CountsSeconds, TellsEvents, slots_of, unwrapped
from roi_accel.backends.serial_session import SerialSession
from roi_accel.cautions import cautions
from roi_accel.dispatch import choose_backend
from roi_accel.errors import InputError
from roi_accel.evidence import EvidenceFolder
from roi_accel.inputs import frame_rate, prepare_inputs
from roi_accel.inspection import Inspection
from roi_accel.lockstep import check_known_counts
from roi_accel.masks import MaskSource, open_mask_source
from roi_accel.masks.network import NetworkSource
from roi_accel.masks.over_time import OverTime, Smoothing
from roi_accel.models import resolve
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.gate import Gate
from roi_accel.provenance import provenance, video_facts
from roi_accel.providers import CPU_PROVIDER, SHORT_NAMES, ProviderPlan, plan_provider
from roi_accel.revisit import look_again
from roi_accel.saliency import SaliencyNetwork
from roi_accel.stages import Stages
from roi_accel.threads import share_threads
from roi_accel.timing import Stopwatch
from roi_accel.video import check_scorable, open_video
from roi_accel.vmaf import (
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

    from roi_accel.backends.protocol import Session
    from roi_accel.dispatch import Choice
    from roi_accel.inputs import Inputs
    from roi_accel.options import ScoreOptions
    from roi_accel.result import Result
    from roi_accel.revisit import Revisit
    from roi_accel.stages import Progress
    from roi_accel.threads import ThreadShares
    from roi_accel.video import VideoInfo


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
            calibration = (
                read_calibration(options.calibration) if options.calibration else Calibration()
            )
            scorer = find_scorer(options.vmaf)
            opened = [
                resources.enter_context(open_video(path, raw=options.raw, threads=shares.decode))
                for path in (reference, *distorted)
            ]
            inputs = prepare_inputs(opened, options)
            readers = inputs.readers
            _check_readers(inputs, options)
            info = readers[0].info
            over_time = _over_time(inputs, options)
            if scorer.kind == "vmaf" and is_unsafe_for_tool(
                info.pixel_format, info.width, info.height
            ):
                scorer = find_scorer(options.vmaf, ffmpeg_only=True)
            source = _given_source(inputs, options)
            if source is not None:
                resources.enter_context(closing(source))
            regions = source.region_names if source else ()
            per_video = 2 + len(regions)
            request = ScoringRequest(
                pixel_format=info.pixel_format,
                width=info.width,
                height=info.height,
                variants=per_video * len(distorted),
                models=models,
                features=features,
                threads=shares.vmaf,
                subsample=options.subsample,
            )
            try_models(scorer, request)
            # Before the backend and the network, so that VMAF starts while they load.
            scoring = resources.enter_context(Scoring(scorer, request))
            choice = choose_backend(options.backend, device=options.device, threads=shares.kernels)
            gate = Gate(
                options.gate,
                choice.backend,
                timed=partial(stopwatch.stage, "gate"),
                save=EvidenceFolder(options.dump).save if options.dump else None,
            )
            if source is None:
                source = resources.enter_context(
                    closing(
                        _network_source(
                            info, choice, options, shares, gate=gate, stopwatch=stopwatch
                        )
                    )
                )
            if isinstance(source, NetworkSource) and options.gate != "off":
                resources.enter_context(
                    _reference_network(source.network, choice, options, shares, calibration, gate)
                )
            session = resources.enter_context(
                gate.open(
                    _plan(info, source, options),
                    videos=[str(path) for path in distorted],
                    regions=regions,
                )
            )
            device_session = unwrapped(session)
            if stopwatch.is_traced:
                _trace_device(device_session, choice.backend.device, stopwatch)
            session = session if slots_of(session) > 1 else SerialSession(session)
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
            logs = scoring.finish()
        facts = provenance(info, source, choice, options, scorer, logs[0])
        timing = stopwatch.report(len(stages.means))
        if isinstance(device_session, CountsSeconds):
            timing["device"] = device_session.event_seconds
        results = [
            assemble(
                logs[number * per_video : (number + 1) * per_video],
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
                        "smoothing": over_time.smoothing and over_time.smoothing.facts(),
                        "distorted": video_facts(readers[number + 1].info),
                    },
                    warnings=source.warnings
                    + inputs.warnings[number]
                    + cautions(info, readers[number + 1].info, options, scorer, stages.means)
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


def _check_some(distorted: Sequence[Path]) -> None:
    if not distorted:
        msg = "there is no distorted video to score"
        raise InputError(msg, remedy="name at least one with -d")


def _trace_device(session: Session, device: str, stopwatch: Stopwatch) -> None:
    """Have the timeline show what the device itself did, if it tells."""
    if isinstance(session, TellsEvents):
        session.tell_events(
            lambda name, start, stop: stopwatch.device_span(name, device, start, stop)
        )


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
        given = _given_source(inputs, options)
        if given is not None:
            resources.enter_context(closing(given))
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


def _check_readers(inputs: Inputs, options: ScoreOptions) -> None:
    readers = inputs.readers
    check_scorable(readers[0].info)
    if not options.shortest and inputs.frame_count is None:
        check_known_counts(readers)


def _over_time(inputs: Inputs, options: ScoreOptions) -> OverTime:
    smoothing = None
    if options.mask_smooth:
        rate = frame_rate(inputs.file, options, "--mask-smooth")
        smoothing = Smoothing(options.mask_smooth, rate)
    return OverTime(stride=options.saliency_stride, smoothing=smoothing)


def _given_source(inputs: Inputs, options: ScoreOptions) -> MaskSource | None:
    """Return the mask source that the options name; None where a network is to find the mask."""
    source = open_mask_source(
        mask=options.mask,
        roi=options.roi,
        roi_track=options.roi_track,
        synthetic_mask=options.synthetic_mask,
        width=inputs.file.width,
        height=inputs.file.height,
        first_frame=inputs.readers[0].info.skipped,
    )
    return source and inputs.masks_of(source)


def _network_source(
    info: VideoInfo,
    choice: Choice,
    options: ScoreOptions,
    shares: ThreadShares,
    *,
    gate: Gate,
    stopwatch: Stopwatch,
) -> NetworkSource:
    network = SaliencyNetwork(
        resolve(options.saliency_model),
        plan_provider(
            choice.backend.name, choice.status, requested=options.ep, threads=shares.network
        ),
        threads=shares.network,
        strict_ep=options.strict_ep,
    )
    return NetworkSource(
        network,
        options.saliency_size,
        batch=options.saliency_batch,
        stride=options.saliency_stride,
        width=info.width,
        height=info.height,
        stopwatch=stopwatch,
        check=gate.check_map,
    )


@contextmanager
def _reference_network(
    network: SaliencyNetwork,
    choice: Choice,
    options: ScoreOptions,
    shares: ThreadShares,
    calibration: Calibration,
    gate: Gate,
) -> Iterator[None]:
    """Let the gate compare maps with the same network on the CPU, unless it runs there anyway."""
    if network.providers.attached == (CPU_PROVIDER,):
        gate.note(f"the network runs on {CPU_PROVIDER}, with which its maps would be compared")
        yield
        return
    provider, device = network.providers.attached[0], choice.backend.device
    short = [name for name, full in SHORT_NAMES.items() if full == provider]
    asked = [options.ep] if options.ep else []
    names = (*asked, *short, provider, device, f"{device} {choice.status.description}")
    plan = ProviderPlan(CPU_PROVIDER, "the gate compares with it")
    with closing(SaliencyNetwork(network.model, plan, threads=shares.network)) as reference:
        tolerance = calibration.tolerance("saliency", names)
        gate.compare_network(reference.infer, CPU_PROVIDER, tolerance)
        yield


def _plan(info: VideoInfo, source: MaskSource, options: ScoreOptions) -> Plan:
    mask_height, mask_width = source.size
    try:
        return Plan(
            pixel_format=info.pixel_format,
            width=info.width,
            height=info.height,
            mask_width=mask_width,
            mask_height=mask_height,
            threshold=options.threshold,
            fade=options.fade,
            colour_matrix=info.colour_matrix,
            colour_range=info.colour_range,
            model=source.model_size if isinstance(source, NetworkSource) else None,
        )
    except ValueError as error:
        raise InputError(str(error), remedy="choose a larger --saliency-size") from error
