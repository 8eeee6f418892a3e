"""Options that commands of every kind have, apart from what takes time to import."""

from __future__ import annotations

from typing import Annotated

import typer

OUTPUT = "Output"

Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace existing output.", rich_help_panel=OUTPUT),
]
# Warnings stay: a score that may mean something else than its reader thinks is never silent.
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet",
        help="No bar and no summary; warnings and errors stay.",
        rich_help_panel=OUTPUT,
    ),
]
Progress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="A progress bar on stderr.",
        show_default="on a terminal",
        rich_help_panel=OUTPUT,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show the traceback of a failure.", rich_help_panel=OUTPUT),
]
