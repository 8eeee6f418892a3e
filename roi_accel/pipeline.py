"""The one way through: read a pair once, mask it once, and let VMAF score both variants at once."""

from __future__ import annotations

import platform
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._version import __version__
from roi_accel.assemble import Facts, MaskMeans, assemble
from roi_accel.backends.arithmetic import mean_alpha, mean_saliency
from roi_accel.backends.plan import Plan
from roi_accel.backends.tables import fade_table
from roi_accel.cautions import cautions
from roi_accel.dispatch import choose_backend
from roi_accel.errors import InputError
from roi_accel.evidence import EvidenceFolder
from roi_accel.files import sha256_of
from roi_accel.lockstep import check_known_counts, read_together
from roi_accel.masks import MaskSource, open_mask_source
from roi_accel.masks.network import NetworkSource
from roi_accel.models import resolve
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.gate import Gate
from roi_accel.providers import CPU_PROVIDER, SHORT_NAMES, ProviderPlan, plan_provider
from roi_accel.saliency import SaliencyNetwork
from roi_accel.timing import Stopwatch
from roi_accel.video import check_same_geometry, check_scorable, open_video
from roi_accel.vmaf import (
    Scoring,
    ScoringRequest,
    find_scorer,
    is_unsafe_for_tool,
    parse_features,
    parse_models,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.protocol import Mask, Session
    from roi_accel.dispatch import Choice
    from roi_accel.options import ScoreOptions
    from roi_accel.result import Result
    from roi_accel.video import VideoInfo, VideoReader
    from roi_accel.vmaf import Scorer, VmafLog

    Progress = Callable[[int, int | None], None]
    """Called with the frames done and, where it is known, how many there are."""


def score_all(
    reference: Path,
    distorted: Sequence[Path],
    options: ScoreOptions,
    *,
    progress: Progress | None = None,
) -> list[Result]:
    """Score each of `distorted` against `reference`, which is decoded and looked at once.

    Raises
    ------
    RoiAccelError
        One of its subclasses; nothing is left behind, no process, no file.
    """
    stopwatch = Stopwatch()
    if not distorted:
        msg = "there is no distorted video to score"
        raise InputError(msg, remedy="name at least one with -d")
    models = parse_models(options.model)
    features = parse_features(options.feature)
    calibration = read_calibration(options.calibration) if options.calibration else Calibration()
    scorer = find_scorer(options.vmaf)
    with ExitStack() as resources:
        readers = [
            resources.enter_context(open_video(path, raw=options.raw, threads=options.threads))
            for path in (reference, *distorted)
        ]
        _check_readers(readers, options)
        info = readers[0].info
        if scorer.kind == "vmaf" and is_unsafe_for_tool(info.pixel_format, info.width, info.height):
            scorer = find_scorer(options.vmaf, ffmpeg_only=True)
        choice = choose_backend(options.backend, device=options.device, threads=options.threads)
        backend = choice.backend
        gate = Gate(
            options.gate,
            backend,
            timed=partial(stopwatch.stage, "gate"),
            save=EvidenceFolder(options.dump).save if options.dump else None,
        )
        source = resources.enter_context(
            closing(_open_source(info, choice, options, gate=gate, stopwatch=stopwatch))
        )
        if isinstance(source, NetworkSource) and options.gate != "off":
            resources.enter_context(
                _reference_network(source.network, choice, options, calibration, gate)
            )
        session = resources.enter_context(
            gate.open(
                _plan(info, source, options),
                videos=[str(path) for path in distorted],
                regions=source.region_names,
            )
        )
        per_video = 2 + len(source.region_names)
        request = ScoringRequest(
            pixel_format=info.pixel_format,
            width=info.width,
            height=info.height,
            variants=per_video * len(distorted),
            models=models,
            features=features,
            threads=options.threads,
            subsample=options.subsample,
        )
        scoring = resources.enter_context(Scoring(scorer, request))
        run = _Run(readers, source, session, gate, scoring, stopwatch, progress)
        run.feed_all(options)
        whole = options.frame_count is None and not options.shortest
        source.finish(len(run.means), whole=whole)
        with stopwatch.stage("vmaf_finish"):
            logs = scoring.finish()
        provenance = _provenance(readers, source, options, scorer, logs[0])
        provenance["backend"] = {
            "name": backend.name,
            "device": backend.device,
            "description": choice.status.description,
            "driver": choice.status.driver,
            "reason": choice.reason,
        }
        timing = stopwatch.report(len(run.means))
    return [
        assemble(
            logs[number * per_video : (number + 1) * per_video],
            run.means,
            models=models,
            keep_features=bool(features),
            region_names=source.region_names,
            weight=options.weight,
            facts=Facts(
                reference=str(reference),
                distorted=str(path),
                saliency_model=source.label,
                provenance=provenance | {"distorted": _video_facts(readers[number + 1].info)},
                warnings=source.warnings
                + cautions(info, readers[number + 1].info, options, scorer, len(run.means)),
                parity=gate.report(number),
                timing=timing,
            ),
        )
        for number, path in enumerate(distorted)
    ]


def _check_readers(readers: Sequence[VideoReader], options: ScoreOptions) -> None:
    check_scorable(readers[0].info)
    for reader in readers[1:]:
        check_same_geometry(readers[0].info, reader.info)
    if not options.shortest and options.frame_count is None:
        check_known_counts(readers)


def _open_source(
    info: VideoInfo, choice: Choice, options: ScoreOptions, *, gate: Gate, stopwatch: Stopwatch
) -> MaskSource:
    """Return the mask source that the options name; by default the network."""
    source = open_mask_source(
        mask=options.mask,
        roi=options.roi,
        roi_track=options.roi_track,
        synthetic_mask=options.synthetic_mask,
        width=info.width,
        height=info.height,
    )
    if source is not None:
        return source
    network = SaliencyNetwork(
        resolve(options.saliency_model),
        plan_provider(
            choice.backend.name, choice.status, requested=options.ep, threads=options.threads
        ),
        threads=options.threads,
        strict_ep=options.strict_ep,
    )
    return NetworkSource(
        network,
        options.saliency_size,
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
    with closing(SaliencyNetwork(network.model, plan, threads=options.threads)) as reference:
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


@dataclass
class _Run:
    """The loop over frames, and what it learns about their masks."""

    readers: Sequence[VideoReader]
    source: MaskSource
    session: Session
    gate: Gate
    scoring: Scoring
    stopwatch: Stopwatch
    progress: Progress | None

    def __post_init__(self) -> None:
        plan = self.session.plan
        self._fade = fade_table(plan.threshold_code, plan.fade_code)
        self._last: tuple[Mask, MaskMeans] | None = None
        self.means: list[MaskMeans] = []

    def feed_all(self, options: ScoreOptions) -> None:
        """Read, mask and feed every frame."""
        total = _expected_frames(self.readers, options)
        together = read_together(
            self.readers,
            frame_count=options.frame_count,
            shortest=options.shortest,
            stopwatch=self.stopwatch,
        )
        for index, (reference, *distorted) in enumerate(together):
            with self.gate.frame(index, distorted):
                streams = self._mask(index, reference, distorted)
            with self.stopwatch.stage("vmaf_feed"):
                self.scoring.feed(streams)
            if self.progress:
                self.progress(index + 1, total)
        if not self.means:
            msg = f"there is no frame to score in {self.readers[0].info.path}"
            raise InputError(msg, remedy="check the file")

    def _mask(self, index: int, reference: Frame, distorted: Sequence[Frame]) -> list[Frame]:
        """Return the scorer's streams: the reference, then per video the full and masked frames."""
        masks = self.source.masks(index, reference, self.session)
        self.means.append(self._mean(masks[0]))
        streams = [reference]
        with self.stopwatch.stage("substitute"):
            for frame in distorted:
                streams.append(frame)
                streams += [self.session.substitute(reference, frame, mask) for mask in masks]
        return streams

    def _mean(self, mask: Mask) -> MaskMeans:
        """Return the mask's means; a mask that has not changed is the same array as before."""
        if self._last is None or self._last[0] is not mask:
            self._last = mask, MaskMeans(mean_saliency(mask), mean_alpha(mask, self._fade))
        return self._last[1]


def _expected_frames(readers: Sequence[VideoReader], options: ScoreOptions) -> int | None:
    counts = [reader.info.frame_count or reader.info.estimated_frame_count for reader in readers]
    known = [count for count in (*counts, options.frame_count) if count is not None]
    return min(known) if known else None


def _provenance(
    readers: Sequence[VideoReader],
    source: MaskSource,
    options: ScoreOptions,
    scorer: Scorer,
    log: VmafLog,
) -> dict[str, Any]:
    return {
        "roi_accel": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "mask": source.provenance(),
        "parameters": {
            "threshold": options.threshold,
            "fade": options.fade,
            "weight": options.weight,
            "models": list(options.model),
            "model_sha256": {
                str(model.path): sha256_of(model.path)
                for model in parse_models(options.model)
                if model.path
            },
            "features": list(options.feature),
            "subsample": options.subsample,
            "frame_count": options.frame_count,
            "shortest": options.shortest,
        },
        "vmaf": {
            "scorer": scorer.kind,
            "scorer_version": scorer.version,
            "found": scorer.source,
            "libvmaf": log.version,
        },
        "reference": _video_facts(readers[0].info),
    }


def _video_facts(info: VideoInfo) -> dict[str, Any]:
    return {
        "width": info.width,
        "height": info.height,
        "pixel_format": info.pixel_format.name,
        "colour_matrix": info.colour_matrix.value,
        "colour_matrix_source": info.colour_matrix_source,
        "colour_range": info.colour_range.value,
        "colour_range_source": info.colour_range_source,
        "transfer": info.transfer,
        "frame_rate": str(info.frame_rate) if info.frame_rate else None,
        "codec": info.codec,
    }
