"""Finds saliency networks by name or path, fetches them, and verifies each by its SHA-256."""

from __future__ import annotations

import contextlib
import importlib.resources
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote, urlsplit

import platformdirs

from roi_accel._util.files import sha256_of
from roi_accel._util.suggest import did_you_mean
from roi_accel.errors import ModelError
from roi_accel.inference.download import DEFAULT_LIMITS, Limits, download, shown
from roi_accel.inference.onnx_file import MAX_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

CACHE_VARIABLE = "ROI_ACCEL_CACHE"
URL_VARIABLE = "ROI_ACCEL_MODEL_URL"

_DATA_PACKAGE = "roi_accel.data"
_SUFFIX = ".onnx"
_HOME = "https://github.com/lusoris/vmaf/raw/c2a3c7e0febd98a6831b9bfebe5e298e229b1244/model/tiny/"
_LIST_REMEDY = "`roi-accel models list` shows the names; a path must end in .onnx or contain a /"


@dataclass(frozen=True)
class KnownModel:
    """A saliency network that has a name, which is also the stem of its file in the cache.

    `url` is its public home. It and `sha256` are None for an embedded network; `licence` is an
    SPDX expression.
    """

    name: str
    summary: str
    licence: str
    sha256: str | None
    url: str | None
    aliases: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.url is not None and self.sha256 is None:
            msg = f"{self.name} is fetched from elsewhere and so needs a SHA-256"
            raise ValueError(msg)

    @property
    def file_names(self) -> tuple[str, ...]:
        """The names its file may have in the cache: ours first, then the one it has at its home."""
        names = [self.name + _SUFFIX]
        if self.url is not None:
            names.append(PurePosixPath(urlsplit(self.url).path).name)
        return tuple(dict.fromkeys(names))


KNOWN_MODELS: tuple[KnownModel, ...] = (
    KnownModel(
        name="center-surround",
        summary="Built in: what differs from its surroundings.",
        licence="BSD-2-Clause-Patent",
        sha256=None,
        url=None,
        aliases=("center_surround",),
    ),
    KnownModel(
        name="student_v1",
        summary="Small U-Net trained on DUTS-TR; IoU 0.656 there.",
        licence="BSD-3-Clause-Plus-Patent",
        sha256="1edc64772498ab73ebdb17e21f49679ce5ded82534d47f557cd15fd36e1b46e7",
        url=_HOME + "saliency_student_v1.onnx",
        aliases=("saliency_student_v1",),
    ),
    KnownModel(
        name="student_v2",
        summary="The same with a smoother decoder; IoU 0.711.",
        licence="BSD-3-Clause-Plus-Patent",
        sha256="8cdaa6c10ab44d9b03a6a207603bd0b61f5c75a6beafdc82da57215f0a2ab2ed",
        url=_HOME + "saliency_student_v2.onnx",
        aliases=("saliency_student_v2",),
    ),
)


@dataclass(frozen=True)
class ResolvedModel:
    """A saliency network on this machine, by its name or its path as given, and its absolute file.

    `sha256` is of the file as it was when it was resolved.
    """

    name: str
    path: Path
    sha256: str
    embedded: bool


@dataclass(frozen=True)
class ModelStatus:
    """Where a known network is; `size` is in bytes.

    ``unusable`` is a file that is there but unreadable or another network than its name says;
    `problem` says why and what to do.
    """

    model: KnownModel
    where: Literal["embedded", "cached", "not fetched", "unusable"]
    path: Path | None = None
    size: int | None = None
    problem: str = ""


