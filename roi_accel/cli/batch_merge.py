"""`roi-accel batch merge`: the pieces that shards wrote, as one file, and what is missing."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from roi_accel.batch.manifest import read_defaults, read_manifest
from roi_accel.batch.merge import merge_pieces
from roi_accel.batch.records import require_parquet, to_csv, to_parquet
from roi_accel.cli import _options as shared
from roi_accel.cli._options import OUTPUT, Outputs, option
from roi_accel.cli.console import print_error, print_note, print_warning
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from roi_accel.batch.merge import Merged

_ROWS = "Manifest"
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
        option(_ROWS, "As it was given to the batch.", "-r", "--reference", metavar="<str>"),
    ] = None,
    defaults: Annotated[
        Path | None,
        option(_ROWS, "As it was given to the batch; only its reference matters.", metavar="JSON"),
    ] = None,
    output: Annotated[
        Path | None, shared.output_option("Write all lines here, in the manifest's order.")
    ] = None,
    csv: Annotated[Path | None, option(OUTPUT, "Write a table with a row per pair.")] = None,
    parquet: shared.Parquet = None,
    overwrite: shared.Overwrite = False,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
) -> int:
    """Join what the shards of a batch wrote, and name what is missing.

    All that is there is written. The exit code is 2 if a pair is missing, else that of the first
    pair without a score. Example:

        roi-accel batch merge pairs.csv part-*.ndjson -o results.ndjson
    """
    named = {"--output": output, "--csv": csv, "--parquet": parquet}
    outputs = Outputs(named, overwrite=overwrite, inputs=pieces)
    if parquet is not None:
        require_parquet()
    filled = {} if defaults is None else read_defaults(defaults)
    # What rows leave out changes no row; it was given to the batch, not to this.
    rows = read_manifest(
        manifest,
        reference=shared.only_reference(reference) if reference else None,
        defaults=filled,
        is_whole=False,
    )
    merged = merge_pieces(rows, pieces)
    summaries = [line.summary for line in merged.lines]
    outputs.write(
        {
            "--output": lambda: b"".join(line.data for line in merged.lines),
            "--csv": lambda: to_csv(summaries),
            "--parquet": lambda: to_parquet(summaries),
        }
    )
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
