"""The matrix as data: a cell per stage, pixel format and pair, and how findings fill it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from roi_accel.parity.calibration import STAGES
from roi_accel.parity.compare import Comparison, combine, compare

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from roi_accel.parity.calibration import Calibration, Stage, Tolerance
    from roi_accel.parity.cases import Case
    from roi_accel.parity.compare import Named

Status = Literal["OK", "FAIL", "SKIP", "ERROR"]

STATUSES: tuple[Status, ...] = ("OK", "FAIL", "SKIP", "ERROR")

AGREE, DIFFER, UNUSABLE = 0, 1, 2
"""Exit codes: everything agreed; something differs; an error, or nothing was compared."""

_LONGEST_REASON = 300


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
    format : str
        FFmpeg's name of the pixel format.
    wanted, got : str
        The participants; equal where one is compared with its own repetition.
    comparison : Comparison
        Over all cases and frames.
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
        return {"agree": AGREE, "differ": DIFFER}.get(self.outcome, UNUSABLE)

    @property
    def outcome(self) -> str:
        """The exit code in words: ``agree``, ``differ``, ``error`` or ``nothing compared``."""
        if self.with_status("FAIL"):
            return "differ"
        if self.errors or self.with_status("ERROR"):
            return "error"
        agree = any(not cell.is_repetition for cell in self.with_status("OK"))
        return "agree" if agree else "nothing compared"

    def largest(self) -> dict[Stage, tuple[float, Tolerance]]:
        """Return per compared stage the largest difference, and the tolerance of its cell."""
        largest: dict[Stage, Cell] = {}
        for cell in self.cells:
            known = largest.setdefault(cell.stage, cell) if cell.comparison.compared else cell
            if cell.comparison.maximum > known.comparison.maximum:
                largest[cell.stage] = cell
        return {stage: (cell.comparison.maximum, cell.tolerance) for stage, cell in largest.items()}


def make_report(
    cells: Iterable[Cell],
    participants: Sequence[Participant],
    calibration: Calibration,
    *,
    among: str,
    provenance: Mapping[str, object],
    errors: Sequence[str] = (),
) -> Report:
    """Return a report of `cells`, by stage; a rule that matches nobody is a warning.

    Parameters
    ----------
    cells : iterable of Cell
    participants : sequence of Participant
    calibration : Calibration
    among : str
        Where those are that a rule may match, for the warning.
    provenance, errors
        As for `Report`.
    """
    unused = calibration.unused(each.names for each in participants if not each.absent)
    return Report(
        cells=tuple(sorted(cells, key=lambda cell: STAGES.index(cell.stage))),
        participants=tuple(participants),
        warnings=tuple(
            f"{rule.tolerance.source}: no device {among} matches {rule.pattern!r}"
            for rule in unused
        ),
        errors=tuple(errors),
        provenance=provenance,
    )


class Findings:
    """Comparisons, failures and skips, gathered case by case into cells.

    Parameters
    ----------
    participants : sequence of Participant
        In the order of pairs: of two, the earlier one is what is wanted.
    stages, formats : sequence of str
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
        self._comparisons: dict[tuple[str, str, str, str], list[tuple[str, Comparison]]] = {}
        self._errors: dict[tuple[str, str, str], str] = {}
        self._skips: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        names = list(self.participants)
        self.pairs = [
            (wanted, got)
            for number, wanted in enumerate(names)
            for got in names[number if repetitions else number + 1 :]
        ]
        self._tolerances: dict[tuple[Stage, str, str], Tolerance] = {}
        for stage in stages:
            for wanted, got in self.pairs:
                pair = [self.participants[name] for name in dict.fromkeys((wanted, got))]
                half = any(each.half for each in pair)
                tolerance = calibration.tolerance(stage, *(each.names for each in pair), half=half)
                self._tolerances[stage, wanted, got] = tolerance

    def tolerance(self, stage: Stage, wanted: str, got: str) -> Tolerance:
        """Return how far the two may differ in `stage`."""
        return self._tolerances[stage, wanted, got]

    def add(
        self,
        stage: Stage,
        pixel_format: str,
        wanted: str,
        got: str,
        comparison: Comparison,
        case: str,
    ) -> None:
        """Add one comparison of the participants `wanted` and `got` in the case of that name."""
        key = stage, pixel_format, wanted, got
        self._comparisons.setdefault(key, []).append((case, comparison))

    def compare_all(
        self, stage: Stage, case: Case, frame: int, answers: Mapping[str, Sequence[Named]]
    ) -> None:
        """Add the comparison of every pair, and of every participant with its own repetition.

        Parameters
        ----------
        stage : str
        case : Case
        frame : int
            0-based number of the frame within the case.
        answers : mapping of str to sequence of mappings
            Per participant its answers to the same question, two or more.
        """
        for wanted, got in self.pairs:
            if wanted not in answers or got not in answers:
                continue
            other = answers[got][1 if wanted == got else 0]
            tolerance = self.tolerance(stage, wanted, got).value
            comparison = compare(answers[wanted][0], other, tolerance=tolerance).at_frame(frame)
            format_name = case.plan.pixel_format.name
            self.add(stage, format_name, wanted, got, comparison, case.name)

    def fail_to_answer(self, stage: Stage, case: Case, name: str, error: Exception) -> None:
        """Record that a participant could not compute; the first error per format is kept.

        Parameters
        ----------
        stage : str
        case : Case
        name : str
            The participant's.
        error : Exception
            Shown on one line, with its type unless it is ours.
        """
        text = str(error) if hasattr(error, "exit_code") else f"{type(error).__name__}: {error}"
        reason = " ".join(text.split())[:_LONGEST_REASON]
        key = stage, case.plan.pixel_format.name, name
        self._errors.setdefault(key, f"{case.name}: {reason}")

    def skip(self, stage: Stage, why: str) -> None:
        """Record why `stage` is not compared."""
        self._skips.setdefault(stage, why)

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
        per_case = self._comparisons.get((stage, pixel_format, wanted, got), [])
        comparison = combine(comparison for _, comparison in per_case)
        status, detail = self._status(stage, pixel_format, (wanted, got), comparison)
        return Cell(
            stage=stage,
            format=pixel_format,
            wanted=wanted,
            got=got,
            status=status,
            comparison=comparison,
            tolerance=self.tolerance(stage, wanted, got),
            cases=len({case for case, _ in per_case}),
            case=next((case for case, comparison in per_case if not comparison.agrees), ""),
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
        if stage in self._skips:
            return "SKIP", self._skips[stage]
        return ("OK", "") if comparison.agrees else ("SKIP", "no case of this format")
