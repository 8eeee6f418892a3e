"""A benchmark's report as tables for people."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from roi_accel.cli.console import make_table, one_line

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FILE_COLUMNS = 140
_NONE = "-"


def report_text(report: Mapping[str, Any]) -> str:
    """Return tables of every case, what was not measured, and the goals."""
    # Without a terminal Rich takes 80 columns, where names would be folded.
    console = Console(highlight=False, width=None if sys.stdout.isatty() else _FILE_COLUMNS)
    machine, settings = report["machine"], report["settings"]
    with console.capture() as capture:
        console.print(
            one_line(
                f"{machine['processor']}, {machine['cores']} cores, {settings['threads']} threads; "
                f"load {machine['load_before']:.1f} before, {machine['load_after']:.1f} after"
            ),
            soft_wrap=True,
        )
        if settings["quick"]:
            console.print("--quick: this shows that everything works, the figures mean nothing")
        for case in report["cases"]:
            console.print()
            console.print(_case_table(case))
            console.print(f"[dim]{one_line(_case_note(case))}[/]", soft_wrap=True)
        console.print()
        for line in _absent(report):
            console.print(f"[dim]not measured: {one_line(line)}[/]", soft_wrap=True)
        console.print()
        console.print(_goal_table(report))
    return capture.get()


def _case_table(case: Mapping[str, Any]) -> Table:
    table = Table(title=one_line(case["name"]), title_justify="left")
    table.add_column("who")
    for heading in ("threads", "frames/s", "GB/s", "of copy"):
        table.add_column(heading, justify="right")
    peers = [row["name"] for row in case["rows"] if row["role"] != "backend"]
    for peer in peers:
        table.add_column(f"time / {one_line(_short(peer))}", justify="right")
    table.add_column("output")
    for row in case["rows"]:
        is_ours = row["role"] == "backend"
        ratios = row.get("ratios", {})
        share = f"{row['share_of_copy']:.0%}" if "share_of_copy" in row else _NONE
        table.add_row(
            f"[bold]{one_line(row['name'])}[/]" if is_ours else one_line(row["name"]),
            str(row["threads"] or _NONE),
            f"{row['frames_per_second']:.1f}",
            f"{row['gigabytes_per_second']:.2f}",
            share,
            *(f"{ratios[peer]['median']:.2f}" if peer in ratios else _NONE for peer in peers),
            _output_of(row),
        )
    for absent in case["not_measured"]:
        table.add_row(one_line(absent["name"]), *(_NONE,) * (4 + len(peers)), "not measured")
    return table


def _short(peer: str) -> str:
    """Return what a peer is called in a heading: ``FFmpeg``, ``float NumPy``."""
    return peer.partition(" ")[0] if "+" in peer else peer


def _output_of(row: Mapping[str, Any]) -> str:
    if "exact" not in row:
        return _NONE
    if row["exact"]:
        return "[green]exact[/]"
    if "difference" in row:
        found = row["difference"]
        return f"{found['share_off']:.1%} off, by {found['largest']} at most"
    return "[bold red]not exact[/]"


def _case_note(case: Mapping[str, Any]) -> str:
    shares, parts = case["alpha_shares"], []
    if case["mask"]:
        parts.append(
            f"alpha 0 in {shares['reference']:.0%}, 1 in {shares['distorted']:.0%}, "
            f"between in {shares['blended']:.0%} of samples"
        )
    parts.append(f"{case['bytes_per_frame'] / 1e6:.1f} MB must move per frame")
    parts += [f"{name} {speed:.1f} GB/s" for name, speed in case["copies"].items()]
    return "; ".join(parts)


def _absent(report: Mapping[str, Any]) -> Iterator[str]:
    """Yield everyone who was not measured, with the reason, once."""
    seen = {
        f"{each['name']}: {each['reason']}"
        for case in report["cases"]
        for each in case["not_measured"]
    }
    yield from sorted(seen)


def _goal_table(report: Mapping[str, Any]) -> Table:
    table = make_table("Goals", "what", "case", "mask", "goal", "measured", "")
    for goal in report["goals"]:
        met = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}[goal["met"]]
        if report["settings"]["quick"] and goal["met"] is not None:
            met = "means nothing"
        measured = goal["measured"]
        table.add_row(
            one_line(goal["what"]),
            one_line(goal["case"]),
            goal["mask"] or _NONE,
            f"{goal['bound_is']} {goal['bound']:g}",
            one_line(goal["reason"]) if measured is None else f"{measured:.2f}",
            met,
        )
    return table
