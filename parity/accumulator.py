"""What comparing cases finds, gathered into the matrix's cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roi_accel.parity.cells import Cell
from roi_accel.parity.compare import Comparison, combine, compare

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roi_accel.parity.calibration import Calibration, Stage, Tolerance
    from roi_accel.parity.cases import Case
    from roi_accel.parity.cells import Participant, Status
    from roi_accel.parity.compare import Named

_LONGEST_REASON = 300


class Tally:
    """Comparisons, failures and skips, gathered case by case into cells.

    Parameters
    ----------
    participants : sequence of Participant
        In the order of pairs: of two, the earlier one is what is wanted.
    stages : sequence of str
    formats : sequence of str
    calibration : Calibration
    repetitions : bool
        Whether each participant is also compared with itself.
    """

    def __init__(
        self,
        participants: Sequence[Participant],
        *,
        stages: Sequence[Stage],
        formats: Sequence[str],
        calibration: Calibration,
        repetitions: bool,
    ) -> None:
        self.participants = {each.name: each for each in participants}
        self._stages = stages
        self._formats = formats
        self._calibration = calibration
        self._found: dict[tuple[str, str, str, str], list[tuple[str, Comparison]]] = {}
        self._errors: dict[tuple[str, str, str], str] = {}
        self._skips: dict[tuple[str, str], str] = {}
        self._refused: dict[str, str] = {}
        names = list(self.participants)
        self.pairs = [
            (wanted, got)
            for number, wanted in enumerate(names)
            for got in names[number if repetitions else number + 1 :]
        ]
        self._tolerances = {
            (stage, wanted, got): self._tolerance(stage, wanted, got)
            for stage in stages
            for wanted, got in self.pairs
        }

    def tolerance(self, stage: Stage, wanted: str, got: str) -> Tolerance:
        """Return how far the two may differ in `stage`."""
        return self._tolerances[stage, wanted, got]

    def add(
        self, stage: Stage, pixel_format: str, wanted: str, got: str, found: Comparison, case: str
    ) -> None:
        """Add one comparison.

        Parameters
        ----------
        stage : str
        pixel_format : str
        wanted, got : str
            The participants.
        found : Comparison
        case : str
            The case's name.
        """
        self._found.setdefault((stage, pixel_format, wanted, got), []).append((case, found))

    def fail_to_answer(self, stage: Stage, case: Case, name: str, error: Exception) -> None:
        """Record that a participant could not compute; the first error per format is kept.

        Parameters
        ----------
        stage : str
        case : Case
        name : str
            The participant's.
        error : Exception
        """
        key = stage, case.plan.pixel_format.name, name
        self._errors.setdefault(key, f"{case.name}: {_one_line(error)}")

    def skip(self, stage: Stage, why: str, *, name: str = "") -> None:
        """Record why `stage` is not compared, for one participant or for all."""
        self._skips.setdefault((stage, name), why)

    def refuse(self, stage: Stage, why: str) -> None:
        """Record an error: `stage` was requested and cannot be compared at all."""
        self._refused.setdefault(stage, why)

    def cells(self) -> tuple[Cell, ...]:
        """Return every cell, ordered by stage, format and pair."""
        return tuple(
            self._cell(stage, pixel_format, wanted, got)
            for stage in self._stages
            for pixel_format in self._formats
            for wanted, got in self.pairs
        )

    def _cell(self, stage: Stage, pixel_format: str, wanted: str, got: str) -> Cell:
        found = self._found.get((stage, pixel_format, wanted, got), [])
        comparison = combine(each for _, each in found)
        status, detail = self._status(stage, pixel_format, (wanted, got), comparison)
        return Cell(
            stage=stage,
            format=pixel_format,
            wanted=wanted,
            got=got,
            status=status,
            comparison=comparison,
            tolerance=self.tolerance(stage, wanted, got),
            cases=len({case for case, _ in found}),
            case=next((case for case, each in found if not each.agrees), ""),
            detail=detail,
        )

    def _status(
        self, stage: Stage, pixel_format: str, pair: tuple[str, str], comparison: Comparison
    ) -> tuple[Status, str]:
        both = dict.fromkeys(pair)
        for name in both:
            participant = self.participants[name]
            if participant.absent:
                status: Status = "ERROR" if participant.fatal else "SKIP"
                return status, f"{name}: {participant.absent}"
        if comparison.differing or comparison.problem:
            return "FAIL", ""
        if stage in self._refused:
            return "ERROR", self._refused[stage]
        for name in both:
            if (stage, pixel_format, name) in self._errors:
                return "ERROR", f"{name}: {self._errors[stage, pixel_format, name]}"
        for name in ("", *both):
            if (stage, name) in self._skips:
                return "SKIP", self._skips[stage, name]
        return ("OK", "") if comparison.agrees else ("SKIP", "no case of this format")

    def _tolerance(self, stage: Stage, wanted: str, got: str) -> Tolerance:
        devices = [self.participants[name] for name in dict.fromkeys((wanted, got))]
        return self._calibration.tolerance(
            stage,
            *(device.names for device in devices),
            half=any(device.half for device in devices),
        )


def compare_all(
    tally: Tally, stage: Stage, case: Case, frame: int, answers: Mapping[str, Sequence[Named]]
) -> None:
    """Add the comparison of every pair, and of every participant with its own repetition.

    Parameters
    ----------
    tally : Tally
    stage : str
    case : Case
    frame : int
        0-based number of the frame within the case.
    answers : mapping of str to sequence of mappings
        Per participant its answers to the same question, two or more.
    """
    for wanted, got in tally.pairs:
        if wanted not in answers or got not in answers:
            continue
        other = 1 if wanted == got else 0
        found = compare(
            answers[wanted][0],
            answers[got][other],
            tolerance=tally.tolerance(stage, wanted, got).value,
        )
        format_name = case.plan.pixel_format.name
        tally.add(stage, format_name, wanted, got, found.at_frame(frame), case.name)


def _one_line(error: Exception) -> str:
    """Return an exception as one line, with its type unless it is ours."""
    text = str(error) if hasattr(error, "exit_code") else f"{type(error).__name__}: {error}"
    return " ".join(text.split())[:_LONGEST_REASON]
