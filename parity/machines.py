"""The matrix over records: every machine's backends and providers, and the golden digests."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from roi_accel.backends.frame import PIXEL_FORMATS
from roi_accel.parity.calibration import INTEGER_STAGES
from roi_accel.parity.cases import cases, frame_key, golden_digests
from roi_accel.parity.cells import Findings, Participant, make_report
from roi_accel.parity.compare import Comparison, compare, map_problem
from roi_accel.parity.record import Entry, golden_maps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from roi_accel.parity.calibration import Calibration, Stage
    from roi_accel.parity.cells import Cell, Report
    from roi_accel.parity.record import Record

GOLDEN = "golden"
GOLDEN_MAPS = "golden maps"

_FORMAT_NAMES = tuple(each.name for each in PIXEL_FORMATS)
_OTHER_NETWORK = "they ran different networks"
_NO_GOLDEN = "no golden map is of this format"
_ALONE = "no other record ran this network, so there is nothing to compare its maps with"
_SHOWN_DIGITS = 12


def compare_records(
    records: Sequence[Record],
    calibration: Calibration,
    *,
    provenance: Mapping[str, object],
) -> Report:
    """Return the matrix of all entries of `records`, whose names differ, and the golden digests.

    The records' provenance is added to that of this comparison. InputError if two rules of the
    calibration match a device equally well.
    """
    golden = Participant(name=GOLDEN, kind="golden", facts={"digests": "committed with roi-accel"})
    entries = [entry for record in records for entry in record.entries]
    backends = [Entry(participant=golden, digests=golden_digests())]
    backends += [entry for entry in entries if entry.participant.kind == "backend"]
    providers = [entry for entry in entries if entry.participant.kind == "provider"]
    providers = [*_golden_maps({entry.network for entry in providers}), *providers]
    cells = [*_integer_cells(backends, calibration), *_saliency_cells(providers, calibration)]
    participants = [entry.participant for entry in (*backends, *providers)]
    return make_report(
        cells,
        participants,
        calibration,
        among="in these records",
        errors=[
            f"{record.name}: the file is not what was written, its seal does not fit its content"
            for record in records
            if not record.intact
        ],
        provenance={
            **provenance,
            "records": {record.name: dict(record.provenance) for record in records},
        },
    )


def _integer_cells(entries: Sequence[Entry], calibration: Calibration) -> tuple[Cell, ...]:
    findings = _findings(entries, INTEGER_STAGES, calibration)
    by_name = {entry.participant.name: entry for entry in entries}
    for key, format_name in _frames():
        for wanted, got in findings.pairs:
            for stage in INTEGER_STAGES:
                one, other = (by_name[name].digests[key][stage] for name in (wanted, got))
                short = f"{one[:_SHOWN_DIGITS]}..., got {other[:_SHOWN_DIGITS]}..."
                differ = Comparison(problem=f"wanted the bytes {short}")
                comparison = Comparison(compared=1) if one == other else differ
                findings.add(stage, format_name, wanted, got, comparison, key)
    return findings.cells()


def _golden_maps(networks: AbstractSet[str]) -> list[Entry]:
    """Return the committed maps of those of `networks` that have some."""
    facts = {"maps": "of the CPU provider, committed with roi-accel"}
    golden = Participant(name=GOLDEN_MAPS, kind=GOLDEN, facts=facts)
    return [
        Entry(participant=golden, maps=maps, network=network)
        for network, maps in golden_maps().items()
        if network in networks
    ]


def _saliency_cells(entries: Sequence[Entry], calibration: Calibration) -> tuple[Cell, ...]:
    """Return the cells of every pair, and of single entries that are wrong or have no partner."""
    findings = _findings(entries, ("saliency",), calibration, repetitions=True)
    by_name = {entry.participant.name: entry for entry in entries}
    for key, format_name in _frames():
        for wanted, got in findings.pairs:
            one, other = by_name[wanted], by_name[got]
            if one.network != other.network or key not in one.maps or key not in other.maps:
                continue
            if wanted == got:
                comparison = Comparison(problem=map_problem(one.maps[key]))
            else:
                tolerance = findings.tolerance("saliency", wanted, got).value
                maps = ({"mask": entry.maps[key]} for entry in (one, other))
                comparison = compare(*maps, tolerance=tolerance)
            findings.add("saliency", format_name, wanted, got, comparison, key)
    cells = (_explained(cell, by_name) for cell in findings.cells())
    return tuple(cell for cell in cells if cell is not None)


def _explained(cell: Cell, by_name: Mapping[str, Entry]) -> Cell | None:
    """Return the cell with the reason for which it is skipped; None where it says nothing."""
    one, other = by_name[cell.wanted], by_name[cell.got]
    is_golden = one.participant.kind == GOLDEN
    if is_golden and (cell.is_repetition or one.network != other.network):
        return None
    if one.network != other.network:
        return replace(cell, detail=_OTHER_NETWORK)
    if is_golden and not cell.cases:
        return replace(cell, detail=_NO_GOLDEN)
    if not cell.is_repetition or cell.status == "FAIL":
        return cell
    alone = [entry.network for entry in by_name.values()].count(one.network) == 1
    return replace(cell, detail=_ALONE) if alone else None


def _findings(
    entries: Sequence[Entry],
    stages: Sequence[Stage],
    calibration: Calibration,
    *,
    repetitions: bool = False,
) -> Findings:
    return Findings(
        [entry.participant for entry in entries],
        stages=stages,
        formats=_FORMAT_NAMES,
        calibration=calibration,
        repetitions=repetitions,
    )


def _frames() -> list[tuple[str, str]]:
    """Return (key, pixel format's name) of every frame of the corpus."""
    return [
        (frame_key(case.name, number), case.plan.pixel_format.name)
        for case in cases()
        for number in range(case.frames)
    ]
