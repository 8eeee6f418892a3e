"""Holds keyword arguments to what a TypedDict says of them, before anything is opened.

Python checks no types; a path where a number belongs would otherwise fail deep inside, in words
about something else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from types import MappingProxyType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np

from roi_accel._util.suggest import no_such
from roi_accel.errors import InputError

_SHOWN = 60
"""Characters of a wrong value that a message shows."""


def check_keywords(
    given: Mapping[str, Any],
    described: type,
    *,
    function: str,
    remedies: Mapping[str, str] = MappingProxyType({}),
    refuse: Callable[[str, object, str], InputError] | None = None,
) -> dict[str, Any]:
    """Return `given` without what is None, NumPy's scalars as Python's.

    Parameters
    ----------
    given : mapping of str to object
        None is the same as leaving the keyword out.
    described : type
        A TypedDict whose annotations are known at run time.
    function : str
        Whose keywords they are; for messages.
    remedies : mapping of str to str, optional
        By keyword, what to do about a value of the wrong type. Default: see `function`'s help.
    refuse : function, optional
        Called with name, value and what was expected; returns the error of a value of the wrong
        type. Default: one for people who write Python.

    Raises
    ------
    InputError
        There is no such keyword, or a value is of another type or name than it takes.
    """
    hints = hints_of(described)
    remedy = f"help({function}) says what each keyword takes"
    checked: dict[str, Any] = {}
    for name, value in given.items():
        if name not in hints:
            raise no_such(name, hints, what="keyword", otherwise=remedy)
        plain = value.item() if isinstance(value, np.generic) else value
        if plain is None:
            continue
        hint = hints[name]
        if get_origin(hint) is Literal and isinstance(plain, str) and plain not in get_args(hint):
            raise no_such(plain, get_args(hint), what=name)
        if not _fits(plain, hint):
            expected = _expected(hint)
            if refuse is not None:
                raise refuse(name, value, expected)
            raise wrong_type(value, expected, name=name, remedy=remedies.get(name, remedy))
        checked[name] = plain
    return checked


@cache
def hints_of(described: type) -> Mapping[str, Any]:
    """Return the types of a TypedDict's keys, which take a millisecond to find out."""
    return get_type_hints(described)


def wrong_type(value: object, expected: str, *, name: str, remedy: str) -> InputError:
    """Return the error of a value of the wrong type."""
    if isinstance(value, np.ndarray):
        found = f"an array of {value.dtype} with shape {value.shape}"
    else:
        shown = repr(value)
        shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}..."
        found = f"{shown} of type {type(value).__name__}"
    return InputError(f"{name} must be {expected}, not {found}", remedy=remedy)


def is_path(value: object) -> bool:
    """Return whether `value` is a path as text, not as bytes."""
    return isinstance(value, str) or (
        isinstance(value, os.PathLike) and isinstance(os.fspath(value), str)
    )


def _fits(value: object, hint: Any) -> bool:  # noqa: ANN401 - a type, a union or a generic
    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        return any(_fits(value, each) for each in get_args(hint))
    if origin is Sequence:
        (item,) = get_args(hint)
        return isinstance(value, list | tuple) and all(_fits(each, item) for each in value)
    # A bool is an int to Python, but nobody means a number by it.
    is_bool = isinstance(value, bool)
    rules: dict[Any, Callable[[], bool]] = {
        Literal: lambda: value in get_args(hint),
        Callable: lambda: callable(value),
        os.PathLike: lambda: is_path(value),
        int: lambda: isinstance(value, int) and not is_bool,
        float: lambda: isinstance(value, int | float) and not is_bool,
    }
    return rules[origin]() if origin in rules else isinstance(value, origin)


def _expected(hint: Any) -> str:  # noqa: ANN401 - as above
    origin = get_origin(hint) or hint
    if origin in (Union, UnionType):
        parts = get_args(hint)
        # Every path may also be given as text, which goes without saying.
        is_path_hint = any(get_origin(each) is os.PathLike for each in parts)
        named = [each for each in parts if not (is_path_hint and each is str)]
        return " or ".join(_expected(each) for each in named)
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if origin is Sequence:
        return f"a list, each {_expected(get_args(hint)[0])}"
    words = {
        int: "a whole number",
        float: "a number",
        bool: "True or False",
        str: "text",
        os.PathLike: "a path",
        Callable: "a function",
    }
    return words.get(origin, getattr(origin, "__name__", str(origin)))
