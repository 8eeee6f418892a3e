"""Parity records that come from other machines, filed on this one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roi_accel._util.files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.batch.ray.worker import Answer
    from roi_accel.batch.worker import Trust


class RecordFolder:
    """Where the records of a cluster's devices are kept.

    Parameters
    ----------
    folder : Path or None
        None keeps none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._paths: dict[tuple[str, str], str] = {}

    @property
    def is_wanted(self) -> bool:
        """Whether nodes are to send records."""
        return self._folder is not None

    @property
    def filed(self) -> frozenset[tuple[str, str]]:
        """Nodes and devices whose record is there."""
        return frozenset(self._paths)

    def kept(self, answer: Answer) -> Trust:
        """File the answer's record, if it has one, and return its trust with where that is.

        Raises
        ------
        OutputError
            It cannot be written.
        """
        if answer.trust is None or answer.device is None:
            msg = "the answer is of no device"
            raise ValueError(msg)
        key = answer.node, answer.device
        if self._folder and answer.record and key not in self._paths:
            name, content = answer.record
            path = self._folder / name
            if not path.exists():
                write_atomically(path, content, overwrite=False)
            self._paths[key] = str(path)
        return replace(answer.trust, record=self._paths.get(key))
