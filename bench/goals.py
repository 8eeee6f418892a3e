"""What kernels and whole runs should reach, as ratios measured in one run, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.bench.gpu import CUPY, TRANSFERS
from roi_accel.bench.inputs import ON_DEVICE
from roi_accel.bench.peers import FFMPEG, FLOAT_NUMPY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


@dataclass(frozen=True)
class Goal:
    """A ratio and its bound.

    Attributes
    ----------
    row : mapping
        Fields of the kernel's cases or of the whole runs' rows that it is about. Each case is
        judged by itself; of the rows, the worst.
    backend, against : str
        Of kernels. Without a peer to compare with: the share of the copy's bandwidth.
    measure : str
        Of whole runs: the measurement of `end_to_end`.
    is_least : bool
        Whether the bound is a minimum, not a maximum.
    """

    what: str
    bound: float
    row: Mapping[str, Any]
    backend: str = ""
    against: str = ""
    measure: str = ""
    is_least: bool = False


_ON_HOST = {"kernel": "substitute", "size": "1080p", "pixel_format": "yuv420p"}
_LARGE = {"kernel": "substitute", "size": "2160p", "pixel_format": "yuv420p10le"}
_ON_DEVICE = _LARGE | {"kernel": ON_DEVICE}

GOALS = (
    Goal("numba / FFmpeg", 1.0, _ON_HOST, "numba", FFMPEG),
    Goal("NumPy / float NumPy", 0.25, _ON_HOST, "numpy", FLOAT_NUMPY),
    Goal("OpenCL on a processor / FFmpeg", 2.5, _ON_HOST, "opencl", FFMPEG),
    Goal("CUDA, share of copy", 0.8, _ON_DEVICE, "cuda", is_least=True),
    Goal("CUDA, host to host / transfers", 1.15, _LARGE, "cuda", TRANSFERS),
    Goal("CUDA / CuPy zoom", 0.1, _ON_DEVICE, "cuda", CUPY),
)

_HD = {"size": "1080p", "bit_depth": 8}
_STUDENT = _HD | {"network": "student_v2"}
_BUILT_IN = _HD | {"network": "center-surround"}
_RAW, _H264 = _STUDENT | {"input": "raw"}, _STUDENT | {"input": "H.264"}

RUN_GOALS = (
    *(
        Goal("whole run / two plain VMAF runs", bound, row | {"input": kind}, measure="ratio")
        for row, bound in ((_BUILT_IN, 1.12), (_STUDENT, 1.30))
        for kind in ("H.264", "raw")
    ),
    Goal("vmaf-roi-score's steps / whole run", 10, _RAW, measure="plain", is_least=True),
    Goal("4 distorted videos together / one by one", 0.80, _H264, measure="shared"),
    # 600 MB
    Goal("peak memory in MiB, VMAF's process not counted", 600 / 1.048576, _HD, measure="memory"),
)


def judge(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each kernel's goal and kind of mask the measured figure, or why there is none."""
    return [judged for goal in GOALS for judged in _judge(goal, report)]


def judge_runs(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each goal of whole runs the measured figure; None where `report` has no row."""
    judged = []
    for goal in RUN_GOALS:
        medians = [row["median"] for row in report.get(goal.measure, ()) if _is_about(goal, row)]
        measured = (min if goal.is_least else max)(medians, default=None)
        size, bits, *rest = goal.row.values()
        case = ", ".join([f"{size} {bits} bit", *rest])
        judged.append({"what": goal.what, "case": case, **_figures(goal, measured)})
    return judged


def _is_about(goal: Goal, row: Mapping[str, Any]) -> bool:
    return all(row.get(key) == value for key, value in goal.row.items())


def _figures(goal: Goal, measured: float | None) -> dict[str, Any]:
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
    entry = {"what": goal.what, "case": "{kernel}, {size} {pixel_format}".format(**goal.row)}

    def judged(mask: str | None, measured: float | None, reason: str) -> dict[str, Any]:
        why = f"not measured: {reason}" if measured is None else ""
        return entry | {"mask": mask} | _figures(goal, measured) | {"reason": why}

    cases = [case for case in report["cases"] if _is_about(goal, case)]
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
