"""What makes two pairs the same work: equal contents, equal options, one version of roi-accel.

A pair that a batch has scored is known by its identity and its row's digest. Names and times of
files do not enter the identity, nor does what cannot change a score: threads, and the
device that a worker happens to have.
"""

from __future__ import annotations

import hashlib
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from roi_accel._version import __version__
from roi_accel.batch.remote import files_of, opened_url, stamp_of
from roi_accel.batch.rows import digest, is_url, options_of
from roi_accel.errors import InputError, ScorerError, unreadable
from roi_accel.inference.models import resolve
from roi_accel.options import FILE_OPTIONS, ScoreOptions, declared
from roi_accel.options.score import RawOptions
from roi_accel.scorers import find_scorer, parse_models
from roi_accel.video.source import state_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.batch.rows import Pair

_BLOCK = 1 << 20

Stamp = tuple[int, int, int, int] | str
"""What changes when a file does: device, inode, size, time of change; of an object, `stamp_of`."""


@dataclass(frozen=True)
class Contents:
    """The state of files as they were read: a stamp for each path."""

    stamps: tuple[tuple[str, Stamp], ...]

    def check(self) -> None:
        """Raise InputError where one of the files is no longer what it was."""
        for path, stamp in self.stamps:
            try:
                same = _stamp(path) == stamp
            except InputError:
                same = False
            if not same:
                msg = f"{path}: changed while it was being scored"
                raise InputError(msg, remedy="run the batch again once nothing writes to it")


class Identifier:
    """Knows pairs by their contents, and reads each file once; used by several threads.

    Parameters
    ----------
    reproducible : bool
        Whether the network runs on the CPU on every worker: other maps, other scores.
    """

    def __init__(self, *, reproducible: bool = False) -> None:
        self._reproducible = reproducible
        self._scorers: dict[str | None, str] = {}
        self._digests: dict[tuple[str, Stamp], str] = {}
        self._lock = threading.Lock()
        self._reading: dict[tuple[str, Stamp], threading.Lock] = {}
        self._is_over = threading.Event()

    def stop(self) -> None:
        """Have `identify` end soon, whatever it reads: a large file takes minutes."""
        self._is_over.set()

    def identify(self, pair: Pair) -> tuple[str, Contents]:
        """Return the pair's identity, 64 hexadecimal digits, and the state of its files.

        Raises InputError where a file cannot be read, ModelError where the network cannot be had.
        """
        options = options_of(pair.keywords)
        models = parse_models(options.model)
        paths = [*files_of(pair), *(str(model.path) for model in models if model.path)]
        stamps = [(path, _stamp(path)) for path in paths]
        content = {
            "version": __version__,
            "files": [self._sha256(path, stamp) for path, stamp in stamps],
            "network": resolve(options.saliency_model).sha256 if options.has_network else None,
            "reproducible": self._reproducible,
            "scorer": self._scorer(options.vmaf),
            "options": _described(options),
        }
        return digest(content), Contents(tuple(stamps))

    def _scorer(self, requested: str | None) -> str:
        """Return name and version of VMAF; "" where a node that only hands out work has none."""
        if requested not in self._scorers:
            try:
                scorer = find_scorer(requested)
            except ScorerError:
                self._scorers[requested] = ""
            else:
                self._scorers[requested] = f"{scorer.name} {scorer.version}"
        return self._scorers[requested]

    def _sha256(self, path: str, stamp: Stamp) -> str:
        with self._lock:
            reading = self._reading.setdefault((path, stamp), threading.Lock())
        with reading:  # Threads that need the same file wait for it, and no others.
            if (path, stamp) not in self._digests:
                self._digests[path, stamp] = self._read(path)
            return self._digests[path, stamp]

    def _read(self, path: str) -> str:
        content = hashlib.sha256()
        with opened_url(path) if is_url(path) else _opened(path) as file:
            while data := file.read(_BLOCK):
                if self._is_over.is_set():
                    msg = f"{path}: was not read to its end, since the batch ends"
                    raise InputError(msg, remedy="run it again")
                content.update(data)
        return content.hexdigest()


@contextmanager
def _opened(path: str) -> Iterator[BinaryIO]:
    if not Path(path).is_file():
        msg = f"{path}: is not a regular file"
        raise InputError(msg, remedy="a batch reads files, which it can read twice")
    try:
        with Path(path).open("rb", buffering=0) as file:
            yield file
    except OSError as error:
        raise unreadable(path, error) from error


def _described(options: ScoreOptions) -> dict[str, str]:
    """Return the options as text; files are known by their contents, and a network by its own."""
    left_out = {*RawOptions.model_fields, *FILE_OPTIONS, "saliency_model", "model"}
    models = parse_models(options.model)
    return {
        **{
            name: repr(getattr(options, name))
            for name, declaration in declared(ScoreOptions).items()
            if declaration.option.changes_scores and name not in left_out
        },
        **{name: repr(getattr(options, name) is not None) for name in FILE_OPTIONS},
        "raw": repr(options.raw),  # However its parts are given.
        "model": repr([(model.name, model.version, model.options) for model in models]),
    }


def _stamp(path: str) -> Stamp:
    if is_url(path):
        return stamp_of(path)
    try:
        return state_of(Path(path).stat())
    except (OSError, ValueError) as error:
        raise unreadable(path, error) from error
