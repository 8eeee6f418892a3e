"""`roi-accel models`: see which saliency networks there are, fetch one, and learn where it lies."""

from __future__ import annotations

import json
import os
import sys
from textwrap import wrap
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from roi_accel.cli._options import OUTPUT, Group, option
from roi_accel.inference.models import (
    KNOWN_MODELS,
    URL_VARIABLE,
    ModelStatus,
    cache_dir,
    fetch,
    resolve,
    survey,
)

_WIDE, _NARROW = 100, 14
"""Columns of a terminal from which on a licence has one line, and those it has below: it is broken
at its hyphens, so that the words of the summary have room.
"""

_SOURCE = "Source"

Name = Annotated[
    str,
    typer.Argument(
        help="A name that `roi-accel models list` shows.",
        metavar="NAME",
        autocompletion=lambda: [model.name for model in KNOWN_MODELS],
    ),
]

app = typer.Typer(
    help=(
        "The saliency networks, which say where people look.\n\n"
        "One is built in and is the default. Others are fetched once, checked against their "
        "SHA-256 and kept; give their name to `roi-accel score --saliency-model NAME`.\n\n"
        "Examples:\n\n"
        "    roi-accel models list\n\n"
        "    roi-accel models fetch student_v2"
    ),
    cls=Group,
    no_args_is_help=True,
)


@app.command(name="list")
def list_models(
    *,
    as_json: Annotated[
        bool, option(OUTPUT, "Print JSON for programs instead of a table.", "--json")
    ] = False,
) -> None:
    """Show every network that has a name, and whether it is on this machine.

    Nothing is downloaded. Every file that is found is compared with its SHA-256.

    Example:

        roi-accel models list
    """
    statuses = survey()
    if as_json:
        typer.echo(json.dumps([_record(status) for status in statuses], indent=2))
        return
    console = Console(emoji=False)
    table = Table("name", "where", "size", "licence", "summary")
    for column in table.columns[:3]:
        column.no_wrap = True
    table.columns[3].overflow = "fold"  # A licence is never shown in part.
    for status in statuses:
        model, size = status.model, "" if status.size is None else f"{status.size / 1e6:.2f} MB"
        licence = model.licence
        if console.width < _WIDE:
            licence = "\n".join(wrap(licence, _NARROW))
        table.add_row(model.name, status.where, size, licence, model.summary)
    console.print(table)
    for status in statuses:
        if status.problem:
            typer.echo(f"{status.model.name}: {status.problem}", err=True)


@app.command()
def path(name: Name) -> None:
    """Print where the network NAME lies on this machine, after checking its SHA-256.

    The path alone goes to stdout, for use in scripts.

    Example:

        roi-accel models path center-surround
    """
    _print_path(resolve(name).path)


@app.command(name="fetch")
def fetch_model(
    name: Name,
    url: Annotated[
        str | None,
        option(
            _SOURCE,
            "http or https address of a folder that holds the file, such as a mirror.",
            metavar="BASE",
            show_default=f"${URL_VARIABLE}, else the network's public home",
        ),
    ] = None,
) -> None:
    """Download the network NAME once, check its SHA-256, and print where it lies.

    It is kept in your cache folder, or in $ROI_ACCEL_CACHE/models.

    If it is there already and right, nothing is downloaded.

    The path alone goes to stdout, for use in scripts.

    Example:

        roi-accel models fetch student_v2
    """
    before = {status.path for status in survey()}
    file = fetch(name, base_url=url, progress=sys.stderr.isatty())
    if file in before:
        typer.echo(f"{name} is already there, nothing to download", err=True)
    else:
        typer.echo(f"{name} fetched into {cache_dir()}, SHA-256 as expected", err=True)
    _print_path(file)


def _print_path(file: os.PathLike[str]) -> None:
    # As bytes, so that a name that is not UTF-8 comes out as the file system has it.
    typer.echo(os.fsencode(file))


def _record(status: ModelStatus) -> dict[str, object]:
    model = status.model
    return {
        "name": model.name,
        "aliases": list(model.aliases),
        "where": status.where,
        "path": None if status.path is None else str(status.path),
        "size_bytes": status.size,
        "problem": status.problem or None,
        "licence": model.licence,
        "sha256": model.sha256,
        "url": model.url,
        "summary": model.summary,
    }
