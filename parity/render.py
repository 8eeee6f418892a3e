"""A report as JSON for programs, as Markdown for a pull request, as JUnit for a CI's own page."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from importlib import resources
from typing import TYPE_CHECKING, Any, cast
from xml.etree import ElementTree as ET

from roi_accel.parity.cells import STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roi_accel.parity.cells import Cell, Report, Status
    from roi_accel.parity.compare import Difference
    from roi_accel.parity.tolerance import Tolerance

SCHEMA_VERSION = 1
_MANY_ROWS = 40
_SHOWN = 20
"""Explanations of one kind that are shown to people; the JSON has all."""

UNSIZED = "of unknown size"
_ICONS = {"OK": "✅", "FAIL": "❌", "SKIP": "⏭️", "ERROR": "💥"}
_SURROGATE = re.compile("[\ud800-\udfff]")
"""What Python makes of the bytes of a file name that is not UTF-8; UTF-8 cannot write it."""

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One stage and pair over all formats, for tables.

    Attributes
    ----------
    stage, pair : str
    counts : dict of str to int
        Cells per status.
    compared : int
    maximum : float
    tolerance : Tolerance
    unsized : bool
        Whether something differs of which no size is known, such as a digest or a shape.
    """

    stage: str
    pair: str
    counts: dict[str, int]
    compared: int
    maximum: float
    tolerance: Tolerance
    unsized: bool

    @property
    def status(self) -> str:
        """The worst status of its cells."""
        return next(each for each in ("FAIL", "ERROR", "OK", "SKIP") if self.counts.get(each))

    @property
    def largest(self) -> str:
        """The largest difference in words; empty where nothing was compared."""
        if self.unsized:
            return UNSIZED
        return number(self.maximum) if self.compared else ""

    @property
    def formats(self) -> str:
        """How many formats have which status, in words."""
        return ", ".join(f"{count} {status}" for status, count in self.counts.items())


def number(value: float) -> str:
    """Return a difference for people: codes in full, fractions to three digits."""
    return str(int(value)) if value == int(value) else f"{value:.3g}"


def rows(report: Report) -> list[Row]:
    """Return the matrix with the formats of each stage and pair taken together."""
    groups: dict[tuple[str, str], list[Cell]] = {}
    for cell in report.cells:
        groups.setdefault((cell.stage, cell.pair), []).append(cell)
    return [
        Row(
            stage=stage,
            pair=pair,
            counts=_count(cells),
            compared=sum(cell.comparison.compared for cell in cells),
            maximum=max(cell.comparison.maximum for cell in cells),
            tolerance=cells[0].tolerance,
            unsized=any(cell.comparison.problem for cell in cells),
        )
        for (stage, pair), cells in groups.items()
    ]


def shown_rows(report: Report) -> list[Row]:
    """Return the rows for people to read: without skipped ones, and few.

    Of many pairs, as a fleet's records have, those that agree are one row per stage.
    """
    found = [row for row in rows(report) if row.status != "SKIP"]
    if len(found) <= _MANY_ROWS:
        return found
    shown: list[Row] = []
    for stage in dict.fromkeys(row.stage for row in found):
        mine = [row for row in found if row.stage == stage]
        good = [row for row in mine if row.status == "OK"]
        if good:
            shown.append(_together(good))
        shown += [row for row in mine if row.status != "OK"]
    return shown


def _together(group: list[Row]) -> Row:
    counts: Counter[str] = Counter()
    for row in group:
        counts.update(row.counts)
    largest = max(group, key=lambda row: row.maximum)
    return replace(
        largest,
        pair=f"{len(group)} pairs",
        counts=dict(counts),
        compared=sum(row.compared for row in group),
    )


