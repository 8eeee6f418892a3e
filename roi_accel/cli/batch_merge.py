"""`roi-accel batch merge`: the pieces that shards wrote, as one file, and what is missing."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from roi_accel._util.files import write_together
from roi_accel.batch.manifest import read_defaults, read_manifest
from roi_accel.batch.merge import merge_pieces
from roi_accel.batch.summary import require_parquet, to_csv, to_parquet
from roi_accel.cli import common, parameters
from roi_accel.cli.console import print_error, print_note, print_warning, write_stdout
from roi_accel.cli.interrupt import writing
from roi_accel.cli.outputs import check_outputs
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from roi_accel.batch.merge import Merged

_ROWS = "What should be there"
_SHOWN = 10
_LINES_SHOWN = 3
"""Of a shard that is missing as a whole."""


def merge(
    manifest: Annotated[str, typer.Argument(help="The manifest, or pattern, that was scored.")],
    pieces: Annotated[
        list[Path], typer.Argument(metavar="PIECE...", help="What 'roi-accel batch -o' wrote.")
    ],
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "-r",
            "--reference",
            metavar="<str>",
            help="As it was given to the batch.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    defaults: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="As it was given to the batch; only its reference matters.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Write all lines here, in the manifest's order.",
            show_default="stdout",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(help="Write a table with a row per pair.", rich_help_panel=common.OUTPUT),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            help="The same as Parquet. Needs the extra 'parquet'.", rich_help_panel=common.OUTPUT
        ),
    ] = None,
    overwrite: common.Overwrite = False,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> int:
    """Join what the shards of a batch wrote, and name what is missing.

    All that is there is written. The exit code is 2 if a pair is missing, else that of the first
    pair without a score. Example:

        roi-accel batch merge pairs.csv part-*.ndjson -o results.ndjson
    """
    named = {"--output": output, "--csv": csv, "--parquet": parquet}
    check_outputs(named, overwrite=overwrite, inputs=pieces)
    if parquet is not None:
        require_parquet()
    filled = {} if defaults is None else read_defaults(defaults)
    # What rows leave out changes no row; it was given to the batch, not to this.
    rows = read_manifest(
        manifest,
        reference=parameters.only_reference(reference) if reference else None,
        defaults=filled,
        is_whole=False,
    )
    merged = merge_pieces(rows, pieces)
    contents: dict[Path, bytes] = {}
    if csv is not None:
        contents[csv] = to_csv(merged.summaries).encode()
    if parquet is not None:
        contents[parquet] = to_parquet(merged.summaries)
    lines = b"".join(merged.lines)
    if output is not None:
        contents[output] = lines
    else:
        write_stdout(lines.decode())
    with writing():
        write_together(contents, overwrite=overwrite, inputs=pieces)
    for warning in merged.warnings:
        print_warning(warning)
    _name_missing(merged)
    there = merged.expected - len(merged.missing)
    print_note(f"{there} of {merged.expected} pairs are there")
    if merged.missing:
        return InputError.exit_code
    return merged.exit_code


def _name_missing(merged: Merged) -> None:
    """Print a line for each shard that is missing, and for each row that is missing besides."""
    told: set[int] = set()
    for shard, rows in merged.missing_shards.items():
        told |= {id(row) for row in rows}
        lines = ", ".join(str(row.line) for row in rows[:_LINES_SHOWN])
        more = ", ..." if len(rows) > _LINES_SHOWN else ""
        plural = "s" * (len(rows) > 1)
        print_error(
            f"shard {shard} is missing: line{plural} {lines}{more} ({len(rows):,} row{plural})"
        )
    others = [row for row in merged.missing if id(row) not in told]
    for row in others[:_SHOWN]:
        print_error(f"line {row.line} is missing: {row.distorted} against {row.reference}")
    if len(others) > _SHOWN:
        print_error(f"and {len(others) - _SHOWN:,} more are missing")
