"""What there is to say of ladders, as rows, JSON and CSV, and in the words of tables and pages."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.ladder.bd_rate import METHOD, mean_over_references
from roi_accel.ladder.ladder import METRICS, on_hull

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from roi_accel.ladder.bd_rate import BdRate
    from roi_accel.ladder.ladder import Encode, ReferenceLadders, Results

SCHEMA_VERSION = 1

OWN, ALL = "*", "**"
"""What marks a score in a table: on its ladder's hull, and on the hull of all ladders."""


@dataclass(frozen=True)
class Row:
    """One encode as every form shows it.

    Attributes
    ----------
    ladder : str
    encode : Encode
    on_own, on_all : mapping of str to bool
        By metric, whether it lies on its ladder's hull, and on that of all ladders of its
        reference.
    """

    ladder: str
    encode: Encode
    on_own: Mapping[str, bool]
    on_all: Mapping[str, bool]

    def mark(self, metric: str) -> str:
        """Return `ALL`, `OWN` or ``""``; what is on the hull of all is on its own, too."""
        return ALL if self.on_all[metric] else OWN if self.on_own[metric] else ""


def rows_of(group: ReferenceLadders) -> list[Row]:
    """Return the encodes of a reference, ladder by ladder, each by bitrate."""
    everywhere = {metric: on_hull(group.encodes, metric) for metric in METRICS}
    rows = []
    for ladder in group.ladders:
        own = {metric: on_hull(ladder.encodes, metric) for metric in METRICS}
        rows += [
            Row(
                ladder.name,
                each,
                {metric: each.place in own[metric] for metric in METRICS},
                {metric: each.place in everywhere[metric] for metric in METRICS},
            )
            for each in ladder.encodes
        ]
    return rows


def to_json(results: Results, rates: Sequence[Sequence[BdRate]], *, min_overlap: float) -> str:
    """Return everything as strict JSON, with a newline at the end.

    Parameters
    ----------
    results : Results
    rates : sequence of sequence of BdRate
        For each reference of `results`, as `compare` gives them for `min_overlap`.
    """
    content = {
        "schema_version": SCHEMA_VERSION,
        "bd_rate_method": METHOD,
        "min_overlap": min_overlap,
        "references": [
            {
                "reference": group.reference,
                "encodes": [_row_content(row) for row in rows_of(group)],
                "bd_rates": [_rate_content(rate) for rate in found],
            }
            for group, found in zip(results.references, rates, strict=True)
        ],
        "mean_bd_rates": [asdict(each) for each in mean_over_references(rates)],
        "failures": [asdict(each) for each in results.failures],
        "warnings": list(results.warnings),
    }
    return _writable(json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)) + "\n"


def _row_content(row: Row) -> dict[str, Any]:
    encode = row.encode
    return {
        "ladder": row.ladder,
        "line": encode.line,
        "distorted": encode.distorted,
        "bitrate": encode.bitrate,
        **encode.scores,
        "on_hull": dict(row.on_own),
        "on_hull_of_all": dict(row.on_all),
    }


def _rate_content(rate: BdRate) -> dict[str, Any]:
    return {
        "metric": rate.metric,
        "anchor": rate.anchor,
        "test": rate.test,
        "percent": rate.percent,
        "reason": rate.reason or None,
        "overlap": rate.overlap,
        "left_out": {"anchor": rate.left_out[0], "test": rate.left_out[1]},
    }


def to_csv(results: Results) -> str:
    """Return a table with one row per encode, for spreadsheets.

    Columns are ``reference``, ``ladder``, ``line``, ``distorted``, ``bitrate`` (bits per second,
    empty for raw video), the three scores, and for each of them ``NAME_hull``: ``all``, ``own`` or
    empty.
    """
    words = {ALL: "all", OWN: "own", "": ""}
    with io.StringIO(newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        head = ("reference", "ladder", "line", "distorted", "bitrate")
        writer.writerow([*head, *METRICS, *(f"{metric}_hull" for metric in METRICS)])
        for group in results.references:
            for row in rows_of(group):
                each = row.encode
                named = (group.reference, row.ladder, each.line, each.distorted, each.bitrate)
                hulls = [words[row.mark(metric)] for metric in METRICS]
                writer.writerow([*named, *each.scores.values(), *hulls])
        return _writable(text.getvalue())


def _writable(text: str) -> str:
    """Return `text` with the bytes of names that are not UTF-8 shown, since UTF-8 has none."""
    return text.encode("utf-8", "backslashreplace").decode()


def note_of(rate: BdRate) -> str:
    """Return what is to be known of a BD-rate: why there is none, or what it is made without."""
    if rate.reason:
        return rate.reason
    names = (rate.anchor, rate.test)
    without = (
        f"{count} of {name}" for name, count in zip(names, rate.left_out, strict=True) if count
    )
    text = " and ".join(without)
    return f"without {text}, not on the hull" if text else ""


def shown_bitrate(bitrate: float | None) -> str:
    """Return a bitrate in kbit/s with three digits or all before the point; ``-`` for none."""
    if bitrate is None:
        return "-"
    kilobits = bitrate / 1000
    return f"{kilobits:,.0f}" if kilobits >= 100 else f"{kilobits:.3g}"  # noqa: PLR2004 - see above


def shown_percent(percent: float | None) -> str:
    """Return a BD-rate with its sign; ``-`` for none."""
    return "-" if percent is None else f"{percent:+.2f} %"
