"""The commands and the last line of defence: every failure becomes one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from roi_accel._version import __version__
from roi_accel.cli.console import print_error
from roi_accel.cli.group import Group
from roi_accel.cli.interrupt import Interrupted, interruptible
from roi_accel.suggest import did_you_mean, excerpt, nearest
from roi_accel.unforeseen import foreseen

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAME = "roi-accel"
_MAIN = f"{_NAME} score"
_EXAMPLE = f"{_MAIN} -r ref.mp4 -d dist.mp4"

_FEW = 3
"""Guesses that help; more are a list to read."""

_COMPLETE_VARIABLE = "_ROI_ACCEL_COMPLETE"
"""What the shell sets where it asks for completions; Typer's name for it."""

_SCORES, _MACHINE, _NETWORKS = "Scores", "This machine", "Networks"

_COMMANDS = {
    "score": _SCORES,
    "batch": _SCORES,
    "mask": _SCORES,
    "demo": _SCORES,
    "devices": _MACHINE,
    "bench": _MACHINE,
    "models": _NETWORKS,
    "parity": _MACHINE,
}
"""In the order of the help, by its groups; each is a module of this package, imported when it is
needed.
"""

_SUMMARY = """How good a compressed video looks where people look.

Examples:

    roi-accel demo

    roi-accel score -r ref.mp4 -d dist.mp4

    roi-accel COMMAND --help"""


def _print_version(value: bool) -> None:
    if value:
        typer.echo(__version__)
        raise typer.Exit


def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """How good a compressed video looks where people look."""


def application(arguments: list[str]) -> typer.Typer:
    """Return the command that `arguments` begin with; all commands where they begin otherwise.

    Every command loads modules of its own and takes time to set up, which is time before a score.
    """
    application = typer.Typer(
        name=_NAME,
        cls=Group,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    application.callback(help=_SUMMARY)(_root)
    for name in arguments[:1] if arguments[:1] and arguments[0] in _COMMANDS else _COMMANDS:
        module = import_module(f"roi_accel.cli.{name}")
        panel = _COMMANDS[name]
        if hasattr(module, "app"):
            application.add_typer(module.app, name=name, rich_help_panel=panel)
        else:
            # Not -h for help: who means --height by it would get a page of it, and exit code 0.
            settings = {"help_option_names": ["--help"]} if name in ("score", "mask") else None
            register = application.command(name, context_settings=settings, rich_help_panel=panel)
            register(getattr(module, name))
    return application


def _words_typed() -> list[str]:
    """Return what stands after the program's name on the line that a shell wants completed."""
    line = os.environ.get("COMP_WORDS") or os.environ.get("_TYPER_COMPLETE_ARGS", "")
    return line.split()[1:]


def run() -> NoReturn:
    """Be the process: do as the command line says and end with its exit code.

    Ending takes a fifth of a second where Python looks through all that numba and others made for
    what might be freed, which the end of the process frees at once.
    """
    code = main(ends_process=True)
    gc.freeze()
    sys.exit(code)


def main(arguments: list[str] | None = None, *, ends_process: bool = False) -> int:
    """Run the command line and return its exit code (see docs/interface.md)."""
    arguments = sys.argv[1:] if arguments is None else arguments
    debug = "--debug" in arguments
    try:
        with interruptible(ends_process=ends_process):
            is_completing = bool(os.environ.get(_COMPLETE_VARIABLE))
            needed = _words_typed() if is_completing else arguments
            outcome = application(needed)(arguments, prog_name=_NAME, standalone_mode=False)
    except SystemExit as stop:  # Typer's way out where nobody reads stdout
        outcome = stop.code if isinstance(stop.code, int) else 1
    except TyperException as error:
        _print_usage_error(error)
        return error.exit_code
    except Interrupted as interrupt:
        print_error(interrupt.message)
        return interrupt.exit_code
    except Exception as error:  # noqa: BLE001 - the last line of defence
        if debug:
            traceback.print_exc()
        known = foreseen(error)
        print_error(str(known))
        return known.exit_code
    return outcome if isinstance(outcome, int) else 0


def _options(command: Any) -> list[str]:  # noqa: ANN401 - Typer keeps these types to itself
    return [name for each in command.params for name in (*each.opts, *each.secondary_opts)]


def _options_of_all(command: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    """Yield every option with the command that has it, `command` and those below it."""
    below = getattr(command, "commands", {})
    if not below:
        yield from ((option, path) for option in _options(command))
    for name, each in below.items():
        yield from _options_of_all(each, f"{path} {name}")


def _guess(name: str, known: list[str]) -> str:
    """Return what an option that a command does not know was meant to be; ``""`` for no idea.

    Who has `score` in mind means the same by a name elsewhere: ``--weight`` is never ``--height``.
    """
    text = name.lstrip("-")
    # ``-h`` is no option of `score`, and ``--masked`` is half of one of `mask`.
    longer = [each for each in known if each.startswith(f"--{text}")]
    if text and 0 < len(longer) <= _FEW:
        return f"did you mean {' or '.join(longer)}? "
    owners: dict[str, str] = {}
    for option, path in _options_of_all(get_command(application([])), _NAME):
        if option.startswith("--"):
            owners.setdefault(option, path)
    if name in owners:
        return f"it is one of {owners[name]}; "
    of_score = [option for option, owner in owners.items() if owner == _MAIN]
    found = nearest(name, [*of_score, *known])
    if found is None or found in known:
        return "" if found is None else f"did you mean {found}? "
    return f"did you mean {found}, which is one of {_MAIN}? "


def _print_usage_error(error: TyperException) -> None:
    """Print one line for a command that was typed wrongly, in place of Typer's box of several.

    The message is empty where a command without arguments has printed its help already.
    """
    context = getattr(error, "ctx", None)
    path = context.command_path if context else _NAME
    see = f"see {path} --help"
    if context and hasattr(error, "possibilities"):  # Typer's NoSuchOption, which is not public
        name, known = excerpt(getattr(error, "option_name", "")), _options(context.command)
        if context.parent is None:
            hint = did_you_mean(name, known) + f"options follow a command, as in '{_EXAMPLE}'; "
        else:
            hint = _guess(name, known)
        print_error(f"there is no option {name!r}; {hint}{see}")
        return
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    if path == _MAIN and message.startswith("Missing option"):
        see = f"for example {_EXAMPLE}; {see}"
    if message:
        print_error(f"{message}; {see}")
