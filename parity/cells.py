"""The matrix as data: a cell per stage, pixel format and pair, and the overall outcome."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.parity.calibration import Stage, Tolerance
    from roi_accel.parity.compare import Comparison

Status = Literal["OK", "FAIL", "SKIP", "ERROR"]

STATUSES: tuple[Status, ...] = ("OK", "FAIL", "SKIP", "ERROR")

AGREE, DIFFER, UNUSABLE = 0, 1, 2
"""Exit codes: everything agreed; something differs; an error, or nothing was compared."""


@dataclass(frozen=True, kw_only=True)
class Participant:
    """What answers: a backend on a device, an execution provider, the golden digests.

    Attributes
    ----------
    name : str
        Short and unique, such as ``numba``, ``opencl:0.0`` or ``openvino:CPU``.
    kind : {"backend", "provider", "golden"}
    aliases : tuple of str
        Further names that a calibration's pattern may match, such as the name with the device's.
    facts : mapping of str to str
        Description, driver and whatever else the report should show.
    absent : str
        Why it cannot take part, and the remedy; empty if it can.
    fatal : bool
        Whether being absent is an error: it was required, or should have worked.
    half : bool
        Whether it computes in float16.
    """

    name: str
    kind: str
    aliases: tuple[str, ...] = ()
    facts: Mapping[str, str] = field(default_factory=dict)
    absent: str = ""
    fatal: bool = False
    half: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Every name that a calibration's pattern may match."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One stage in one pixel format, answered by two participants.

    Attributes
    ----------
    stage : str
    format : str
        FFmpeg's name of the pixel format.
    wanted, got : str
        The participants; equal where one is compared with its own repetition.
    status : {"OK", "FAIL", "SKIP", "ERROR"}
    comparison : Comparison
        Over all cases and frames.
    tolerance : Tolerance
    cases : int
        How many cases were compared.
    case : str
        The first case that differs.
    detail : str
        Why it was skipped or could not be computed.
    """

    stage: Stage
    format: str
    wanted: str
    got: str
    status: Status
    comparison: Comparison
    tolerance: Tolerance
    cases: int = 0
    case: str = ""
    detail: str = ""

    @property
    def is_repetition(self) -> bool:
        """Whether one participant is compared with itself."""
        return self.wanted == self.got

    @property
    def pair(self) -> str:
        """The participants in words."""
        return f"{self.wanted} twice" if self.is_repetition else f"{self.wanted} = {self.got}"

    @property
    def explanation(self) -> str:
        """What went wrong, on one line; empty for OK."""
        if self.detail:
            return self.detail
        return "" if self.status == "OK" else f"{self.case}: {self.comparison}"


@dataclass(frozen=True, kw_only=True)
class Report:
    """The whole matrix.

    Attributes
    ----------
    cells : tuple of Cell
    participants : tuple of Participant
    warnings : tuple of str
        What is not a failure but worth knowing, such as a calibration rule that matched nothing.
    errors : tuple of str
        Faults outside of any cell, such as a record that was changed after it was written.
    provenance : mapping
        Versions, machine, date.
    """

    cells: tuple[Cell, ...]
    participants: tuple[Participant, ...]
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    provenance: Mapping[str, object] = field(default_factory=dict)

    def with_status(self, status: Status) -> list[Cell]:
        """Return the cells of one status."""
        return [cell for cell in self.cells if cell.status == status]

    @property
    def compared(self) -> int:
        """The number of values that were compared, between participants and in repetitions."""
        return sum(cell.comparison.compared for cell in self.cells)

    @property
    def exit_code(self) -> int:
        """0 if two different participants were compared and all agreed; 1 for any difference.

        2 for an error, or where nothing was compared: silence is not agreement.
        """
        if self.with_status("FAIL"):
            return DIFFER
        agreeing = [cell for cell in self.with_status("OK") if not cell.is_repetition]
        return AGREE if agreeing and not self._has_errors else UNUSABLE

    @property
    def outcome(self) -> str:
        """The exit code in words."""
        if self.exit_code == DIFFER:
            return "differ"
        if self.exit_code == AGREE:
            return "agree"
        return "error" if self._has_errors else "nothing compared"

    @property
    def _has_errors(self) -> bool:
        return bool(self.errors or self.with_status("ERROR"))

    def largest(self) -> dict[Stage, tuple[float, Tolerance]]:
        """Return per compared stage the largest difference, and the tolerance of its cell."""
        found: dict[Stage, tuple[float, Tolerance]] = {}
        for cell in self.cells:
            if cell.comparison.compared and (
                cell.stage not in found or cell.comparison.maximum > found[cell.stage][0]
            ):
                found[cell.stage] = cell.comparison.maximum, cell.tolerance
        return found
