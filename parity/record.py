"""One machine's answers in a file, so that machines that never meet can be compared.

The integer stages are recorded as digests, a hash per case, frame and stage: they must be equal, so
nothing more is needed. The network's maps may lie within a tolerance, so they are kept whole.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.errors import InputError, unreadable
from roi_accel.parity.cases import cases, frame_key
from roi_accel.parity.cells import Participant
from roi_accel.parity.golden import golden_digests, pack_map
from roi_accel.parity.tolerance import INTEGER_STAGES

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from numpy.typing import NDArray

KIND = "roi-accel parity record"
SCHEMA_VERSION = 1
MAX_BYTES = 32 << 20
"""Thirty times what a record of three backends and a provider takes."""

MAX_ENTRIES = 256

_REMEDY = "make it anew with roi-accel parity record"
_DIGEST = re.compile("[0-9a-f]{64}")
_FACTS = 64
_NAME = 512
_TEXT = 4096
"""The longest name, which every cell of a report repeats, and the longest other text."""

_DEPTH = 8
_LISTED = 5
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one backend or provider answered.

    Attributes
    ----------
    participant : Participant
    digests : mapping of str to mapping of str to str
        A backend's: per frame's key and integer stage its SHA-256.
    maps : mapping of str to array
        A provider's: per frame's key its float32[height, width].
    network : str
        The SHA-256 of the network that made the maps.
    """

    participant: Participant
    digests: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    maps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    network: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One machine's answers.

    Attributes
    ----------
    name : str
        What to call it in reports.
    entries : tuple of Entry
    provenance : mapping
        Versions, machine, date.
    intact : bool
        Whether the file still is what was written: its seal fits its content.
    """

    name: str
    entries: tuple[Entry, ...]
    provenance: Mapping[str, Any]
    intact: bool = True


def write_record(record: Record) -> str:
    """Return the record as JSON, sealed with the SHA-256 of its own content.

    Raises
    ------
    InputError
        A name or fact is one that `read_record` would refuse.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "provenance": dict(record.provenance),
        "entries": [_entry_to_json(entry) for entry in record.entries],
    }
    try:
        _check_values(content, _DEPTH)
        _check_provenance(content["provenance"])
        for entry in record.entries:
            participant = entry.participant
            _check_texts(participant.name, participant.aliases, participant.facts)
    except ValueError as error:
        msg = f"the record cannot be written: {error}"
        raise InputError(msg, remedy="give the network's file a plain name") from error
    sealed = {**content, "seal": _seal(content)}
    return json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_record(path: Path, *, name: str) -> Record:
    """Return the record in the file `path`.

    A file that was changed but can still be read is returned as not `intact`, so that comparing it
    can tell what was changed.

    Raises
    ------
    InputError
        The file cannot be read, is too large, no record, of a newer version, made with another
        corpus, or damaged beyond use; says where.
    """
    content = _read_json(path)
    where = str(path)
    if content.get("kind") != KIND:
        msg = f"{where} is no parity record: its kind is {_shown(content.get('kind'))}"
        raise InputError(msg, remedy=_REMEDY)
    version = content.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        msg = f"{where} has schema version {_shown(version)}, this program reads {SCHEMA_VERSION}"
        raise InputError(msg, remedy="update roi-accel, or make the record with this version")
    seal = content.pop("seal", None)
    intact = seal == _seal(content)
    entries = content.get("entries")
    if set(content) != {"kind", "schema_version", "provenance", "entries"}:
        raise _damaged(where, f"its keys are {_list(content)}")
    try:
        provenance = _check_provenance(content["provenance"])
    except ValueError as error:
        raise _damaged(where, str(error)) from error
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_ENTRIES:
        raise _damaged(where, f"'entries' is no list of 1 to {MAX_ENTRIES}")
    found = tuple(
        _entry_from_json(entry, name, f"{where}, entry {number}")
        for number, entry in enumerate(entries, 1)
    )
    return Record(name=name, entries=found, provenance=provenance, intact=intact)


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    participant = entry.participant
    shared: dict[str, Any] = {
        "name": participant.name,
        "kind": participant.kind,
        "aliases": list(participant.aliases),
        "facts": dict(participant.facts),
    }
    if participant.kind == "backend":
        digests = {key: dict(stages) for key, stages in entry.digests.items()}
        return {**shared, "digests": digests}
    maps = {key: pack_map(array) for key, array in entry.maps.items()}
    return {**shared, "float16": participant.half, "network": entry.network, "maps": maps}