def summary_lines(report: Report) -> list[str]:
    """Return the totals in words: cells, values compared, the largest difference per stage."""
    counts = ", ".join(f"{count} {status}" for status, count in _count(report.cells).items())
    lines = [f"{len(report.cells)} cells ({counts or 'none'}), {report.compared} values compared"]
    unsized = {cell.stage for cell in report.cells if cell.comparison.problem}
    for stage, (difference, tolerance) in report.largest().items():
        allowed = "exact" if tolerance.exact else f"{tolerance.value:g} allowed"
        if stage in unsized:
            lines.append(f"{stage}: largest difference {UNSIZED} ({allowed})")
            continue
        lines.append(
            f"{stage}: largest difference {number(difference)} {tolerance.unit} ({allowed})"
        )
    return lines


def explanations(report: Report) -> list[str]:
    """Return a line for each cell that failed or could not be computed, failures first."""
    statuses: tuple[Status, ...] = ("FAIL", "ERROR")
    lines = [
        f"{status} {cell.stage}, {cell.format}, {cell.pair}: {cell.explanation}"
        for status in statuses
        for cell in report.with_status(status)
    ]
    return lines + [f"ERROR {line}" for line in report.errors]


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
    text = json.dumps(to_dict(report), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    return _SURROGATE.sub(lambda found: "\\" + ascii(found[0])[1:-1], text)


def report_schema() -> dict[str, Any]:
    """Return the JSON schema of `to_json`'s document."""
    text = resources.files("roi_accel.data").joinpath("parity.schema.json").read_text("utf-8")
    return cast("dict[str, Any]", json.loads(text))


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
                stage: {
                    "difference": difference,
                    "tolerance": tolerance.value,
                    "unit": tolerance.unit,
                }
                for stage, (difference, tolerance) in report.largest().items()
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
        cells = (
            _ICONS[row.status],
            row.stage,
            _markdown(row.pair),
            row.formats,
            str(row.compared),
            row.largest,
            f"{row.tolerance.value:g}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    found = explanations(report)
    if found:
        lines += ["", "### What is wrong", ""]
        lines += [f"- {_markdown(line)}" for line in found[:_SHOWN]]
        if len(found) > _SHOWN:
            lines.append(f"- ... and {len(found) - _SHOWN} more")
    if skips(report):
        lines += ["", "### What was skipped", ""]
        lines += [f"- {_markdown(why)}" for why in skips(report)]
    if report.warnings:
        lines += ["", "### Warnings", ""]
        lines += [f"- {_markdown(line)}" for line in report.warnings]
    present = [each for each in report.participants if not each.absent and each.facts]
    if present:
        lines += ["", "<details><summary>Who took part</summary>", ""]
        for each in present:
            facts = ", ".join(f"{key} {value}" for key, value in each.facts.items() if value)
            lines.append(f"- {_markdown(each.name)}: {_markdown(facts)}")
        lines += ["", "</details>"]
    return "\n".join(lines) + "\n"


def to_junit(report: Report, *, timestamp: str, hostname: str) -> str:
    """Return the report as JUnit XML, a suite per stage and a test case per cell.

    Parameters
    ----------
    report : Report
    timestamp : str
        ISO 8601, without a time zone.
    hostname : str
    """
    # Cells that agree or were skipped are green, whereas silence is not agreement.
    further = {"records": list(report.errors)}
    if report.outcome == "nothing compared":
        further["outcome"] = [verdict(report)]
    others = sum(map(len, further.values()))
    totals = {
        "tests": str(len(report.cells) + others),
        "failures": str(len(report.with_status("FAIL"))),
        "errors": str(len(report.with_status("ERROR")) + others),
    }
    root = ET.Element("testsuites", {"name": "roi-accel parity", **totals})
    for stage in dict.fromkeys(cell.stage for cell in report.cells):
        cells = [cell for cell in report.cells if cell.stage == stage]
        counts = _count(cells)
        attributes = {
            "tests": str(len(cells)),
            "failures": str(counts.get("FAIL", 0)),
            "errors": str(counts.get("ERROR", 0)),
            "skipped": str(counts.get("SKIP", 0)),
        }
        suite = _suite(root, stage, attributes, timestamp, hostname)
        for cell in cells:
            name = _xml(f"{cell.pair} [{cell.format}]")
            attributes = {"classname": f"parity.{stage}", "name": name, "time": "0"}
            case = ET.SubElement(suite, "testcase", attributes)
            tag = {"FAIL": "failure", "ERROR": "error", "SKIP": "skipped"}.get(cell.status)
            if tag is not None:
                why = _xml(cell.explanation)
                attributes = {"message": why} if tag == "skipped" else {"message": why, "type": tag}
                ET.SubElement(case, tag, attributes).text = why
    for what, reasons in further.items():
        if not reasons:
            continue
        attributes = {"errors": str(len(reasons)), "tests": str(len(reasons))}
        suite = _suite(root, what, attributes, timestamp, hostname)
        for number, why in enumerate(reasons, 1):
            attributes = {"classname": f"parity.{what}", "name": f"{what} {number}", "time": "0"}
            case = ET.SubElement(suite, "testcase", attributes)
            ET.SubElement(case, "error", {"message": _xml(why), "type": "error"}).text = _xml(why)
    ET.indent(root)
    body = ET.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{body}\n'


def _suite(
    root: ET.Element, name: str, counts: dict[str, str], timestamp: str, hostname: str
) -> ET.Element:
    """Return a suite with its counts; those that are left out are 0."""
    zeros = {"tests": "0", "failures": "0", "errors": "0", "skipped": "0"}
    fixed = {"name": f"parity.{name}", "time": "0", "timestamp": timestamp}
    return ET.SubElement(
        root, "testsuite", {**fixed, **zeros, **counts, "hostname": _xml(hostname)}
    )


def _cell(cell: Cell) -> dict[str, Any]:
    found = cell.comparison
    return {
        "stage": cell.stage,
        "format": cell.format,
        "wanted": cell.wanted,
        "got": cell.got,
        "status": cell.status,
        "cases": cell.cases,
        "values_compared": found.compared,
        "values_differing": found.differing,
        "largest_difference": found.maximum,
        "tolerance": {
            "value": cell.tolerance.value,
            "dtype": cell.tolerance.dtype,
            "unit": cell.tolerance.unit,
            "reason": cell.tolerance.reason,
            "source": cell.tolerance.source,
        },
        "explanation": cell.explanation or None,
        "first_difference": _difference(cell, found.first) if found.first else None,
    }


def _difference(cell: Cell, first: Difference) -> dict[str, Any]:
    return {
        "case": cell.case,
        "frame": first.frame,
        "plane": first.plane,
        "y": first.y if first.index else None,
        "x": first.x if first.index else None,
        "wanted": _number(first.wanted),
        "got": _number(first.got),
    }


def _number(value: float) -> float | str:
    """Return a number that JSON can hold; NaN and infinities as their names."""
    return value if math.isfinite(value) else str(value)


def _count(cells: Iterable[Cell]) -> dict[str, int]:
    """Return the cells per status, without those that do not occur."""
    found = [cell.status for cell in cells]
    return {status: found.count(status) for status in STATUSES if status in found}


def _worst(report: Report) -> str:
    return {"agree": "OK", "differ": "FAIL", "error": "ERROR"}.get(report.outcome, "SKIP")


def _markdown(text: str) -> str:
    """Return `text` with what Markdown and HTML would take for markup escaped, on one line."""
    printable = "".join(char if char.isprintable() else "\ufffd" for char in " ".join(text.split()))
    escaped = re.sub(r"([\\`*_{}\[\]<>|#~])", r"\\\1", printable)
    # A backslash stops no mention: GitHub looks for them in the text that is left. This does.
    return escaped.replace("&", "&amp;").replace("@", "@<!-- -->")


def _xml(text: str) -> str:
    """Return `text` without the characters that no XML document may hold."""
    return _NOT_XML.sub("\ufffd", text)
