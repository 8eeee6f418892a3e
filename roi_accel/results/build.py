"""From VMAF's logs and the masks' means to results: names the metrics, blends and pools them.

Provenance is made here too: what decided the scores, so that a result can be reproduced.
"""

from __future__ import annotations

import math
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._util.files import sha256_of
from roi_accel._version import __version__
from roi_accel.backends.arithmetic import mean_alpha, mean_saliency
from roi_accel.backends.tables import fade_table
from roi_accel.results.result import FrameScore, Result
from roi_accel.scorers import parse_models
from roi_accel.video.info import HDR_TRANSFERS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask
    from roi_accel.devices.dispatch import Choice
    from roi_accel.masks import MaskSource
    from roi_accel.options import ScoreOptions
    from roi_accel.scorers import ScoreLog, Scorer, VideoScores, VmafModel
    from roi_accel.video import VideoInfo


@dataclass(frozen=True)
class MaskMeans:
    """A frame's mask in two numbers in [0, 1]: its mean before and after threshold and fade."""

    saliency: float
    alpha: float


class MaskMeter:
    """Takes the means of masks, which are of the size, threshold and fade of `plan`."""

    def __init__(self, plan: Plan) -> None:
        self._fade = fade_table(plan.threshold_code, plan.fade_code)
        self._last: tuple[Mask, MaskMeans] | None = None

    def __call__(self, mask: Mask) -> MaskMeans:
        """Return the mask's means; a mask that has not changed is the same array as before."""
        if self._last is None or self._last[0] is not mask:
            self._last = mask, MaskMeans(mean_saliency(mask), mean_alpha(mask, self._fade))
        return self._last[1]


def build_result(
    scores: VideoScores,
    means: Sequence[MaskMeans],
    *,
    models: tuple[VmafModel, ...],
    keep_features: bool,
    region_names: Sequence[str],
    weight: float,
    **facts: Any,  # noqa: ANN401 - checked by Result
) -> Result:
    """Return the result of one distorted video.

    Parameters
    ----------
    scores : VideoScores
        Masked by the union of the regions, or by the only mask, and then by each region.
    means : sequence of MaskMeans
        One per frame fed, scored or not.
    models : tuple of VmafModel
        The first is blended into ``vmaf_roi``, the others are reported beside it.
    keep_features : bool
        Whether the elementary features are reported too.
    region_names : sequence of str
    weight : float
        The masked score's share in the blend.
    **facts
        The attributes of `Result` that are not scores, such as ``provenance``.
    """
    full, (masked, *regions) = scores.full, scores.masked
    numbers = full.frame_numbers
    saliency = [means[number].saliency for number in numbers]
    series = _metric_series(full, masked, models, weight, keep_features=keep_features)
    region_series = {
        name: _model_series(full, log, models[0], weight)
        for name, log in zip(region_names, regions, strict=True)
    }
    for metrics in region_series.values():
        del metrics["vmaf_full"]

    def at(position: int, series: dict[str, list[float]]) -> dict[str, float]:
        return {name: values[position] for name, values in series.items()}

    frames = tuple(
        FrameScore(
            frame_number=number,
            metrics=at(position, series),
            saliency_mean=means[number].saliency,
            alpha_mean=means[number].alpha,
            regions={name: at(position, metrics) for name, metrics in region_series.items()},
        )
        for position, number in enumerate(numbers)
    )
    pooled = {name: pool(values, saliency) for name, values in series.items()}
    pooled["alpha_mean"] = pool([frame.alpha_mean for frame in frames], saliency)
    full_mean, masked_mean = (pooled[name]["mean"] for name in ("vmaf_full", "vmaf_masked"))
    return Result(
        vmaf_masked=masked_mean,
        vmaf_roi=blend(full_mean, masked_mean, weight),
        vmaf_full=full_mean,
        weight=weight,
        model=str(models[0]),
        frames=frames,
        pooled_metrics=pooled,
        regions={
            name: _region_summary(metrics, full_mean, weight)
            for name, metrics in region_series.items()
        },
        **facts,
    )


def _metric_series(
    full: ScoreLog,
    masked: ScoreLog,
    models: tuple[VmafModel, ...],
    weight: float,
    *,
    keep_features: bool,
) -> dict[str, list[float]]:
    """Return every reported metric per scored frame, the first model's as ``vmaf_...``."""
    series: dict[str, list[float]] = {}
    for number, model in enumerate(models):
        prefix = model.name if number else "vmaf"
        series |= _model_series(full, masked, model, weight, prefix)
    if keep_features:
        scored = {model.name for model in models}
        for name in [name for name in full.metrics if name not in scored]:
            series[f"{name}_full"] = list(full.metrics[name])
            series[f"{name}_masked"] = list(masked.metrics[name])
    return series


def _model_series(
    full: ScoreLog, masked: ScoreLog, model: VmafModel, weight: float, prefix: str = "vmaf"
) -> dict[str, list[float]]:
    scores = full.metrics[model.name], masked.metrics[model.name]
    return {
        f"{prefix}_full": list(scores[0]),
        f"{prefix}_masked": list(scores[1]),
        f"{prefix}_roi": [blend(f, m, weight) for f, m in zip(*scores, strict=True)],
    }


