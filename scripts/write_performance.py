"""Write the tables of docs/performance.md from the reports of the two benchmarks.

    python scripts/write_performance.py bench/results/DATE-MACHINE-KIND.json

KIND is kernels (`roi-accel bench --json`) or whole-runs (`python -m roi_accel.bench.end_to_end
--json`). Only what stands between that kind's two marks is replaced; the rest of the page is
written by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
_MILLISECONDS = 1e3


def main() -> int:
    """Replace the tables of the page."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and its one argument
        print(__doc__, file=sys.stderr)
        return 2
    path = Path(sys.argv[1])
    report = json.loads(path.read_text("utf-8"))
    PAGE.write_text(with_tables(PAGE.read_text("utf-8"), report, path.name), "utf-8")
    return 0


def with_tables(page: str, report: Mapping[str, Any], source: str) -> str:
    """Return `page` with what `report` says between the marks of its kind."""
    kind, lines = ("kernels", _kernels) if "cases" in report else ("whole runs", _whole_runs)
    begin, end = (
        f"<!-- {kind}: written by scripts/write_performance.py -->",
        f"<!-- end: {kind} -->",
    )
    before, found, rest = page.partition(begin)
    _, found_end, after = rest.partition(end)
    if not (found and found_end):
        msg = f"{PAGE} has no {begin} with {end}"
        raise ValueError(msg)
    text = "\n".join([*_origin(report, source), *lines(report)])
    return f"{before}{begin}\n\n{text}\n\n{end}{after}"


def _origin(report: Mapping[str, Any], source: str) -> Iterator[str]:
    machine, settings = report["machine"], report["settings"]
    turns = f"{settings['rounds']} rounds" if "rounds" in settings else report["scorer"]
    yield (
        f"From [`{source}`](../bench/results/{source}): {report['date']}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['last_level_cache_bytes'] >> 20} MiB of last-level "
        f"cache, {machine['system']}, Python {machine['python']}, NumPy {machine['numpy']}; "
        f"{settings['threads']} threads, {turns}; load {machine['load_before']:.1f} before and "
        f"{machine['load_after']:.1f} after, its own too."
    )


def _kernels(report: Mapping[str, Any]) -> Iterator[str]:
    yield from _table("Goals", ("what", "case", "mask", "goal", "measured", ""))
    yield from map(_goal, report["goals"])
    yield from _table(
        "Bytes and time",
        ("case", "backend", "threads", "MB to move", "ms at copy's bandwidth", "ms taken", "share"),
    )
    for case in report["cases"]:
        for row in case["rows"]:
            if row["role"] == "backend":
                yield _time(case, row)
    yield from _table(
        "Beside peers",
        ("case", "backend", "peer", "ratio"),
        "Time of the backend / time of the peer, median (and range) over the rounds.",
    )
    for case in report["cases"]:
        for row in case["rows"]:
            for peer, spread in row.get("ratios", {}).items():
                yield f"| {case['name']} | {row['name']} | {peer} | {_spread(spread)} |"
    yield from _table(
        "How the peers' output differs",
        ("case", "peer", "samples off", "by at most", "off with the mask as alpha", "by at most"),
    )
    for case in report["cases"]:
        for row in case["rows"]:
            if "difference" in row:
                found = row["difference"]
                bare = found["with_alpha_from_the_mask_itself"]
                yield (
                    f"| {case['name']} | {row['name']} | {found['share_off']:.2%} "
                    f"| {found['largest']} | {bare['share_off']:.2%} | {bare['largest']} |"
                )


def _whole_runs(report: Mapping[str, Any]) -> Iterator[str]:
    yield from _table("Goals of whole runs", ("what", "case", "goal", "measured", ""))
    for goal in report["goals"]:
        yield _goal({**goal, "bound": round(goal["bound"], 2)}, with_mask=False)
    clip = ("size", "bits", "input", "network", "frames")
    ratio = (*clip, "median (range)")
    for title, key in (
        ("Whole run / two plain VMAF runs", "ratio"),
        ("vmaf-roi-score's steps / whole run", "plain"),
        ("Four distorted videos together / one by one", "shared"),
    ):
        yield from _table(title, ratio)
        for row in report.get(key, ()):
            yield f"| {_clip(row)} | {_spread(row)} |"
    yield from _table("Peak memory in MiB, VMAF's process not counted", (*clip, "backend", "MiB"))
    for row in report.get("memory", ()):
        yield f"| {_clip(row)} | {row['backend']} | {row['median']:.0f} |"
    yield from _table(
        "Growth",
        (*clip, "distorted videos", "seconds (range)", "seconds a frame and video"),
        "![Seconds of a whole run by frames, pixels and distorted videos](images/growth.svg)",
    )
    for row in report.get("growth", ()):
        each = row["median"] / row["frames"] / row["distorted"]
        yield f"| {_clip(row)} | {row['distorted']} | {_spread(row)} | {each:.3f} |"


def _table(title: str, columns: Sequence[str], note: str = "") -> Iterator[str]:
    yield ""
    yield f"### {title}"
    yield ""
    if note:
        yield note
        yield ""
    yield f"| {' | '.join(columns)} |".replace("|  |", "| |")
    yield "|" + "---|" * len(columns)


def _clip(row: Mapping[str, Any]) -> str:
    names = ("size", "bit_depth", "input", "network", "frames")
    return " | ".join(str(row[name]) for name in names)


def _spread(found: Mapping[str, float]) -> str:
    return f"{found['median']:.2f} ({found['min']:.2f} to {found['max']:.2f})"


def _goal(goal: Mapping[str, Any], *, with_mask: bool = True) -> str:
    measured = goal["measured"]
    met = {True: "met", False: "missed", None: ""}[goal["met"]]
    mask = f"| {goal['mask'] or ''} " if with_mask else ""
    shown = "not measured" if measured is None else f"{measured:.2f}"
    return (
        f"| {goal['what']} | {goal['case']} {mask}"
        f"| {goal['bound_is']} {goal['bound']:g} | {shown} | {met} |"
    )


def _time(case: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    least = row["seconds_at_copy_bandwidth"] * _MILLISECONDS
    taken = row["seconds_per_frame"]["median"] * _MILLISECONDS
    return (
        f"| {case['name']} | {row['name']} | {row['threads'] or ''} "
        f"| {case['bytes_per_frame'] / 1e6:.1f} | {least:.2f} | {taken:.2f} "
        f"| {row['share_of_copy']:.0%} |"
    )


if __name__ == "__main__":
    sys.exit(main())
