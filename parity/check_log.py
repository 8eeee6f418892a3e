"""What a run's checks compared, and the error with all its evidence once something differs."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.errors import OutputError, ParityError
from roi_accel.parity.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roi_accel.parity.compare import Comparison, Named
    from roi_accel.parity.tolerance import Tolerance

    Save = Callable[[str, bytes], Path]

REMEDY = "update the device's driver, or choose another --device, --backend or --ep"
_HINT = "--dump FOLDER keeps the arrays"


@dataclass(frozen=True, kw_only=True)
class Check:
    """One answer beside the one that was wanted, and what a reader of a failure needs to know.

    Attributes
    ----------
    frame : int
        0-based.
    fault : str
        What it would mean that they differ, as the beginning of a sentence.
    wanted, got : mapping of str to array
    inputs : mapping of str to array
        What the answer was computed from, for a dump.
    tolerance : Tolerance
    label : str
        Tells a dump from others of the same frame.
    """

    frame: int
    fault: str
    wanted: Named
    got: Named
    inputs: Named
    tolerance: Tolerance
    label: str


@dataclass
class _Tally:
    """What was compared of one stage."""

    compared_with: str
    tolerance: Tolerance
    values: int = 0
    largest: float = 0.0

    def add(self, found: Comparison) -> None:
        self.values += found.compared
        self.largest = max(self.largest, found.maximum)

    def report(self) -> dict[str, Any]:
        return {
            "stage": self.tolerance.stage,
            "compared_with": self.compared_with,
            "values": self.values,
            "largest_difference": self.largest,
            "tolerance": self.tolerance.value,
            "tolerance_source": self.tolerance.source,
        }


class Ledger:
    """Adds up what agrees, per stage and video, and raises at the first answer that does not.

    Parameters
    ----------
    save : callable, optional
        Given a file's name and content, writes it and returns where; raises OutputError where it
        cannot. Called with the arrays of an answer that differs.
    """

    def __init__(self, save: Save | None = None) -> None:
        self.save = save
        self._tallies: dict[tuple[int | None, str], _Tally] = {}

    def count(self, check: Check, *, compared_with: str, video: int | None = None) -> None:
        """Compare and add to what the report says of `video`; None for what all videos share.

        Raises
        ------
        ParityError
            They differ.
        """
        found = self.require(check)
        key = video, check.tolerance.stage
        tally = self._tallies.setdefault(key, _Tally(compared_with, check.tolerance))
        tally.add(found)

    def require(self, check: Check) -> Comparison:
        """Return what comparing found, without adding it up; ParityError if they differ."""
        found = compare(check.wanted, check.got, tolerance=check.tolerance.value)
        if found.agrees:
            return found
        msg = (
            f"{check.fault}: {found.at_frame(check.frame)} "
            f"(tolerance {check.tolerance.value:g} {check.tolerance.unit}); nothing was scored"
        )
        name = f"frame-{check.frame}-{check.label}.npz"
        kept = save_arrays(self.save, name, check.wanted, check.got, check.inputs)
        raise ParityError(msg, remedy=f"{REMEDY}; {kept}")  # guard: parity-difference

    def report(self, video: int) -> list[dict[str, Any]]:
        """Return what was compared for distorted video `video`, stage by stage."""
        return [
            tally.report()
            for (whose, _), tally in self._tallies.items()
            if whose is None or whose == video
        ]


def save_arrays(save: Save | None, name: str, wanted: Named, got: Named, inputs: Named) -> str:
    """Hand `save` a compressed .npz of both answers; return where it is, or why it is not there."""
    if save is None:
        return _HINT
    arrays = {f"wanted {plane}": array for plane, array in wanted.items()}
    arrays |= {f"got {plane}": array for plane, array in got.items()}
    arrays |= inputs
    named: dict[str, Any] = {plane.replace(" ", "_"): array for plane, array in arrays.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **named)
    try:
        path = save(name, content.getvalue())
    except OutputError as error:
        return f"the arrays could not be saved: {error.message}"
    return f"the arrays are in {path}"
