"""Ladders: several encodes of one reference, read from a batch's results, and which are worth it.

An encode is worth its bits where no other, and no mixture of two others, looks as good for fewer:
where it lies on the convex hull of score over bitrate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.text import printable
from roi_accel._util.validation import first_fault
from roi_accel.errors import InputError, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

METRICS = ("vmaf_full", "vmaf_masked", "vmaf_roi")

UNNAMED = "encodes"
"""The ladder of encodes for which the manifest names none."""

_REMEDY = "name the file that 'roi-accel batch -o' wrote"
_OF_SCORE = "is a result of 'score', and a ladder is read from the lines of a batch"
_SCORE_REMEDY = "score the encodes with 'roi-accel batch MANIFEST -o results.ndjson'"
_CUT_OFF = "the batch that writes it was cut off there; run it again to the end"
_FULL, _HEAD = b'"vmaf_full"', 4096
"""A key of a result of `score`, and how many bytes of a document are looked through for it."""

_NAMED = ("model", "saliency_model", "weight")
"""Settings that a result says beside its scores."""

_NOT_DECISIVE = ("features", "models", "model_sha256")
"""Parameters that are not compared as they are.

Features and further models are only reported beside the scores; the first model's entries are
compared as `_DETAILS`.
"""

_OF_MASK = {"saliency_size": "saliency_size", "fill": "synthetic_mask"}
"""Which fact of a mask belongs to which option.

The other facts follow from these, the digests and the boxes, or say where the network ran, which
may change a map within the gate's tolerance and is not part of a pair's identity in a batch either.
"""

_DETAILS = {
    "models": "model",
    "model_sha256": "model",
    "network_sha256": "saliency_model",
    "mask_sha256": "saliency_model",
}
"""The contents behind a setting's name: reported where the name itself is the same."""

_OF_REFERENCE = ("width", "height", "pixel_format", "colour_matrix", "colour_range")
_EFFECTS = ("frames", *_OF_REFERENCE)
"""What was scored in the end: reported where no differing setting explains it."""

_PER_REFERENCE = (
    *("fps", "crop", "frame_skip_ref", "frame_skip_dist", "start", "duration"),
    *("frame_count", "shortest", "roi", "mask_sha256", "scorer", *_EFFECTS),
)
"""What suits one clip, and so rightly differs from one reference to another."""


@dataclass(frozen=True)
class Encode:
    """One finished pair.

    Attributes
    ----------
    line : int
        Of the manifest.
    distorted : str
    bitrate : float or None
        Of its video, in bits per second; None for raw video.
    scores : mapping of str to float
        By `METRICS`.
    settings : mapping of str to object
        What else decides the scores, and must be equal where they are compared.
    """

    line: int
    distorted: str
    bitrate: float | None
    scores: Mapping[str, float]
    settings: Mapping[str, object] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, str]:
        """What tells it from others; a line of the manifest may name several."""
        return self.line, self.distorted


@dataclass(frozen=True)
class Ladder:
    """Encodes of one reference that belong together, by bitrate; those without one come last."""

    name: str
    encodes: tuple[Encode, ...]

    @property
    def rated(self) -> tuple[Encode, ...]:
        """Those with a bitrate, in its order."""
        return tuple(each for each in self.encodes if each.bitrate is not None)


@dataclass(frozen=True)
class ReferenceLadders:
    """All ladders of one reference, in the manifest's order."""

    reference: str
    ladders: tuple[Ladder, ...]

    @property
    def encodes(self) -> tuple[Encode, ...]:
        """Those of all ladders, ladder by ladder."""
        return tuple(each for ladder in self.ladders for each in ladder.encodes)


@dataclass(frozen=True)
class Failure:
    """One pair that has no scores; its row, at `line` of the manifest, may not name the videos."""

    line: int
    reference: str | None
    distorted: str | None
    reason: str


@dataclass(frozen=True)
class Results:
    """What a batch has found, in the manifest's order; each warning is one line."""

    references: tuple[ReferenceLadders, ...]
    failures: tuple[Failure, ...]
    warnings: tuple[str, ...]


def hull(points: Sequence[tuple[float, float]]) -> list[int]:
    """Return the positions of the points on the rising upper convex hull, in order of bitrate.

    Parameters
    ----------
    points : sequence of (float, float)
        Bitrate and score. The bitrate is taken as it is, not its logarithm: then the hull has
        exactly those encodes that are the best choice at some price of a bit.

    Returns
    -------
    list of int
        From the lowest bitrate to the highest score, scores rising strictly. Of equal points only
        the first is among them.

    Notes
    -----
    The upper half of Andrew's monotone chain, "Another efficient algorithm for convex hulls in two
    dimensions", Information Processing Letters 9 (1979).
    """
    chain: list[int] = []
    for each in sorted(range(len(points)), key=lambda at: (points[at][0], -points[at][1])):
        if chain and points[each][1] <= points[chain[-1]][1]:
            continue  # It costs as much or more, and looks no better.
        while len(chain) > 1 and _is_below(points[chain[-1]], points[chain[-2]], points[each]):
            chain.pop()
        chain.append(each)
    return chain


