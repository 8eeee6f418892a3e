"""Text that came from outside, made fit for a message, a table or a JSON document.

File names may hold control characters, and bytes that are not UTF-8; Python turns the latter into
lone surrogates, which UTF-8 cannot encode.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LONGEST = 80
"""Characters of a foreign value that a message repeats."""

_SURROGATE = re.compile("[\ud800-\udfff]")


def printable(text: str | Path) -> str:
    r"""Return a text or path on one line, with what no terminal can show escaped, as ``\n``."""
    text = str(text)
    if text.isprintable():  # guard: path-not-text
        return text
    return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)


def short_repr(value: object) -> str:
    """Return the beginning of ``repr(value)``, for a message."""
    try:
        return repr(value)[:LONGEST]
    except ValueError:  # Python does not print integers of more than 4300 digits.
        return "a number of thousands of digits"


def has_surrogates(text: str) -> bool:
    """Return whether UTF-8 cannot encode `text`."""
    return _SURROGATE.search(text) is not None


def in_table(text: str) -> str:
    r"""Return `text` with each lone surrogate written as in Python, such as ``\udcff``."""
    return _SURROGATE.sub(lambda match: ascii(match[0])[1:-1], text)


def in_json(document: str) -> str:
    r"""Return a JSON document in whose strings each lone surrogate reads as in `in_table`."""
    return _SURROGATE.sub(lambda match: "\\" + ascii(match[0])[1:-1], document)
