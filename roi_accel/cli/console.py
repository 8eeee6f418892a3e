"""What people see on stderr: errors, warnings, the progress bar, and the summary after a run."""

from __future__ import annotations

import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from roi_accel.errors import OutputError
from roi_accel.results.summary import HEADINGS, facts, score_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import RenderableType
    from rich.progress import Task
    from rich.text import Text

    from roi_accel.results.result import Result


def _console() -> Console:
    """Return a console on the present stderr, which tests and callers may have replaced."""
    return Console(stderr=True, highlight=False, emoji=False)


def _print(content: RenderableType) -> None:
    """Print on stderr; that nobody can read there changes neither the result nor the exit code."""
    with suppress(OSError):
        _console().print(content, soft_wrap=isinstance(content, str))


def one_line(message: str) -> str:
    """Return `message` with its control characters shown, so that no file name draws or moves."""
    # guard: path-printable
    shown = (char if char.isprintable() else ascii(char)[1:-1] for char in message)
    return escape("".join(shown))


def print_error(message: str) -> None:
    """Print one line for a failure."""
    _print(f"[bold red]roi-accel:[/] {one_line(message)}")


def print_warning(message: str) -> None:
    """Print one line for something that should be known and is not a failure."""
    _print(f"[yellow]warning:[/] {one_line(message)}")


def print_note(message: str) -> None:
    """Print one line for people that is neither data nor a warning."""
    _print(one_line(message))


def print_tables(tables: Iterable[Table]) -> None:
    """Print tables on stderr."""
    for table in tables:
        _print(table)


def make_table(title: str, *headings: str, numbers: Iterable[str] = (), caption: str = "") -> Table:
    """Return a table without rows: its columns of text, then those of numbers, to the right."""
    table = Table(
        title=title, title_justify="left", caption=caption or None, caption_justify="left"
    )
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for heading in numbers:
        table.add_column(heading, justify="right", overflow="fold")
    return table


class _Speed(TextColumn):
    """Frames per second since the first frame, or whatever `unit` says is counted."""

    def __init__(self, unit: str) -> None:
        super().__init__("")
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        self.text_format = f"{speed:.1f} {self._unit}" if speed else "starting"
        return super().render(task)


@contextmanager
def frame_progress(
    *, show: bool | None, what: str = "scoring", unit: str = "frames/s"
) -> Iterator[Callable[[int, int | None], None] | None]:
    """Yield a callback that draws a bar of frames, or None where none is to be shown.

    Parameters
    ----------
    show : bool or None
        None shows it where stderr is a terminal.
    what, unit : str
        What is being done, and what is counted per second.
    """
    if show is False or (show is None and not is_terminal()):
        yield None
        return
    # It draws nothing where it sees no terminal, unless it is forced to.
    console = Console(stderr=True, highlight=False, emoji=False, force_terminal=show)
    columns = (
        TextColumn(what),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        _Speed(unit),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)

        def advance(done: int, total: int | None) -> None:
            # A container's own count is an estimate; the bar never claims more than is done.
            bar.update(task, completed=done, total=None if total is None else max(done, total))

        yield advance


def is_terminal() -> bool:
    """Return whether people read stderr as it is written.

    Rich's own answer is also yes where FORCE_COLOR is set, as many CI services do.
    """
    return sys.stderr is not None and sys.stderr.isatty()


def print_summary(results: Sequence[Result], *, written: Sequence[Path] = ()) -> None:
    """Print the scores of a run as a table on stderr, and below it how they came about.

    Parameters
    ----------
    results : sequence of Result
    written : sequence of Path
        The files that hold more of it, named in the last line.
    """
    table = Table(title="VMAF where people look", title_justify="left")
    table.add_column("distorted", overflow="fold")
    for heading in HEADINGS:
        table.add_column(heading, justify="right", min_width=len("100.00"), overflow="fold")
    for name, scores in score_rows(results):
        table.add_row(one_line(name), *scores)
    notes = Table.grid(padding=(0, 2, 0, 0))
    notes.add_column(no_wrap=True, style="dim")
    notes.add_column(overflow="fold")
    for what, fact in facts(results[0]).items():
        notes.add_row(what, one_line(fact))
    if written:
        notes.add_row("written", one_line(", ".join(map(str, written))))
    _print(table)
    _print(notes)


def write_stdout(text: str) -> None:
    """Write data to stdout, as UTF-8 whatever the locale.

    Raises
    ------
    OutputError
        It cannot be written: a full disk, or a reader that has gone.
    """
    remedy = "write the result to a file with --output"
    if sys.stdout is None:
        msg = "stdout is closed"
        raise OutputError(msg, remedy=remedy)
    try:
        sys.stdout.flush()
        buffer = getattr(sys.stdout, "buffer", None)
        if buffer is None:
            sys.stdout.write(text)
        else:
            buffer.write(text.encode())
            buffer.flush()
    except OSError as error:
        # Python flushes stdout once more at exit, and would complain a second time.
        sys.stdout = None
        msg = f"stdout cannot be written: {error.strerror or error}"
        raise OutputError(msg, remedy=remedy) from error
