"""`roi-accel batch run`: a manifest's pairs, by the workers of this machine or of many."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from roi_accel._util.files import check_output, write_together
from roi_accel.batch.jobs import DEFAULT_TOGETHER, Shard
from roi_accel.batch.manifest import read_defaults, read_manifest
from roi_accel.batch.records import to_line
from roi_accel.batch.results_file import Ledger, Places
from roi_accel.batch.rows import BadRow, Pair, filled_in, is_url, options_of
from roi_accel.batch.run import Batch
from roi_accel.batch.summary import require_parquet, to_csv, to_parquet
from roi_accel.cli import common, parameters
from roi_accel.cli.batch_engine import Engines, check_engine, make_engine, quiet_stdout
from roi_accel.cli.batch_output import print_batch
from roi_accel.cli.batch_progress import batch_view
from roi_accel.cli.console import is_terminal, print_warning, write_stdout
from roi_accel.cli.interrupt import Interrupted, writing
from roi_accel.cli.outputs import distinct_outputs
from roi_accel.cli.row_options import with_row_options
from roi_accel.errors import InputError, OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from roi_accel.batch.records import Summary

_RECORDS = "parity-records"
_ROWS, _WORKERS = "What is scored", "Workers"


@with_row_options
def run(
    manifest: Annotated[
        str,
        typer.Argument(
            help="A .csv or .jsonl file with a row per pair, or a quoted pattern of distorted "
            "videos.",
        ),
    ],
    *,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            "-r",
            "--reference",
            metavar="<str>",
            help="The reference of rows that name none. For a pattern, {1} is what its first * "
            "matched.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    defaults: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="Options of rows that leave them out, by their names.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    shard: Annotated[
        str | None,
        typer.Option(
            metavar="I/N",
            help="Score only part I of N, counted from 0, for schedulers that start N machines.",
            rich_help_panel=_ROWS,
        ),
    ] = None,
    together: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Encodes of one reference that are scored at once, at most.",
            rich_help_panel=_WORKERS,
        ),
    ] = DEFAULT_TOGETHER,
    workers: Annotated[
        int | None,
        typer.Option(
            help="How many pairs, or groups of encodes, are scored at a time.",
            show_default="one per GPU, or per four cores",
            rich_help_panel=_WORKERS,
        ),
    ] = None,
    worker: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DEVICE",
            help="A backend or device for a worker, such as numba or cuda:1; repeatable.",
            show_default="every GPU, else auto",
            rich_help_panel=_WORKERS,
        ),
    ] = None,
    engine: Annotated[
        Engines,
        typer.Option(
            help="Who brings pairs to workers: this machine alone, or a Ray cluster.",
            rich_help_panel=_WORKERS,
        ),
    ] = Engines.local,
    address: Annotated[
        str | None,
        typer.Option(
            help="The Ray cluster, such as auto on one of its nodes, or HOST:PORT.",
            show_default="RAY_ADDRESS, else a Ray that is started here",
            rich_help_panel=_WORKERS,
        ),
    ] = None,
    reproducible: Annotated[
        bool,
        typer.Option(
            "--reproducible",
            help="Run the network on the CPU, the only stage in floating point, so that a score "
            "is the same to the last digit whichever worker made it.",
            rich_help_panel=_WORKERS,
        ),
    ] = False,
    records: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where each device files its parity record before its first pair.",
            show_default=f"{_RECORDS} beside --output",
            rich_help_panel=_WORKERS,
        ),
    ] = None,
    no_records: Annotated[
        bool,
        typer.Option(
            "--no-records",
            help="File no parity records; the self-test is still run.",
            rich_help_panel=_WORKERS,
        ),
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="Add a line of JSON per finished pair here; pairs that have one are passed over.",
            show_default="stdout",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    frames: Annotated[
        bool,
        typer.Option(
            "--frames/--no-frames",
            help="Keep the scores of every frame in the lines.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = True,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Write a table with a row per pair at the end; a batch that goes on replaces it.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    parquet: Annotated[
        Path | None,
        typer.Option(
            help="The same as Parquet. Needs the extra 'parquet'.", rich_help_panel=common.OUTPUT
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Begin anew, and replace existing tables.",
            rich_help_panel=common.OUTPUT,
        ),
    ] = False,
    quiet: common.Quiet = False,
    summary: Annotated[
        bool | None,
        typer.Option(
            "--summary/--no-summary",
            help="What came out and who scored it, on stderr.",
            show_default="on a terminal",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    progress: Annotated[
        bool | None,
        typer.Option(
            "--progress/--no-progress",
            help="Bars on stderr.",
            show_default="on a terminal",
            rich_help_panel=common.OUTPUT,
        ),
    ] = None,
    debug: common.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    **options: Any,  # noqa: ANN401 - those of `score`
) -> int:
    """Score the pairs of a manifest; go on where an earlier run stopped.

    A row names a reference, a distorted video or several, and any option of 'score'. Rows of one
    reference and equal options share one decode and one pass of the network. Options given here
    are for rows that leave them out. Examples:

        roi-accel batch run pairs.csv -o results.ndjson --csv scores.csv

        roi-accel batch run 'encodes/*/*.mp4' -r 'masters/{1}.mkv' -o results.ndjson

        roi-accel batch run pairs.jsonl -o part-0.ndjson --shard 0/4 --weight 0.6

        roi-accel batch run pairs.csv -o results.ndjson --engine ray --address auto
    """
    if together < 1:
        msg = f"--together must be at least 1, not {together}"
        raise InputError(msg, remedy="1 scores every pair by itself")
    distinct_outputs({"--output": output, "--csv": csv, "--parquet": parquet})
    part = None if shard is None else Shard.parse(shard)
    given = {name: _plain(value) for name, value in options.items() if value is not None}
    filled = filled_in(given, {} if defaults is None else read_defaults(defaults))
    rows = read_manifest(
        manifest,
        reference=parameters.only_reference(reference) if reference else None,
        defaults=filled,
    )
    inputs = [Path(manifest), *([defaults] if defaults else []), *_files(rows)]
    # Tables follow from the lines: who goes on with those has them made anew.
    goes_on = output is not None and output.exists()
    tables = _Tables(csv, parquet, inputs, overwrite=overwrite or goes_on)
    if part is not None:
        rows = part.of_rows(rows)
    check_engine(engine, address=address, output=output)
    if no_records:
        records = None
    elif records is None and output is not None:
        records = output.with_name(_RECORDS)
    brings = make_engine(
        engine,
        address=address,
        devices=worker or (),
        workers=workers,
        reproducible=reproducible,
        records=records,
    )
    _make_folder(records)
    with ExitStack() as resources:
        ledger = None
        if output is not None:
            ledger = Ledger(output, overwrite=overwrite, inputs=inputs)
            resources.enter_context(ledger)
        resources.enter_context(quiet_stdout(engine))
        view = resources.enter_context(batch_view(show=progress, quiet=quiet))
        batch = view.batch = Batch(
            rows,
            brings,
            ledger or _Stdout(resources.enter_context(TemporaryFile())),
            done=ledger.done if ledger else {},
            together=together,
            shard=part,
            reproducible=reproducible,
            keeps_frames=frames,
            watch=view,
        )
        try:
            batch.run()
        except Interrupted as interrupt:
            interrupt.message = _interrupted(batch, output)
            raise
    for repeated, first in batch.repeated:
        print_warning(f"line {repeated.line} says what line {first.line} says; scored once")
    tables.write(batch.summaries)
    if not quiet and (is_terminal() if summary is None else summary):
        print_batch(batch, view.trusts)
    return batch.exit_code


class _Tables:
    """The files of ``--csv`` and ``--parquet``.

    Raises
    ------
    OutputError
        One cannot be written, which is known before any work is done.
    InputError
        What writes Parquet is missing.
    """

    def __init__(
        self, csv: Path | None, parquet: Path | None, inputs: Sequence[Path], *, overwrite: bool
    ) -> None:
        self._csv, self._parquet = csv, parquet
        self._inputs, self._overwrite = inputs, overwrite
        for path in (csv, parquet):
            if path is not None:
                check_output(path, overwrite=overwrite, inputs=inputs)
        if parquet is not None:
            require_parquet()

    def write(self, summaries: Sequence[Summary]) -> None:
        contents: dict[Path, bytes] = {}
        if self._csv is not None:
            contents[self._csv] = to_csv(summaries).encode()
        if self._parquet is not None:
            contents[self._parquet] = to_parquet(summaries)
        with writing():
            write_together(contents, overwrite=self._overwrite, inputs=self._inputs)


class _Stdout:
    """Lines on stdout, for who wants them elsewhere, kept in a file that nobody sees."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._places = Places()

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Write lines, each at once."""
        for record in records:
            line = to_line(record)
            write_stdout(line.decode())
            self._file.write(line)
            self._places.add(record, len(line))

    def record(self, identity: str) -> dict[str, Any] | None:
        """Return a line with this pair's scores; None where there is none."""
        self._file.flush()
        return self._places.record(self._file.fileno(), identity)


