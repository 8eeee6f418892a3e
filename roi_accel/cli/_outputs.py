"""What a command writes: checked before it does any work, written together at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel._util.files import check_output, write_together
from roi_accel.cli.console import write_stdout
from roi_accel.cli.interrupt import writing
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class Outputs:
    """The files that options name.

    Parameters
    ----------
    named : mapping of str to Path or None
        By the option that names it; None where it was left out, and then what ``--output`` would
        hold goes to stdout.
    overwrite : bool
        Whether files that exist are replaced.
    inputs : sequence of Path
        What is read, and so never replaced.

    Attributes
    ----------
    paths : list of Path
        The files.

    Raises
    ------
    InputError
        Two options name the same file.
    OutputError
        One of them could not be written.
    """

    def __init__(
        self, named: Mapping[str, Path | None], *, overwrite: bool, inputs: Sequence[Path] = ()
    ) -> None:
        self._named = {name: path for name, path in named.items() if path is not None}
        self._prints = "--output" in named and "--output" not in self._named
        self._overwrite, self._inputs = overwrite, inputs
        self.paths = list(self._named.values())
        check_distinct(self._named)
        for path in self.paths:
            check_output(path, overwrite=overwrite, inputs=inputs)

    def write(self, contents: Mapping[str, Callable[[], str | bytes]]) -> None:
        """Write what is wanted, files all or none.

        Parameters
        ----------
        contents : mapping of str to function
            By the option; called where the option was given.
        """
        made = {path: contents[name]() for name, path in self._named.items()}
        if self._prints:
            text = contents["--output"]()
            write_stdout(text if isinstance(text, str) else text.decode())
        data = {}
        for path, each in made.items():
            data[path] = each.encode() if isinstance(each, str) else each  # guard: csv-utf-8
        with writing():  # guard: signal-while-writing
            write_together(data, overwrite=self._overwrite, inputs=self._inputs)


def check_distinct(named: Mapping[str, Path | None]) -> None:
    """Raise InputError where two options name the same file."""
    first: dict[Path, str] = {}
    for option, path in named.items():
        if path is not None and (other := first.setdefault(path.resolve(), option)) != option:
            msg = f"{other} and {option} both name {path}"
            raise InputError(msg, remedy="give each its own file")
