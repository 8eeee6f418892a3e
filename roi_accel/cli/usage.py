"""What is said of a command that was typed wrongly: one line, in place of Typer's box."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from roi_accel._util.suggest import did_you_mean, excerpt, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from typer.exceptions import TyperException

NAME = "roi-accel"
_MAIN = f"{NAME} score"
_EXAMPLES = {
    _MAIN: f"for example {_MAIN} -r ref.mp4 -d dist.mp4 -d dist2.mp4; ",
    f"{NAME} batch run": f"for example {NAME} batch run 'encodes/*.mp4' -r ref.mp4; ",
}
"""What to type, for commands that take several files; a shell expands a pattern without quotes."""


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
    message = " ".join(error.format_message().split()).rstrip(".")
    return message and f"{message}; {_EXAMPLES.get(path, '')}{see}"


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
    found = nearest(name, [*of_score, *own])
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