def _is_below(
    point: tuple[float, float], left: tuple[float, float], right: tuple[float, float]
) -> bool:
    """Return whether a point lies below the line from `left` to `right`."""
    rise = (right[1] - left[1]) * (point[0] - left[0])
    return (point[1] - left[1]) * (right[0] - left[0]) < rise


def on_hull(encodes: Sequence[Encode], metric: str) -> frozenset[tuple[int, str]]:
    """Return the places of the encodes on the hull of `metric` over bitrate.

    Encodes that are equal in both are on it together; those without a bitrate never are.
    """
    rated = [each for each in encodes if each.bitrate is not None]
    points = [(each.bitrate or 0.0, each.scores[metric]) for each in rated]
    corners = {points[at] for at in hull(points)}
    return frozenset(
        each.place for each, point in zip(rated, points, strict=True) if point in corners
    )


def read_results(path: Path) -> Results:
    """Return the ladders among the results of a batch.

    Parameters
    ----------
    path : Path
        One JSON object a line, as ``roi-accel batch`` writes them. Of lines of one row, as there
        are where a video was encoded again and the batch run once more, the last counts.

    Raises
    ------
    InputError
        The file is missing, a line is not a result, or no pair of it has scores.
    """
    found: dict[str | int, tuple[str, str, Encode] | Failure] = {}
    for number, record in _records(path):
        key, entry = _entry(record, f"{printable(path)} line {number}")
        found[key] = entry
    entries = sorted(found.values(), key=_line)
    failures = tuple(each for each in entries if isinstance(each, Failure))
    scored = [each for each in entries if not isinstance(each, Failure)]
    if not scored:
        what = f"all {len(failures)} pairs failed" if failures else "it is empty"
        msg = f"{printable(path)}: has no scores: {what}"
        raise InputError(msg, remedy=failures[0].reason if failures else _REMEDY)
    grouped: dict[str, dict[str, list[Encode]]] = {}
    for reference, name, encode in scored:
        grouped.setdefault(reference, {}).setdefault(name, []).append(encode)
    references = tuple(
        ReferenceLadders(
            reference, tuple(Ladder(name, _by_bitrate(each)) for name, each in ladders.items())
        )
        for reference, ladders in grouped.items()
    )
    return Results(references, failures, tuple(_warnings(references, failures)))


def _line(entry: tuple[str, str, Encode] | Failure) -> int:
    return entry.line if isinstance(entry, Failure) else entry[2].line


def _by_bitrate(encodes: Sequence[Encode]) -> tuple[Encode, ...]:
    return tuple(sorted(encodes, key=lambda each: each.bitrate or math.inf))


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each line's number and content; a line is forgotten before the next, frames and all."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number == 1 and _begins_document(line) and _FULL in line + file.read(_HEAD):
                    msg = f"{printable(path)}: {_OF_SCORE}"
                    raise InputError(msg, remedy=_SCORE_REMEDY)
                if line.strip():
                    yield number, _parsed(line, f"{printable(path)} line {number}")
    except OSError as error:
        raise unreadable(printable(path), error, remedy=_REMEDY) from error


def _begins_document(line: bytes) -> bool:
    """Return whether more lines belong to the JSON that begins with `line`, or it is an array."""
    return line.strip() == b"{" or line.lstrip().startswith(b"[{")


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        return strict_json.loads_object(line)
    except ValueError as error:
        msg = f"{where}: is not an object of strict JSON ({error})"
        # Every whole line ends in a newline.
        raise InputError(msg, remedy=_REMEDY if line.endswith(b"\n") else _CUT_OFF) from error


class _Line(BaseModel):
    model_config = ConfigDict(strict=True)

    line: int
    row: str | None = None
    ladder: str | None = None
    bitrate: Annotated[float, Field(gt=0)] | None = None


class _Record(BaseModel):
    model_config = ConfigDict(strict=True)

    batch: _Line


class _Scored(_Record):
    reference: str
    distorted: str
    vmaf_full: float
    vmaf_masked: float
    vmaf_roi: float


def _entry(
    record: Mapping[str, Any], where: str
) -> tuple[str | int, tuple[str, str, Encode] | Failure]:
    """Return which row a record is of, and what it says: reference, ladder, encode, or a failure.

    Not its id, which rows with equal videos share. A row that cannot be read has only its line.
    """
    if "batch" not in record and METRICS[0] in record:
        msg = f"{where}: has no batch; it {_OF_SCORE}"
        raise InputError(msg, remedy=_SCORE_REMEDY)
    try:
        checked = (_Record if "error" in record else _Scored).model_validate(record)
    except ValidationError as error:
        msg = f"{where}: {first_fault(error)}; a result of a batch was expected"
        raise InputError(msg, remedy=_REMEDY) from error
    batch = checked.batch
    row = batch.line if batch.row is None else batch.row
    if not isinstance(checked, _Scored):
        failure = record["error"]
        reason = failure.get("message") if isinstance(failure, dict) else failure
        names = (record.get(name) for name in ("reference", "distorted"))
        reference, distorted = (each if isinstance(each, str) else None for each in names)
        return row, Failure(batch.line, reference, distorted, str(reason))
    scores = {metric: getattr(checked, metric) for metric in METRICS}
    bitrate = record["batch"].get("bitrate")  # as it was written, without a point or with one
    encode = Encode(batch.line, checked.distorted, bitrate, scores, _settings(record))
    return row, (checked.reference, UNNAMED if batch.ladder is None else batch.ladder, encode)


