"""How far two answers may differ: one table, and a device's calibration from a TOML file.

ADR-0214 sets the defaults: absolute, per stage, 5e-5 in float32 and 1e-2 in float16 on normalised
values. The pixel path is stricter: it computes in integers, so its answers must be equal. A
calibration (ADR-0234) can tighten any float stage, and loosen one if it gives a reason.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError

from roi_accel._util.files import read_bounded
from roi_accel._util.text import printable
from roi_accel._util.validation import first_fault
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

Stage = Literal["preprocess", "saliency", "upsample", "substitute", "score"]

STAGES: tuple[Stage, ...] = ("preprocess", "saliency", "upsample", "substitute", "score")
"""In the order in which a frame passes through them."""

INTEGER_STAGES: tuple[Stage, ...] = ("preprocess", "upsample", "substitute")
"""What a backend computes, from integer tables alone; exact, and nothing loosens that."""

TABLE_SOURCE = "built-in table"

MAX_BYTES = 256 << 10
"""Two thousand rules, far more than any calibration has."""

MAX_DOTS = 64
"""In a line: tomllib takes time and memory that grow with the square of a dotted key's parts."""

_REMEDY = "see docs/parity.md for the format"
_CHARACTER_CLASS = re.compile(r"\[!?\]?[^\]]*\]")


@dataclass(frozen=True)
class Tolerance:
    """How far two answers of one stage may differ.

    Attributes
    ----------
    dtype : {"integer", "float32", "float16"}
        The arithmetic behind the answer.
    value : float
        Largest absolute difference that still agrees, in `unit`; 0 requires equal bits.
    limit : float
        What no calibration may exceed: beyond it, agreement would mean nothing.
    source : str
        The origin of the value: this table, or a rule of a calibration file.
    """

    stage: Stage
    dtype: str
    value: float
    unit: str
    reason: str
    limit: float = 0.0
    source: str = TABLE_SOURCE

    @property
    def exact(self) -> bool:
        """Whether the bits must be equal."""
        return self.value == 0.0


_INTEGERS = "integer arithmetic (docs/arithmetic.md)"

TABLE = (
    Tolerance("preprocess", "integer", 0.0, "float32 bits",
              "integers that look up a float32 table made on the host"),
    Tolerance("saliency", "float32", 5e-5, "saliency in [0, 1]",
              "ADR-0214, FP32: devices order their sums differently", limit=0.1),
    Tolerance("saliency", "float16", 1e-2, "saliency in [0, 1]",
              "ADR-0214, FP16: a half has 11 significant bits", limit=0.1),
    Tolerance("upsample", "integer", 0.0, "alpha in 1/65536", _INTEGERS),
    Tolerance("substitute", "integer", 0.0, "sample codes", _INTEGERS),
    Tolerance("score", "float32", 5e-5, "VMAF points per frame",
              "ADR-0214; equal pixels give equal scores, so the slack is the log's rounding",
              limit=0.1),
)  # fmt: skip


def table_tolerance(stage: Stage, *, half: bool = False) -> Tolerance:
    """Return the row of `stage`, with `half` for float16 where there is one; or ValueError."""
    rows = [row for row in TABLE if row.stage == stage]
    if not rows:
        msg = f"there is no stage {stage!r}; there are {', '.join(STAGES)}"
        raise ValueError(msg)
    return next((row for row in rows if half and row.dtype == "float16"), rows[0])


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One override: a glob of devices, in which case matters, and what replaces the table's row."""

    pattern: str
    tolerance: Tolerance

    @property
    def specificity(self) -> int:
        """The number of literal characters in the pattern."""
        return len(re.sub(r"[*?]", "", _CHARACTER_CLASS.sub("", self.pattern)))

    def matches(self, names: Iterable[str]) -> bool:
        """Whether the pattern is one of the device's names, whole."""
        return any(fnmatchcase(name, self.pattern) for name in names)


