"""A report as JSON for programs, as Markdown for a pull request, as JUnit for a CI's own page."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from roi_accel._util.text import in_json, printable
from roi_accel.parity.cells import STATUSES
from roi_accel.parity.compare import combine

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roi_accel.parity.calibration import Tolerance
    from roi_accel.parity.cells import Cell, Report, Status
    from roi_accel.parity.compare import Difference

SCHEMA_VERSION = 1
_MANY_ROWS = 40
_SHOWN = 20
"""Explanations of one kind that are shown to people; the JSON has all."""

UNSIZED = "of unknown size"
_ICONS = {"OK": "✅", "FAIL": "❌", "SKIP": "⏭️", "ERROR": "💥"}
_TAGS = {"OK": "", "FAIL": "failure", "SKIP": "skipped", "ERROR": "error"}
_OF_TOLERANCES = ("value", "dtype", "unit", "reason", "source")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Row:
    """One stage and pair over all formats, for tables."""

    pair: str
    cells: list[Cell]

    @property
    def stage(self) -> str:
        """The stage of its cells."""
        return self.cells[0].stage

    @property
    def status(self) -> str:
        """The worst status of its cells."""
        counts = _count(self.cells)
        return next(status for status in ("FAIL", "ERROR", "OK", "SKIP") if status in counts)

    @property
    def compared(self) -> int:
        """How many values were compared."""
        return combine(cell.comparison for cell in self.cells).compared

    @property
    def largest(self) -> str:
        """The largest difference in words; empty where nothing was compared."""
        # No size is known of some, such as that of a digest or a shape.
        if any(cell.comparison.problem for cell in self.cells):
            return UNSIZED
        return number(self._worst.comparison.maximum) if self.compared else ""

    @property
    def tolerance(self) -> Tolerance:
        """The tolerance of the cell with the largest difference."""
        return self._worst.tolerance

    @property
    def formats(self) -> str:
        """How many formats have which status, in words."""
        return ", ".join(f"{count} {status}" for status, count in _count(self.cells).items())

    @property
    def _worst(self) -> Cell:
        return max(self.cells, key=lambda cell: cell.comparison.maximum)


def number(value: float) -> str:
    """Return a difference for people: codes in full, fractions to three digits."""
    return str(int(value)) if value == int(value) else f"{value:.3g}"


def rows(report: Report) -> list[Row]:
    """Return the matrix with the formats of each stage and pair taken together."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in report.cells:
        groups.setdefault((cell.stage, cell.pair), []).append(cell)
    return [Row(pair, cells) for (_, pair), cells in groups.items()]


def shown_rows(report: Report) -> list[Row]:
    """Return the rows for people to read, without skipped ones.

    If there are many, as of a fleet's records, pairs that agree are one row per stage.
    """
    shown = [row for row in rows(report) if row.status != "SKIP"]
    if len(shown) <= _MANY_ROWS:
        return shown
    few: list[Row] = []
    for stage in dict.fromkeys(row.stage for row in shown):
        agreeing = [row for row in shown if row.stage == stage and row.status == "OK"]
        if agreeing:
            cells = [cell for row in agreeing for cell in row.cells]
            few.append(Row(f"{len(agreeing)} pairs", cells))
        few += [row for row in shown if row.stage == stage and row.status != "OK"]
    return few


def summary_lines(report: Report) -> list[str]:
    """Return the totals in words: cells, values compared, the largest difference per stage."""
    counts = ", ".join(f"{count} {status}" for status, count in _count(report.cells).items())
    lines = [f"{len(report.cells)} cells ({counts or 'none'}), {report.compared} values compared"]
    unsized = {cell.stage for cell in report.cells if cell.comparison.problem}
    for stage, (difference, tolerance) in report.largest().items():
        allowed = "exact" if tolerance.exact else f"{tolerance.value:g} allowed"
        size = UNSIZED if stage in unsized else f"{number(difference)} {tolerance.unit}"
        lines.append(f"{stage}: largest difference {size} ({allowed})")
    return lines


