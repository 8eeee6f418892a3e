"""Warnings: what does not fail a run but may make its score mean something else than expected."""

from __future__ import annotations

import re
from statistics import fmean
from typing import TYPE_CHECKING

from roi_accel._util.text import printable
from roi_accel.options import DEFAULT_THRESHOLD
from roi_accel.results.summary import percent
from roi_accel.scorers import parse_models
from roi_accel.video.info import HDR_TRANSFERS
from roi_accel.video.time_range import rates_differ

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.masks import MaskSource
    from roi_accel.options import ScoreOptions
    from roi_accel.results.build import MaskMeans
    from roi_accel.video import VideoInfo

_FEW = 0.1
"""Share of frames with an empty or full mask that needs no warning: titles, fades to black."""

_TOO_LITTLE, _TOO_MUCH = 0.02, 0.9
"""Mean coverages of the mask beyond which a score says little (docs/choosing.md)."""

_FOUR_K_FROM = 3200
"""Long side in pixels from which on a 4K model fits better: between 2560x1440 and 3840x2160."""

_MODEL = re.compile(r"vmaf_(?P<kind>float_)?(?P<is_4k>4k_)?v0\.6\.1(?P<neg>neg)?")


def pair_warnings(
    reference: VideoInfo,
    distorted: VideoInfo,
    options: ScoreOptions,
    means: Sequence[MaskMeans],
) -> tuple[str, ...]:
    """Return a line for each thing about this pair that its reader should know.

    `means` are those of the masks of every frame.
    """
    lines = [f"{each.path} {each.doubt}" for each in (reference, distorted) if each.doubt]
    lines += _colour_differences(reference, distorted)
    lines += _high_dynamic_range(reference, distorted)
    lines += _rate_difference(reference, distorted)
    lines += _another_model(reference, options)
    if reference.path.exists() and reference.path.samefile(distorted.path):
        lines.append(f"{reference.path} is scored against itself")
    if options.threshold + options.fade > 1.0:
        lines.append(
            f"threshold {options.threshold:g} and fade {options.fade:g} add up to more than 1: "
            "not even the most salient pixel counts fully"
        )
    lines += _masks_of_no_effect(means, options) or _masks_of_little_effect(means, options)
    frames = len(means)
    if options.frame_count is not None and frames < options.frame_count:
        lines.append(f"--frame-count is {options.frame_count}, but there are only {frames} frames")
    return tuple(lines)


def other_reference(source: MaskSource, reference: Path) -> tuple[str, ...]:
    """Return a line if a file of masks was made from another reference than this one.

    Once a run: the reference may be read to its end.
    """
    origin = source.origin
    try:
        if origin is None or origin.is_from(reference):
            return ()
    except OSError:
        return ()  # It went away since it was scored, which is an error elsewhere where it matters.
    other = f"another reference, {origin.reference or 'which it does not name'}"
    made_from = f"{source.label} was made from {other}, not from {printable(reference)}"
    return (f"{made_from}: check that both show the same pictures, or write the masks again",)


def _masks_of_no_effect(means: Sequence[MaskMeans], options: ScoreOptions) -> list[str]:
    """Warn of many empty or full masks, unless `synthetic_mask` asked for them."""
    if options.synthetic_mask is not None:
        return []
    kinds = (
        ("empty", 0.0, "there the reference is scored against itself; lower --threshold or check"),
        ("full", 1.0, "there the masked score is the full one; raise --threshold or check"),
    )
    found = []
    for name, alpha, meaning in kinds:
        count = sum(mean.alpha == alpha for mean in means)
        if count > _FEW * len(means):
            what = f"the mask is {name} on {count} of {len(means)} frames"
            found.append(f"{what}: {meaning} where the mask comes from")
    return found


def _masks_of_little_effect(means: Sequence[MaskMeans], options: ScoreOptions) -> list[str]:
    """Warn if a network's masks cover nearly nothing or nearly everything.

    Boxes and masks of one's own have the area that somebody meant them to have.
    """
    if not options.has_network:
        return []
    coverage, threshold = fmean(mean.alpha for mean in means), options.threshold
    if _TOO_LITTLE <= coverage <= _TOO_MUCH:
        return []
    if coverage > _TOO_MUCH:
        meaning = "vmaf_masked is nearly vmaf_full"
        better = DEFAULT_THRESHOLD if threshold < DEFAULT_THRESHOLD else (threshold + 1) / 2
    else:
        meaning = "the rest is perfect, and vmaf_masked hardly tells encodes apart"
        better = DEFAULT_THRESHOLD if threshold > DEFAULT_THRESHOLD else threshold / 3
    remedy = f"try --threshold {better:.2g}" if better else "try another --saliency-model"
    where = f"mask coverage is {percent(coverage)} on average at threshold {threshold:g}"
    return [f"{where}: {meaning}; {remedy}"]


def _colour_differences(reference: VideoInfo, distorted: VideoInfo) -> list[str]:
    """Compare what the two say of their colours: VMAF compares samples, whatever they mean."""
    pairs = (
        ("colour range", reference.colour_range.value, distorted.colour_range.value),
        ("colour matrix", reference.colour_matrix.value, distorted.colour_matrix.value),
        ("transfer", reference.transfer, distorted.transfer),
    )
    return [
        f"{name} differs: the reference's is {one}, that of {distorted.path} is {other}; "
        "samples are compared as they are"
        for name, one, other in pairs
        if one != other and None not in {one, other}
    ]


def _high_dynamic_range(reference: VideoInfo, distorted: VideoInfo) -> list[str]:
    """Say so where a video is in HDR, which VMAF's models have not been trained on."""
    kinds = {
        f"{HDR_TRANSFERS[transfer]} ({transfer})": None
        for transfer in (reference.transfer, distorted.transfer)
        if transfer is not None and transfer in HDR_TRANSFERS
    }
    return [
        f"the transfer is {kind}, which is HDR: VMAF's models were trained on SDR, so scores are "
        "comparable at most with those of the same kind"
        for kind in kinds
    ]


def _rate_difference(reference: VideoInfo, distorted: VideoInfo) -> list[str]:
    one, other = reference.frame_rate, distorted.frame_rate
    if not one or not other or not rates_differ(one, other):
        return []
    rates = f"the reference has {float(one):.6g} frames per second, {distorted.path} has"
    return [f"frame rates differ: {rates} {float(other):.6g}; frames are compared by their order"]


def _another_model(reference: VideoInfo, options: ScoreOptions) -> list[str]:
    """Name the model that was trained for this resolution, if the one chosen was for another."""
    name = parse_models(options.model)[0].version
    match = _MODEL.fullmatch(name)
    is_4k = max(reference.width, reference.height) >= _FOUR_K_FROM
    if match is None or is_4k == bool(match["is_4k"]):
        return []
    better = f"vmaf_{match['kind'] or ''}{'4k_' * is_4k}v0.6.1{match['neg'] or ''}"
    own, other = ("1920x1080", "3840x2160") if is_4k else ("3840x2160", "1920x1080")
    hint = f"a model for {own}; --model version={better} is for {other}"
    return [f"{reference.width}x{reference.height} is scored with {name}, {hint}"]
