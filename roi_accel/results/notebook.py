"""A result where data is explored: as a table of pandas, and as HTML in a notebook."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from roi_accel._util.error_translation import require
from roi_accel.results.summary import HEADINGS, facts, score_rows

if TYPE_CHECKING:
    import pandas as pd

    from roi_accel.results.result import Result


def to_frame(result: Result) -> pd.DataFrame:
    """Return the frames of `result` as a table; see `roi_accel.results.result.Result.to_frame`."""
    require("pandas", "pandas", "a table of the frames")
    import pandas as pd  # noqa: PLC0415 - an extra

    numbers = [frame.frame_number for frame in result.frames]
    rows = [frame.to_row() for frame in result.frames]
    table = pd.DataFrame(rows, index=pd.Index(numbers, name="frame"))
    table.attrs = {"reference": result.reference, "distorted": result.distorted}
    return table


def to_html(result: Result) -> str:
    """Return what a notebook shows of `result`: its scores, and how they came about."""
    heads = "".join(f"<th>{_lines(head)}</th>" for head in ("distorted", *HEADINGS))
    rows = "".join(
        f"<tr><td>{_indented(name)}</td>{''.join(f'<td>{score}</td>' for score in scores)}</tr>"
        for name, scores in score_rows([result])
    )
    notes = "".join(
        f"<tr><th>{escape(what)}</th><td>{escape(fact)}</td></tr>"
        for what, fact in facts(result).items()
    )
    warnings = "".join(f"<li>{escape(warning)}</li>" for warning in result.warnings)
    return (
        f"<table><caption>VMAF where people look</caption><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table><table><tbody>{notes}</tbody></table>"
        + (f"<p>Warnings</p><ul>{warnings}</ul>" if warnings else "")
    )


def _lines(text: str) -> str:
    return escape(text).replace("\n", "<br>")


def _indented(name: str) -> str:
    return escape(name).replace("  ", "&emsp;", 1) if name.startswith("  ") else escape(name)