def explanations(report: Report) -> list[str]:
    """Return a line for each cell that failed or could not be computed, failures first."""
    statuses: tuple[Status, ...] = ("FAIL", "ERROR")
    cells = [cell for status in statuses for cell in report.with_status(status)]
    return [
        *(f"{it.status} {it.stage}, {it.format}, {it.pair}: {it.explanation}" for it in cells),
        *(f"ERROR {line}" for line in report.errors),
    ]


def skips(report: Report) -> list[str]:
    """Return the distinct reasons for which cells were skipped."""
    return list(dict.fromkeys(cell.detail for cell in report.with_status("SKIP")))


def verdict(report: Report) -> str:
    """Return the outcome as one sentence."""
    return {
        "agree": "All that was compared agrees.",
        "differ": "There are differences.",
        "error": "Not everything could be compared.",
        "nothing compared": (
            "Nothing was compared: it takes two participants that can answer the same question; "
            "roi-accel devices shows which can, and --backends numpy,numba names two."
        ),
    }[report.outcome]


def to_json(report: Report) -> str:
    """Return the report as strict JSON, as `parity.schema.json` describes it."""
    text = json.dumps(to_dict(report), indent=1, ensure_ascii=False, allow_nan=False)
    return in_json(text) + "\n"


def to_dict(report: Report) -> dict[str, Any]:
    """Return the report in JSON's types."""
    return {
        "schema_version": SCHEMA_VERSION,
        "outcome": report.outcome,
        "exit_code": report.exit_code,
        "summary": {
            "cells": {status: len(report.with_status(status)) for status in STATUSES},
            "values_compared": report.compared,
            "largest_difference": {
                stage: {"difference": value, "tolerance": allowed.value, "unit": allowed.unit}
                for stage, (value, allowed) in report.largest().items()
            },
        },
        "participants": [
            {
                "name": each.name,
                "kind": each.kind,
                "present": not each.absent,
                "absent_because": each.absent or None,
                "float16": each.half,
                "facts": dict(each.facts),
            }
            for each in report.participants
        ],
        "cells": [_cell(cell) for cell in report.cells],
        "warnings": list(report.warnings),
        "errors": list(report.errors),
        "provenance": dict(report.provenance),
    }


