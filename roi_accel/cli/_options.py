"""What commands share on the command line: options, those of the model included, and names."""

from __future__ import annotations

import inspect
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

import typer
from typer.core import TyperGroup

from roi_accel._util.files import check_output, write_together
from roi_accel._util.suggest import no_such
from roi_accel.cli.console import write_stdout
from roi_accel.cli.interrupt import writing
from roi_accel.errors import InputError
from roi_accel.options import Options, declared

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from roi_accel.options import Declared
    from roi_accel.options.declaration import Concern

    Command = TypeVar("Command", bound=Callable[..., Any])

AnyName = TypeVar("AnyName", Path, str)

INPUT, OUTPUT = "Input", "Output"


def option(panel: str, text: str, *flags: str, **more: Any) -> Any:  # noqa: ANN401 - Typer's own
    """Return an option with its help in a panel; `more` is what Typer's own takes besides."""
    return typer.Option(*flags, help=text, rich_help_panel=panel, **more)


Overwrite = Annotated[bool, option(OUTPUT, "Replace existing output.", "--overwrite")]
# Warnings stay: a score that may mean something else than its reader thinks is never silent.
Quiet = Annotated[
    bool, option(OUTPUT, "No bar and no summary; warnings and errors stay.", "--quiet")
]
Progress = Annotated[
    bool | None,
    option(
        OUTPUT,
        "A progress bar on stderr.",
        "--progress/--no-progress",
        show_default="on a terminal",
    ),
]
Summary = Annotated[
    bool | None,
    option(
        OUTPUT, "Print a summary to stderr.", "--summary/--no-summary", show_default="on a terminal"
    ),
]
Debug = Annotated[bool, option(OUTPUT, "Show the traceback of a failure.", "--debug")]
Parquet = Annotated[Path | None, option(OUTPUT, "The same as Parquet. Needs the extra 'parquet'.")]
# A list, so that a second one is not taken without a word; see `only_reference`.
Reference = Annotated[
    list[Path], option(INPUT, "The undistorted video.", "-r", "--reference", metavar="<Path>")
]


def output_option(text: str) -> Any:  # noqa: ANN401 - Typer's own
    """Return ``--output`` of a command that writes to stdout without it."""
    return option(OUTPUT, text, "-o", "--output", show_default="stdout")


def names_option(panel: str, text: str, *flags: str, unset: str = "all") -> Any:  # noqa: ANN401
    """Return an option that takes ``a,b``; see `split_names`."""
    return option(panel, text, *flags, metavar="A,B", show_default=unset)


def backends_option(panel: str) -> Any:  # noqa: ANN401 - Typer's own
    """Return ``--backends``."""
    text = "Backends, as 'roi-accel devices' names them."
    return names_option(panel, text, "--backends", "--backend")


def formats_option(panel: str, unset: str) -> Any:  # noqa: ANN401 - Typer's own
    """Return ``--formats``."""
    text = "Pixel formats by FFmpeg's names, such as yuv420p10le."
    return names_option(panel, text, unset=unset)


def with_options(
    model: type[Options],
    *,
    only: Container[str] | None = None,
    without: Concern | None = None,
    defaults: bool = True,
) -> Callable[[Command], Command]:
    """Give a command the options of a model in place of ``**options`` or of namesakes.

    Parameters
    ----------
    model : type of Options
    only : container of str, optional
        The options' names. Default: all.
    without : str, optional
        What the options concern that are left out.
    defaults : bool
        Whether what is left out has the model's default; else None.
    """

    def decorate(command: Command) -> Command:
        taken = {
            name: _parameter(each, defaults=defaults)
            for name, each in declared(model).items()
            if (only is None or name in only) and each.option.concerns != without
        }
        own = [
            each
            for each in inspect.signature(command, eval_str=True).parameters.values()
            if each.kind is not inspect.Parameter.VAR_KEYWORD and each.name not in taken
        ]
        # The help shows panels in the order of their first options, and that of output is last.
        at = next((n for n, each in enumerate(own) if _panel(each) == OUTPUT), len(own))
        parameters = [
            each.replace(kind=inspect.Parameter.KEYWORD_ONLY)
            for each in (*own[:at], *taken.values(), *own[at:])
        ]
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return command

    return decorate


def _panel(parameter: inspect.Parameter) -> str | None:
    return next(
        (getattr(each, "rich_help_panel", None) for each in get_args(parameter.annotation)[1:]),
        None,
    )


