"""The output files that a command line names: each option its own, whatever the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


def distinct_outputs(named: dict[str, Path | None]) -> list[Path]:
    """Return the files to be written; InputError where two options name the same."""
    first: dict[Path, str] = {}
    for option, path in named.items():
        if path is None:
            continue
        other = first.setdefault(path.resolve(), option)
        if other != option:
            msg = f"{other} and {option} both name {path}"
            raise InputError(msg, remedy="give each its own file")
    return [path for path in named.values() if path is not None]
