"""`roi-accel parity`: the matrix of this machine, and records to compare machines with."""

from __future__ import annotations

import platform
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from roi_accel._util.files import check_output, write_atomically
from roi_accel.checks.matrix_run import run_parity
from roi_accel.checks.record_run import compare_files, make_record
from roi_accel.cli import _options as shared
from roi_accel.cli._options import OUTPUT, Group, Outputs, option
from roi_accel.cli.console import (
    frame_progress,
    make_table,
    one_line,
    print_error,
    print_note,
    print_warning,
    write_stdout,
)
from roi_accel.errors import InputError
from roi_accel.options import COMMAND_LINE
from roi_accel.options.parity import ParityOptions
from roi_accel.parity import render
from roi_accel.parity.record import write_record

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


app = typer.Typer(cls=Group, invoke_without_command=True, no_args_is_help=False)

Json = Annotated[
    Path | None, option(OUTPUT, "Write the report as JSON; - for stdout.", "--json", metavar="FILE")
]
Markdown = Annotated[
    Path | None,
    option(
        OUTPUT, "Write the report as Markdown, for a pull request.", "--markdown", metavar="FILE"
    ),
]
Junit = Annotated[
    Path | None, option(OUTPUT, "Write the report as JUnit XML, for CI.", "--junit", metavar="FILE")
]

_OF_RECORDS = ("backends", "devices", "eps", "fp16", "saliency_model")


@app.callback()
@shared.with_options(ParityOptions)
def parity(
    context: typer.Context,
    json_file: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    overwrite: shared.Overwrite = False,
    progress: shared.Progress = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    **options: Any,  # noqa: ANN401 - those of the model
) -> None:
    """Check that every backend, device and execution provider gives the same answer.

    Exit code 0: all that was compared agrees. 1: something differs. 2: an error, or nothing to
    compare. Examples:

        roi-accel parity

        roi-accel parity --backends numpy,numba,opencl --junit parity.xml

        roi-accel parity -r ref.mp4 -d dist.mp4 --require-backend opencl
    """
    if context.invoked_subcommand is not None:
        _refuse_misplaced(context)
        return
    inputs = [path for name, path in options.items() if isinstance(path, Path)]
    output = ReportOutput(json_file, markdown, junit, overwrite=overwrite, inputs=inputs)
    chosen = ParityOptions.typed("parity", options)
    with frame_progress(show=progress, what="comparing", unit="cases/s") as advance:
        report = run_parity(chosen, progress=advance, tell=print_warning)
    output.write(report)
    raise typer.Exit(report.exit_code)


def _refuse_misplaced(context: typer.Context) -> None:
    """Raise InputError for an option of the matrix before a subcommand, which would ignore it."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            option = COMMAND_LINE.spell(name.removesuffix("_file"))
            msg = f"{option} stands before {context.invoked_subcommand}, which would not see it"
            raise InputError(msg, remedy=f"write it after {context.invoked_subcommand}")


@app.command()
@shared.with_options(ParityOptions, only=_OF_RECORDS)
def record(
    output: Annotated[Path, option(OUTPUT, "The file to write.", "-o", "--output")],
    overwrite: shared.Overwrite = False,
    progress: shared.Progress = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    **options: Any,  # noqa: ANN401 - those of the model
) -> None:
    """Write what this machine answers to the corpus into a file, for `compare` on any machine.

    Example:

        roi-accel parity record -o node1.json
    """
    check_output(output, overwrite=overwrite)
    chosen = ParityOptions.typed("parity record", options)
    with frame_progress(show=progress, what="recording", unit="cases/s") as advance:
        made = make_record(chosen, progress=advance)
    write_atomically(output, write_record(made).encode(), overwrite=overwrite)
    for entry in made.entries:
        print_note(f"recorded {entry.participant.name}")


@app.command()
@shared.with_options(ParityOptions, only=["calibration"])
def compare(
    records: Annotated[
        list[Path], typer.Argument(metavar="RECORD...", help="Files that 'record' wrote.")
    ],
    json_file: Json = None,
    markdown: Markdown = None,
    junit: Junit = None,
    overwrite: shared.Overwrite = False,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    *,
    calibration: Path | None,
) -> None:
    """Compare machines by their records, with each other and with the committed golden digests.

    One record alone is compared with the golden digests. Example:

        roi-accel parity compare node1.json node2.json --markdown parity.md
    """
    inputs = [*records, *((calibration,) if calibration else ())]
    output = ReportOutput(json_file, markdown, junit, overwrite=overwrite, inputs=inputs)
    report = compare_files(records, calibration)
    output.write(report)
    raise typer.Exit(report.exit_code)
