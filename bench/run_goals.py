"""What whole runs are meant to cost, as ratios measured in one run, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_CENTER_SURROUND = "center-surround"
_STUDENT = "student_v2"


@dataclass(frozen=True, kw_only=True)
class RunGoal:
    """One figure of `end_to_end` and its bound.

    Attributes
    ----------
    what : str
    measure : str
        One of `end_to_end.WHAT`.
    row : mapping
        The row that it is about, by some of its fields; of several rows the worst counts.
    bound : float
    is_least : bool
        Whether the bound is a least and not a most.
    """

    what: str
    measure: str
    row: Mapping[str, Any]
    bound: float
    is_least: bool = False


_HD = {"size": "1080p", "bit_depth": 8}

RUN_GOALS = (
    RunGoal(
        what="whole run / two plain VMAF runs",
        measure="ratio",
        row={**_HD, "network": _CENTER_SURROUND, "input": "H.264"},
        bound=1.12,
    ),
    RunGoal(
        what="whole run / two plain VMAF runs",
        measure="ratio",
        row={**_HD, "network": _CENTER_SURROUND, "input": "raw"},
        bound=1.12,
    ),
    RunGoal(
        what="whole run / two plain VMAF runs",
        measure="ratio",
        row={**_HD, "network": _STUDENT, "input": "H.264"},
        bound=1.30,
    ),
    RunGoal(
        what="whole run / two plain VMAF runs",
        measure="ratio",
        row={**_HD, "network": _STUDENT, "input": "raw"},
        bound=1.30,
    ),
    RunGoal(
        what="vmaf-roi-score's steps / whole run",
        measure="plain",
        row={**_HD, "network": _STUDENT, "input": "raw"},
        bound=10,
        is_least=True,
    ),
    RunGoal(
        what="4 distorted videos together / one by one",
        measure="shared",
        row={**_HD, "network": _STUDENT, "input": "H.264"},
        bound=0.80,
    ),
    RunGoal(
        what="peak memory in MiB, VMAF's process not counted",
        measure="memory",
        row=_HD,
        bound=600 / 1.048576,  # the goal is 600 MB
    ),
)


def judge_runs(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each goal the measured figure, or None where `report` has no such row."""
    return [_judge(goal, report.get(goal.measure, ())) for goal in RUN_GOALS]


def _judge(goal: RunGoal, rows: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    medians = [row["median"] for row in rows if all(row.get(k) == v for k, v in goal.row.items())]
    measured = (min if goal.is_least else max)(medians, default=None)
    is_met = None
    if measured is not None:
        is_met = measured >= goal.bound if goal.is_least else measured <= goal.bound
    return {
        "what": goal.what,
        "case": ", ".join(str(value) for value in goal.row.values()).replace(", 8", " 8 bit"),
        "bound": goal.bound,
        "bound_is": "at least" if goal.is_least else "at most",
        "measured": measured,
        "met": is_met,
    }
