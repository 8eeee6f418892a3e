"""What the kernels are meant to reach, as ratios measured in one run, and whether they do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.bench.gpu import CUPY, TRANSFERS
from roi_accel.bench.inputs import ON_DEVICE
from roi_accel.bench.peers import FFMPEG, FLOAT_NUMPY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Goal:
    """One ratio and its bound.

    Attributes
    ----------
    what : str
    backend : str
    kernel, size, pixel_format : str
        The case that it is about; each kind of mask is judged by itself.
    against : str
        A peer: its ratio is bounded. Empty: the share of the copy's bandwidth is.
    bound : float
    is_least : bool
        Whether the bound is a least and not a most.
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


def judged(bound: float, measured: float | None, *, is_least: bool) -> dict[str, Any]:
    """Return for JSON what is asked for, what was measured, if anything, and whether it is met."""
    is_met = None
    if measured is not None:
        is_met = measured >= bound if is_least else measured <= bound
    return {
        "bound": bound,
        "bound_is": "at least" if is_least else "at most",
        "measured": measured,
        "met": is_met,
    }


def judge(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return for each goal and kind of mask the measured figure, or why there is none."""
    return [found for goal in GOALS for found in _judge(goal, report)]


def _judge(goal: Goal, report: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    entry = {"what": goal.what, "case": f"{goal.kernel}, {goal.size} {goal.pixel_format}"}

    def judged_as(mask: str | None, measured: float | None, reason: str = "") -> dict[str, Any]:
        why = f"{NOT_MEASURED}: {reason}" if measured is None else ""
        figures = judged(goal.bound, measured, is_least=goal.is_least)
        return entry | {"mask": mask} | figures | {"reason": why}

    cases = [
        case
        for case in report["cases"]
        if (case["kernel"], case["size"], case["pixel_format"])
        == (goal.kernel, goal.size, goal.pixel_format)
    ]
    if not cases:
        yield judged_as(None, None, "this case was not asked for")
    for case in cases:
        rows = {row["name"]: row for row in case["rows"]}
        absent = {each["name"]: each["reason"] for each in case["not_measured"]}
        missing = [name for name in (goal.backend, goal.against) if name and name not in rows]
        if missing:
            why = absent.get(missing[0], "it was not asked for")
            yield judged_as(case["mask"], None, f"{missing[0]}: {why}")
            continue
        row = rows[goal.backend]
        ratio = row["ratios"].get(goal.against)
        value = ratio["median"] if ratio else row.get("share_of_copy")
        yield judged_as(case["mask"], value, "no copy was measured beside it")
