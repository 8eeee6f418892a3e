"""`roi-accel batch ladder`: score against bitrate per encode, hulls and BD-rate of a batch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from roi_accel.cli import _options as shared
from roi_accel.cli._options import OUTPUT, Outputs, option
from roi_accel.cli.console import is_terminal, make_table, one_line, print_tables, print_warning
from roi_accel.ladder.bd_rate import DEFAULT_MIN_OVERLAP, compare, mean_over_references
from roi_accel.ladder.ladder import METRICS, read_results
from roi_accel.ladder.output import (
    ALL,
    OWN,
    note_of,
    rows_of,
    shown_bitrate,
    shown_percent,
    to_csv,
    to_json,
)
from roi_accel.report.run import require_report
from roi_accel.results.summary import TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.ladder.bd_rate import BdRate, MeanBdRate
    from roi_accel.ladder.ladder import ReferenceLadders, Results

_COMPARISON = "Comparison"


def ladder(
    results: Annotated[
        Path, typer.Argument(help="What 'roi-accel batch' wrote: a JSON object a line.")
    ],
    anchor: Annotated[
        str | None,
        option(
            _COMPARISON,
            "The ladder to compare the others with.",
            metavar="LADDER",
            show_default="each reference's first",
        ),
    ] = None,
    min_overlap: Annotated[
        float,
        option(
            _COMPARISON,
            "Part of the scores that both ladders must reach for a BD-rate, 0 to 1.",
            metavar="PART",
        ),
    ] = DEFAULT_MIN_OVERLAP,
    output: Annotated[Path | None, shared.output_option("Write the JSON here.")] = None,
    csv: Annotated[Path | None, option(OUTPUT, "Also write a table with a row per encode.")] = None,
    html: Annotated[
        Path | None, option(OUTPUT, "Also write a page with the curves. Needs the extra 'report'.")
    ] = None,
    overwrite: shared.Overwrite = False,
    quiet: Annotated[bool, option(OUTPUT, "No tables, only warnings.", "--quiet")] = False,
    summary: shared.Summary = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> None:
    """Compare the encodes of a batch: score against bitrate, convex hulls, BD-rate.

    Encodes of one reference that share the manifest's 'ladder' are one ladder. Examples:

        roi-accel batch ladder results.ndjson

        roi-accel batch ladder results.ndjson --anchor x264 --html ladders.html -o ladders.json
    """
    named = {"--output": output, "--csv": csv, "--html": html}
    outputs = Outputs(named, overwrite=overwrite, inputs=[results])
    if html is not None:
        require_report()
    found = read_results(results)
    rates = compare(found.references, anchor=anchor, min_overlap=min_overlap)
    for warning in found.warnings:
        print_warning(warning)
    outputs.write(
        {
            "--output": lambda: to_json(found, rates, min_overlap=min_overlap),
            "--csv": lambda: to_csv(found),
            "--html": lambda: _page(found, rates),
        }
    )
    if not quiet and (is_terminal() if summary is None else summary):
        print_tables(_tables(found, rates))


def _page(found: Results, rates: Sequence[Sequence[BdRate]]) -> bytes:
    from roi_accel.ladder.plot import make_page  # noqa: PLC0415 (an extra)

    return make_page(found, rates)


def _tables(results: Results, rates: Sequence[Sequence[BdRate]]) -> Iterator[Table]:
    """Yield for each reference the table of its encodes, and that of its BD-rates if it has any."""
    for group, found in zip(results.references, rates, strict=True):
        yield _encode_table(group)
        if found:
            yield _rate_table(found)
    means = mean_over_references(rates)
    if means:
        yield _mean_table(means)


def _encode_table(group: ReferenceLadders) -> Table:
    table = make_table(
        f"Encodes of {one_line(group.reference)}",
        *("ladder", "distorted"),
        numbers=("kbit/s", *TITLES.values()),
        caption=f"{OWN} on its ladder's hull, {ALL} on the hull of all ladders",
    )
    rows = rows_of(group)
    for row, following in zip(rows, [*rows[1:], None], strict=True):
        # One width for all marks, so that the points stand below one another.
        scores = (f"{row.encode.scores[m]:.2f} {row.mark(m):<{len(ALL)}}" for m in METRICS)
        table.add_row(
            one_line(row.ladder),
            one_line(Path(row.encode.distorted).name),
            shown_bitrate(row.encode.bitrate),
            *scores,
            end_section=following is not None and following.ladder != row.ladder,
        )
    return table


def _rate_table(rates: Sequence[BdRate]) -> Table:
    table = Table(
        title=f"BD-rate against {one_line(rates[0].anchor)}",
        title_justify="left",
        caption="more bits for the same score; below 0 the ladder saves bits",
        caption_justify="left",
    )
    table.add_column("ladder", overflow="fold")
    table.add_column("score")
    table.add_column("BD-rate", justify="right")
    table.add_column("note", overflow="fold")
    above = ""
    for rate in rates:
        percent, note = shown_percent(rate.percent), one_line(note_of(rate))
        shown = "as above" if note and note == above else note
        table.add_row(one_line(rate.test), TITLES[rate.metric], percent, shown)
        above = note
    return table


def _mean_table(means: Sequence[MeanBdRate]) -> Table:
    table = make_table(
        "Mean BD-rate over references",
        *("anchor", "ladder", "score"),
        numbers=("BD-rate", "references"),
    )
    for each in means:
        names = (one_line(each.anchor), one_line(each.test))
        percent = shown_percent(each.percent)
        table.add_row(*names, TITLES[each.metric], percent, f"{each.references} of {each.of}")
    return table
