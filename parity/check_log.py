"""What a run's checks compared, and the error with the arrays once something differs."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.errors import OutputError, ParityError
from roi_accel.parity.compare import compare

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from roi_accel.parity.calibration import Tolerance
    from roi_accel.parity.compare import Comparison, Named

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
    inputs : mapping of str to array
        What the answer was computed from, for a dump.
    label : str
        Tells a dump from others of the same frame.
    """

    frame: int
    fault: str
    wanted: Named
    got: Named
    inputs: Named = field(default_factory=dict)
    tolerance: Tolerance
    label: str


class CheckLog:
    """Adds up what agrees, per stage and video, and raises at the first answer that does not.

    Parameters
    ----------
    save : callable, optional
        Writes a file of that name and content, the arrays of an answer that differs, and returns
        where; raises OutputError where it cannot.
    """

    def __init__(self, save: Save | None = None) -> None:
        self.save = save
        self._totals: dict[tuple[int | None, str], dict[str, Any]] = {}

    def count(self, check: Check, *, compared_with: str, video: int | None = None) -> None:
        """Compare and add to what the report says of `video`; None for what all videos share.

        ParityError if they differ.
        """
        comparison = self.require(check)
        tolerance = check.tolerance
        empty = {
            "stage": tolerance.stage,
            "compared_with": compared_with,
            "values": 0,
            "largest_difference": 0.0,
            "tolerance": tolerance.value,
            "tolerance_source": tolerance.source,
        }
        total = self._totals.setdefault((video, tolerance.stage), empty)
        total["values"] += comparison.compared
        total["largest_difference"] = max(total["largest_difference"], comparison.maximum)

    def require(self, check: Check) -> Comparison:
        """Return what comparing found, without adding it up; ParityError if they differ."""
        comparison = compare(check.wanted, check.got, tolerance=check.tolerance.value)
        if comparison.agrees:
            return comparison
        msg = (
            f"{check.fault}: {comparison.at_frame(check.frame)} "
            f"(tolerance {check.tolerance.value:g} {check.tolerance.unit}); nothing was scored"
        )
        name = f"frame-{check.frame}-{check.label}.npz"
        kept = save_arrays(self.save, name, check.wanted, check.got, check.inputs)
        raise ParityError(msg, remedy=f"{REMEDY}; {kept}")  # guard: parity-difference

    def report(self, video: int) -> list[dict[str, Any]]:
        """Return what was compared for distorted video `video`, stage by stage."""
        return [dict(total) for (whose, _), total in self._totals.items() if whose in {None, video}]


def save_arrays(save: Save | None, name: str, wanted: Named, got: Named, inputs: Named) -> str:
    """Save both answers, and return in words where they are or why they are not there.

    Parameters
    ----------
    save : callable or None
        As for `CheckLog`.
    name : str
        Of the file, a compressed .npz.
    wanted, got, inputs : mapping of str to array
    """
    if save is None:
        return _HINT
    named: dict[str, Any] = {f"wanted_{plane}": array for plane, array in wanted.items()}
    named |= {f"got_{plane}": array for plane, array in got.items()}
    named |= {plane.replace(" ", "_"): array for plane, array in inputs.items()}
    content = io.BytesIO()
    np.savez_compressed(content, **named)
    try:
        path = save(name, content.getvalue())
    except OutputError as error:
        return f"the arrays could not be saved: {error.message}"
    return f"the arrays are in {path}"