def to_markdown(report: Report) -> str:
    """Return the report as GitHub-flavoured Markdown, for a comment or a job's summary."""
    lines = [f"## Parity: {_ICONS[_worst(report)]} {verdict(report)}", ""]
    lines += [f"- {_markdown(line)}" for line in summary_lines(report)]
    lines += ["", "| | stage | compared | formats | values | largest difference | allowed |"]
    lines += ["|---|---|---|---|--:|--:|--:|"]
    for row in shown_rows(report):
        first = f"| {_ICONS[row.status]} | {row.stage} | {_markdown(row.pair)} | {row.formats} "
        lines.append(f"{first}| {row.compared} | {row.largest} | {row.tolerance.value:g} |")
    faults = explanations(report)
    shown = faults[:_SHOWN]
    if len(faults) > _SHOWN:
        shown.append(f"... and {len(faults) - _SHOWN} more")
    for title, items in (
        ("What is wrong", shown),
        ("What was skipped", skips(report)),
        ("Warnings", report.warnings),
    ):
        if items:
            lines += ["", f"### {title}", "", *(f"- {_markdown(item)}" for item in items)]
    present = [each for each in report.participants if not each.absent and each.facts]
    if present:
        lines += ["", "<details><summary>Participants</summary>", ""]
        for each in present:
            facts = ", ".join(f"{key} {value}" for key, value in each.facts.items() if value)
            lines.append(f"- {_markdown(each.name)}: {_markdown(facts)}")
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def to_junit(report: Report, *, timestamp: str, hostname: str) -> str:
    """Return the report as JUnit XML, a suite per stage and a test case per cell.

    Parameters
    ----------
    timestamp : str
        ISO 8601, without a time zone.
    """
    # Each suite's test cases as name, tag of the outcome (empty if they agree) and reason.
    suites: dict[str, list[tuple[str, str, str]]] = {}
    for cell in report.cells:
        case = f"{cell.pair} [{cell.format}]", _TAGS[cell.status], cell.explanation
        suites.setdefault(cell.stage, []).append(case)
    further = {"records": list(report.errors)}
    # Cells that agree or were skipped are green, but silence is not agreement.
    if report.outcome == "nothing compared":
        further["outcome"] = [verdict(report)]
    for name, reasons in further.items():
        if reasons:
            suites[name] = [
                (f"{name} {number}", "error", why) for number, why in enumerate(reasons, 1)
            ]
    everything = [case for cases in suites.values() for case in cases]
    root = ET.Element("testsuites", {"name": "roi-accel parity", **_tag_counts(everything)})
    del root.attrib["skipped"]
    for name, cases in suites.items():
        fixed = {"name": f"parity.{name}", "time": "0", "timestamp": timestamp}
        attributes = {**fixed, **_tag_counts(cases), "hostname": _xml(hostname)}
        suite = ET.SubElement(root, "testsuite", attributes)
        for case_name, tag, why in cases:
            attributes = {"classname": f"parity.{name}", "name": _xml(case_name), "time": "0"}
            element = ET.SubElement(suite, "testcase", attributes)
            if tag:
                attributes = {"message": _xml(why)} | ({} if tag == "skipped" else {"type": tag})
                ET.SubElement(element, tag, attributes).text = _xml(why)
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _tag_counts(cases: list[tuple[str, str, str]]) -> dict[str, str]:
    counts = Counter(tag for _, tag, _ in cases)
    names = {"failures": "failure", "errors": "error", "skipped": "skipped"}
    return {"tests": str(len(cases)), **{name: str(counts[tag]) for name, tag in names.items()}}


def _cell(cell: Cell) -> dict[str, Any]:
    comparison = cell.comparison
    return {
        "stage": cell.stage,
        "format": cell.format,
        "wanted": cell.wanted,
        "got": cell.got,
        "status": cell.status,
        "cases": cell.cases,
        "values_compared": comparison.compared,
        "values_differing": comparison.differing,
        "largest_difference": comparison.maximum,
        "tolerance": {key: getattr(cell.tolerance, key) for key in _OF_TOLERANCES},
        "explanation": cell.explanation or None,
        "first_difference": _difference(cell, comparison.first) if comparison.first else None,
    }


def _difference(cell: Cell, first: Difference) -> dict[str, Any]:
    return {
        "case": cell.case,
        "frame": first.frame,
        "plane": first.plane,
        "y": first.place.get("y"),
        "x": first.place.get("x"),
        # JSON holds neither NaN nor infinities, so they are given by name.
        "wanted": first.wanted if math.isfinite(first.wanted) else str(first.wanted),
        "got": first.got if math.isfinite(first.got) else str(first.got),
    }


def _count(cells: Iterable[Cell]) -> dict[str, int]:
    """Return the number of cells per status, without those that do not occur."""
    counts = Counter(cell.status for cell in cells)
    return {status: counts[status] for status in STATUSES if status in counts}


def _worst(report: Report) -> str:
    return {"agree": "OK", "differ": "FAIL", "error": "ERROR"}.get(report.outcome, "SKIP")


def _markdown(text: str) -> str:
    """Return `text` on one line, with what would be Markdown or HTML markup escaped."""
    line = printable(" ".join(text.split()))
    escaped = re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", line)
    # A backslash does not prevent a mention, since GitHub searches the remaining text; this does.
    return escaped.replace("&", "&amp;").replace("@", "@<!-- -->")


def _xml(text: str) -> str:
    """Return `text` without the characters that no XML document may hold."""
    return _NOT_XML.sub("\ufffd", text)