@dataclass(frozen=True)
class Calibration:
    """The rules of a file; without rules the table alone decides."""

    rules: tuple[Rule, ...] = ()

    def tolerance(self, stage: Stage, *devices: Sequence[str], half: bool = False) -> Tolerance:
        """Return how far the answers of `devices` may lie apart in `stage`.

        For each device the matching rule with the most literal characters; of those the largest.
        The table's row where no rule matches any device. InputError if two rules match a device
        equally well.

        Parameters
        ----------
        *devices : sequence of str
            For each device its names, such as ``("opencl:0.0", "opencl:0.0 NVIDIA H100")``.
        half : bool
            Whether float16 computed the answers.
        """
        default = table_tolerance(stage, half=half)
        found = [
            rule.tolerance
            for names in devices
            if (rule := self._best(stage, default.dtype, names)) is not None
        ]
        return max(found, key=lambda tolerance: tolerance.value, default=default)

    def unused(self, devices: Iterable[Sequence[str]]) -> list[Rule]:
        """Return the rules that match none of `devices`, each given by its names."""
        names = [name for device in devices for name in device]
        return [rule for rule in self.rules if not rule.matches(names)]

    def _best(self, stage: Stage, dtype: str, names: Sequence[str]) -> Rule | None:
        rules = [
            rule
            for rule in self.rules
            if (rule.tolerance.stage, rule.tolerance.dtype) == (stage, dtype)
            and rule.matches(names)
        ]
        highest = max((rule.specificity for rule in rules), default=0)
        best = [rule for rule in rules if rule.specificity == highest]
        if len(best) > 1:
            msg = (
                f"{best[0].tolerance.source} and {best[1].tolerance.source} both match device "
                f"{names[0]} with {highest} literal characters: "
                f"{best[0].pattern!r} and {best[1].pattern!r}"
            )
            raise InputError(msg, remedy="make one of the patterns more specific")
        return best[0] if best else None


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in the TOML file `path`.

    Raises
    ------
    InputError
        The file cannot be read, is not TOML or not of this form, has a value out of range, loosens
        a float stage without a reason, or an integer stage at all.
    """
    content = read_bounded(path, MAX_BYTES)
    where = printable(str(path))
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b".") > MAX_DOTS:
            msg = f"{where}, line {number}: has more than {MAX_DOTS} dots, which no rule has"
            raise InputError(msg, remedy=_REMEDY)
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # Python's own limit on digits is a ValueError.
        msg = f"{where} is not TOML: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    tables = _validated(_File, document, where).rule
    rules = tuple(_rule(table, f"{where}, rule {number}") for number, table in enumerate(tables, 1))
    _check_unique(rules)
    return Calibration(rules)


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _File(_Strict):
    rule: Annotated[list[dict[str, Any]], Field(min_length=1), FailFast()]


class _Table(_Strict):
    device: Annotated[str, Field(pattern=r"\S")]
    stage: Stage
    dtype: Literal["float32", "float16"] = "float32"
    tolerance: float
    reason: str = ""


_Model = TypeVar("_Model", bound=BaseModel)


def _validated(model: type[_Model], table: dict[str, Any], where: str) -> _Model:
    try:
        return model.model_validate(table)
    except ValidationError as error:
        msg = f"{where}: {first_fault(error, model.model_fields)}"
        raise InputError(msg, remedy=_REMEDY) from error


def _rule(row: dict[str, Any], where: str) -> Rule:
    table = _validated(_Table, row, where)
    stage, value, reason = table.stage, table.tolerance, table.reason.strip()
    if stage in INTEGER_STAGES:
        msg = f"{where}: stage {stage!r} computes in integers and must be exact on every device"
        raise InputError(msg, remedy="remove the rule; a device that differs cannot be used")
    default = table_tolerance(stage, half=table.dtype == "float16")
    if table.dtype != default.dtype:
        msg = f"{where}: stage {stage!r} has no {table.dtype}"
        raise InputError(msg, remedy="leave 'dtype' out")
    if not 0.0 <= value <= default.limit:
        msg = f"{where}: 'tolerance' is {value:g}, expected 0 to {default.limit:g} {default.unit}"
        raise InputError(msg, remedy=_REMEDY)
    if value > default.value and not reason:
        msg = f"{where}: loosens {stage} from {default.value:g} to {value:g} without a reason"
        raise InputError(msg, remedy='add reason = "what was measured, and when"')
    tolerance = replace(default, value=value, reason=reason or default.reason, source=where)
    return Rule(pattern=table.device, tolerance=tolerance)


def _check_unique(rules: Sequence[Rule]) -> None:
    """Raise InputError for two rules with one pattern, which could only ever tie."""
    seen: dict[tuple[str, str, str], Tolerance] = {}
    for rule in rules:
        own = rule.tolerance
        first = seen.setdefault((rule.pattern, own.stage, own.dtype), own)
        if first is not own:
            what = f"device {rule.pattern!r} and stage {own.stage!r}"
            msg = f"{own.source}: {what} are already in {first.source}"
            raise InputError(msg, remedy="keep one of them")
