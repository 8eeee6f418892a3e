"""Tolerances measured for one device, read from a TOML file: ADR-0234's calibration.

A file can tighten any float stage, and loosen one where it says why. It cannot loosen a stage that
computes in integers: that bits are equal is what a score rests on, so a device that cannot do it is
refused, not excused.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, cast

from roi_accel._util.suggest import did_you_mean
from roi_accel.errors import InputError, unreadable
from roi_accel.parity.tolerance import INTEGER_STAGES, STAGES, Stage, table_tolerance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from roi_accel.parity.tolerance import Tolerance

MAX_BYTES = 256 << 10
"""Far beyond any calibration: two thousand rules."""

MAX_DOTS = 64
"""In a line: tomllib takes time and memory that grow with the square of a dotted key's parts."""

_KEYS = {"device": str, "stage": str, "dtype": str, "tolerance": float, "reason": str}
_REQUIRED = ("device", "stage", "tolerance")
_WORDS = {str: "a text", float: "a number", list: "tables [[rule]]"}
_DTYPES = ("float32", "float16")
_SHOWN = 80
_REMEDY = "see docs/parity.md for the format"
_CHARACTER_CLASS = re.compile(r"\[!?\]?[^\]]*\]")


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One override: which devices, and the row that replaces the table's.

    Attributes
    ----------
    pattern : str
        A glob with ``*``, ``?`` and ``[...]``; case matters.
    tolerance : Tolerance
    """

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
    """The rules of a file, or none: then the table alone decides.

    Parameters
    ----------
    rules : tuple of Rule
    """

    rules: tuple[Rule, ...] = ()

    def tolerance(self, stage: Stage, *devices: Sequence[str], half: bool = False) -> Tolerance:
        """Return how far the answers of `devices` may lie apart in `stage`.

        Parameters
        ----------
        stage : {"preprocess", "saliency", "upsample", "substitute", "score"}
        *devices : sequence of str
            For each device its names, such as ``("opencl:0.0", "opencl:0.0 NVIDIA H100")``.
        half : bool
            Whether float16 computed the answers.

        Returns
        -------
        Tolerance
            For each device the matching rule with the most literal characters; of those the
            largest. The table's row where no rule matches any device.

        Raises
        ------
        InputError
            Two rules match a device equally well.
        """
        default = table_tolerance(stage, half=half)
        found = [
            rule.tolerance
            for names in devices
            if (rule := self._best(stage, default.dtype, names)) is not None
        ]
        return max(found, key=lambda tolerance: tolerance.value, default=default)

    def unused(self, devices: Iterable[Sequence[str]]) -> list[Rule]:
        """Return the rules that match none of `devices`, which are probably misspelt.

        Parameters
        ----------
        devices : iterable of sequence of str
            All names of each device that took part, as given to `tolerance`.
        """
        known = list(devices)
        return [rule for rule in self.rules if not any(rule.matches(names) for names in known)]

    def _best(self, stage: Stage, dtype: str, names: Sequence[str]) -> Rule | None:
        rules = [
            rule
            for rule in self.rules
            if (rule.tolerance.stage, rule.tolerance.dtype) == (stage, dtype)
            and rule.matches(names)
        ]
        if not rules:
            return None
        highest = max(rule.specificity for rule in rules)
        best = [rule for rule in rules if rule.specificity == highest]
        if len(best) > 1:
            msg = (
                f"{best[0].tolerance.source} and {best[1].tolerance.source} both match device "
                f"{names[0]} with {highest} literal characters: "
                f"{best[0].pattern!r} and {best[1].pattern!r}"
            )
            raise InputError(msg, remedy="make one of the patterns more specific")
        return best[0]


def read_calibration(path: Path) -> Calibration:
    """Return the calibration in the TOML file `path`.

    Raises
    ------
    InputError
        The file cannot be read, is not TOML, has an unknown or missing key, a value of the wrong
        type or out of range, loosens a float stage without a reason, or an integer stage at all.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(path, error) from error
    if len(content) > MAX_BYTES:
        msg = f"{path} is larger than {MAX_BYTES} bytes, which no calibration is"
        raise InputError(msg, remedy=_REMEDY)
    for number, line in enumerate(content.split(b"\n"), 1):
        if line.count(b".") > MAX_DOTS:
            msg = f"{path}, line {number}: has more than {MAX_DOTS} dots, which no rule has"
            raise InputError(msg, remedy=_REMEDY)
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # Python's own limit on digits is a ValueError.
        msg = f"{path} is not TOML: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    _check_keys(document, {"rule": list}, str(path))
    rows = document.get("rule")
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        msg = f"{path} has no [[rule]]"
        raise InputError(msg, remedy=_REMEDY)
    rules = tuple(_rule(row, f"{path}, rule {number}") for number, row in enumerate(rows, 1))
    _check_unique(rules)
    return Calibration(rules)


