"""Files' content checked with pydantic: one line about the first fault, and no more work than that.

Pydantic collects every fault, of which a hostile file can have millions: `FailFast` bounds lists,
`at_most` bounds objects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BeforeValidator

from roi_accel._util.suggest import did_you_mean
from roi_accel._util.text import short_repr

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic import ValidationError

_EXPECTED = "Input should be "


def first_fault(error: ValidationError, known: Iterable[str] = ()) -> str:
    """Return where the first fault is, what is there, and what was expected.

    An unknown key comes first, since one that is misspelt is missing, too; of `known` keys, the
    nearest is suggested.
    """
    faults = error.errors(include_url=False, include_context=False)
    fault = next((each for each in faults if each["type"] == "extra_forbidden"), faults[0])
    keys = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in fault["loc"])
    place = short_repr("".join(keys).removeprefix("."))
    if fault["type"] == "missing":
        return f"{place} is missing"
    if fault["type"] == "extra_forbidden":
        meant = did_you_mean(str(fault["loc"][-1]), known).rstrip()
        return f"unknown key {place}" + (f"; {meant}" if meant else "")
    reason = fault["msg"].removeprefix("Value error, ")
    if reason.startswith(_EXPECTED):
        reason = f"expected {reason.removeprefix(_EXPECTED)}"
    found = f"{place} is {short_repr(fault['input'])}; " if fault["loc"] else ""
    return f"{found}{reason}"


def at_most(count: int) -> BeforeValidator:
    """Return what refuses an object of more than `count` keys before any of them is validated."""

    def check(value: Any) -> Any:  # noqa: ANN401 - whatever the document has there
        if isinstance(value, dict) and len(value) > count:
            msg = f"more than {count} keys"
            raise ValueError(msg)
        return value

    return BeforeValidator(check)
