"""What is said of a command that was typed wrongly: one line, in place of Typer's box."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from roi_accel._util.suggest import did_you_mean, excerpt, nearest, no_such, with_point

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typer.exceptions import TyperException

NAME = "roi-accel"
_MAIN = f"{NAME} score"
_BATCH = f"{NAME} batch run"
_EXAMPLE = f"{_MAIN} -r ref.mp4 -d dist.mp4"

_CHOICE = re.compile(
    r"Invalid value for '(?:-\w' / ')?--([^']+)': ['\"](.*)['\"] is not one of (.*)", re.DOTALL
)
"""Typer's words on a value that is none of those that an option takes."""

_FEW = 3
"""Guesses that help; more are a list to read."""

_NUMBERS = {
    "int_parsing": "a whole number",
    "int_from_float": "a whole number",
    "float_parsing": "a number",
}
"""What Pydantic, which reads values for Typer, calls them where they are none."""


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
        known = [*context.help_option_names, *_options(context.command)]
        if context.parent is None:
            hint = did_you_mean(name, known) + f"options follow a command, as in '{_EXAMPLE}'; "
        else:
            hint = _guess(name, known, root)
        return f"there is no option {name!r}; {hint}{see}"
    message = error.format_message().replace("Value error, ", "").rstrip(".")
    if path == _MAIN and message.startswith("Missing option"):
        see = f"for example {_EXAMPLE}; {see}"
    option = getattr(error, "option_name", None)
    if option and message.endswith("requires an argument"):
        message = f"{option} needs a value, and none follows it"
    elif message.startswith("Got unexpected extra argument"):
        extra = message.partition("(s) (")[2].removesuffix(")")
        message = f"{excerpt(extra)!r} belongs to no option"
        see = _extra(extra, path, arguments) + see
    elif choice := _CHOICE.fullmatch(message):
        option, value, listed = choice.groups()
        message = str(no_such(value, re.findall("'([^']*)'", listed), what=option))
    elif number := _no_number(error, arguments):
        message, hint = number
        see = hint + see
    return message and f"{message}; {see}"


def _path_typed(arguments: Sequence[str], root: Any) -> str:  # noqa: ANN401 - as above
    """Return the commands that `arguments` begin with, the program's name before them."""
    path, command = [NAME], root
    for word in arguments:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            break
        path.append(word)
    return " ".join(path)


def _extra(extra: str, path: str, arguments: Sequence[str]) -> str:
    """Return how words that stand behind no option may have come there; "" for no idea."""
    # The last one: the same word may stand behind an option, too.
    at = max(
        (at for at, word in enumerate(arguments) if word and extra.startswith(word)), default=0
    )
    before = arguments[max(0, at - 2) : at]
    if before and re.fullmatch(r"-[a-z]{2,}", before[-1]):
        return f"{before[-1]} is read as {before[-1][:2]} {before[-1][2:]}: long names have --; "
    if before and before[0] in ("-d", "--distorted"):
        return "repeat -d for each distorted video, as in -d dist.mp4 -d dist2.mp4; "
    if path == _BATCH:
        return f"quote a pattern, as in {_BATCH} 'encodes/*.mp4' -r ref.mp4; "
    return ""


def _no_number(error: TyperException, arguments: Sequence[str]) -> tuple[str, str] | None:
    """Return what a value is not that should be a number, and a hint; None for other errors."""
    invalid: Any = error.__cause__
    parameter = getattr(error, "param", None)
    if parameter is None or not hasattr(invalid, "errors"):
        return None
    fault = invalid.errors()[0]
    wanted = _NUMBERS.get(fault["type"])
    if wanted is None:
        return None
    option, value = max(parameter.opts, key=len), str(fault["input"])
    hint = ""
    if option == "--width" and "-w" in arguments:
        hint = "-w is not --weight; "
    elif fault["type"] == "float_parsing" and (pointed := with_point(value)):
        hint = f"with a point, {option} {pointed}; "
    return f"{option} must be {wanted}, not {excerpt(value)!r}", hint


def _options(command: Any) -> list[str]:  # noqa: ANN401 - as above
    return [name for each in command.params for name in (*each.opts, *each.secondary_opts)]


def _options_of_all(command: Any, path: str) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - as above
    """Yield every option with the command that has it, `command` and those below it."""
    below = getattr(command, "commands", {})
    if not below:
        yield from ((option, path) for option in _options(command))
    for name, each in below.items():
        yield from _options_of_all(each, f"{path} {name}")


def _guess(name: str, known: list[str], root: Any) -> str:  # noqa: ANN401 - as above
    """Return what an option that a command does not know was meant to be; ``""`` for no idea.

    Who has `score` in mind means the same by a name elsewhere: ``--weight`` is never ``--height``.
    """
    text = name.lstrip("-")
    # ``-h`` is no option of `score`, and ``--masked`` is half of one of `mask`.
    longer = [each for each in known if each.startswith(f"--{text}")]
    if text and 0 < len(longer) <= _FEW:
        *others, last = longer
        return f"did you mean {', '.join(others)}{' or ' * bool(others)}{last}? "
    owners: dict[str, str] = {}
    for option, path in _options_of_all(root, NAME):
        if option.startswith("--"):
            owners.setdefault(option, path)
    if name in owners:
        return f"it is one of {owners[name]}; "
    of_score = [option for option, owner in owners.items() if owner == _MAIN]
    found = nearest(name, [*of_score, *known])
    if found is None or found in known:
        return "" if found is None else f"did you mean {found}? "
    return f"did you mean {found}, which is one of {_MAIN}? "