def _entry_from_json(content: object, record: str, where: str) -> Entry:
    if not isinstance(content, dict):
        raise _damaged(where, "it is no object")
    kind = content.get("kind")
    keys = {"backend": {"digests"}, "provider": {"float16", "network", "maps"}}
    if (
        not isinstance(kind, str)
        or kind not in keys
        or set(content) != {"name", "kind", "aliases", "facts"} | keys[kind]
    ):
        raise _damaged(where, f"its kind is {_shown(kind)}, its keys {_list(content)}")
    name, aliases, facts = content["name"], content["aliases"], content["facts"]
    try:
        _check_texts(name, aliases, facts)
    except ValueError as error:
        raise _damaged(where, str(error)) from error
    half = content.get("float16", False)
    if not isinstance(half, bool):
        raise _damaged(where, "'float16' is not true or false")
    participant = Participant(
        name=f"{record}: {name}",
        kind=kind,
        aliases=(name, *aliases),
        facts=facts,
        half=half,
    )
    if kind == "backend":
        return Entry(participant=participant, digests=_read_digests(content["digests"], where))
    network = content["network"]
    if not (isinstance(network, str) and _DIGEST.fullmatch(network)):
        raise _damaged(where, f"'network' is {_shown(network)}, not a SHA-256")
    maps = _read_maps(content["maps"], where)
    return Entry(participant=participant, maps=maps, network=network)


def _read_digests(content: object, where: str) -> Mapping[str, Mapping[str, str]]:
    found = _read_keys(content, golden_digests(), where)
    for key, stages in found.items():
        if not isinstance(stages, dict) or tuple(stages) != INTEGER_STAGES:
            raise _damaged(where, f"{key}: it has not the stages {', '.join(INTEGER_STAGES)}")
        for stage, digest in stages.items():
            if not (isinstance(digest, str) and _DIGEST.fullmatch(digest)):
                raise _damaged(where, f"{key}, {stage}: {_shown(digest)} is no SHA-256")
    return found


def _read_maps(content: object, where: str) -> Mapping[str, NDArray[np.float32]]:
    shapes = map_shapes()
    found = _read_keys(content, shapes, where)
    return {key: _unpack(found[key], shape, f"{where}, {key}") for key, shape in shapes.items()}


def map_shapes() -> dict[str, tuple[int, int]]:
    """Return the size (height, width) of the network's map of every frame with a picture."""
    return {
        frame_key(case.name, number): (case.plan.model.padded_height, case.plan.model.padded_width)
        for case in cases()
        if case.has_pictures and case.plan.model is not None
        for number in range(case.frames)
    }


def _read_keys(content: object, expected: Mapping[str, object], where: str) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise _damaged(where, "it holds no cases")
    for key in content:
        if key not in expected:
            raise _damaged(where, f"case {_shown(key)} is not in this version's corpus")
    for key in expected:
        if key not in content:
            raise _damaged(where, f"case {key!r} of this version's corpus is missing")
    return content


