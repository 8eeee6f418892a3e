"""What kernels and whole runs should reach, as ratios measured in one run, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.bench.gpu import CUPY, TRANSFERS
from roi_accel.bench.inputs import ON_DEVICE
from roi_accel.bench.peers import FFMPEG, FLOAT_NUMPY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CENTER_SURROUND = "center-surround"
_STUDENT = "student_v2"


@dataclass(frozen=True)
class Goal:
    """A kernel's ratio to a peer, and its bound.

    Attributes
    ----------
    what : str
    backend : str
    kernel, size, pixel_format : str
        The case; each kind of mask is judged by itself.
    against : str
        The peer. Empty: the share of the copy's bandwidth is bounded.
    bound : float
    is_least : bool
        Whether the bound is a minimum, not a maximum.
    """

    what: str
    backend: str
    kernel: str
    size: str
    pixel_format: str
    against: str
    bound: float
    is_least: bool = False


GOALS = (
    Goal("numba / FFmpeg", "numba", "substitute", "1080p", "yuv420p", FFMPEG, 1.0),
    Goal("NumPy / float NumPy", "numpy", "substitute", "1080p", "yuv420p", FLOAT_NUMPY, 0.25),
    Goal("OpenCL on a processor / FFmpeg", "opencl", "substitute", "1080p", "yuv420p", FFMPEG,
         2.5),
    Goal("CUDA, share of copy", "cuda", ON_DEVICE, "2160p", "yuv420p10le", "", 0.8, is_least=True),
    Goal("CUDA, host to host / transfers", "cuda", "substitute", "2160p", "yuv420p10le", TRANSFERS,
         1.15),
    Goal("CUDA / CuPy zoom", "cuda", ON_DEVICE, "2160p", "yuv420p10le", CUPY, 0.1),
)  # fmt: skip


@dataclass(frozen=True)
class RunGoal:
    """A figure of `end_to_end`, and its bound.

    Attributes
    ----------
    what : str
    measure : str
        The measurement's key in the report.
    row : mapping
        Fields of the rows that it is about; the worst of them is judged.
    bound : float
    is_least : bool
        Whether the bound is a minimum, not a maximum.
    """

    what: str
    measure: str
    row: Mapping[str, Any]
    bound: float
    is_least: bool = False


_HD = {"size": "1080p", "bit_depth": 8}

RUN_GOALS = (
    *(
        RunGoal(
            "whole run / two plain VMAF runs",
            "ratio",
            {**_HD, "network": network, "input": kind},
            bound,
        )
        for network, bound in ((_CENTER_SURROUND, 1.12), (_STUDENT, 1.30))
        for kind in ("H.264", "raw")
    ),
    RunGoal(
        "vmaf-roi-score's steps / whole run",
        "plain",
        {**_HD, "network": _STUDENT, "input": "raw"},
        bound=10,
        is_least=True,
    ),
    RunGoal(
        "4 distorted videos together / one by one",
        "shared",
        {**_HD, "network": _STUDENT, "input": "H.264"},
        bound=0.80,
    ),
    RunGoal(
        "peak memory in MiB, VMAF's process not counted",
        "memory",
        _HD,
        bound=600 / 1.048576,  # the goal is 600 MB
    ),
)


def judge(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each kernel's goal and kind of mask the measured figure, or why there is none."""
    return [judged for goal in GOALS for judged in _judge(goal, report)]


def judge_runs(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each goal of whole runs the measured figure; None where `report` has no row."""
    judged = []
    for goal in RUN_GOALS:
        medians = [
            row["median"]
            for row in report.get(goal.measure, ())
            if all(row.get(key) == value for key, value in goal.row.items())
        ]
        measured = (min if goal.is_least else max)(medians, default=None)
        size, bits, *rest = goal.row.values()
        case = ", ".join([f"{size} {bits} bit", *rest])
        judged.append({"what": goal.what, "case": case, **_figures(goal, measured)})
    return judged


def _figures(goal: Goal | RunGoal, measured: float | None) -> dict[str, Any]:
    is_met = None
    if measured is not None:
        is_met = measured >= goal.bound if goal.is_least else measured <= goal.bound
    return {
        "bound": goal.bound,
        "bound_is": "at least" if goal.is_least else "at most",
        "measured": measured,
        "met": is_met,
    }


def _judge(goal: Goal, report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    entry = {"what": goal.what, "case": f"{goal.kernel}, {goal.size} {goal.pixel_format}"}

    def judged(mask: str | None, measured: float | None, reason: str) -> dict[str, Any]:
        why = f"not measured: {reason}" if measured is None else ""
        return entry | {"mask": mask} | _figures(goal, measured) | {"reason": why}

    cases = [
        case
        for case in report["cases"]
        if (case["kernel"], case["size"], case["pixel_format"])
        == (goal.kernel, goal.size, goal.pixel_format)
    ]
    if not cases:
        yield judged(None, None, "this case was not asked for")
    for case in cases:
        rows = {row["name"]: row for row in case["rows"]}
        absent = {each["name"]: each["reason"] for each in case["not_measured"]}
        missing = [name for name in (goal.backend, goal.against) if name and name not in rows]
        if missing:
            why = absent.get(missing[0], "it was not asked for")
            yield judged(case["mask"], None, f"{missing[0]}: {why}")
            continue
        row = rows[goal.backend]
        ratio = row["ratios"].get(goal.against)
        measured = ratio["median"] if ratio else row.get("share_of_copy")
        yield judged(case["mask"], measured, "no copy was measured beside it")
