"""Everything that a score depends on besides its two files, checked before anything is opened."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from roi_accel._util.suggest import no_such
from roi_accel.backends.host import available_cores
from roi_accel.errors import InputError
from roi_accel.inference.batch_size import parse_batch
from roi_accel.inference.network import DEFAULT_SIZE, SaliencySize
from roi_accel.masks.over_time import check_smooth, parse_stride
from roi_accel.parity.gate import DEFAULT_GATE, GATE_MODES
from roi_accel.scorers.options import DEFAULT_MODEL, parse_models
from roi_accel.video.scaling import KERNELS

if TYPE_CHECKING:
    from fractions import Fraction
    from os import PathLike

    from roi_accel.parity.gate import GateMode
    from roi_accel.video import RawGeometry, Rectangle
    from roi_accel.video.scaling import Kernel, TargetSize

DEFAULT_THRESHOLD = 0.3
DEFAULT_FADE = 0.1
DEFAULT_WEIGHT = 0.5
DEFAULT_NETWORK = "center-surround"
AUTO_CROP: Literal["auto"] = "auto"

_USUAL_NETWORK = {
    "saliency_model": DEFAULT_NETWORK,
    "saliency_size": SaliencySize(DEFAULT_SIZE),
    "saliency_stride": 1,
}
NETWORK_OPTIONS = tuple(_USUAL_NETWORK)
"""Options that shape a network's masks."""

OWN_MASKS = ("mask", "roi", "roi_track", "synthetic_mask")
"""Options that say where people look in place of a network."""


@dataclass(frozen=True, kw_only=True)
class ScoreOptions:
    """The options of `score`; the command line's help says what each one means.

    Raises
    ------
    InputError
        A number is not finite or out of range.
    """

    raw: RawGeometry | None = None
    fps: Fraction | None = None
    scale: Kernel | None = None
    scale_to: TargetSize | None = None
    crop: Rectangle | Literal["auto"] | None = None
    frame_skip_ref: int = 0
    frame_skip_dist: int = 0
    start: Fraction | None = None
    duration: Fraction | None = None
    saliency_model: str | PathLike[str] = DEFAULT_NETWORK
    saliency_size: SaliencySize = field(default_factory=lambda: SaliencySize(DEFAULT_SIZE))
    saliency_batch: int | None = None
    saliency_stride: int = 1
    mask: Path | None = None
    roi: tuple[str, ...] = ()
    roi_track: Path | None = None
    synthetic_mask: float | None = None
    mask_smooth: Fraction | None = None
    threshold: float = DEFAULT_THRESHOLD
    fade: float = DEFAULT_FADE
    weight: float = DEFAULT_WEIGHT
    backend: str | None = None
    device: str | None = None
    ep: str | None = None
    strict_ep: bool = False
    gate: GateMode = DEFAULT_GATE
    dump: Path | None = None
    calibration: Path | None = None
    model: tuple[str, ...] = (DEFAULT_MODEL,)
    feature: tuple[str, ...] = ()
    vmaf: str | None = None
    threads: int = field(default_factory=available_cores)
    subsample: int = 1
    frame_count: int | None = None
    shortest: bool = False

    def __post_init__(self) -> None:
        self._check_inputs()
        for name in ("threshold", "fade", "weight"):  # guard: option-range-fade
            value = getattr(self, name)
            if not (math.isfinite(value) and 0.0 <= value <= 1.0):  # guard: option-range
                msg = f"{name} must be a number from 0 to 1, not {value}"
                raise InputError(msg, remedy=f"for example --{name} 0.3")
        if self.saliency_batch is not None:
            parse_batch(self.saliency_batch)
        self._check_over_time()
        self._check_masks()
        for name in ("threads", "subsample", "frame_count"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = "--" + name.replace("_", "-")
                msg = f"{option} must be at least 1, not {value}"
                raise InputError(msg, remedy=f"leave {option} out for its default")
        if self.gate not in GATE_MODES:
            raise no_such(self.gate, GATE_MODES, what="gate")
        for name in ("dump", "calibration"):
            if self.gate == "off" and getattr(self, name) is not None:
                msg = f"--{name} says what to do about differences, but --gate off looks for none"
                raise InputError(msg, remedy=f"leave out --{name} or --gate off")
        if not self.model:
            msg = "no VMAF model is named"
            raise InputError(msg, remedy=f"for example --model {DEFAULT_MODEL}")

    def _check_over_time(self) -> None:
        parse_stride(self.saliency_stride)
        if self.mask_smooth is not None:
            check_smooth(self.mask_smooth)

    def _check_masks(self) -> None:
        """Raise InputError where what shapes a network's mask stands beside another source."""
        shaped = [name for name, usual in _USUAL_NETWORK.items() if getattr(self, name) != usual]
        for option, other in product(map(_typed, shaped), map(_typed, self._own_masks())):
            msg = f"{option} is for a network, and {other} takes its place"
            raise InputError(msg, remedy=f"leave out {option} or {other}")

    @property
    def has_network(self) -> bool:
        """Whether a network finds the masks."""
        return not self._own_masks()

    def _own_masks(self) -> list[str]:
        """Return which of `OWN_MASKS` were given."""
        return [name for name in OWN_MASKS if getattr(self, name) not in (None, ())]

    def files(self) -> list[Path]:
        """Return the files that are read besides the videos, none of which an output may replace.

        Raises
        ------
        InputError
            A VMAF model's options are malformed.
        """
        named = (self.mask, self.roi_track, self.calibration)
        networks = [Path(self.saliency_model)]  # or a name, which is no file
        models = [each.path for each in parse_models(self.model)]
        return networks + [path for path in (*named, *models) if path is not None]

    def _check_inputs(self) -> None:
        for name in ("frame_skip_ref", "frame_skip_dist"):
            if getattr(self, name) < 0:
                option = "--" + name.replace("_", "-")
                msg = f"{option} must be at least 0, not {getattr(self, name)}"
                raise InputError(msg, remedy=f"leave {option} out to skip nothing")
        if self.scale is not None and self.scale not in KERNELS:
            msg = f"--scale is one of {', '.join(KERNELS)}, not {self.scale!r}"
            raise InputError(msg, remedy="for example --scale bicubic")


def _typed(name: str) -> str:
    """Return an option as it is typed."""
    return f"--{name.replace('_', '-')}"
