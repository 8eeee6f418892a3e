"""JSON as RFC 8259 defines it, where Python's own reader is laxer: unique keys, finite numbers.

Of two equal keys Python keeps the last without a word, and it reads NaN and infinities.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from roi_accel._util.text import short_repr


def loads(text: str | bytes) -> Any:  # noqa: ANN401 - whatever the document is
    """Return the document in `text`.

    Parameters
    ----------
    text : str or bytes
        Bytes are UTF-8, with or without a byte order mark.

    Raises
    ------
    ValueError
        `text` is not JSON, has a key twice in one object, a number that is not finite or has
        thousands of digits, or is nested too deeply. A syntax error is a `json.JSONDecodeError`,
        which knows line and column.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        return json.loads(
            text,
            object_pairs_hook=unique_keys,
            parse_constant=_refuse_constant,
            parse_float=_finite_float,
        )
    except RecursionError as error:
        msg = "nested too deeply"
        raise ValueError(msg) from error


def loads_object(text: str | bytes) -> dict[str, Any]:
    """Return the object that `text` is; ValueError as for `loads`, and for any other document."""
    document = loads(text)
    if not isinstance(document, dict):
        msg = f"expected an object, found {short_repr(document)}"
        raise ValueError(msg)  # noqa: TRY004 - callers handle one kind of error
    return document


def unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's pairs as a dictionary; ValueError for a duplicate key.

    An `object_pairs_hook` for documents that are strict in nothing else.
    """
    document: dict[str, Any] = {}
    for key, value in pairs:
        if key in document:
            msg = f"duplicate key {short_repr(key)}"
            raise ValueError(msg)
        document[key] = value
    return document


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not a JSON number"
    raise ValueError(msg)


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        msg = f"the number {short_repr(text)[1:-1]} is too large"
        raise ValueError(msg)
    return value
