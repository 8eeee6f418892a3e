"""What a command is about to write, checked before it does any work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.files import check_output
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def check_outputs(
    named: Mapping[str, Path | None], *, overwrite: bool, inputs: Sequence[Path]
) -> list[Path]:
    """Return the files to be written.

    Parameters
    ----------
    named : mapping of str to Path or None
        By the option that names it; None where it was left out.
    overwrite, inputs
        As `roi_accel._util.files.write_atomically` takes them.

    Raises
    ------
    InputError
        Two options name the same file.
    OutputError
        One of them could not be written.
    """
    outputs = distinct_outputs(named)
    for path in outputs:
        check_output(path, overwrite=overwrite, inputs=inputs)
    return outputs


def distinct_outputs(named: Mapping[str, Path | None]) -> list[Path]:
    """Return the files that are named; InputError where two options name the same."""
    first: dict[Path, str] = {}
    outputs = {option: path for option, path in named.items() if path is not None}
    for option, path in outputs.items():
        other = first.setdefault(path.resolve(), option)
        if other != option:
            msg = f"{other} and {option} both name {path}"
            raise InputError(msg, remedy="give each its own file")
    return list(outputs.values())
