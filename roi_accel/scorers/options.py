"""libvmaf's own option syntax: which models and features to compute, checked before anything runs.

Users write what the `vmaf` command line takes; FFmpeg's filter wants the same facts in another
shape. A model file given by path is copied into the scorer's working folder under a safe name, so
that no user's path is ever part of a filter graph.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from roi_accel.errors import InputError

DEFAULT_MODEL = "version=vmaf_v0.6.1"
FIRST_NAME = "vmaf"
"""What the scores of the first model are called."""

# What may stand in a filter graph and in libvmaf's lists without any quoting.
_PAIRS_REMEDY = r"options are written key=value and joined by ':'; a ':' in a path is written '\:'"
_PLAIN = re.compile(r"[A-Za-z0-9_.+-]+")


@dataclass(frozen=True)
class VmafModel:
    """One VMAF model: a built-in version or a file, the name its scores get, and its options.

    Attributes
    ----------
    name : str
        Key of the model's scores in VMAF's log.
    version : str
        Name of a model built into libvmaf; empty for a file.
    path : Path or None
        A model file (JSON).
    options : tuple of (key, value)
        Such as ``("enable_transform", "true")`` or ``("motion.motion_force_zero", "true")``.
    """

    name: str
    version: str
    path: Path | None
    options: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return self.version or str(self.path)


@dataclass(frozen=True)
class VmafFeature:
    """An additional libvmaf feature, such as ``psnr`` with ``enable_chroma=true``."""

    name: str
    options: tuple[tuple[str, str], ...]


def parse_models(texts: tuple[str, ...]) -> tuple[VmafModel, ...]:
    """Return the models of ``--model`` options; the first one is scored, all are reported.

    The first model's scores are called ``vmaf`` unless it has a ``name=``; further ones are called
    after their version or file.

    Raises
    ------
    InputError
        An option is malformed, names no model, or two models have one name.
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
        msg = f"{what}: there is no file {path}"
        raise InputError(msg, remedy="check the path, or use version= for a built-in model")
    default_name = FIRST_NAME if first else version or (path.stem if path else "")
    name = options.pop("name", default_name)
    for value in (name, version, *options, *options.values()):
        if value and not _PLAIN.fullmatch(value):
            msg = f"{what}: {value!r} may hold only letters, digits and _ . + -"
            raise InputError(msg, remedy="give the model a plain name with name=...")
    return VmafModel(name, version, path, tuple(options.items()))


def parse_features(texts: tuple[str, ...]) -> tuple[VmafFeature, ...]:
    """Return the features of ``--feature`` options, such as ``psnr=enable_chroma=true``.

    Raises
    ------
    InputError
        An option is malformed.
    """
    features = []
    for text in texts:
        what = f"feature {text!r}"
        name, _, rest = text.partition("=")
        options = _pairs(rest, what) if rest else {}
        for value in (name, *options, *options.values()):
            if not _PLAIN.fullmatch(value):
                msg = f"{what}: {value!r} may hold only letters, digits and _ . + -"
                raise InputError(msg, remedy="for example --feature psnr=enable_chroma=true")
        features.append(VmafFeature(name, tuple(options.items())))
    return tuple(features)


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


def tool_model(model: VmafModel, model_file: str) -> str:
    """Return `model` as the value of the `vmaf` tool's ``--model``."""
    return ":".join(f"{key}={value}" for key, value in _model_pairs(model, model_file))


def filter_models(models: tuple[VmafModel, ...], model_files: tuple[str, ...]) -> str:
    r"""Return `models` as FFmpeg's ``model=`` value, its colons escaped for a filter graph."""
    texts = (tool_model(m, f) for m, f in zip(models, model_files, strict=True))
    return "|".join(texts).replace(":", r"\:")


def tool_feature(feature: VmafFeature) -> str:
    """Return `feature` as the value of the `vmaf` tool's ``--feature``."""
    options = ":".join(f"{key}={value}" for key, value in feature.options)
    return f"{feature.name}={options}" if options else feature.name


def filter_features(features: tuple[VmafFeature, ...]) -> str:
    r"""Return `features` as FFmpeg's ``feature=`` value, its colons escaped for a filter graph."""
    texts = (
        ":".join(f"{key}={value}" for key, value in (("name", feature.name), *feature.options))
        for feature in features
    )
    return "|".join(texts).replace(":", r"\:")


def _model_pairs(model: VmafModel, model_file: str) -> tuple[tuple[str, str], ...]:
    source = ("version", model.version) if model.version else ("path", model_file)
    return (source, ("name", model.name), *model.options)
