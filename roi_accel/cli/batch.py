"""`roi-accel batch`: a manifest's pairs, scored by the workers of this machine or of many."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from roi_accel.batch.jobs import DEFAULT_TOGETHER, Shard
from roi_accel.batch.manifest import read_defaults, read_manifest
from roi_accel.batch.records import require_parquet, to_csv, to_line, to_parquet
from roi_accel.batch.results_file import Places, ResultsFile
from roi_accel.batch.rows import BadRow, Pair, is_url, merge_defaults, options_of
from roi_accel.batch.run import Batch
from roi_accel.cli import _options as shared
from roi_accel.cli._options import OUTPUT, Outputs, check_distinct, option
from roi_accel.cli.batch_engine import ENGINES, LOCAL, check_engine, make_engine, quiet_stdout
from roi_accel.cli.batch_ladder import ladder
from roi_accel.cli.batch_merge import merge
from roi_accel.cli.batch_output import batch_view, print_batch
from roi_accel.cli.console import is_terminal, print_warning, write_stdout
from roi_accel.cli.interrupt import Interrupted
from roi_accel.errors import InputError, OutputError
from roi_accel.options import ScoreOptions, command_line, typed_values

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


_RECORDS = "parity-records"
_ROWS, _WORKERS = "Manifest", "Workers"


@shared.with_options(ScoreOptions, defaults=False)
def run(
    manifest: Annotated[
        str,
        typer.Argument(
            help="A .csv or .jsonl file with a row per pair, or a quoted pattern of distorted "
            "videos."
        ),
    ],
    *,
    reference: Annotated[
        list[str] | None,
        option(
            _ROWS,
            "The reference of rows that name none. For a pattern, {1} is what its first * matched.",
            "-r",
            "--reference",
            metavar="<str>",
        ),
    ] = None,
    defaults: Annotated[
        Path | None,
        option(_ROWS, "Options of rows that leave them out, by their names.", metavar="JSON"),
    ] = None,
    shard: Annotated[
        str | None,
        option(
            _ROWS,
            "Score only part I of N, counted from 0, for schedulers that start N machines.",
            metavar="I/N",
        ),
    ] = None,
    together: Annotated[
        int, option(_WORKERS, "Maximum encodes of one reference to score at once.", metavar="N")
    ] = DEFAULT_TOGETHER,
    workers: Annotated[
        int | None,
        option(
            _WORKERS,
            "How many pairs, or groups of encodes, to score at a time.",
            show_default="one per GPU, or per four cores",
        ),
    ] = None,
    worker: Annotated[
        list[str] | None,
        option(
            _WORKERS,
            "A backend or device for a worker, such as numba or cuda:1; repeatable.",
            metavar="DEVICE",
            show_default="every GPU, else auto",
        ),
    ] = None,
    engine: Annotated[
        str,
        option(
            _WORKERS,
            "Run workers on this machine or on a Ray cluster.",
            metavar="|".join(ENGINES),
            autocompletion=lambda: list(ENGINES),
        ),
    ] = LOCAL,
    address: Annotated[
        str | None,
        option(
            _WORKERS,
            "The Ray cluster, such as auto on one of its nodes, or HOST:PORT.",
            show_default="RAY_ADDRESS, else a Ray that is started here",
        ),
    ] = None,
    reproducible: Annotated[
        bool,
        option(
            _WORKERS,
            "Run the network, the only floating-point stage, on the CPU, so that a score is the "
            "same to the last digit on every worker.",
            "--reproducible",
        ),
    ] = False,
    records: Annotated[
        Path | None,
        option(
            _WORKERS,
            "Where each device files its parity record before its first pair.",
            metavar="FOLDER",
            show_default=f"{_RECORDS} beside --output",
        ),
    ] = None,
    no_records: Annotated[
        bool, option(_WORKERS, "File no parity records; the self-test still runs.", "--no-records")
    ] = False,
    output: Annotated[
        Path | None,
        shared.output_option(
            "Append a line of JSON per finished pair; pairs that have one are passed over."
        ),
    ] = None,
    frames: Annotated[
        bool, option(OUTPUT, "Keep the scores of every frame in the lines.", "--frames/--no-frames")
    ] = True,
    csv: Annotated[
        Path | None,
        option(
            OUTPUT, "Write a table with a row per pair at the end; a resumed batch replaces it."
        ),
    ] = None,
    parquet: shared.Parquet = None,
    overwrite: Annotated[
        bool, option(OUTPUT, "Start over and overwrite existing output.", "--overwrite")
    ] = False,
    quiet: shared.Quiet = False,
    summary: shared.Summary = None,
    progress: shared.Progress = None,
    debug: shared.Debug = False,  # noqa: ARG001 - read by main, which catches what commands raise
    **options: Any,  # noqa: ANN401 - those of the model
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
    check_engine(engine, address=address, output=output)
    if together < 1:
        msg = f"--together must be at least 1, not {together}"
        raise InputError(msg, remedy="1 scores every pair by itself")
    check_distinct({"--output": output, "--csv": csv, "--parquet": parquet})
    part = None if shard is None else Shard.parse(shard)
    typed = typed_values(ScoreOptions, options)
    ScoreOptions.check_values(command_line("batch run"), typed)
    given = {name: _plain(value) for name, value in typed.items()}
    filled = merge_defaults(given, {} if defaults is None else read_defaults(defaults))
    rows = read_manifest(
        manifest, reference=shared.only_reference(reference) if reference else None, defaults=filled
    )
    inputs = [Path(manifest), *([defaults] if defaults else []), *_files(rows)]
    # Tables are made of the lines, so that a resumed batch makes them anew.
    goes_on = output is not None and output.exists()
    named = {"--csv": csv, "--parquet": parquet}
    tables = Outputs(named, overwrite=overwrite or goes_on, inputs=inputs)
    if parquet is not None:
        require_parquet()
    if part is not None:
        rows = part.of_rows(rows)
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
        results = None
        if output is not None:
            results = ResultsFile(output, overwrite=overwrite, inputs=inputs)
            resources.enter_context(results)
        resources.enter_context(quiet_stdout(engine))
        view = resources.enter_context(batch_view(show=progress, quiet=quiet))
        batch = view.batch = Batch(
            rows,
            brings,
            results or _Stdout(resources.enter_context(TemporaryFile())),
            done=results.done if results else {},
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
    tables.write(
        {
            "--csv": lambda: to_csv(batch.summaries),
            "--parquet": lambda: to_parquet(batch.summaries),
        }
    )
    if not quiet and (is_terminal() if summary is None else summary):
        print_batch(batch, view.attestations)
    return batch.exit_code


class _Stdout:
    """Lines on stdout, to be piped elsewhere, and in a temporary file."""

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


class _BatchGroup(shared.Group):
    """Its commands, of which `run` goes without saying: ``batch MANIFEST`` is ``batch run``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: ANN401 - Typer's own
        """Put `run` before what does not begin with a command."""
        is_help = args[:1] in (["--help"], ["-h"])
        if args and not is_help and args[0] not in self.commands:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    help=(
        "Score many pairs, on this machine or on many.\n\n"
        "A manifest has a row per pair: `roi-accel batch MANIFEST` is short for "
        "`roi-accel batch run MANIFEST`, whose help has all options.\n\n"
        "Examples:\n\n"
        "    roi-accel batch pairs.csv -o results.ndjson\n\n"
        "    roi-accel batch 'encodes/*.mp4' -r ref.mp4 -o results.ndjson\n\n"
        "    roi-accel batch merge pairs.csv part-*.ndjson -o results.ndjson\n\n"
        "    roi-accel batch ladder results.ndjson"
    ),
    cls=_BatchGroup,
    no_args_is_help=True,
)
app.command()(run)
app.command()(merge)
app.command()(ladder)
