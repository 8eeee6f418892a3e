"""What is said of an option that cannot be used, in the words of whoever gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roi_accel._util.suggest import excerpt, no_such, with_point
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.options.declaration import Declared

REFUSED = "refused"
"""Pydantic's type of a fault that a parser of ours found."""

_SHOWN = 60
"""Characters of a wrong value that a message shows."""


@dataclass(frozen=True)
class Caller:
    """Who gives options.

    Attributes
    ----------
    calls_them : str
        ``option``, ``keyword`` or ``key``.
    guide : str
        Where an option is described; ``{}`` stands for its name on the command line.
    """

    calls_them: str
    guide: str

    def spell(self, name: str) -> str:
        """Return an option as the caller writes it."""
        return _typed(name) if self.calls_them == "option" else name

    def guide_to(self, name: str) -> str:
        """Return where an option is described."""
        return self.guide.format(_typed(name))


def command_line(command: str) -> Caller:
    """Return who types `command`, such as ``score``."""
    return Caller("option", f"see roi-accel {command} --help")


COMMAND_LINE = command_line("score")
PYTHON = Caller("keyword", "help(roi_accel.score) says what each keyword takes")
MANIFEST = Caller("key", "see {} in roi-accel score --help")


def _typed(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def refusal(fault: Mapping[str, Any], known: Mapping[str, Declared], caller: Caller) -> InputError:
    """Return the error of the first option that pydantic refused.

    Parameters
    ----------
    fault : mapping
        Of `pydantic.ValidationError.errors`.
    known : mapping of str to Declared
    caller : Caller
    """
    name, value = str(fault["loc"][0]), fault["input"]
    guide, spelled = caller.guide_to(name), caller.spell(name)
    option = known[name]
    if fault["type"] == REFUSED:
        said = fault["ctx"]
        return InputError(f"{spelled}: {said['message']}", remedy=said["remedy"] or guide)
    if option.choices and isinstance(value, str):
        return no_such(value, option.choices, what=name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if option.range and is_number and not fault["type"].endswith("_type"):
        found = f"{value:g}" if isinstance(value, float) else str(value)
        return InputError(f"{spelled} must be {option.range}, not {found}", remedy=guide)
    pointed = (
        with_point(value) if isinstance(value, str) and option.expected == "a number" else None
    )
    remedy = option.option.remedy or (f"with a point, {pointed}; {guide}" if pointed else guide)
    found = _shown(value, with_type=caller.calls_them == "keyword")
    return InputError(f"{spelled} must be {option.expected}, not {found}", remedy=remedy)


def unknown_name(name: str, known: Mapping[str, Declared], caller: Caller) -> InputError:
    """Return the error of an option that there is not, with the nearest that there is."""
    return no_such(name, known, what=caller.calls_them, otherwise=caller.guide_to("weight"))


def wrong_type(value: object, expected: str, *, name: str, remedy: str) -> InputError:
    """Return the error of an argument of the wrong type, for people who write Python."""
    found = _shown(value, with_type=True)
    return InputError(f"{name} must be {expected}, not {found}", remedy=remedy)


def _shown(value: object, *, with_type: bool) -> str:
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of {value.dtype} with shape {value.shape}"
    shown = excerpt(repr(value), _SHOWN)
    return f"{shown} of type {type(value).__name__}" if with_type else shown
