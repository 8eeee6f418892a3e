"""The options of `score` as options of another command that fills them into rows.

They are taken from `score` itself, so that a new one is there for a batch too. None of them has a
default here: what neither a row nor the command line says, `score` decides.
"""

from __future__ import annotations

import inspect
from copy import copy
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, get_args

from roi_accel.batch.rows import option_names
from roi_accel.cli.score import score

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


def with_row_options(command: Command) -> Command:
    """Give `command` all options that a row may have, in place of its ``**options``."""
    own = list(inspect.signature(command, eval_str=True).parameters.values())
    names = option_names()
    found = inspect.signature(score, eval_str=True).parameters.values()
    taken = [_optional(each) for each in found if each.name in names]
    parameters = [each for each in own if each.kind is not inspect.Parameter.VAR_KEYWORD]
    command.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
        [*parameters, *taken], return_annotation=None
    )
    return command


def _optional(parameter: inspect.Parameter) -> inspect.Parameter:
    kind, info = get_args(parameter.annotation)[:2]
    info = copy(info)
    if parameter.default not in (None, False) and info.show_default is True:
        info.show_default = str(parameter.default)
    return parameter.replace(
        default=None,
        annotation=Annotated[kind | None, info],
        kind=inspect.Parameter.KEYWORD_ONLY,
    )
