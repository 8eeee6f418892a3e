"""Write the tables of docs/performance.md from a report of `roi-accel bench --json`.

    python scripts/write_performance.py bench/results/DATE-MACHINE.json

Only what stands between the two marks is replaced; the rest of the page is written by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
BEGIN = "<!-- tables: written by scripts/write_performance.py -->"
END = "<!-- end of tables -->"
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
    """Return `page` with what `report` says between the marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n" + "\n".join(_lines(report, source)) + f"\n\n{END}{after}"


def _lines(report: Mapping[str, Any], source: str) -> Iterator[str]:
    machine, settings = report["machine"], report["settings"]
    yield (
        f"From [`{source}`](../bench/results/{source}): {report['date']}, {machine['processor']}, "
        f"{machine['cores']} cores, {machine['last_level_cache_bytes'] >> 20} MiB of last-level "
        f"cache, {machine['system']}, Python {machine['python']}, NumPy {machine['numpy']}; "
        f"{settings['threads']} threads, {settings['rounds']} rounds; load "
        f"{machine['load_before']:.1f} before and {machine['load_after']:.1f} after, its own too."
    )
    yield ""
    yield "### Goals"
    yield ""
    yield "| what | case | mask | goal | measured | |"
    yield "|---|---|---|---|---|---|"
    yield from map(_goal, report["goals"])
    yield ""
    yield "### Bytes and time"
    yield ""
    yield "| case | backend | threads | MB to move | ms at copy's bandwidth | ms taken | share |"
    yield "|---|---|---|---|---|---|---|"
    for case in report["cases"]:
        for row in case["rows"]:
            if row["role"] == "backend":
                yield _time(case, row)
    yield ""
    yield "### Beside peers"
    yield ""
    yield "Time of the backend / time of the peer, median (and range) over the rounds."
    yield ""
    yield "| case | backend | peer | ratio |"
    yield "|---|---|---|---|"
    for case in report["cases"]:
        for row in case["rows"]:
            for peer, spread in row.get("ratios", {}).items():
                yield (
                    f"| {case['name']} | {row['name']} | {peer} | {spread['median']:.2f} "
                    f"({spread['min']:.2f} to {spread['max']:.2f}) |"
                )
    yield ""
    yield "### How the peers' output differs"
    yield ""
    yield "| case | peer | samples off | by at most | off with the mask as alpha | by at most |"
    yield "|---|---|---|---|---|---|"
    for case in report["cases"]:
        for row in case["rows"]:
            if "difference" in row:
                found = row["difference"]
                bare = found["with_alpha_from_the_mask_itself"]
                yield (
                    f"| {case['name']} | {row['name']} | {found['share_off']:.2%} "
                    f"| {found['largest']} | {bare['share_off']:.2%} | {bare['largest']} |"
                )


def _goal(goal: Mapping[str, Any]) -> str:
    measured = goal["measured"]
    met = {True: "met", False: "missed", None: ""}[goal["met"]]
    shown = "not measured" if measured is None else f"{measured:.2f}"
    return (
        f"| {goal['what']} | {goal['case']} | {goal['mask'] or ''} "
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
