"""A row of a manifest: its keys, its options, and its paths."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel.inference.models import KNOWN_MODELS
from roi_accel.options import (
    MANIFEST,
    NETWORK_OPTIONS,
    OWN_MASKS,
    PATH_OPTIONS,
    ScoreOptions,
    declared,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.errors import RoiAccelError

OWN_KEYS = ("reference", "distorted", "ladder")
"""A row's keys besides options of `score`: `ladder` names the set of encodes it belongs to."""

_COLON = re.compile(r"(?<!\\):")


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One distorted video and its reference, as a row asks for them.

    Attributes
    ----------
    line : int
        Where the row begins in the manifest, from 1; for a pattern, the number of the match.
    reference, distorted : str
        Paths, or URLs.
    ladder : str or None
    row : str
        A digest of what the row itself asks for, without defaults, as 64 hexadecimal digits.
    keywords : mapping of str to object
        Options by their names in `ScoreOptions`; plain JSON.
    """

    line: int
    reference: str
    distorted: str
    ladder: str | None
    row: str
    keywords: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class BadRow:
    """A row that cannot be scored, which fails alone; its videos as far as they could be read."""

    line: int
    reference: str | None
    distorted: str | None
    error: RoiAccelError


def names_no_device(pair: Pair) -> bool:
    """Return whether a pair leaves the choice of a device to its worker."""
    return not {"backend", "device"} & pair.keywords.keys()


def digest(content: object) -> str:
    """Return the SHA-256 of JSON `content` in its one canonical form, as hexadecimal digits."""
    # Infinite numbers may be in it: their row fails where its options are used.
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def options_of(keywords: Mapping[str, Any]) -> ScoreOptions:
    """Return a row's options as `score` takes them.

    Raises
    ------
    InputError
        There is no such option, or a value is of the wrong type or out of range.
    """
    return ScoreOptions.given(MANIFEST, keywords)


def merge_defaults(given: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a row or the command line, and of `defaults` those it leaves out.

    Where it names a mask or options of the network, defaults for other masks are left out.
    """
    dropped: tuple[str, ...] = ()
    if given.keys() & set(OWN_MASKS):
        dropped = NETWORK_OPTIONS + OWN_MASKS
    elif given.keys() & set(NETWORK_OPTIONS):
        dropped = OWN_MASKS
    return {name: value for name, value in defaults.items() if name not in dropped} | dict(given)


def option_names() -> tuple[str, ...]:
    """Return the names of all options that a row may have."""
    return tuple(declared(ScoreOptions))


def from_text(name: str, text: str) -> object:
    """Return what a CSV cell means for option `name`: a list in JSON, a number, or the text itself.

    What does not read as the option's type stays text, so that checking it says what is wrong.
    """
    if text.startswith("["):
        try:
            return json.loads(text)
        except (ValueError, RecursionError):
            return text
    option = declared(ScoreOptions).get(name)
    return option.from_text(text) if option else text


def resolve_paths(keywords: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Return `keywords` with relative paths in them taken from `folder`."""
    resolved = dict(keywords)
    network, vmaf, models = (resolved.get(name) for name in ("saliency_model", "vmaf", "model"))
    names = [name for name in PATH_OPTIONS if isinstance(resolved.get(name), str | PathLike)]
    if (
        isinstance(network, str)
        and ("/" in network or network.endswith(".onnx"))
        and network not in {model.name for model in KNOWN_MODELS}
    ):
        names.append("saliency_model")
    if isinstance(vmaf, str) and "/" in vmaf:
        names.append("vmaf")
    for name in names:
        resolved[name] = at(resolved[name], folder)
    if isinstance(models, list):
        resolved["model"] = [_model_at(model, folder) for model in models]
    elif isinstance(models, str):
        resolved["model"] = _model_at(models, folder)
    return resolved


def _model_at(model: object, folder: Path) -> object:
    prefix = "path="
    if not (isinstance(model, str) and model.startswith(prefix)):
        return model
    path, *options = _COLON.split(model[len(prefix) :], maxsplit=1)
    # libvmaf's syntax: a colon that belongs to the path has a backslash before it.
    base = Path(str(folder).replace(":", "\\:"))
    return ":".join([f"{prefix}{at(path, base)}", *options])


def at(path: str | PathLike[str], folder: Path) -> str:
    """Return `path` as seen from `folder`; a URL as it is."""
    text = str(path)
    return text if is_url(text) else str(folder / text)


def is_url(text: str) -> bool:
    """Return whether `text` names an object of a store rather than a file."""
    scheme, mark, _ = text.partition("://")
    return bool(mark) and scheme.isalnum()