def _rule(row: dict[str, Any], where: str) -> Rule:
    _check_keys(row, _KEYS, where)
    for key in _REQUIRED:
        if key not in row:
            msg = f"{where}: {key!r} is missing"
            raise InputError(msg, remedy=_REMEDY)
    stage, dtype = row["stage"], row.get("dtype", "float32")
    reason = row.get("reason", "").strip()
    value = _number(row["tolerance"], where)
    if not row["device"].strip():
        msg = f"{where}: 'device' is empty, expected a pattern such as 'opencl:*'"
        raise InputError(msg, remedy=_REMEDY)
    if stage not in STAGES:
        msg = f"{where}: 'stage' is {_shown(stage)}, expected one of {', '.join(STAGES)}"
        raise InputError(msg, remedy=_REMEDY)
    if stage in INTEGER_STAGES:
        msg = f"{where}: stage {stage!r} computes in integers and must be exact on every device"
        raise InputError(msg, remedy="remove the rule; a device that differs cannot be used")
    if dtype not in _DTYPES:
        msg = f"{where}: 'dtype' is {_shown(dtype)}, expected one of {', '.join(_DTYPES)}"
        raise InputError(msg, remedy=_REMEDY)
    default = table_tolerance(cast("Stage", stage), half=dtype == "float16")
    if dtype != default.dtype:
        msg = f"{where}: stage {stage!r} has no {dtype}"
        raise InputError(msg, remedy="leave 'dtype' out")
    if not (math.isfinite(value) and 0.0 <= value <= default.limit):
        msg = f"{where}: 'tolerance' is {value:g}, expected 0 to {default.limit:g} {default.unit}"
        raise InputError(msg, remedy=_REMEDY)
    if value > default.value and not reason:
        msg = f"{where}: loosens {stage} from {default.value:g} to {value:g} without a reason"
        raise InputError(msg, remedy='add reason = "what was measured, and when"')
    tolerance = replace(default, value=value, reason=reason or default.reason, source=where)
    return Rule(pattern=row["device"], tolerance=tolerance)


def _number(value: float, where: str) -> float:
    try:
        return float(value)
    except OverflowError as error:
        msg = f"{where}: 'tolerance' is a number too large for any stage"
        raise InputError(msg, remedy=_REMEDY) from error


def _shown(value: object) -> str:
    """Return the beginning of a value for a message."""
    try:
        return repr(value)[:_SHOWN]
    except ValueError:  # Python shows no integer of more than 4300 digits.
        return "a number of thousands of digits"


def _check_keys(table: dict[str, Any], known: dict[str, type], where: str) -> None:
    for key, value in table.items():
        if key not in known:
            hint = did_you_mean(key, known).rstrip() or _REMEDY
            msg = f"{where}: unknown key {_shown(key)}, expected {', '.join(known)}"
            raise InputError(msg, remedy=hint)
        accepted = (int, float) if known[key] is float else (known[key],)
        if not isinstance(value, accepted) or isinstance(value, bool):
            msg = f"{where}: {key!r} is {_shown(value)}, expected {_WORDS[known[key]]}"
            raise InputError(msg, remedy=_REMEDY)


def _check_unique(rules: Sequence[Rule]) -> None:
    """Raise InputError for two rules with one pattern, which could only ever tie."""
    seen: dict[tuple[str, str, str], Rule] = {}
    for rule in rules:
        key = (rule.pattern, rule.tolerance.stage, rule.tolerance.dtype)
        if key in seen:
            msg = (
                f"{rule.tolerance.source}: device {rule.pattern!r} and stage "
                f"{rule.tolerance.stage!r} are already in {seen[key].tolerance.source}"
            )
            raise InputError(msg, remedy="keep one of them")
        seen[key] = rule
