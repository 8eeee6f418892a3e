"""The commands and the last line of defence: every failure becomes one line and an exit code."""

from __future__ import annotations

import errno
import sys
import traceback
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from roi_accel._version import __version__
from roi_accel.cli import models, parity
from roi_accel.cli.bench import bench
from roi_accel.cli.console import print_error
from roi_accel.cli.demo import demo
from roi_accel.cli.devices import devices
from roi_accel.cli.interrupt import Interrupted, interruptible
from roi_accel.cli.score import score
from roi_accel.errors import BackendUnavailable, OutputError, RoiAccelError

INTERNAL_ERROR = 70
"""A fault of this program itself (EX_SOFTWARE of sysexits.h), never of the input."""

_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What writing to a full disk raises, wherever it is written from."""

_LESS_MEMORY = "lower --threads, or score fewer videos or regions at once"

app = typer.Typer(
    name="roi-accel",
    help="How good a compressed video looks where people look.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Not -h for help: who means --height by it would get a page of help, and exit code 0.
app.command(context_settings={"help_option_names": ["--help"]})(score)
app.command()(demo)
app.command()(devices)
app.command()(bench)
app.add_typer(models.app, name="models")
app.add_typer(parity.app, name="parity")


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """How good a compressed video looks where people look."""


def run() -> NoReturn:
    """Be the process: do as the command line says and end with its exit code."""
    sys.exit(main(ends_process=True))


def main(arguments: list[str] | None = None, *, ends_process: bool = False) -> int:
    """Run the command line and return its exit code (see docs/interface.md)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        with interruptible(ends_process=ends_process):
            outcome = app(arguments, standalone_mode=False)
    except SystemExit as stop:  # Typer's way out where nobody reads stdout
        outcome = stop.code
    except TyperException as error:
        _print_usage_error(error)
        return error.exit_code
    except Interrupted as interrupt:
        print_error("interrupted; nothing was written")
        return interrupt.exit_code
    except RoiAccelError as error:
        if debug:
            traceback.print_exc()
        print_error(str(error))
        return error.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if debug:
            traceback.print_exc()
        return _print_unforeseen(error)
    return outcome if isinstance(outcome, int) else 0


def _print_unforeseen(error: Exception) -> int:
    """Print one line for what no part of the program raises on purpose; return its exit code."""
    if isinstance(error, MemoryError):
        print_error(f"memory ran out{_told(error)}; {_LESS_MEMORY}")
        return BackendUnavailable.exit_code
    if isinstance(error, OSError) and error.errno in _OUTPUT_ERRORS:
        print_error(f"the output cannot be written: {error.strerror}; write it elsewhere")
        return OutputError.exit_code
    print_error(f"internal error: {type(error).__name__}: {error}; run again with --debug")
    return INTERNAL_ERROR


def _told(error: MemoryError) -> str:
    """Return what NumPy says of the array that found no room; Python itself says nothing."""
    return f" ({error})" if str(error) else ""


def _print_usage_error(error: TyperException) -> None:
    """Print one line for a command that was typed wrongly, in place of Typer's box of several.

    The message is empty where a command without arguments has printed its help already.
    """
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    if message:
        context = getattr(error, "ctx", None)
        path = context.command_path if context else app.info.name
        print_error(f"{message}{'' if message.endswith('?') else ';'} see {path} --help")