def _settings(record: Mapping[str, Any]) -> dict[str, object]:
    """Return what decides the scores besides the two videos, and what was scored in the end."""
    provenance = _object_in(record, "provenance")
    parameters, mask, vmaf, reference = (
        _object_in(provenance, name) for name in ("parameters", "mask", "vmaf", "reference")
    )
    models, boxes = parameters.get("models"), mask.get("boxes")
    digest = "network_sha256" if mask.get("kind") == "network" else "mask_sha256"
    return {
        **{name: each for name, each in parameters.items() if name not in _NOT_DECISIVE},
        **{name: record.get(name) for name in _NAMED},
        "models": models[0] if isinstance(models, list) and models else None,
        "model_sha256": _object_in(parameters, "model_sha256").get(str(record.get("model"))),
        **{option: mask.get(fact) for fact, option in _OF_MASK.items()},
        "roi": _rectangles(boxes) if isinstance(boxes, list) else None,  # a track counts its boxes
        digest: mask.get("sha256"),
        **{name: vmaf.get(name) for name in ("scorer", "libvmaf")},
        "roi_accel": provenance.get("roi_accel"),
        "frames": _object_in(record, "batch").get("frames"),
        **{name: reference.get(name) for name in _OF_REFERENCE},
    }


def _rectangles(boxes: Sequence[object]) -> str:
    """Return boxes as ``--roi`` takes them; their order and names do not change their union."""
    found = [each for each in boxes if isinstance(each, dict)]
    texts = {",".join(str(each.get(key)) for key in ("x", "y", "w", "h")) for each in found}
    return " ".join(sorted(texts))


def _object_in(content: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def _warnings(references: Sequence[ReferenceLadders], failures: Sequence[Failure]) -> Iterator[str]:
    for each in failures:
        yield f"line {each.line} of the manifest failed and is left out: {each.reason}"
    for group in references:
        unrated = [each for each in group.encodes if each.bitrate is None]
        if unrated:
            yield (
                f"{group.reference}: {len(unrated)} of {len(group.encodes)} encodes have no "
                f"bitrate, as raw video has none ({unrated[0].distorted}); they are on no curve"
            )
        for name, values in _differing(group.encodes).items():
            yield (
                f"{group.reference}: scores with {name} {' and '.join(values)} are "
                "not comparable; give every encode of a reference the same"
            )
    for name, found in _unlike(references).items():
        named = (f"{' and '.join(sorted(texts))} ({which})" for texts, which in found.items())
        yield (
            f"references with unlike {name} are not comparable, nor is a mean over them: "
            f"{', '.join(named)}; give every reference the same"
        )


def _names(encodes: Iterable[Encode]) -> dict[str, None]:
    """Return the names of all settings, in order and each once."""
    return dict.fromkeys(name for each in encodes for name in each.settings)


def _differing(encodes: Sequence[Encode]) -> dict[str, list[str]]:
    """Return the texts of each setting that differs among encodes of one reference."""
    found = {name: {_text(each.settings.get(name)) for each in encodes} for name in _names(encodes)}
    differing = {name: sorted(texts) for name, texts in found.items() if len(texts) > 1}
    explained = any(name not in _EFFECTS for name in differing)
    return {
        name: texts
        for name, texts in differing.items()
        if _DETAILS.get(name) not in differing and not (explained and name in _EFFECTS)
    }


def _unlike(references: Sequence[ReferenceLadders]) -> dict[str, dict[frozenset[str], str]]:
    """Return the texts of each setting that differs between references, and who first has them.

    What differs within one reference is reported by `_differing`.
    """
    unlike = {}
    for name in _names([each for group in references for each in group.encodes]):
        found: dict[frozenset[str], str] = {}
        for group in references:
            texts = frozenset(_across(each.settings.get(name)) for each in group.encodes)
            found.setdefault(texts, group.reference)
        if len(found) > 1 and name not in _PER_REFERENCE and _DETAILS.get(name) not in unlike:
            unlike[name] = found
    return unlike


def _text(value: object) -> str:
    return "unset" if value is None else str(value)


def _across(value: object) -> str:
    """Return a setting as it counts across references: of a mask's file only that it is one."""
    text = _text(value)
    kind = text.partition(":")[0]
    return kind if kind in ("mask", "roi-track") else text