def _plain(value: Any) -> Any:  # noqa: ANN401 - whatever an option takes
    """Return an option as a manifest would have it."""
    return str(value) if isinstance(value, Path) else value


def _files(rows: Sequence[Pair | BadRow]) -> list[Path]:
    """Return the files that rows name, which are never written to."""
    named = {path for row in rows for path in (row.reference, row.distorted) if path}
    options = [row.keywords for row in rows if isinstance(row, Pair)]
    for keywords in {id(each): each for each in options}.values():
        named.update(map(str, options_of(keywords).files()))
    return [Path(path) for path in sorted(named) if not is_url(path)]


def _make_folder(records: Path | None) -> None:
    if records is None:
        return
    try:
        records.mkdir(exist_ok=True)
    except OSError as error:
        msg = f"--records {records}: cannot be made a folder: {error.strerror or error}"
        raise OutputError(msg, remedy="name a folder, in one that exists") from error
    try:
        with TemporaryFile(dir=records):
            pass
    except OSError as error:
        msg = f"--records {records}: cannot be written to: {error.strerror or error}"
        remedy = "name another folder, or file no records, with --no-records"
        raise OutputError(msg, remedy=remedy) from error


def _interrupted(batch: Batch, output: Path | None) -> str:
    done = f"interrupted; {len(batch.summaries)} of {len(batch.rows)} pairs are done"
    return f"{done}; the same command goes on from there" if output else done
