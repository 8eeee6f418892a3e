"""The options of `parity`: who is compared, and in what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import ValidationInfo, model_validator

from roi_accel._util.suggest import no_such
from roi_accel.backends.frame import PIXEL_FORMATS
from roi_accel.errors import InputError
from roi_accel.options.declaration import Given, option
from roi_accel.options.score import DEFAULT_NETWORK, Count, File, Network, RawOptions, Texts
from roi_accel.parity.calibration import STAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.parity.calibration import Stage

FORMAT_NAMES = tuple(each.name for each in PIXEL_FORMATS)
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

    backends: Names | None = option(
        None,
        "Backends, as 'roi-accel devices' names them.",
        _WHO,
        flags=("--backends", "--backend"),
        metavar="A,B",
        unset="all",
    )
    devices: Names = option(
        (),
        "Every device of every backend, or these, such as opencl:0.1.",
        _WHO,
        flags=("--devices", "--device"),
        metavar="all|ID,ID",
        unset="each backend's first",
    )
    eps: Names | None = option(
        None,
        "Execution providers, as --ep of 'score' names them; compared with cpu.",
        _WHO,
        metavar="A,B",
        unset="all of this onnxruntime",
    )
    fp16: bool = option(False, "Also let providers compute in float16.", _WHO)
    require_backend: Texts = option((), "Fail if this backend is absent; repeatable.", _WHO)
    require_ep: Texts = option((), "Fail if this provider is absent; repeatable.", _WHO)
    stages: Names = option(STAGES, "Stages to compare.", _WHAT, metavar="A,B")
    formats: Names = option(
        FORMAT_NAMES,
        "Pixel formats by FFmpeg's names, such as yuv420p10le.",
        _WHAT,
        metavar="A,B",
        unset="all",
    )
    reference: File | None = option(
        None, "A video of your own, in addition.", _WHAT, flags=("-r", "--reference"), is_file=True
    )
    distorted: File | None = option(
        None, "Its distorted version.", _WHAT, flags=("-d", "--distorted"), is_file=True
    )
    frames: Count = option(DEFAULT_FRAMES, "How many frames of it.", _WHAT)
    saliency_model: Network = option(DEFAULT_NETWORK, "The network of the stage saliency.", _WHAT)
    vmaf: str | None = option(
        None,
        "A vmaf or ffmpeg executable, or the name of an installed scorer.",
        _WHAT,
        unset="the first found",
    )
    calibration: File | None = option(
        None, "Tolerances measured for single devices.", _WHAT, metavar="TOML", is_file=True
    )

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
