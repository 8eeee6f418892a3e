"""What a misspelt name was meant to be: one rule and one wording, wherever names are looked up."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, TypeVar

from roi_accel.errors import InputError, RoiAccelError

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 80

Failure = TypeVar("Failure", bound=RoiAccelError)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean numba?`` and a space for the known name nearest to `name`, else ``""``.

    Upper and lower case count as equal, and dashes, which all options share, not at all.
    """
    found = nearest(name, known)
    return "" if found is None else f"did you mean {found}? "


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `did_you_mean` names, None where none is near."""
    names = {_compared(each): each for each in known}
    close = difflib.get_close_matches(_compared(name), names, n=1)
    return names[close[0]] if close else None


def _compared(name: str) -> str:
    return name.lower().lstrip("-")


def with_point(text: str) -> str | None:
    """Return a number that was written with a decimal comma as it is read here; else None."""
    pointed = text.strip().replace(",", ".", 1)
    return pointed if "," in text and pointed.replace(".", "", 1).isdecimal() else None


def excerpt(text: str, longest: int = _LONGEST) -> str:
    """Return `text`, or its beginning where it is too long to be what anybody meant."""
    return text if len(text) <= longest else f"{text[:longest]}..."


def no_such(
    name: str,
    known: Iterable[str],
    *,
    what: str,
    error: type[Failure] = InputError,  # type: ignore[assignment]
    said_by: str = "",
    otherwise: str = "",
) -> Failure:
    """Return the error of a name that is not known.

    Parameters
    ----------
    name : str
        As it was typed.
    known : iterable of str
        What may be meant.
    what : str
        What it would name, such as ``backend``.
    error : type of RoiAccelError, optional
        Its class decides the exit code.
    said_by : str, optional
        Where the name stands if that is not plain, such as a variable; shown in parentheses.
    otherwise : str, optional
        The remedy besides the guess. Default: all that is known.

    Returns
    -------
    RoiAccelError
        ``there is no backend 'nubma'; did you mean numba? there are numpy, numba, opencl, cuda``
    """
    names = tuple(known)
    name = excerpt(name)
    origin = f" ({said_by})" if said_by else ""
    return error(
        f"there is no {what} {name!r}{origin}",
        remedy=did_you_mean(name, names) + (otherwise or f"there are {', '.join(names)}"),
    )
