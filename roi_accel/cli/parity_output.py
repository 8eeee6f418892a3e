"""Where a parity report goes: files for programs, a table and the totals for people."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from roi_accel.cli._outputs import Outputs
from roi_accel.cli.console import (
    make_table,
    one_line,
    print_error,
    print_note,
    print_warning,
    write_stdout,
)
from roi_accel.parity import render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.parity.cells import Report

_SHOWN = 10
_FILE_COLUMNS = 120
_STYLES = {"OK": "green", "FAIL": "bold red", "ERROR": "red", "SKIP": "dim"}


class ReportOutput:
    """Where a report goes: files as asked for, a table and the totals on stdout.

    Parameters
    ----------
    json, markdown, junit : Path or None
        ``-`` for `json` means stdout, in place of the table.
    overwrite : bool
        Whether existing files are replaced.
    inputs : sequence of Path
        What is read, and so never replaced.

    Raises
    ------
    InputError, OutputError
        A file could not be written.
    """

    def __init__(
        self,
        json: Path | None,
        markdown: Path | None,
        junit: Path | None,
        *,
        overwrite: bool,
        inputs: Sequence[Path],
    ) -> None:
        self._json_to_stdout = json == Path("-")
        named = {
            "--json": None if self._json_to_stdout else json,
            "--markdown": markdown,
            "--junit": junit,
        }
        self._outputs = Outputs(named, overwrite=overwrite, inputs=inputs)

    def write(self, report: Report) -> None:
        """Write the files, print the table and what is wrong."""
        now = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
        self._outputs.write(
            {
                "--json": lambda: render.to_json(report),
                "--markdown": lambda: render.to_markdown(report),
                "--junit": lambda: render.to_junit(report, timestamp=now, hostname=platform.node()),
            }
        )
        for line in report.warnings:
            print_warning(line)
        write_stdout(render.to_json(report) if self._json_to_stdout else _table_text(report))
        found = render.explanations(report)
        for line in found[:_SHOWN]:
            print_error(line)
        if len(found) > _SHOWN:
            print_note(f"... and {len(found) - _SHOWN} more; --json has all of them")
        if report.exit_code:
            print_error(render.verdict(report))


def _table_text(report: Report) -> str:
    """Return the matrix, formats taken together, and its totals as text."""
    numbers = ("values", "largest difference", "allowed")
    table = make_table("Parity", "stage", "compared", "formats", numbers=numbers)
    for row in render.shown_rows(report):
        table.add_row(
            row.stage,
            one_line(row.pair),
            f"[{_STYLES[row.status]}]{row.formats}[/]",
            str(row.compared),
            row.largest,
            f"{row.tolerance.value:g}",
        )
    # Without a terminal Rich takes 80 columns, where a device's name would be folded.
    console = Console(
        highlight=False, emoji=False, width=None if sys.stdout.isatty() else _FILE_COLUMNS
    )
    with console.capture() as capture:
        if table.rows:
            console.print(table)
        for line in render.summary_lines(report):
            console.print(one_line(line), soft_wrap=True)
        for line in render.skips(report):
            console.print(f"[dim]skipped: {one_line(line)}[/]", soft_wrap=True)
    return capture.get()
