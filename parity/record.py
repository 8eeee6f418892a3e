"""One machine's answers in a file, so that machines that never meet can be compared.

The integer stages are recorded as digests, a hash per case, frame and stage: they must be equal, so
nothing more is needed. The network's maps may differ within a tolerance, so they are kept whole.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import math
import zlib
from dataclasses import dataclass, field
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.files import read_bounded
from roi_accel._util.text import printable, short_repr
from roi_accel._util.validation import at_most, first_fault
from roi_accel.errors import InputError
from roi_accel.parity.calibration import INTEGER_STAGES, Stage
from roi_accel.parity.cases import cases, frame_key, golden_digests
from roi_accel.parity.cells import Participant

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    Digests = Mapping[str, Mapping[str, str]]
    Maps = Mapping[str, NDArray[np.float32]]

KIND = "roi-accel parity record"
SCHEMA_VERSION = 1
MAX_BYTES = 32 << 20
"""Thirty times what a record of three backends and a provider takes."""

MAX_ENTRIES = 256
GOLDEN_MAPS_FILE = "golden_maps.json"

_REMEDY = "make it anew with roi-accel parity record"
_MOST_FACTS = 64
_KEYS = 8

_Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
_Name = Annotated[str, Field(max_length=512)]
"""Every cell of a report repeats it."""

_Text = Annotated[str, Field(max_length=4096)]
_Facts = Annotated[dict[_Text, _Text], at_most(_MOST_FACTS)]
_Provenance = Annotated[dict[_Text, _Text | int | float | bool | None], at_most(_MOST_FACTS)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


class _Participant(_Strict):
    name: _Name
    aliases: Annotated[list[_Text], Field(max_length=_MOST_FACTS)]
    facts: _Facts


class _Backend(_Participant):
    kind: Literal["backend"]
    digests: dict[str, Any]


class _Provider(_Participant):
    kind: Literal["provider"]
    float16: bool
    network: _Sha256
    maps: dict[str, Any]


_Entry = Annotated[_Backend | _Provider, Field(discriminator="kind")]


class _Content(_Strict):
    """A record without its seal; digests and maps are checked against the corpus afterwards."""

    kind: Literal["roi-accel parity record"]
    schema_version: Literal[1]
    provenance: _Provenance
    entries: Annotated[
        list[Annotated[_Entry, at_most(_KEYS)]],
        Field(min_length=1, max_length=MAX_ENTRIES),
    ]


_CONTENT = TypeAdapter(Annotated[_Content, at_most(_KEYS)])
_STAGES = TypeAdapter(
    Annotated[dict[Stage, _Sha256], Field(min_length=len(INTEGER_STAGES)), at_most(_KEYS)]
)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What one backend or provider answered.

    Attributes
    ----------
    digests : mapping of str to mapping of str to str
        Of a backend: the SHA-256 of each integer stage by frame key.
    maps : mapping of str to array
        Of a provider: its float32[height, width] by frame key.
    network : str
        The SHA-256 of the network that made the maps.
    """

    participant: Participant
    digests: Digests = field(default_factory=dict)
    maps: Maps = field(default_factory=dict)
    network: str = ""


@dataclass(frozen=True, kw_only=True)
class Record:
    """One machine's answers, under its name in reports.

    `intact` says whether the file is unchanged since it was written: its seal fits its content.
    """

    name: str
    entries: tuple[Entry, ...]
    provenance: Mapping[str, Any]
    intact: bool = True


def write_record(record: Record) -> str:
    """Return the record as JSON, sealed with the SHA-256 of its own content.

    InputError if `read_record` would refuse a name or fact.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "kind": KIND,
        "provenance": dict(record.provenance),
        "entries": [_entry_to_json(entry) for entry in record.entries],
    }
    try:
        _CONTENT.validate_python(content)
    except ValidationError as error:
        msg = f"the record cannot be written: {first_fault(error)}"
        raise InputError(msg, remedy="give the network's file a plain name") from error
    sealed = {**content, "seal": _seal(content)}
    return json.dumps(sealed, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def read_record(path: Path, *, name: str) -> Record:
    """Return the record in the file `path`.

    A file that was changed but can still be read is returned as not `intact`, so that comparing it
    shows what was changed. InputError, which names the place, if the file cannot be read, is too
    large, is not a record, of a newer version, made with another corpus, or damaged beyond use.
    """
    where = printable(str(path))
    try:
        document = strict_json.loads_object(read_bounded(path, MAX_BYTES, remedy=_REMEDY))
    except ValueError as error:
        msg = f"{where} is not the JSON of a parity record: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    if document.get("kind") != KIND:
        msg = f"{where} is not a parity record: its kind is {short_repr(document.get('kind'))}"
        raise InputError(msg, remedy=_REMEDY)
    version = document.get("schema_version")
    if version != SCHEMA_VERSION or isinstance(version, bool):
        found = short_repr(version)
        msg = f"{where} has schema version {found}, this program reads {SCHEMA_VERSION}"
        raise InputError(msg, remedy="update roi-accel, or make the record with this version")
    seal = document.pop("seal", None)
    try:
        content = _CONTENT.validate_python(document)
        entries = tuple(_entry(entry, name) for entry in content.entries)
    except ValueError as error:
        what = first_fault(error) if isinstance(error, ValidationError) else str(error)
        msg = f"{where} is damaged or from another version: {what}"
        raise InputError(msg, remedy=_REMEDY) from error
    intact = seal == _seal(document)
    return Record(name=name, entries=entries, provenance=content.provenance, intact=intact)


def map_shapes() -> dict[str, tuple[int, int]]:
    """Return the size (height, width) of the network's map of every frame with a picture."""
    return {
        frame_key(case.name, number): (case.plan.model.padded_height, case.plan.model.padded_width)
        for case in cases()
        if case.has_pictures and case.plan.model is not None
        for number in range(case.frames)
    }


