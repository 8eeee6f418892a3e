"""The options of `parity`: who is compared, and in what."""

from __future__ import annotations

from os import PathLike
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import SkipValidation, ValidationInfo, model_validator

from roi_accel._util.suggest import no_such
from roi_accel.errors import InputError
from roi_accel.options.declaration import Given, Option
from roi_accel.options.score import DEFAULT_NETWORK, Count, File, RawOptions, Texts
from roi_accel.parity.cases import FORMATS
from roi_accel.parity.tolerance import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.parity.tolerance import Stage

FORMAT_NAMES = tuple(each.name for each in FORMATS)
DEFAULT_FRAMES = 10
SALIENCY: Stage = "saliency"

_WHO = "Participants"
_WHAT = "What is compared"


def _names(value: str | Sequence[str]) -> tuple[str, ...]:
    """Return the names of ``a,b``, each once."""
    if not isinstance(value, str):
        return tuple(value)
    names = tuple(dict.fromkeys(part.strip() for part in value.split(",")))
    if not all(names):
        msg = f"{value!r} has an empty name"
        raise InputError(msg, remedy="separate names by single commas")
    return names


Names = Annotated[tuple[str, ...], Given("str | Sequence[str]", _names, is_joined=True)]


class ParityOptions(RawOptions):
    """The options of `parity`, as `Options` takes them."""

    backends: Annotated[
        Names | None,
        Option(
            help="Backends, as 'roi-accel devices' names them.",
            panel=_WHO,
            flags=("--backends", "--backend"),
            metavar="A,B",
            unset="all",
        ),
    ] = None
    devices: Annotated[
        Names,
        Option(
            help="Every device of every backend, or these, such as opencl:0.1.",
            panel=_WHO,
            flags=("--devices", "--device"),
            metavar="all|ID,ID",
            unset="each backend's first",
        ),
    ] = ()
    eps: Annotated[
        Names | None,
        Option(
            help="Execution providers, as --ep of 'score' names them; compared with cpu.",
            panel=_WHO,
            metavar="A,B",
            unset="all of this onnxruntime",
        ),
    ] = None
    fp16: Annotated[bool, Option(help="Also let providers compute in float16.", panel=_WHO)] = False
    require_backend: Annotated[
        Texts, Option(help="Fail if this backend is absent; repeatable.", panel=_WHO)
    ] = ()
    require_ep: Annotated[
        Texts, Option(help="Fail if this provider is absent; repeatable.", panel=_WHO)
    ] = ()
    stages: Annotated[Names, Option(help="Stages to compare.", panel=_WHAT, metavar="A,B")] = STAGES
    formats: Annotated[
        Names,
        Option(
            help="Pixel formats by FFmpeg's names, such as yuv420p10le.",
            panel=_WHAT,
            metavar="A,B",
            unset="all",
        ),
    ] = FORMAT_NAMES
    reference: Annotated[
        File | None,
        Option(
            help="A video of your own, in addition.",
            panel=_WHAT,
            flags=("-r", "--reference"),
            is_file=True,
        ),
    ] = None
    distorted: Annotated[
        File | None,
        Option(
            help="Its distorted version.", panel=_WHAT, flags=("-d", "--distorted"), is_file=True
        ),
    ] = None
    frames: Annotated[Count, Option(help="How many frames of it.", panel=_WHAT)] = DEFAULT_FRAMES
    saliency_model: Annotated[
        Annotated[str | PathLike[str], SkipValidation, Given("AnyPath", lambda path: path)],
        Option(help="The network of the stage saliency.", panel=_WHAT),
    ] = DEFAULT_NETWORK
    vmaf: Annotated[
        str | None,
        Option(help="A vmaf or ffmpeg executable.", panel=_WHAT, unset="the first found"),
    ] = None
    calibration: Annotated[
        File | None,
        Option(
            help="Tolerances measured for single devices.",
            panel=_WHAT,
            metavar="TOML",
            is_file=True,
        ),
    ] = None

    @property
    def backend_stages(self) -> list[Stage]:
        """The stages to compare that backends compute, or that score what they computed."""
        return [stage for stage in STAGES if stage in self.stages and stage != SALIENCY]

    @model_validator(mode="after")
    def _check(self, info: ValidationInfo) -> Self:
        context: Any = info.context
        spell = context.caller.spell
        for names, known, what in (
            (self.stages, STAGES, "stage"),
            (self.formats, FORMAT_NAMES, "pixel format"),
        ):
            for name in names:
                if name not in known:
                    raise no_such(name, known, what=what)
        if (self.reference is None) != (self.distorted is None):
            msg = f"a pair of videos takes both {spell('reference')} and {spell('distorted')}"
            raise InputError(msg, remedy="name both, or neither")
        if self.require_backend and not self.backend_stages:
            msg = f"{spell('require_backend')} needs a stage that backends compute"
            raise InputError(msg, remedy=f"add one to {spell('stages')}, such as substitute")
        if self.require_ep and SALIENCY not in self.stages:
            msg = f"{spell('require_ep')} needs the stage saliency"
            raise InputError(msg, remedy=f"add saliency to {spell('stages')}")
        return self