def _parameter(declaration: Declared, *, defaults: bool) -> inspect.Parameter:
    said, shown = declaration.option, declaration.shown_default
    is_flag = declaration.typed_as is bool
    default: Any = None
    if defaults and (is_flag or (shown and not (said.unset or declaration.is_list))):
        default = False if is_flag else shown
    choices = declaration.choices
    info = typer.Option(
        *declaration.flags,
        help=said.help,
        rich_help_panel=said.panel,
        metavar=None if is_flag else declaration.metavar,
        show_default=True if is_flag or default is not None else shown or True,
        autocompletion=(lambda: list(choices)) if choices else said.complete,
    )
    typed_as = declaration.typed_as
    return inspect.Parameter(
        declaration.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[typed_as if default is not None else typed_as | None, info],
    )


class Group(TyperGroup):
    """Commands of `roi-accel`, or of one of its commands; a misspelt one gets a suggestion."""

    def resolve_command(
        self,
        ctx: Any,  # noqa: ANN401 - Typer keeps the type of its contexts to itself
        args: list[str],
    ) -> tuple[str | None, Any, list[str]]:
        """Return the command that `args` begin with, and what follows it.

        Raises
        ------
        InputError
            There is no such command.
        """
        name = args[0]
        is_option = name.startswith("-")
        if not (is_option or ctx.resilient_parsing) and self.get_command(ctx, name) is None:
            known = self.list_commands(ctx)
            raise no_such(name, known, what="command", otherwise=f"see {ctx.command_path} --help")
        return super().resolve_command(ctx, args)


def only_reference(given: Sequence[AnyName]) -> AnyName:
    """Return the one reference that was given; InputError where there are more."""
    if len(given) > 1:
        names = " and ".join(map(str, given))
        msg = f"-r is given {len(given)} times, {names}, and there is one reference"
        raise InputError(msg, remedy="for pairs of several references see roi-accel batch --help")
    return given[0]


def check_named_once(distorted: Sequence[Path]) -> None:
    """Raise InputError where a distorted video is given twice, which would be scored twice."""
    for path, count in Counter(distorted).items():
        if count > 1:
            msg = f"-d {path} is given {count} times"
            raise InputError(msg, remedy="name every distorted video once")


def split_names(text: str, option_: str) -> tuple[str, ...]:
    """Return the names of ``a,b``, each once; InputError where one of them is empty."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        msg = f"{option_} {text!r} has an empty name"
        raise InputError(msg, remedy="separate names by single commas")
    return names


class Outputs:
    """The files that options name.

    Parameters
    ----------
    named : mapping of str to Path or None
        By the option that names it; None where it was left out, and then what ``--output`` would
        hold goes to stdout.
    overwrite : bool
        Whether files that exist are replaced.
    inputs : sequence of Path
        What is read, and so never replaced.

    Attributes
    ----------
    paths : list of Path
        The files.

    Raises
    ------
    InputError
        Two options name the same file.
    OutputError
        One of them could not be written.
    """

    def __init__(
        self, named: Mapping[str, Path | None], *, overwrite: bool, inputs: Sequence[Path] = ()
    ) -> None:
        self._named = {name: path for name, path in named.items() if path is not None}
        self._prints = "--output" in named and "--output" not in self._named
        self._overwrite, self._inputs = overwrite, inputs
        self.paths = list(self._named.values())
        check_distinct(self._named)
        for path in self.paths:
            check_output(path, overwrite=overwrite, inputs=inputs)

    def write(self, contents: Mapping[str, Callable[[], str | bytes]]) -> None:
        """Write what is wanted, files all or none.

        Parameters
        ----------
        contents : mapping of str to function
            By the option; called where the option was given.
        """
        made = {path: contents[name]() for name, path in self._named.items()}
        if self._prints:
            text = contents["--output"]()
            write_stdout(text if isinstance(text, str) else text.decode())
        data = {}
        for path, each in made.items():
            data[path] = each.encode() if isinstance(each, str) else each  # guard: csv-utf-8
        with writing():  # guard: signal-while-writing
            write_together(data, overwrite=self._overwrite, inputs=self._inputs)


def check_distinct(named: Mapping[str, Path | None]) -> None:
    """Raise InputError where two options name the same file."""
    first: dict[Path, str] = {}
    for option, path in named.items():
        if path is not None and (other := first.setdefault(path.resolve(), option)) != option:
            msg = f"{other} and {option} both name {path}"
            raise InputError(msg, remedy="give each its own file")