def cache_dir() -> Path:
    """Return the folder for fetched networks, absolute; it need not exist.

    ``$ROI_ACCEL_CACHE/models`` where that variable is set, else ``models`` in the user's cache
    folder for roi-accel as the operating system has it.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen)).absolute() / "models"  # noqa: PTH111 - Path's raises
    return platformdirs.user_cache_path("roi-accel", appauthor=False) / "models"


def resolve(
    name_or_path: str | os.PathLike[str], *, registry: Sequence[KnownModel] = KNOWN_MODELS
) -> ResolvedModel:
    """Return the network that `name_or_path` means, its SHA-256 taken now. Never downloads.

    A string is a known name first. Otherwise, if it contains a path separator, ends in ``.onnx`` or
    exists, it is a path. A path object is always a path, so a file that is named like a known
    network can be reached.

    Raises
    ------
    ModelError
        No such name or file; a known network that was not fetched, or whose file in the cache has
        another SHA-256; a folder, a device, or a file that cannot be read.
    """
    if not isinstance(name_or_path, str):
        return _resolve_path(os.fspath(name_or_path), registry)
    model = _find(name_or_path, registry)
    if model is not None:
        return _resolve_known(model)
    has_separator = os.path.basename(name_or_path) != name_or_path  # noqa: PTH119 - a text
    if has_separator or name_or_path.lower().endswith(_SUFFIX) or os.path.lexists(name_or_path):
        return _resolve_path(name_or_path, registry)
    raise _unknown(name_or_path, registry)


def fetch(
    name: str,
    *,
    base_url: str | None = None,
    progress: bool = False,
    registry: Sequence[KnownModel] = KNOWN_MODELS,
    limits: Limits = DEFAULT_LIMITS,
) -> Path:
    """Bring the known network `name` into the cache, unless it is there, and return its file.

    Parameters
    ----------
    name : str
        A known name or alias.
    base_url : str, optional
        http or https address of a folder that serves the file under the name it has at its home.
        Default ``$ROI_ACCEL_MODEL_URL``, else the network's public home.
    progress : bool, optional
        Draw a progress bar on stderr.
    registry : sequence of KnownModel, optional
    limits : Limits, optional

    Returns
    -------
    Path
        The file, verified. One in the cache that has another SHA-256 is replaced once the right one
        has come.

    Raises
    ------
    ModelError
        `name` is not known, the address is not acceptable, or the download failed; the cache is
        then as it was.
    """
    model = _find(name, registry)
    if model is None:
        raise _unknown(name, registry)
    if model.url is None or model.sha256 is None:
        return _resolve_known(model).path
    for path, digest in _cached_files(model):
        if digest == model.sha256:
            return path
    target = cache_dir() / model.file_names[0]
    download(
        _source(model.url, base_url),
        target,
        sha256=model.sha256,
        remedy=_by_hand(model),
        limits=limits,
        progress=progress,
    )
    return target


def survey(registry: Sequence[KnownModel] = KNOWN_MODELS) -> list[ModelStatus]:
    """Return where each network of `registry` is. Never raises ModelError, never downloads."""
    return [_status(model) for model in registry]


def _status(model: KnownModel) -> ModelStatus:
    try:
        if model.url is not None and not _cached_files(model):
            return ModelStatus(model, "not fetched")
        resolved = _resolve_known(model)
        size = resolved.path.stat().st_size
    except (ModelError, OSError) as error:
        return ModelStatus(model, "unusable", problem=str(error))
    where: Literal["embedded", "cached"] = "embedded" if resolved.embedded else "cached"
    return ModelStatus(model, where, resolved.path, size)


def _find(name: str, registry: Sequence[KnownModel]) -> KnownModel | None:
    return next((known for known in registry if name in (known.name, *known.aliases)), None)


def _unknown(name: str, registry: Sequence[KnownModel]) -> ModelError:
    msg = f"there is no saliency network named {name!r}"
    return ModelError(msg, remedy=_suggestion(name, registry) + _LIST_REMEDY)


def _suggestion(name: str, registry: Sequence[KnownModel]) -> str:
    names = [known for model in registry for known in (model.name, *model.aliases)]
    return did_you_mean(name.lower().removesuffix(_SUFFIX), names)


def _resolve_path(text: str, registry: Sequence[KnownModel]) -> ResolvedModel:
    path = Path(text)
    try:
        return ResolvedModel(text, path.absolute(), _checked_sha256(path), embedded=False)
    except FileNotFoundError as error:
        hint = "" if path.parent.name else _suggestion(text, registry)
        msg = f"there is no file {text!r}"
        raise ModelError(msg, remedy=f"{hint}check the path; {_LIST_REMEDY}") from error


def _resolve_known(model: KnownModel) -> ResolvedModel:
    if model.url is None:
        return _resolve_embedded(model)
    cached = _cached_files(model)
    for path, digest in cached:
        if digest == model.sha256:
            return ResolvedModel(model.name, path, digest, embedded=False)
    if cached:
        path, digest = cached[0]
        msg = f"{path} has SHA-256 {digest}, but {model.name} has {model.sha256}"
        remedy = (
            f"`roi-accel models fetch {model.name}` replaces it; for a network of your own, pass "
            "its path with --saliency-model"
        )
        raise ModelError(msg, remedy=remedy)
    msg = f"{model.name} has not been fetched"
    raise ModelError(
        msg, remedy=f"`roi-accel models fetch {model.name}` does; or {_by_hand(model)}"
    )


def _resolve_embedded(model: KnownModel) -> ResolvedModel:
    # Its file name is a Python-friendly form of the name, as the other files of the package are.
    file_name = model.name.replace("-", "_") + _SUFFIX
    path = Path(str(importlib.resources.files(_DATA_PACKAGE) / file_name))
    try:
        return ResolvedModel(model.name, path, _checked_sha256(path), embedded=True)
    except FileNotFoundError as error:
        msg = f"this installation of roi-accel is incomplete: {path} is missing"
        raise ModelError(msg, remedy="pip install --force-reinstall roi-accel") from error


def _cached_files(model: KnownModel) -> list[tuple[Path, str]]:
    """Return the files in the cache that bear a name of `model`, each with its SHA-256."""
    cached = []
    for path in (cache_dir() / name for name in model.file_names):
        with contextlib.suppress(FileNotFoundError):
            cached.append((path, _checked_sha256(path)))
    return cached


def _checked_sha256(path: Path) -> str:
    """Return the SHA-256 of the regular file at `path`; FileNotFoundError or ModelError if none."""
    try:
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            msg = f"{path} is a folder, not a saliency network"
            raise ModelError(msg, remedy="a network is one .onnx file")
        # guard: network-pipe
        if not stat.S_ISREG(status.st_mode):  # A device or a pipe may never end.
            msg = f"{path} is not a regular file"
            raise ModelError(msg, remedy="save the network to a file and name that")
        if status.st_size > MAX_BYTES:
            msg = f"{path} has {status.st_size} bytes; a network has at most {MAX_BYTES >> 20} MiB"
            raise ModelError(msg, remedy="check that the file is a saliency network")
        return sha256_of(path)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(str(error)) from error
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        msg = f"the saliency network {str(path)!r} cannot be read: {reason}"
        raise ModelError(msg, remedy="check the path and its permissions") from error


def _source(home: str, base_url: str | None) -> str:
    """Return where to download from: `home`, or the file of that name in the folder `base_url`."""
    base = base_url or os.environ.get(URL_VARIABLE)
    if not base:
        return home
    origin = "--url" if base_url else URL_VARIABLE
    try:
        parts = urlsplit(base)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname)
        usable = usable and not parts.query and not parts.fragment and parts.port != 0
    except ValueError:  # A port that is not a number, or half an IPv6 address.
        usable, parts = False, urlsplit("")
    if not usable:
        # file:// is refused too: a file that is at hand needs no fetching.
        address = shown(base) if parts.scheme else repr(base)
        msg = f"{origin} is {address}, expected the http or https address of a folder"
        remedy = "for a file that is at hand, pass its path with --saliency-model instead"
        raise ModelError(msg, remedy=remedy)
    return base.rstrip("/") + "/" + quote(PurePosixPath(urlsplit(home).path).name)


def _by_hand(model: KnownModel) -> str:
    return (
        f"download {model.url} on a machine with network and put it at "
        f"{cache_dir() / model.file_names[0]}, or pass its path with --saliency-model"
    )
