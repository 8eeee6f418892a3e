"""Strategies that damage valid files: in their bytes, their numbers, and their JSON values."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MOST_BYTES = 1 << 18
"""A file that repetition made larger is cut here, so that no input is slow by its mere length."""

HUGE_NUMBERS = (
    *(b"0", b"-1", b"00", b"1e9", b"1e308", b"1e400", b"-1e-400", b"NaN", b"Infinity", b"0x10"),
    *(str(value).encode() for value in (2**31 - 1, 2**31, 2**32, 2**63, 2**64, 10**18)),
    b"9" * 400,
    b"9" * 5000,
    b"1_000",
    "٣".encode(),  # ARABIC-INDIC DIGIT THREE, a digit to int() and float()
)
HOSTILE_TEXTS = (
    "",
    " ",
    "\0",
    "\n",
    "\ud800",
    "\u202e",
    "é",
    "../../x",
    "%s{0}",
    "[red]",
    "x" * 9999,
)
HOSTILE_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**63, 10**400, -(10**400), 0.5, 1e308, -0.0),
    *(float("nan"), float("inf"), [], {}, [[]], [{}], {"": None}, [None] * 50),
    *HOSTILE_TEXTS,
)

_DIGITS = b"0123456789"

Edit = tuple[str, int, int, int]
"""What to do, where, how far, and with what; each number is taken modulo what there is."""

_EDITS = st.tuples(
    st.sampled_from(
        [
            "flip",
            "flip",
            "set",
            "cut",
            "truncate",
            "repeat",
            "number",
            "number",
            "insert",
            "integer",
        ]
    ),
    st.integers(0, 1 << 20),
    st.integers(0, 1 << 12),
    st.integers(0, 255),
)


def mutants(seeds: Sequence[bytes], *, most_edits: int = 6) -> st.SearchStrategy[bytes]:
    """Return the strategy of `seeds`, each with one or a few edits."""
    edits = st.lists(_EDITS, min_size=1, max_size=most_edits)
    return st.builds(apply_edits, st.sampled_from(seeds), edits)


def apply_edits(data: bytes, edits: Sequence[Edit]) -> bytes:
    """Return `data` after the edits, at most `MOST_BYTES` long."""
    for edit in edits:
        data = _edited(data, *edit)[:MOST_BYTES]
    return data


def _edited(data: bytes, what: str, where: int, length: int, value: int) -> bytes:
    at = where % max(1, len(data))
    chunk = data[at : at + length]
    if what == "number":
        return _other_number(data, at, HUGE_NUMBERS[value % len(HUGE_NUMBERS)])
    if what == "integer":
        width, order = (2, 4, 8)[length % 3], ("little", "big")[value % 2]
        number = ((1 << 8 * width) - 1, 1 << (8 * width - 1), 0, 1)[value // 2 % 4]
        return data[:at] + number.to_bytes(width, order) + data[at + width :]
    flipped = bytes(byte ^ (1 << value % 8) for byte in data[at : at + 1])
    return {
        "flip": data[:at] + flipped + data[at + 1 :],
        "set": data[:at] + bytes([value]) + data[at + 1 :],
        "cut": data[:at] + data[at + length :],
        "truncate": data[:at],
        "repeat": data[:at] + chunk * (2 + value % 64) + data[at + length :],
        "insert": data[:at] + bytes([value]) * (1 + length % 64) + data[at:],
    }[what]


def _other_number(data: bytes, at: int, number: bytes) -> bytes:
    """Return `data` with the first decimal number from `at` on replaced."""
    start = next((i for i in range(at, len(data)) if data[i] in _DIGITS), None)
    if start is None:
        return data[:at] + number + data[at:]
    end = next((i for i in range(start, len(data)) if data[i] not in _DIGITS), len(data))
    return data[:start] + number + data[end:]


def json_mutants(documents: Sequence[Any]) -> st.SearchStrategy[bytes]:
    """Return the strategy of JSON texts of `documents` in which values and keys were exchanged."""
    step = st.tuples(
        st.lists(st.integers(0, 1 << 10), min_size=1, max_size=8),
        st.sampled_from(["value", "value", "key", "drop", "repeat", "nest"]),
        st.integers(0, 1 << 10),
    )
    return st.builds(
        _json_mutant, st.sampled_from(documents), st.lists(step, min_size=1, max_size=4)
    )


def _json_mutant(document: Any, steps: Sequence[tuple[list[int], str, int]]) -> bytes:
    box = [copy.deepcopy(document)]
    for path, what, choice in steps:
        holder, key = _descend(box, path)
        _CHANGES[what](holder, key, choice)
    return json.dumps(box[0] if box else None).encode()


def _descend(box: list[Any], path: Sequence[int]) -> tuple[Any, Any]:
    """Return a container within `box` and one of its keys, following `path` as far as it goes."""
    holder: Any = box
    key: Any = 0
    for step in path:
        inner = holder[key]
        if not isinstance(inner, dict | list) or not inner:
            break
        holder = inner
        keys = list(inner) if isinstance(inner, dict) else range(len(inner))
        key = keys[step % len(keys)]
    return holder, key


def _change_value(holder: Any, key: Any, choice: int) -> None:
    holder[key] = copy.deepcopy(HOSTILE_VALUES[choice % len(HOSTILE_VALUES)])


def _change_key(holder: Any, key: Any, choice: int) -> None:
    if isinstance(holder, dict):
        holder[HOSTILE_TEXTS[choice % len(HOSTILE_TEXTS)]] = holder.pop(key)
    else:
        _change_value(holder, key, choice)


def _drop(holder: Any, key: Any, choice: int) -> None:
    if isinstance(holder, dict) or len(holder) > 1:
        del holder[key]
    else:
        _change_value(holder, key, choice)


def _repeat(holder: Any, key: Any, choice: int) -> None:
    if isinstance(holder, list):
        holder[:] = holder[:key] + holder[key : key + 1] * (1 + choice % 50) + holder[key:]
        del holder[1000:]
    else:
        holder[f"{key}{choice}"] = copy.deepcopy(holder[key])


def _nest(holder: Any, key: Any, choice: int) -> None:
    # Not deeper than json.dumps() itself goes; deeper texts come from repeated brackets.
    inner = holder[key]
    for _ in range(1 + choice % 50):
        inner = [inner]
    holder[key] = inner


_CHANGES: dict[str, Callable[[Any, Any, int], None]] = {
    "value": _change_value,
    "key": _change_key,
    "drop": _drop,
    "repeat": _repeat,
    "nest": _nest,
}
