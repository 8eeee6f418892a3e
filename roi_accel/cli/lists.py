"""Lists that are typed as one argument: ``a,b``."""

from __future__ import annotations

from roi_accel.errors import InputError


def split_names(text: str, option: str) -> tuple[str, ...]:
    """Return the names of ``a,b``, each once.

    Raises
    ------
    InputError
        One of them is empty; the message begins with `option`.
    """
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",")))
    if not all(names):
        msg = f"{option} {text!r} has an empty name"
        raise InputError(msg, remedy="separate names by single commas")
    return names
