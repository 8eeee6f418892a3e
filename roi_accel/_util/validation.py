"""One line about what pydantic found wrong with a file's content."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.text import short_repr

if TYPE_CHECKING:
    from pydantic import ValidationError


def first_fault(error: ValidationError) -> str:
    """Return the first fault: where it is, what is there, and what was expected."""
    fault = error.errors(include_url=False, include_context=False)[0]
    keys = (f"[{key}]" if isinstance(key, int) else f".{key}" for key in fault["loc"])
    place = "".join(keys).removeprefix(".")
    if fault["type"] == "missing":
        return f"{place!r} is missing"
    if fault["type"] == "extra_forbidden":
        return f"unknown key {place!r}"
    reason = fault["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    if fault["msg"].startswith("Input should be "):
        reason = f"expected {reason}"
    return f"{place!r} is {short_repr(fault['input'])}; {reason}"
