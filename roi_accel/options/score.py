"""The options of `score`, each declared once; `mask`, `batch` and Python take them from here."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from os import PathLike, fspath
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PlainSerializer,
    PrivateAttr,
    SkipValidation,
    ValidationInfo,
    model_validator,
)

from roi_accel.backends.frame import PIXEL_FORMATS
from roi_accel.backends.host import available_cores
from roi_accel.devices.dispatch import AUTO, BACKENDS, backend_names
from roi_accel.errors import InputError
from roi_accel.inference.models import KNOWN_MODELS
from roi_accel.inference.network import (
    AUTO_BATCH,
    DEFAULT_SIZE,
    MAX_BATCH,
    SaliencySize,
    parse_batch,
)
from roi_accel.inference.providers import SHORT_NAMES
from roi_accel.masks.over_time import MAX_SMOOTH, MAX_STRIDE
from roi_accel.options.declaration import Given, Options, declared, option
from roi_accel.options.raw import raw_geometry
from roi_accel.parity.gate import DEFAULT_GATE, GateMode
from roi_accel.scorers.options import DEFAULT_MODEL, parse_models
from roi_accel.video import RawGeometry, Rectangle
from roi_accel.video.scaling import Kernel, TargetSize
from roi_accel.video.time_range import parse_rate, parse_seconds

DEFAULT_THRESHOLD = 0.3
DEFAULT_NETWORK = "center-surround"
AUTO_CROP: Literal["auto"] = "auto"

_RAW = "Raw input"
_FRAMES = "Frame selection"
_MASK = "Mask"
_BLEND = "Blending"
_COMPUTE = "Compute"


def _crop(text: str) -> Rectangle | str:
    return text if text == AUTO_CROP else Rectangle.parse(text)


def _texts(value: str | list[str] | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _smooth(value: str | float | Fraction) -> Fraction:
    seconds = parse_seconds(value)
    if seconds > MAX_SMOOTH:
        msg = f"at most {MAX_SMOOTH} seconds are allowed, not {float(seconds):g}"
        raise InputError(msg, remedy="it is a time constant; try 0.5")
    return seconds


_TIME = "float | str | Fraction"
File = Annotated[Path, Given("AnyPath", Path)]
Texts = Annotated[tuple[str, ...], Given("str | Sequence[str]", _texts)]
Seconds = Annotated[
    Fraction, Given(_TIME, parse_seconds), PlainSerializer(float, Annotated[float, Field(ge=0)])
]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]  # guard: option-range
Whole = Annotated[int, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Subsampling = Annotated[str, Given("int | str", str)]
Rate = Annotated[Fraction, Given(_TIME, parse_rate), PlainSerializer(str)]
TimeConstant = Annotated[
    Fraction,
    Given(_TIME, _smooth),
    PlainSerializer(float, Annotated[float, Field(ge=0, le=float(MAX_SMOOTH))]),
]
Target = Annotated[
    TargetSize, Given("str", TargetSize.parse), PlainSerializer(lambda size: size.text, str)
]
Crop = Annotated[Rectangle | Literal["auto"], Given("str", _crop), PlainSerializer(str)]
Network = Annotated[str | PathLike[str], SkipValidation, Given("AnyPath", lambda path: path)]
LongSide = Annotated[SaliencySize, Given("int | str", SaliencySize.parse), PlainSerializer(str)]
BatchSize = Annotated[int | None, Given("int | str", parse_batch)]
Executable = Annotated[str, Given("AnyPath", fspath)]


class RawOptions(Options):
    """What raw video does not declare."""

    width: int | None = option(
        None,
        "Width of raw input, in pixels.",
        _RAW,
        flags=("-w", "--width"),
        remedy="-w is the width of raw input, and not --weight",
    )
    height: int | None = option(None, "Height of raw input, in pixels.", _RAW)
    pixel_format: Subsampling | None = option(
        None, "Subsampling of raw input: 420, 422 or 444.", _RAW, flags=("-p", "--pixel-format")
    )
    bitdepth: int | None = option(
        None, "Bit depth of raw input: 8, 10, 12 or 16.", _RAW, flags=("-b", "--bitdepth")
    )
    pix_fmt: str | None = option(
        None,
        "Format and bit depth of raw input at once, such as yuv420p10le.",
        _RAW,
        complete=lambda: [each.name for each in PIXEL_FORMATS],
    )
    _raw: RawGeometry | None = PrivateAttr(None)

    @property
    def raw(self) -> RawGeometry | None:
        """The geometry of raw input, None for any other."""
        return self._raw

    @model_validator(mode="after")
    def _check_raw(self, info: ValidationInfo) -> Self:
        context: Any = info.context
        parts = {name: getattr(self, name) for name in RawOptions.model_fields}
        self._raw = raw_geometry(**parts, caller=context.caller, videos=context.videos)
        return self


class ScoreOptions(RawOptions):
    """The options of `score`, as `Options` takes them."""

    fps: Rate | None = option(
        None,
        "Frames per second of raw input, such as 25 or 30000/1001; needed where an option is in "
        "seconds.",
        _RAW,
        recorded=True,
    )
    scale: Kernel | None = option(
        None,
        "Scale the distorted video to the reference's size with this kernel; also the kernel of "
        "scaling both.",
        _FRAMES,
        unset="no scaling",
        recorded=True,
    )
    scale_to: Target | None = option(
        None,
        "Scale both videos to a size, such as 1280x720, or to fit a name, such as 1080p.",
        _FRAMES,
        metavar="1080p|WxH",
        recorded=True,
    )
    crop: Crop | None = option(
        None,
        "Crop both videos after scaling: 'auto' removes the reference's black bars, W:H:X:Y "
        "keeps that rectangle, in pixels. Masks still refer to the whole frame.",
        _FRAMES,
        metavar="auto|W:H:X:Y",
        recorded=True,
    )
    frame_skip_ref: Whole = option(
        0, "Skip the reference's first N frames.", _FRAMES, metavar="N", recorded=True
    )
    frame_skip_dist: Whole = option(
        0,
        "Skip the first N frames of every distorted video.",
        _FRAMES,
        metavar="N",
        concerns="distorted",
        recorded=True,
    )
    start: Seconds | None = option(
        None,
        "Start this many seconds into both videos, after the skipped frames.",
        _FRAMES,
        metavar="SECONDS",
        recorded=True,
    )
    duration: Seconds | None = option(
        None, "Length to score, in seconds.", _FRAMES, metavar="SECONDS", recorded=True
    )
    frame_count: Count | None = option(None, "Stop after this many frames.", _FRAMES, recorded=True)
    shortest: bool = option(
        False,
        "Score the common part of videos of unequal length, which is an error otherwise.",
        _FRAMES,
        concerns="distorted",
        recorded=True,
    )
    saliency_model: Network = option(
        DEFAULT_NETWORK,
        "The saliency network: a name that 'roi-accel models list' shows, or an ONNX file.",
        _MASK,
        complete=lambda: [model.name for model in KNOWN_MODELS],
        role="network",
    )
    saliency_size: LongSide = option(
        SaliencySize(DEFAULT_SIZE),
        "The network's long side in pixels, aspect kept; or 'native'.",
        _MASK,
        role="network",
    )
    saliency_batch: BatchSize = option(
        None,
        f"Maximum inference batch size, from 1 to {MAX_BATCH}, or '{AUTO_BATCH}'; masks do not "
        "depend on it.",
        _MASK,
        metavar="N",
        unset=AUTO_BATCH,
        changes_scores=False,
    )
    saliency_stride: Annotated[int, Field(ge=1, le=MAX_STRIDE)] = option(
        1,
        "Run the network on every N-th frame and the last; masks between are "
        f"interpolated, up to {MAX_STRIDE} frames apart.",
        _MASK,
        metavar="N",
        role="network",
        recorded=True,
    )
    mask: File | None = option(
        None,
        "Instead of a network: a gray picture, a video of masks, or an array of them (.npz).",
        _MASK,
        role="own masks",
        is_file=True,
        remedy="name a picture, a video of masks or an archive of them; an array becomes one "
        'with numpy.savez_compressed("masks.npz", masks=ARRAY), uint16[frames, height, width]',
    )
    roi: Texts = option(
        (),
        "Instead of a network: a box in pixels from the top left; repeatable. Named boxes are "
        "also scored one by one.",
        _MASK,
        metavar="[NAME=]X,Y,W,H",
        role="own masks",
    )
    roi_track: File | None = option(
        None,
        "Instead of a network: a CSV or JSON file of boxes per frame.",
        _MASK,
        role="own masks",
        is_file=True,
    )
    # guard: mask-fill-range
    synthetic_mask: Share | None = option(
        None,
        "Instead of a network: the same saliency everywhere, from 0 to 1.",
        _MASK,
        metavar="FILL",
        role="own masks",
    )
    mask_smooth: TimeConstant | None = option(
        None,
        "Smooth masks over time with this time constant in seconds, up to "
        f"{MAX_SMOOTH}; raw input needs its frame rate.",
        _MASK,
        metavar="SECONDS",
        recorded=True,
    )
    threshold: Share = option(
        DEFAULT_THRESHOLD,
        "Saliency up to which a pixel is replaced by the reference's, from 0 to 1.",
        _BLEND,
        recorded=True,
    )
    # guard: option-range-fade
    fade: Share = option(
        0.1,
        "Width of the ramp above the threshold, from 0 to 1; 0 is a step.",
        _BLEND,
        recorded=True,
    )
    weight: Share = option(
        0.5,
        "Share of the masked score in vmaf_roi, from 0 to 1.",
        _BLEND,
        concerns="vmaf",
        recorded=True,
    )
    model: Texts = option(
        (DEFAULT_MODEL,),
        "VMAF model in libvmaf's syntax: version=, path=, name=; repeatable, the first is blended.",
        _COMPUTE,
        flags=("-m", "--model"),
        concerns="vmaf",
        recorded="models",
    )
    feature: Texts = option(
        (),
        "An additional libvmaf feature, such as psnr; repeatable.",
        _COMPUTE,
        concerns="vmaf",
        recorded="features",
    )
    vmaf: Executable | None = option(
        None,
        "A vmaf or ffmpeg executable, or the name of an installed scorer.",
        _COMPUTE,
        unset="the first found",
        concerns="vmaf",
        changes_scores=False,
    )
    backend: str | None = option(
        None,
        f"{AUTO} or one of {', '.join(BACKENDS)}; all give the same result. See 'roi-accel "
        "devices'.",
        _COMPUTE,
        unset=f"ROI_ACCEL_BACKEND, else {AUTO}",
        complete=lambda: [AUTO, *backend_names()],
    )
    device: str | None = option(
        None,
        "A device that 'roi-accel devices' shows, such as cuda:1 or opencl:intel.",
        _COMPUTE,
        unset="the backend's first",
    )
    ep: str | None = option(
        None,
        "ONNX Runtime's execution provider for the network: cpu, cuda:1, openvino:GPU, "
        "plugin:NAME=LIBRARY, ...",
        _COMPUTE,
        unset="matches the device",
        complete=lambda: list(SHORT_NAMES),
    )
    strict_ep: bool = option(
        False,
        "Fail if another provider runs the network, or part of it; otherwise a warning.",
        _COMPUTE,
    )
    gate: GateMode = option(
        DEFAULT_GATE,
        "Frames to verify against the reference backend before scoring. 'off' also skips the "
        "self-test.",
        _COMPUTE,
    )
    dump: File | None = option(
        None,
        "Folder for the arrays (.npz) if the gate finds a difference.",
        _COMPUTE,
        metavar="FOLDER",
        changes_scores=False,
    )
    calibration: File | None = option(
        None, "Tolerances of the network's map, per device.", _COMPUTE, metavar="TOML", is_file=True
    )
    threads: Count = option(
        None,
        "Threads for decoding, inference and libvmaf.",
        _COMPUTE,
        unset="all cores",
        changes_scores=False,
        factory=available_cores,
    )
    subsample: Count = option(
        1, "Score every N-th frame.", _COMPUTE, metavar="N", concerns="vmaf", recorded=True
    )

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        """Refuse options that contradict each other."""
        context: Any = info.context
        spell = context.caller.spell
        options, own = declared(type(self)), [spell(name) for name in self._own_masks()]
        if len(own) > 1:
            msg = f"{' and '.join(own)} were given; a mask has one source"
            raise InputError(msg, remedy="keep one of them")
        shaped = [name for name in NETWORK_OPTIONS if getattr(self, name) != options[name].default]
        for name, other in product(map(spell, shaped), own):
            msg = f"{name} is for a network, and {other} takes its place"
            raise InputError(msg, remedy=f"leave out {name} or {other}")
        for name in ("dump", "calibration"):
            if self.gate == "off" and getattr(self, name) is not None:
                option, gate = spell(name), spell("gate")
                msg = f"{option} is about differences, but {gate} off looks for none"
                raise InputError(msg, remedy=f"leave out {option} or {gate} off")
        if not self.model:
            msg = "no VMAF model is named"
            raise InputError(msg, remedy=f"leave out {spell('model')} for {DEFAULT_MODEL}")
        return self

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
        named = [getattr(self, name) for name in FILE_OPTIONS]
        named += [Path(self.saliency_model)]  # or a name, which is not a file
        named += [model.path for model in parse_models(self.model)]
        return [path for path in named if path is not None]

    def recorded(self) -> dict[str, Any]:
        """Return what a result's provenance has as ``parameters``: what decides the score."""
        options = declared(type(self))
        keys = {name: each.recorded for name, each in options.items() if each.recorded}
        found = self.model_dump(mode="json", include=set(keys))
        return {key: found[name] for name, key in keys.items()}


def _names(**wanted: object) -> tuple[str, ...]:
    """Return the options that say `wanted` of themselves."""
    return tuple(
        name
        for name, each in declared(ScoreOptions).items()
        if all(getattr(each.option, key) == value for key, value in wanted.items())
    )


NETWORK_OPTIONS = _names(role="network")
"""Options that shape a network's masks."""

OWN_MASKS = _names(role="own masks")
"""Options that say where people look in place of a network."""

FILE_OPTIONS = _names(is_file=True)
"""Options that name a file that is read, and that may be a URL in a manifest."""

PATH_OPTIONS = tuple(name for name, each in declared(ScoreOptions).items() if each.kept_as is Path)
"""Options that are paths."""
