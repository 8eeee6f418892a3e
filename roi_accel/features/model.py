"""VMAF's models, read from libvmaf's JSON files: a support vector regression over features."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.files import read_bounded
from roi_accel._util.text import printable
from roi_accel._util.validation import first_fault
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES = 4 << 20
"""Far larger than any model of this kind."""

FEATURES = {
    "VMAF_integer_feature_adm2_score": "adm2",
    "VMAF_integer_feature_motion2_score": "motion2",
    **{f"VMAF_integer_feature_vif_scale{n}_score": f"vif_scale{n}" for n in range(4)},
}
"""The features that are computed here, by their names in models."""

_REMEDY = "score with libvmaf itself: leave --method out"

Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Transform(BaseModel):
    """A polynomial of the score, of which it is never less or never more."""

    enabled: bool = False
    p0: Finite = 0.0
    p1: Finite = 0.0
    p2: Finite = 0.0
    out_gte_in: bool = False
    out_lte_in: bool = False


class _Options(BaseModel, extra="forbid"):
    """What a model wants of one feature."""

    adm_enhn_gain_limit: Literal[1, 100] = 100
    vif_enhn_gain_limit: Literal[1, 100] = 100


class _Document(BaseModel):
    """The part of a model's file that predicts."""

    model_type: Literal["LIBSVMNUSVR"]
    norm_type: Literal["linear_rescale"]
    feature_names: list[str]
    feature_opts_dicts: list[_Options] = []
    slopes: list[Finite]
    intercepts: list[Finite]
    score_clip: tuple[Finite, Finite] | None = None
    score_transform: _Transform = _Transform()
    model: str


@dataclass(frozen=True, kw_only=True)
class SvrModel:
    """A model that is ready to predict.

    Attributes
    ----------
    features : tuple of str
        Of `FEATURES`, in the model's order.
    gain_limit : {1, 100}
        Of VIF and ADM; 1 does not reward enhancement.
    """

    features: tuple[str, ...]
    gain_limit: int
    slopes: tuple[float, ...]
    intercepts: tuple[float, ...]
    vectors: tuple[tuple[float, tuple[float, ...]], ...]
    gamma: float
    rho: float
    clip: tuple[float, float] | None
    transform: _Transform

    def predict(self, features: Mapping[str, float]) -> float:
        """Return the score of one frame; NaN where a feature is.

        Added up in libsvm's order, so that the last digit is the same.
        """
        scaled = [
            slope * features[name] + intercept
            for name, slope, intercept in zip(
                self.features, self.slopes[1:], self.intercepts[1:], strict=True
            )
        ]
        if not all(map(math.isfinite, scaled)):
            return math.nan
        total = 0.0
        for coefficient, vector in self.vectors:
            distance = 0.0
            for one, other in zip(scaled, vector, strict=True):
                distance += (one - other) * (one - other)
            total += coefficient * math.exp(-self.gamma * distance)
        score = (total - self.rho - self.intercepts[0]) / self.slopes[0]
        score = self._transformed(score) if self.transform.enabled else score
        return score if self.clip is None else min(max(score, self.clip[0]), self.clip[1])

    def _transformed(self, score: float) -> float:
        found = self.transform.p0 + self.transform.p1 * score + self.transform.p2 * score * score
        if self.transform.out_lte_in:
            found = min(found, score)
        return max(found, score) if self.transform.out_gte_in else found


def read_model(path: Path) -> SvrModel:
    """Return the model in a JSON file of libvmaf's.

    Raises
    ------
    InputError
        It cannot be read, is damaged, or needs what is not computed here.
    """
    where = printable(path)
    try:
        content = strict_json.loads_object(read_bounded(path, MAX_BYTES))
        document = _Document.model_validate(content.get("model_dict"))
        names = _names(document)
        gamma, rho, vectors = _support_vectors(document.model, len(names))
        gain_limit = _gain_limit(document)
    except ValidationError as error:
        msg = f"{where}: is not a model that can be computed here: {first_fault(error)}"
        raise InputError(msg, remedy=_REMEDY) from error
    except ValueError as error:
        msg = f"{where}: is not a model that can be computed here: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    return SvrModel(
        features=names,
        gain_limit=gain_limit,
        slopes=tuple(document.slopes),
        intercepts=tuple(document.intercepts),
        vectors=vectors,
        gamma=gamma,
        rho=rho,
        clip=document.score_clip,
        transform=document.score_transform,
    )


def _names(document: _Document) -> tuple[str, ...]:
    """Return our names of a model's features; ValueError where one is not computed here."""
    unknown = [name for name in document.feature_names if name not in FEATURES]
    if unknown:
        msg = f"it needs {printable(unknown[0])}, which is not computed here"
        raise ValueError(msg)
    names = tuple(FEATURES[name] for name in document.feature_names)
    if not len(document.slopes) == len(document.intercepts) == len(names) + 1:
        msg = f"it has {len(names)} features, and not one slope and intercept more"
        raise ValueError(msg)
    return names


def _gain_limit(document: _Document) -> int:
    """Return the limit of all features alike; ValueError where they have several."""
    limits = set()
    options = document.feature_opts_dicts or [_Options()] * len(document.feature_names)
    for name, option in zip(document.feature_names, options, strict=True):
        if "adm" in name:
            limits.add(option.adm_enhn_gain_limit)
        elif "vif" in name:
            limits.add(option.vif_enhn_gain_limit)
    if len(limits) != 1:
        msg = f"it limits the gain of its features in {len(limits)} ways, not in one"
        raise ValueError(msg)
    return limits.pop()


def _support_vectors(
    text: str, size: int
) -> tuple[float, float, tuple[tuple[float, tuple[float, ...]], ...]]:
    """Return gamma, rho and, for each support vector, its coefficient and values.

    libsvm's text format; ValueError where it is another kind of model, or damaged.
    """
    head, _, body = text.partition("SV\n")
    settings = dict(line.split(None, 1) for line in head.splitlines() if line.strip())
    if (settings.get("svm_type"), settings.get("kernel_type")) != ("nu_svr", "rbf"):
        msg = "it is not a nu-SVR with an RBF kernel"
        raise ValueError(msg)
    vectors = []
    for line in body.splitlines():
        coefficient, *nodes = line.split()
        values = [0.0] * size
        for node in nodes:
            place, _, value = node.partition(":")
            if not 1 <= int(place) <= size:
                msg = f"a support vector has a value {place} of {size}"
                raise ValueError(msg)
            values[int(place) - 1] = float(value)
        vectors.append((float(coefficient), tuple(values)))
    if str(len(vectors)) != settings.get("total_sv", "").strip():
        msg = f"it has {len(vectors)} support vectors, not {settings.get('total_sv')}"
        raise ValueError(msg)
    return float(settings["gamma"]), float(settings["rho"]), tuple(vectors)
