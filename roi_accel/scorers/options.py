"""libvmaf's own option syntax: which models and features to compute, checked before anything runs.

Users write what the `vmaf` command line takes. A model file given by path is copied into the
scorer's working folder under a safe name, so that no user's path is ever part of a command line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.suggest import did_you_mean
from roi_accel._util.text import printable
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

DEFAULT_MODEL = "version=vmaf_v0.6.1"
FIRST_NAME = "vmaf"
"""What the scores of the first model are called."""

# Names to guess from where libvmaf does not know one. Never asked whether a name may be used: a
# scorer of another version knows others.
_MODELS: tuple[str, ...] = (
    *("vmaf_v0.6.1", "vmaf_v0.6.1neg", "vmaf_b_v0.6.3", "vmaf_4k_v0.6.1", "vmaf_4k_v0.6.1neg"),
    *("vmaf_float_v0.6.1", "vmaf_float_v0.6.1neg", "vmaf_float_b_v0.6.3", "vmaf_float_4k_v0.6.1"),
    *("vmaf_v1.0.16_1d5h_2160", "vmaf_v1.0.16_3d0h", "vmaf_v1.0.16_3d0h_2160"),
    *("vmaf_v1.0.16_5d0h", "vmaf_v1.0.16_hfr_1d5h_2160", "vmaf_v1.0.16_hfr_3d0h"),
    *("vmaf_v1.0.16_hfr_3d0h_2160", "vmaf_v1.0.16_hfr_5d0h"),
)
"""Built-in models of the libvmaf in imageio-ffmpeg's ffmpeg."""

_FEATURES: tuple[str, ...] = (
    *("adm", "cambi", "ciede", "float_adm", "float_ansnr", "float_moment", "float_motion"),
    *("float_ms_ssim", "float_psnr", "float_ssim", "float_vif", "motion", "psnr", "psnr_hvs"),
    "vif",
)
"""Its feature extractors (libvmaf/src/feature/feature_extractor.c)."""

_PAIRS_REMEDY = r"options are written key=value and joined by ':'; a ':' in a path is written '\:'"
_PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class VmafModel:
    """One VMAF model: a `version` built into libvmaf or a JSON file, and its options.

    `name` is the key of the model's scores in VMAF's log; the version is empty for a file. An
    option is such as ``("enable_transform", "true")`` or ``("motion.motion_force_zero", "true")``.
    """

    name: str
    version: str
    path: Path | None
    options: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return self.version or str(self.path)

    def argument(self, model_file: str) -> str:
        """Return the value of the `vmaf` tool's ``--model``; a file is called `model_file`."""
        source = ("version", self.version) if self.version else ("path", model_file)
        return _joined((source, ("name", self.name), *self.options))


@dataclass(frozen=True)
class VmafFeature:
    """An additional libvmaf feature, such as ``psnr`` with ``enable_chroma=true``."""

    name: str
    options: tuple[tuple[str, str], ...]

    @property
    def argument(self) -> str:
        """The value of the `vmaf` tool's ``--feature``."""
        return f"{self.name}={_joined(self.options)}" if self.options else self.name

    @property
    def filter_argument(self) -> str:
        """The same as FFmpeg's filter takes it."""
        return _joined((("name", self.name), *self.options))


def parse_models(texts: tuple[str, ...]) -> tuple[VmafModel, ...]:
    """Return the models of ``--model`` options; the first one is scored, all are reported.

    The first model's scores are called ``vmaf`` unless it has a ``name=``; further ones are called
    after their version or file. InputError if an option is malformed, names no model, or two models
    have one name.
    """
    models = tuple(_parse_model(text, first=number == 0) for number, text in enumerate(texts))
    names = [model.name for model in models]
    if FIRST_NAME in names[1:]:
        # The first model's scores have this name in the result, whatever it is called in the log.
        msg = f"only the first model can be called {FIRST_NAME!r}"
        raise InputError(msg, remedy="give the other one another name with name=...")
    for name in names:
        if names.count(name) > 1:
            msg = f"two models are called {name!r}"
            raise InputError(msg, remedy="give one of them another name with name=...")
    return models


def _parse_model(text: str, *, first: bool) -> VmafModel:
    what = f"model {text!r}"
    if _PLAIN.fullmatch(text):
        msg = f"{what} does not say whether it is a built-in version or a file"
        raise InputError(msg, remedy=f"--model version={text}, or --model path={text}")
    options = _pairs(text, what, bare_keys=("disable_clip", "enable_transform"))
    version = options.pop("version", "")
    path = Path(options.pop("path")) if "path" in options else None
    if bool(version) == bool(path):
        msg = f"{what} must say either version= or path="
        raise InputError(msg, remedy="for example --model version=vmaf_v0.6.1")
    if path is not None and not path.is_file():
        msg = f"{what}: there is no file {printable(path)}"
        raise InputError(msg, remedy="check the path, or use version= for a built-in model")
    default_name = FIRST_NAME if first else version or (path.stem if path else "")
    name = options.pop("name", default_name)
    plain = [value for value in (name, version, *options, *options.values()) if value]
    _check_plain(plain, what, remedy="give the model a plain name with name=...")
    return VmafModel(name, version, path, tuple(options.items()))


def parse_features(texts: tuple[str, ...]) -> tuple[VmafFeature, ...]:
    """Return the features of ``--feature`` options, such as ``psnr=enable_chroma=true``."""
    features = []
    for text in texts:
        what = f"feature {text!r}"
        name, _, rest = text.partition("=")
        options = _pairs(rest, what) if rest else {}
        remedy = "for example --feature psnr=enable_chroma=true"
        _check_plain((name, *options, *options.values()), what, remedy=remedy)
        features.append(VmafFeature(name, tuple(options.items())))
    return tuple(features)


def _check_plain(values: Iterable[str], what: str, *, remedy: str) -> None:
    """Refuse what could not stand in a filter graph and in libvmaf's lists without any quoting."""
    for value in values:
        if not _PLAIN.fullmatch(value):
            msg = f"{what}: {value!r} may hold only letters, digits and _ . + -"
            raise InputError(msg, remedy=remedy)


def guess_names(models: Iterable[VmafModel], features: Iterable[VmafFeature]) -> str:
    """Return what the names that libvmaf does not know are likely meant to be, else ``""``."""
    names = [(model.version, _MODELS) for model in models if model.version]
    names += [(feature.name, _FEATURES) for feature in features]
    return "".join(did_you_mean(name, known) for name, known in names if name not in known)


def _pairs(text: str, what: str, *, bare_keys: tuple[str, ...] = ()) -> dict[str, str]:
    r"""Return ``key=value:key=value`` as a dictionary; `bare_keys` may stand alone for true.

    ``\:`` is a colon within a value, as a path may have one.
    """
    pairs: dict[str, str] = {}
    for part in re.split(r"(?<!\\):", text):
        key, separator, value = part.replace(r"\:", ":").partition("=")
        if not separator and key in bare_keys:
            value = "true"
        if not key or not value:
            msg = f"{what}: {part!r} is not key=value"
            raise InputError(msg, remedy=_PAIRS_REMEDY)
        if key in pairs:
            msg = f"{what} gives {key!r} twice"
            raise InputError(msg, remedy="give it once")
        pairs[key] = value
    return pairs


def _joined(pairs: Iterable[tuple[str, str]]) -> str:
    return ":".join(f"{key}={value}" for key, value in pairs)
