"""What people see of a batch: its progress, and once it is over scores, workers and failures."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from roi_accel.batch.jobs import (
    Advanced,
    Began,
    Died,
    Excluded,
    Failure,
    Ready,
    Recorded,
    Refused,
)
from roi_accel.batch.records import in_order
from roi_accel.cli.console import (
    is_terminal,
    make_table,
    one_line,
    print_error,
    print_note,
    print_tables,
    print_warning,
)
from roi_accel.results.summary import HEADINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rich.progress import TaskID

    from roi_accel.batch.jobs import Event, Job
    from roi_accel.batch.records import Summary
    from roi_accel.batch.run import Batch
    from roi_accel.batch.worker import Attestation

_MOST = 40
"""Rows that a table on a terminal has at most; files have them all."""


def print_batch(batch: Batch, attestations: Mapping[str, Attestation | Failure]) -> None:
    """Print a batch's tables on stderr."""
    rows = in_order(batch.summaries)
    failed = [each for each in rows if each.error is not None]
    print_tables(_tables(rows, failed, attestations))
    # Unwrapped, to be copied; devices of one kind share one.
    records = (each.record for each in attestations.values() if not isinstance(each, Failure))
    for record in dict.fromkeys(records):
        if record:
            print_note(f"record: {record}")
    print_tables([_totals(batch, failed)])


def _tables(
    rows: Sequence[Summary],
    failed: Sequence[Summary],
    attestations: Mapping[str, Attestation | Failure],
) -> Iterator[Table]:
    yield _scores([each for each in rows if each.error is None])
    if failed:
        yield _failures(failed)
    if attestations:
        yield _devices(attestations)


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


def _devices(attestations: Mapping[str, Attestation | Failure]) -> Table:
    headings = ("worker", "node", "device", "network on", "self-test")
    table = make_table("Who scored", *headings)
    for worker, attestation in attestations.items():
        if isinstance(attestation, Failure):
            table.add_row(worker, "", "", "", one_line(f"EXCLUDED: {attestation}"))
            continue
        where = f"{attestation.backend} on {attestation.device}, {attestation.description}"
        if attestation.driver:
            where += f", driver {attestation.driver}"
        cells = (worker, attestation.node, where, attestation.provider, "passed")
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


class BatchView:
    """Shows a batch's events.

    Parameters
    ----------
    bars : Progress or None
        None shows no bars.

    Attributes
    ----------
    batch : Batch or None
        Whose events they are.
    attestations : dict of str to Attestation or Failure
        By worker: what it computes on, or why it was excluded.
    """

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._overall: TaskID | None = None
        self._workers: dict[str, TaskID] = {}
        self.batch: Batch | None = None
        self.attestations: dict[str, Attestation | Failure] = {}

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        if isinstance(event, Advanced):
            if self._bars:
                self._bars.update(self._bar(event.worker), completed=event.done, total=event.total)
            return
        if isinstance(event, Began) and self._bars:
            self._bars.reset(self._bar(event.worker), total=None, description=_named(event.job))
        self._tell(event)
        self._count()

    def _tell(self, event: Event) -> None:
        if isinstance(event, Ready):
            self.attestations[event.worker] = event.attestation
        elif isinstance(event, Excluded):
            self.attestations[event.worker] = event.failure
            print_error(f"device {event.device} is excluded: {event.failure}")
        elif isinstance(event, Died):
            over = f" over {_named(event.job)}" if event.job else ""
            print_warning(f"worker {event.worker} {event.reason}{over}")
        elif isinstance(event, Refused):
            print_warning(f"{_named(event.job)} goes to another device: {event.failure}")
        elif isinstance(event, Recorded) and event.summary.error:
            print_error(f"line {event.summary.line}: {event.summary.error}")

    def _bar(self, worker: str) -> TaskID:
        if self._bars is None:
            msg = "there are no bars"
            raise RuntimeError(msg)
        if worker not in self._workers:
            self._workers[worker] = self._bars.add_task("starting", total=None, worker=worker)
        return self._workers[worker]

    def _count(self) -> None:
        if self._bars is None or self.batch is None:
            return
        if self._overall is None:
            self._overall = self._bars.add_task("pairs", total=None, worker="all")
        done = len(self.batch.summaries) + len(self.batch.repeated)
        self._bars.update(self._overall, completed=done, total=len(self.batch.rows))


def _named(job: Job) -> str:
    first, more = job.tasks[0].pair, len(job.tasks) - 1
    return f"{first.distorted}{f' and {more} more' if more else ''}"


@contextmanager
def batch_view(*, show: bool | None, quiet: bool) -> Iterator[BatchView]:
    """Yield what shows a batch's events, with bars on a terminal or where `show` says so."""
    if show is False or quiet or (show is None and not is_terminal()):
        yield BatchView(None)
        return
    console = Console(stderr=True, highlight=False, emoji=False, force_terminal=show)
    columns = (
        TextColumn("{task.fields[worker]}"),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bars:
        yield BatchView(bars)
