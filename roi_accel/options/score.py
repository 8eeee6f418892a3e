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

from roi_accel.backends.host import available_cores
from roi_accel.devices.dispatch import AUTO, BACKENDS, backend_names
from roi_accel.errors import InputError
from roi_accel.inference.batch_size import AUTO_BATCH, MAX_BATCH, parse_batch
from roi_accel.inference.models import KNOWN_MODELS
from roi_accel.inference.network import DEFAULT_SIZE, SaliencySize
from roi_accel.inference.providers import SHORT_NAMES
from roi_accel.masks.over_time import MAX_SMOOTH, MAX_STRIDE
from roi_accel.options.declaration import Given, Option, Options, declared
from roi_accel.options.raw import raw_geometry
from roi_accel.parity.gate import DEFAULT_GATE, GateMode
from roi_accel.scorers.options import DEFAULT_MODEL, parse_models
from roi_accel.video import RawGeometry, Rectangle
from roi_accel.video.info import PIXEL_FORMATS
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


class RawOptions(Options):
    """What raw video does not say of itself."""

    width: Annotated[
        int | None,
        Option(help="Width of raw input, in pixels.", panel=_RAW, flags=("-w", "--width")),
    ] = None
    height: Annotated[int | None, Option(help="Height of raw input, in pixels.", panel=_RAW)] = None
    pixel_format: Annotated[
        Annotated[str, Given("int | str", str)] | None,
        Option(
            help="Subsampling of raw input: 420, 422 or 444.",
            panel=_RAW,
            flags=("-p", "--pixel-format"),
        ),
    ] = None
    bitdepth: Annotated[
        int | None,
        Option(
            help="Bit depth of raw input: 8, 10, 12 or 16.", panel=_RAW, flags=("-b", "--bitdepth")
        ),
    ] = None
    pix_fmt: Annotated[
        str | None,
        Option(
            help="Format and bit depth of raw input at once, such as yuv420p10le.",
            panel=_RAW,
            complete=lambda: [each.name for each in PIXEL_FORMATS],
        ),
    ] = None
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

    fps: Annotated[
        Annotated[Fraction, Given(_TIME, parse_rate), PlainSerializer(str)] | None,
        Option(
            help="Frames per second of raw input, such as 25 or 30000/1001; needed where an option "
            "is in seconds.",
            panel=_RAW,
            recorded="fps",
        ),
    ] = None
    scale: Annotated[
        Kernel | None,
        Option(
            help="Scale the distorted video to the reference's size with this kernel; also the "
            "kernel of scaling both.",
            panel=_FRAMES,
            unset="no scaling",
            recorded="scale",
        ),
    ] = None
    scale_to: Annotated[
        Annotated[
            TargetSize,
            Given("str", TargetSize.parse),
            PlainSerializer(lambda size: size.text, str),
        ]
        | None,
        Option(
            help="Scale both videos to a size, such as 1280x720, or to fit a name, such as 1080p.",
            panel=_FRAMES,
            metavar="1080p|WxH",
            recorded="scale_to",
        ),
    ] = None
    crop: Annotated[
        Annotated[Rectangle | Literal["auto"], Given("str", _crop), PlainSerializer(str)] | None,
        Option(
            help="Crop both videos after scaling: 'auto' removes the reference's black bars, "
            "W:H:X:Y keeps that rectangle, in pixels. Masks still refer to the whole frame.",
            panel=_FRAMES,
            metavar="auto|W:H:X:Y",
            recorded="crop",
        ),
    ] = None
    frame_skip_ref: Annotated[
        Whole,
        Option(
            help="Skip the reference's first N frames.",
            panel=_FRAMES,
            metavar="N",
            recorded="frame_skip_ref",
        ),
    ] = 0
    frame_skip_dist: Annotated[
        Whole,
        Option(
            help="Skip the first N frames of every distorted video.",
            panel=_FRAMES,
            metavar="N",
            concerns="distorted",
            recorded="frame_skip_dist",
        ),
    ] = 0
    start: Annotated[
        Seconds | None,
        Option(
            help="Start this many seconds into both videos, after the skipped frames.",
            panel=_FRAMES,
            metavar="SECONDS",
            recorded="start",
        ),
    ] = None
    duration: Annotated[
        Seconds | None,
        Option(
            help="Length to score, in seconds.",
            panel=_FRAMES,
            metavar="SECONDS",
            recorded="duration",
        ),
    ] = None
    frame_count: Annotated[
        Count | None,
        Option(help="Stop after this many frames.", panel=_FRAMES, recorded="frame_count"),
    ] = None
    shortest: Annotated[
        bool,
        Option(
            help="Score the common part of videos of unequal length, which is an error otherwise.",
            panel=_FRAMES,
            concerns="distorted",
            recorded="shortest",
        ),
    ] = False
    saliency_model: Annotated[
        Annotated[str | PathLike[str], SkipValidation, Given("AnyPath", lambda path: path)],
        Option(
            help="The saliency network: a name that 'roi-accel models list' shows, or an ONNX "
            "file.",
            panel=_MASK,
            complete=lambda: [model.name for model in KNOWN_MODELS],
            role="network",
        ),
    ] = DEFAULT_NETWORK
    saliency_size: Annotated[
        Annotated[SaliencySize, Given("int | str", SaliencySize.parse), PlainSerializer(str)],
        Option(
            help="The network's long side in pixels, aspect kept; or 'native'.",
            panel=_MASK,
            role="network",
        ),
    ] = SaliencySize(DEFAULT_SIZE)
    saliency_batch: Annotated[
        Annotated[int | None, Given("int | str", parse_batch)],
        Option(
            help=f"Maximum inference batch size, from 1 to {MAX_BATCH}, or '{AUTO_BATCH}'; masks "
            "do not depend on it.",
            panel=_MASK,
            metavar="N",
            unset=AUTO_BATCH,
            changes_scores=False,
        ),
    ] = None
    saliency_stride: Annotated[
        Annotated[int, Field(ge=1, le=MAX_STRIDE)],
        Option(
            help="Run the network on every N-th frame and the last; masks between are "
            f"interpolated, up to {MAX_STRIDE} frames apart.",
            panel=_MASK,
            metavar="N",
            role="network",
            recorded="saliency_stride",
        ),
    ] = 1
    mask: Annotated[
        File | None,
        Option(
            help="Instead of a network: a gray picture, a video of masks, or an array of them "
            "(.npz).",
            panel=_MASK,
            role="own masks",
            is_file=True,
            remedy="name a picture, a video of masks or an archive of them; an array becomes one "
            'with numpy.savez_compressed("masks.npz", masks=ARRAY), uint16[frames, height, width]',
        ),
    ] = None
    roi: Annotated[
        Texts,
        Option(
            help="Instead of a network: a box in pixels from the top left; repeatable. Named boxes "
            "are also scored one by one.",
            panel=_MASK,
            metavar="[NAME=]X,Y,W,H",
            role="own masks",
        ),
    ] = ()
    roi_track: Annotated[
        File | None,
        Option(
            help="Instead of a network: a CSV or JSON file of boxes per frame.",
            panel=_MASK,
            role="own masks",
            is_file=True,
        ),
    ] = None
    # guard: mask-fill-range
    synthetic_mask: Annotated[
        Share | None,
        Option(
            help="Instead of a network: the same saliency everywhere, from 0 to 1.",
            panel=_MASK,
            metavar="FILL",
            role="own masks",
        ),
    ] = None
    mask_smooth: Annotated[
        Annotated[
            Fraction,
            Given(_TIME, _smooth),
            PlainSerializer(float, Annotated[float, Field(ge=0, le=float(MAX_SMOOTH))]),
        ]
        | None,
        Option(
            help="Smooth masks over time with this time constant in seconds, up to "
            f"{MAX_SMOOTH}; raw input needs its frame rate.",
            panel=_MASK,
            metavar="SECONDS",
            recorded="mask_smooth",
        ),
    ] = None
    threshold: Annotated[
        Share,
        Option(
            help="Saliency up to which a pixel is replaced by the reference's, from 0 to 1.",
            panel=_BLEND,
            recorded="threshold",
        ),
    ] = DEFAULT_THRESHOLD
    # guard: option-range-fade
    fade: Annotated[
        Share,
        Option(
            help="Width of the ramp above the threshold, from 0 to 1; 0 is a step.",
            panel=_BLEND,
            recorded="fade",
        ),
    ] = 0.1
    weight: Annotated[
        Share,
        Option(
            help="Share of the masked score in vmaf_roi, from 0 to 1.",
            panel=_BLEND,
            concerns="vmaf",
            recorded="weight",
        ),
    ] = 0.5
    model: Annotated[
        Texts,
        Option(
            help="VMAF model in libvmaf's syntax: version=, path=, name=; repeatable, the first is "
            "blended.",
            panel=_COMPUTE,
            flags=("-m", "--model"),
            concerns="vmaf",
            recorded="models",
        ),
    ] = (DEFAULT_MODEL,)
    feature: Annotated[
        Texts,
        Option(
            help="An additional libvmaf feature, such as psnr; repeatable.",
            panel=_COMPUTE,
            concerns="vmaf",
            recorded="features",
        ),
    ] = ()
    vmaf: Annotated[
        Annotated[str, Given("AnyPath", fspath)] | None,
        Option(
            help="A vmaf or ffmpeg executable.",
            panel=_COMPUTE,
            unset="the first found",
            concerns="vmaf",
            changes_scores=False,  # A batch knows it by what it says of itself.
        ),
    ] = None
    backend: Annotated[
        str | None,
        Option(
            help=f"{AUTO} or one of {', '.join(BACKENDS)}; all give the same result. See "
            "'roi-accel devices'.",
            panel=_COMPUTE,
            unset=f"ROI_ACCEL_BACKEND, else {AUTO}",
            complete=lambda: [AUTO, *backend_names()],
        ),
    ] = None
    device: Annotated[
        str | None,
        Option(
            help="A device that 'roi-accel devices' shows, such as cuda:1 or opencl:intel.",
            panel=_COMPUTE,
            unset="the backend's first",
        ),
    ] = None
    ep: Annotated[
        str | None,
        Option(
            help="ONNX Runtime's execution provider for the network: cpu, cuda:1, openvino:GPU, "
            "plugin:NAME=LIBRARY, ...",
            panel=_COMPUTE,
            unset="matches the device",
            complete=lambda: list(SHORT_NAMES),
        ),
    ] = None
    strict_ep: Annotated[
        bool,
        Option(
            help="Fail if another provider runs the network, or part of it; otherwise a warning.",
            panel=_COMPUTE,
        ),
    ] = False
    gate: Annotated[
        GateMode,
        Option(
            help="Frames to verify against the reference backend before scoring. 'off' also skips "
            "the self-test.",
            panel=_COMPUTE,
        ),
    ] = DEFAULT_GATE
    dump: Annotated[
        File | None,
        Option(
            help="Folder for the arrays (.npz) if the gate finds a difference.",
            panel=_COMPUTE,
            metavar="FOLDER",
            changes_scores=False,
        ),
    ] = None
    calibration: Annotated[
        File | None,
        Option(
            help="Tolerances of the network's map, per device.",
            panel=_COMPUTE,
            metavar="TOML",
            is_file=True,
        ),
    ] = None
    threads: Annotated[
        Count,
        Option(
            help="Threads for decoding, inference and libvmaf.",
            panel=_COMPUTE,
            unset="all cores",
            changes_scores=False,
        ),
    ] = Field(default_factory=available_cores)
    subsample: Annotated[
        Count,
        Option(
            help="Score every N-th frame.",
            panel=_COMPUTE,
            metavar="N",
            concerns="vmaf",
            recorded="subsample",
        ),
    ] = 1

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
            raise InputError(msg, remedy=f"for example {spell('model')} {DEFAULT_MODEL}")
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
        keys = {
            name: each.option.recorded
            for name, each in declared(type(self)).items()
            if each.option.recorded
        }
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