def _region_summary(
    metrics: dict[str, list[float]], full_mean: float, weight: float
) -> dict[str, Any]:
    # A region's own saliency is not measured, so its pools weight all frames alike.
    equal = [1.0] * len(metrics["vmaf_masked"])
    pooled = {name: pool(values, equal) for name, values in metrics.items()}
    for pools in pooled.values():
        del pools["saliency_weighted_mean"]
    masked_mean = pooled["vmaf_masked"]["mean"]
    return {
        "vmaf_masked": masked_mean,
        "vmaf_roi": blend(full_mean, masked_mean, weight),
        "pooled_metrics": pooled,
    }


def blend(full: float, masked: float, weight: float) -> float:
    """Return ``(1 - weight) * full + weight * masked``, never clamped: some models exceed 100.

    ValueError if a score is not finite, or the weight is not in [0, 1].
    """
    if not 0.0 <= weight <= 1.0:
        msg = f"weight must be in [0, 1], not {weight}"
        raise ValueError(msg)
    if not (math.isfinite(full) and math.isfinite(masked)):
        msg = f"scores must be finite, not {full} and {masked}"
        raise ValueError(msg)
    return (1.0 - weight) * full + weight * masked


def pool(values: Sequence[float], saliency: Sequence[float]) -> dict[str, float]:
    """Return one metric pooled over time by each method; the JSON schema lists the methods, too.

    Parameters
    ----------
    values, saliency : sequence of float
        The metric, and the mean saliency in [0, 1], of each frame.

    Returns
    -------
    dict
        ``min``, ``max``, ``mean``; ``harmonic_mean`` as libvmaf defines it (libvmaf/src/libvmaf.c),
        n / sum(1 / (v + 1)) - 1, absent where it is undefined, for a value of -1 or less; and
        ``saliency_weighted_mean``, sum(s * v) / sum(s), which is the mean where no frame has any
        saliency. ValueError if a number is not finite or the lengths differ.
    """
    if not all(map(math.isfinite, (*values, *saliency))):
        msg = "values and saliency must be finite"
        raise ValueError(msg)
    count = len(values)
    mean = math.fsum(values) / count
    pools = {"min": min(values), "max": max(values), "mean": mean}
    if pools["min"] > -1.0:
        pools["harmonic_mean"] = count / math.fsum(1.0 / (v + 1.0) for v in values) - 1.0
    largest = max(saliency)
    # Relative to the largest, so that the products of tiny weights cannot vanish.
    weights = [s / largest if largest > 0.0 else 1.0 for s in saliency]
    weighted = math.fsum(s * v for s, v in zip(weights, values, strict=True))
    pools["saliency_weighted_mean"] = weighted / math.fsum(weights)
    return pools


def provenance(
    reference: VideoInfo,
    source: MaskSource,
    choice: Choice,
    options: ScoreOptions,
    scorer: Scorer,
    libvmaf: str,
) -> dict[str, Any]:
    """Return the result's ``provenance``, without the distorted video's part; strict JSON."""
    return {
        "roi_accel": __version__,
        "python": platform.python_version(),
        "numpy": np.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "mask": source.provenance(),
        "parameters": _parameters(options),
        "vmaf": {
            "scorer": scorer.name,
            "scorer_version": scorer.version,
            "found": scorer.source,
            "libvmaf": libvmaf,
        },
        "backend": {
            "name": choice.backend.name,
            "device": choice.backend.device,
            "description": choice.status.description,
            "driver": choice.status.driver,
            "reason": choice.reason,
        },
        "reference": video_facts(reference),
    }


_FIRST_PARAMETERS = ("threshold", "fade", "weight", "models", "model_sha256", "features")
_LAST_PARAMETERS = ("subsample", "frame_count", "shortest")
"""Results list these parameters first and last, the others between in the order of the options."""


def _parameters(options: ScoreOptions) -> dict[str, Any]:
    digests = {
        str(model.path): sha256_of(model.path)
        for model in parse_models(options.model)
        if model.path
    }
    values = {**options.recorded(), "model_sha256": digests}
    between = [name for name in values if name not in (*_FIRST_PARAMETERS, *_LAST_PARAMETERS)]
    return {name: values[name] for name in (*_FIRST_PARAMETERS, *between, *_LAST_PARAMETERS)}


def video_facts(info: VideoInfo) -> dict[str, Any]:
    """Return what a result says of one video: its frames as they were scored, and its file."""
    scaled = info.scaled_from and dict(zip(("width", "height"), info.scaled_from, strict=True))
    return {
        "width": info.width,
        "height": info.height,
        "pixel_format": info.pixel_format.name,
        "colour_matrix": info.colour_matrix.value,
        "colour_matrix_source": info.colour_matrix_source,
        "colour_range": info.colour_range.value,
        "colour_range_source": info.colour_range_source,
        "transfer": info.transfer,
        "hdr": HDR_TRANSFERS.get(info.transfer or ""),
        "frame_rate": str(info.frame_rate) if info.frame_rate else None,
        "codec": info.codec,
        "skipped_frames": info.skipped,
        "scaled_from": scaled,
        "crop": asdict(info.crop) if info.crop else None,
    }
