"""Types of the keywords of `score` and `mask`; see scripts/write_reference.py."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from os import PathLike
from typing import Literal, TypedDict

AnyPath = str | PathLike[str]
Progress = Callable[[int, int | None], None]


class SharedKeywords(TypedDict, total=False):
    """Keywords that `score` and `mask` have in common; each may be left out, or be None."""

    overwrite: bool | None
    progress: Progress | None
    width: int | None
    height: int | None
    pixel_format: int | str | None
    bitdepth: int | None
    pix_fmt: str | None
    fps: float | str | Fraction | None
    scale: Literal["bicubic", "bilinear", "lanczos"] | None
    scale_to: str | None
    crop: str | None
    frame_skip_ref: int | None
    start: float | str | Fraction | None
    duration: float | str | Fraction | None
    frame_count: int | None
    saliency_model: AnyPath | None
    saliency_size: int | str | None
    saliency_batch: int | str | None
    saliency_stride: int | None
    mask: AnyPath | None
    roi: str | Sequence[str] | None
    roi_track: AnyPath | None
    synthetic_mask: float | None
    mask_smooth: float | str | Fraction | None
    threshold: float | None
    fade: float | None
    backend: str | None
    device: str | None
    ep: str | None
    strict_ep: bool | None
    gate: Literal["first", "sample", "all", "off"] | None
    dump: AnyPath | None
    calibration: AnyPath | None
    threads: int | None


class ScoreKeywords(SharedKeywords, total=False):
    """Keywords that `score` takes; each may be left out, or be None."""

    frame_skip_dist: int | None
    shortest: bool | None
    weight: float | None
    model: str | Sequence[str] | None
    feature: str | Sequence[str] | None
    vmaf: AnyPath | None
    subsample: int | None
    html: AnyPath | None


class MaskKeywords(SharedKeywords, total=False):
    """Keywords that `mask` takes; each may be left out, or be None."""

    frame: int | None
    sheet: int | str | None
