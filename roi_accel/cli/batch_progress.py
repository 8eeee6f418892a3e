"""What people see of a batch while it runs: a bar per worker, one for all, and what went wrong."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from roi_accel.batch.events import Advanced, Began, Died, Excluded, Proved, Recorded, Refused
from roi_accel.cli.console import is_terminal, print_error, print_warning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.progress import TaskID

    from roi_accel.batch.events import Event
    from roi_accel.batch.jobs import Job
    from roi_accel.batch.outcome import Failure
    from roi_accel.batch.run import Batch
    from roi_accel.batch.worker import Trust


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
    trusts : dict of str to Trust or Failure
        By worker: what it proved, or why it was excluded.
    """

    def __init__(self, bars: Progress | None) -> None:
        self._bars = bars
        self._overall: TaskID | None = None
        self._workers: dict[str, TaskID] = {}
        self.batch: Batch | None = None
        self.trusts: dict[str, Trust | Failure] = {}

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
        if isinstance(event, Proved):
            self.trusts[event.worker] = event.trust
        elif isinstance(event, Excluded):
            self.trusts[event.worker] = event.failure
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