def _unpack(text: object, shape: tuple[int, int], where: str) -> NDArray[np.float32]:
    """Return the array; its size is known beforehand, so nothing larger is ever unpacked."""
    wanted = math.prod(shape) * np.dtype(np.float32).itemsize
    if not isinstance(text, str):
        raise _damaged(where, "the map is no text")
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(base64.b64decode(text, validate=True), wanted + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        raise _damaged(where, f"the map cannot be unpacked: {error}") from error
    if len(content) != wanted or not unpacker.eof or unpacker.unused_data:
        raise _damaged(where, f"the map is not the {wanted} bytes of float32{list(shape)}")
    return np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(shape)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > MAX_BYTES:
        msg = f"{path} is larger than {MAX_BYTES >> 20} MiB, which no parity record is"
        raise InputError(msg, remedy=_REMEDY)
    try:
        document = json.loads(
            content.decode("utf-8"),
            object_pairs_hook=_without_repeats,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
        _check_values(document, _DEPTH)
    except (ValueError, RecursionError) as error:
        msg = f"{path} is not the JSON of a parity record: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    if not isinstance(document, dict):
        msg = f"{path} is no parity record: it is no object"
        raise InputError(msg, remedy=_REMEDY)
    return document


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        msg = "a key is there twice"
        raise ValueError(msg)
    return found


def _refuse_constant(name: str) -> float:
    msg = f"{name} is no JSON number"
    raise ValueError(msg)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"{text[:_DEPTH]} is too large a number"
        raise ValueError(msg)
    return value


def _check_values(value: object, depth: int) -> None:
    """Raise ValueError for what no report could show: lone surrogates, and endless nesting."""
    if isinstance(value, str) and _SURROGATE.search(value):
        msg = f"{_shown(value)} is not made of Unicode characters"
        raise ValueError(msg)
    if not isinstance(value, dict | list):
        return
    if not depth:
        msg = f"it is nested more than {_DEPTH} deep"
        raise ValueError(msg)
    for each in (*value, *value.values()) if isinstance(value, dict) else value:
        _check_values(each, depth - 1)


def _check_provenance(provenance: object) -> dict[str, Any]:
    """Return the provenance; anything but a few short facts is a ValueError."""
    if not isinstance(provenance, dict):
        msg = "'provenance' is no object"
        raise ValueError(msg)  # noqa: TRY004 - found in a file, where every fault is a ValueError
    for key, value in provenance.items():
        if isinstance(value, dict | list) or max(len(key), len(str(value))) > _TEXT:
            msg = f"'provenance' has in {_shown(key)} no text of up to {_TEXT} characters"
            raise ValueError(msg)
    if len(provenance) > _FACTS:
        msg = f"'provenance' has more than {_FACTS} keys"
        raise ValueError(msg)
    return provenance


def _check_texts(name: object, aliases: object, facts: object) -> None:
    """Raise ValueError for a participant that is not made of texts of a sensible length."""
    if not (
        isinstance(name, str)
        and isinstance(aliases, list | tuple)
        and all(isinstance(each, str) for each in aliases)
        and isinstance(facts, Mapping)
        and all(isinstance(each, str) for each in facts.values())
    ):
        msg = "'name', 'aliases' or 'facts' is not made of texts"
        raise ValueError(msg)
    if len(name) > _NAME or any(len(each) > _TEXT for each in (*aliases, *facts, *facts.values())):
        msg = f"a name is longer than {_NAME} characters, or another text than {_TEXT}"
        raise ValueError(msg)
    if max(len(aliases), len(facts)) > _FACTS:
        msg = f"there are more than {_FACTS} aliases or facts"
        raise ValueError(msg)


def _seal(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()


def _shown(value: object) -> str:
    return repr(value)[:80]


def _list(keys: Iterable[object]) -> str:
    """Return the first few keys, for a message."""
    shown = [_shown(key) for key in islice(keys, _LISTED + 1)]
    return ", ".join(shown[:_LISTED]) + (", ..." if len(shown) > _LISTED else "")


def _damaged(where: str, what: str) -> InputError:
    return InputError(f"{where} is damaged or from another version: {what}", remedy=_REMEDY)
