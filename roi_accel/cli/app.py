"""The commands; every failure, wrong usage included, becomes one line and an exit code."""

from __future__ import annotations

import gc
import os
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from pydantic import ValidationError
from typer.exceptions import TyperException

from roi_accel._util.error_translation import foreseen
from roi_accel._util.suggest import did_you_mean, excerpt, nearest
from roi_accel._version import __version__
from roi_accel.cli._options import Group
from roi_accel.cli.console import print_error
from roi_accel.cli.interrupt import Interrupted, interruptible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


NAME = "roi-accel"
_MAIN = f"{NAME} score"
_EXAMPLES = {
    _MAIN: f"for example {_MAIN} -r ref.mp4 -d dist.mp4 -d dist2.mp4; ",
    f"{NAME} batch run": f"for example {NAME} batch run 'encodes/*.mp4' -r ref.mp4; ",
}
"""What to type, for commands that take several files; a shell expands a pattern without quotes."""

_KINDS = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
    "bool_parsing": "true or false",
    "greater_than_equal": "at least {ge}",
    "less_than_equal": "at most {le}",
}
"""What pydantic's types of faults say that a value must be."""


def usage_error(
    error: TyperException,
    arguments: Sequence[str],
    root: Any,  # noqa: ANN401 - Typer keeps the types of its commands to itself
) -> str:
    """Return what was found, what was expected, and what to type next.

    Parameters
    ----------
    error : TyperException
    arguments : sequence of str
        All that was typed after the program's name.
    root : command
        The program's, with all commands.

    Returns
    -------
    str
        "" where a command without arguments has printed its help already.
    """
    context = getattr(error, "ctx", None)
    path = context.command_path if context else _path_typed(arguments, root)
    see = f"see {path} --help"
    if context and hasattr(error, "possibilities"):  # Typer's NoSuchOption, which is not public
        name = excerpt(getattr(error, "option_name", ""))
        return f"unknown option {name!r}; {_guess(name, context, root)}{see}"
    if isinstance(error.__cause__, ValidationError):
        fault = error.__cause__.errors()[0]
        if kind := _KINDS.get(fault["type"]):
            name = max(error.param.opts, key=len)  # type: ignore[attr-defined] # Typer's own
            kind = kind.format_map(fault.get("ctx", {}))
            return f"{name} must be {kind}, not {excerpt(str(fault['input']))!r}; {see}"
    message = " ".join(error.format_message().split()).rstrip(".")
    is_of_option = hasattr(error, "option_name")  # and not of files, of which there are several
    example = "" if is_of_option else _EXAMPLES.get(path, "")
    return message and f"{message}; {example}{see}"


def _path_typed(arguments: Sequence[str], root: Any) -> str:  # noqa: ANN401 - as above
    """Return the commands that `arguments` begin with, the program's name before them."""
    path, command = [NAME], root
    for word in arguments:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        path.append(word)
    return " ".join(path)


def _guess(name: str, context: Any, root: Any) -> str:  # noqa: ANN401 - as above
    """Return what an option that a command does not know was meant to be; "" for no idea.

    People who know `score` use the same name elsewhere: ``--weight`` is never ``--height``.
    """
    own = [*context.help_option_names, *_options(context.command)]
    if context.parent is None:
        return did_you_mean(name, own) + f"options follow a command; {_EXAMPLES[_MAIN]}"
    owners: dict[str, str] = {}
    for option, path in _options_of_all(root, NAME):
        owners.setdefault(option, path)
    if name.startswith("--") and name in owners:
        return f"it belongs to {owners[name]}; "
    of_score = [option for option, owner in owners.items() if owner == _MAIN]
    found = next((each for each in own if name.startswith("--") and each.startswith(name)), "")
    found = found or nearest(name, [*of_score, *own])
    owner = "" if found in own else f" of {_MAIN}"
    return f"did you mean {found}{owner}? " if found else ""


def _options(command: Any) -> list[str]:  # noqa: ANN401 - as above
    names = (name for each in command.params for name in (*each.opts, *each.secondary_opts))
    return [name for name in names if name.startswith("--")]


def _options_of_all(command: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    """Yield every option with the command that has it, `command` and those below it."""
    below = getattr(command, "commands", {})
    if not below:
        yield from ((option, path) for option in _options(command))
    for name, each in below.items():
        yield from _options_of_all(each, f"{path} {name}")


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
        name=NAME,
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
        with interruptible(ends_process=ends_process):  # guard: signal-handler
            is_completing = bool(os.environ.get(_COMPLETE_VARIABLE))
            needed = _words_typed() if is_completing else arguments
            outcome = application(needed)(arguments, prog_name=NAME, standalone_mode=False)
    except SystemExit as stop:  # Typer's way out where nobody reads stdout
        outcome = stop.code if isinstance(stop.code, int) else 1
    except TyperException as error:
        if line := usage_error(error, arguments, typer.main.get_command(application([]))):
            print_error(line)
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
