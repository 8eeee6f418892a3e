"""Two reports compared by their ratios to peers, which hold where seconds do not."""

from __future__ import annotations

import statistics
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, FailFast, Field, ValidationError

from roi_accel._util import strict_json
from roi_accel._util.files import read_bounded
from roi_accel._util.text import printable, short_repr
from roi_accel._util.validation import at_most, first_fault
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

MAX_BYTES = 16 << 20
"""Far larger than any report."""

_MOST_PEERS = 64
_REMEDY = "write one with roi-accel bench --json FILE"

_Ratio = Annotated[float, Field(strict=True, gt=0, allow_inf_nan=False)]


class _Spread(BaseModel):
    median: _Ratio


class _Row(BaseModel):
    name: str
    ratios: Annotated[Mapping[str, _Spread], at_most(_MOST_PEERS)] = {}
    copied: str = Field("copy", alias="copy")
    share_of_copy: _Ratio | None = None

    def to_peers(self) -> dict[str, float]:
        """Return the ratio of times to each peer; of a kernel without peers, to the copy."""
        if not self.ratios and self.share_of_copy:
            return {self.copied: 1 / self.share_of_copy}
        return {peer: spread.median for peer, spread in self.ratios.items()}


class _Case(BaseModel):
    name: str
    rows: Annotated[list[_Row], FailFast()]


class Report(BaseModel):
    """What is compared of a report of `roi-accel bench`."""

    schema_version: Literal[1]
    settings: Mapping[str, Any]
    cases: Annotated[list[_Case], FailFast()]
    machine: Mapping[str, Any] = {}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Report:
        """Return the report in JSON's types; InputError if it is damaged."""
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            msg = f"a report is damaged: {first_fault(error)}"
            raise InputError(msg, remedy=_REMEDY) from error

    @property
    def ratios(self) -> dict[tuple[str, str], dict[str, float]]:
        """The median ratio to each peer by case and backend."""
        return {
            (case.name, row.name): peers
            for case in self.cases
            for row in case.rows
            if (peers := row.to_peers())
        }


@dataclass(frozen=True)
class Change:
    """How one backend's ratios in one case changed; `peers` has the old and new one of each.

    A `change` of 0.1 is 10 % slower relative to the peers: the median over the peers of new ratio /
    old ratio, minus 1, so that one peer that itself got slower or faster does not decide.
    """

    case: str
    backend: str
    change: float
    peers: Mapping[str, tuple[float, float]]


def read_report(path: Path) -> Report:
    """Return the report in `path`; InputError if that is not strict JSON of this version's."""
    content = read_bounded(path, MAX_BYTES, remedy=_REMEDY)
    try:
        document = strict_json.loads_object(content)
    except ValueError as error:
        msg = f"{printable(str(path))} is not JSON: {error}"
        raise InputError(msg, remedy=_REMEDY) from error
    return Report.of(document)


def check_settings(old: Report, settings: Mapping[str, object]) -> None:
    """Raise InputError if `old` was made with other `settings`."""
    for name, now in settings.items():
        before = old.settings.get(name)
        if before != now:
            msg = f"the old report was made with {name} {short_repr(before)}, this one has {now}"
            raise InputError(msg, remedy="compare runs with the same options")


def compare_reports(old: Report, new: Report) -> list[Change]:
    """Return the change of every backend in every case; InputError if they have none in common."""
    olds = old.ratios
    changes = []
    for key, peers in new.ratios.items():
        both = {peer: (olds[key][peer], peers[peer]) for peer in peers if peer in olds.get(key, {})}
        if both:
            change = statistics.median(now / before for before, now in both.values()) - 1
            changes.append(Change(*key, change, both))
    if not changes:
        msg = "the two reports have no case, backend and peer in common"
        raise InputError(msg, remedy="compare runs with the same --sizes, --formats and --backends")
    return changes


def other_machine(old: Report, new: Report) -> str | None:
    """Return how the machines of two reports differ, or None; ratios hold on one machine only."""
    before, now = (
        f"{short_repr(machine.get('processor'))[1:-1]}, {machine.get('cores')} cores"
        for machine in (old.machine, new.machine)
    )
    return None if before == now else f"the old report is of another machine: {before}, now {now}"


def parse_share(text: str) -> float:
    """Return 0.1 for ``10%`` or ``0.1``; InputError if it is not a number, or negative."""
    number, percent, rest = text.strip().partition("%")
    try:
        value = float(number) / (100 if percent else 1)
    except ValueError:
        value = -1.0
    if rest or not 0 <= value < float("inf"):
        msg = f"--regression {text!r} is not a share"
        raise InputError(msg, remedy="for example --regression 10%")
    return value
