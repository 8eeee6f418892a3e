"""What people see of a batch once it is over: how many scores, who made them, what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from roi_accel.batch.outcome import Failure
from roi_accel.batch.summary import in_order
from roi_accel.cli.console import make_table, one_line, print_note, print_tables
from roi_accel.results.summary import HEADINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from roi_accel.batch.records import Summary
    from roi_accel.batch.run import Batch
    from roi_accel.batch.worker import Trust

_MOST = 40
"""Rows that a table on a terminal has at most; files have them all."""


def print_batch(batch: Batch, trusts: Mapping[str, Trust | Failure]) -> None:
    """Print a batch's tables on stderr."""
    rows = in_order(batch.summaries)
    failed = [each for each in rows if each.error is not None]
    print_tables(_tables(rows, failed, trusts))
    # Unwrapped, to be copied; devices of one kind share one.
    records = (each.record for each in trusts.values() if not isinstance(each, Failure))
    for record in dict.fromkeys(records):
        if record:
            print_note(f"record: {record}")
    print_tables([_totals(batch, failed)])


def _tables(
    rows: Sequence[Summary], failed: Sequence[Summary], trusts: Mapping[str, Trust | Failure]
) -> Iterator[Table]:
    yield _scores([each for each in rows if each.error is None])
    if failed:
        yield _failures(failed)
    if trusts:
        yield _devices(trusts)


def _scores(rows: Sequence[Summary]) -> Table:
    table = make_table("VMAF where people look", "line", "distorted", numbers=HEADINGS)
    for row in rows[:_MOST]:
        scores = (row.vmaf_full, row.vmaf_masked, row.vmaf_roi)
        table.add_row(
            str(row.line), one_line(row.distorted or ""), *(f"{each:.2f}" for each in scores)
        )
    _leave_out(table, len(rows))
    return table


def _failures(rows: Sequence[Summary]) -> Table:
    table = make_table("Without a score", "line", "distorted", "why")
    for row in rows[:_MOST]:
        table.add_row(str(row.line), one_line(row.distorted or ""), one_line(row.error or ""))
    _leave_out(table, len(rows))
    return table


def _leave_out(table: Table, count: int) -> None:
    if count > _MOST:
        table.caption = f"and {count - _MOST} more, which -o and --csv have"
        table.caption_justify = "left"


def _devices(trusts: Mapping[str, Trust | Failure]) -> Table:
    headings = ("worker", "node", "device", "network on", "self-test")
    table = make_table("Who scored", *headings)
    for worker, trust in trusts.items():
        if isinstance(trust, Failure):
            table.add_row(worker, "", "", "", one_line(f"EXCLUDED: {trust}"))
            continue
        where = f"{trust.backend} on {trust.device}, {trust.description}"
        if trust.driver:
            where += f", driver {trust.driver}"
        cells = (worker, trust.node, where, trust.provider, "passed")
        table.add_row(*map(one_line, cells))
    return table


def _totals(batch: Batch, failed: Sequence[Summary]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim")
    table.add_column()
    scored = len(batch.summaries) - len(failed) - batch.passed_over - batch.copied
    table.add_row("scored", str(scored))
    if batch.passed_over:
        table.add_row("passed over", f"{batch.passed_over}, scored before")
    if batch.copied:
        table.add_row("copied", f"{batch.copied}, the same as others under another name")
    if batch.repeated:
        table.add_row("repeated", str(len(batch.repeated)))
    if failed:
        table.add_row("without a score", str(len(failed)))
    return table