def golden_maps() -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the committed maps float32[height, width] by their network's SHA-256 and frame key.

    They are those of the CPU provider, for one machine alone to be verified within the tolerance.
    """
    text = resources.files("roi_accel.parity").joinpath(GOLDEN_MAPS_FILE).read_text("utf-8")
    return {
        network: {
            key: unpack_map(entry["map"], (entry["height"], entry["width"]))
            for key, entry in maps.items()
        }
        for network, maps in json.loads(text).items()
    }


def pack_map(array: NDArray[np.float32]) -> str:
    """Return a map's little-endian bytes, compressed, as text."""
    return base64.b64encode(zlib.compress(array.astype("<f4").tobytes(), 9)).decode("ascii")


def unpack_map(text: object, shape: tuple[int, int]) -> NDArray[np.float32]:
    """Return the map of a known `shape`, so that nothing larger is ever unpacked, or ValueError."""
    wanted = math.prod(shape) * np.dtype(np.float32).itemsize
    if not isinstance(text, str):
        msg = "the map is not a text"
        raise ValueError(msg)  # noqa: TRY004 - found in a file, where every fault is a ValueError
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(base64.b64decode(text, validate=True), wanted + 1)
    except (binascii.Error, ValueError, zlib.error) as error:
        msg = f"the map cannot be unpacked: {error}"
        raise ValueError(msg) from error
    if len(content) != wanted or not unpacker.eof or unpacker.unused_data:
        msg = f"the map is not the {wanted} bytes of float32{list(shape)}"
        raise ValueError(msg)
    return np.frombuffer(content, dtype="<f4").astype(np.float32).reshape(shape)


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    participant = entry.participant
    shared: dict[str, Any] = {
        "name": participant.name,
        "kind": participant.kind,
        "aliases": list(participant.aliases),
        "facts": dict(participant.facts),
    }
    if participant.kind == "backend":
        return {**shared, "digests": {key: dict(each) for key, each in entry.digests.items()}}
    maps = {key: pack_map(array) for key, array in entry.maps.items()}
    return {**shared, "float16": participant.half, "network": entry.network, "maps": maps}


def _entry(entry: _Backend | _Provider, record: str) -> Entry:
    """Return an entry with its digests or maps; ValueError if they are not the corpus's."""
    participant = Participant(
        name=f"{record}: {entry.name}",
        kind=entry.kind,
        aliases=(entry.name, *entry.aliases),
        facts=entry.facts,
        half=isinstance(entry, _Provider) and entry.float16,
    )
    if isinstance(entry, _Backend):
        _check_keys(entry.digests, golden_digests(), entry.name)
        for key, stages in entry.digests.items():
            try:
                _STAGES.validate_python(stages)
            except ValidationError as error:
                msg = f"{entry.name}, {key}: {first_fault(error)}"
                raise ValueError(msg) from error
        return Entry(participant=participant, digests=entry.digests)
    shapes = map_shapes()
    _check_keys(entry.maps, shapes, entry.name)
    maps = {}
    for key, shape in shapes.items():
        try:
            maps[key] = unpack_map(entry.maps[key], shape)
        except ValueError as error:
            msg = f"{entry.name}, {key}: {error}"
            raise ValueError(msg) from error
    return Entry(participant=participant, maps=maps, network=entry.network)


def _check_keys(found: Mapping[str, object], expected: Mapping[str, object], where: str) -> None:
    for key in found:
        if key not in expected:
            msg = f"{where}: case {short_repr(key)} is not in this version's corpus"
            raise ValueError(msg)
    for key in expected:
        if key not in found:
            msg = f"{where}: case {key!r} of this version's corpus is missing"
            raise ValueError(msg)


def _seal(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
