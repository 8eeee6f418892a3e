"""The page of a batch's ladders: score over bitrate, hulls, and BD-rates, beside their tables.

As on the page of a run, Bokeh learns nothing that a user wrote: what belongs to a point stands in
the table's row, escaped, and the page's script looks it up there.
"""

from __future__ import annotations

import math
from itertools import groupby
from typing import TYPE_CHECKING, Any

from bokeh.models import ColumnDataSource, FixedTicker, NumeralTickFormatter, Range1d

from roi_accel.ladder.bd_rate import METHOD, mean_over_references
from roi_accel.ladder.ladder import METRICS, hull
from roi_accel.ladder.output import OWN, note_of, rows_of, shown_bitrate, shown_percent
from roi_accel.report.charts import SERIES_COLOURS, bare_chart, compared_colour, range_of
from roi_accel.report.shell import render, short_names
from roi_accel.results.summary import TITLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bokeh.plotting import figure

    from roi_accel.ladder.bd_rate import BdRate
    from roi_accel.ladder.ladder import Encode, ReferenceLadders, Results
    from roi_accel.ladder.output import Row

    _Points = list[tuple[float, float]]

CHARTED = ("vmaf_roi", "vmaf_full")
"""The scores that are drawn, side by side; the tables have all."""

MOST_CURVES = 180
"""Ladders that have curves, so that a page stays below 5 MB; all are in the tables."""

_HEIGHT = 320
_AIR = 0.07
_WIDEN = 1.15
"""Free space to the left and right of the points, as a factor of the bitrate."""

_MANTISSAS = (
    (1,),
    (1, 3),
    (1, 2, 5),
    (1, 1.5, 2, 3, 4, 5, 7),
    tuple(n / 10 for n in range(10, 100)),
)
_LEAST_TICKS = 4

_SHAPES = ("circle", "square", "triangle")
"""Of points: another one where the page's colours begin again."""

_MARKS = {"": "\N{WHITE CIRCLE}", OWN: "\N{BLACK CIRCLE}", "**": "\N{FISHEYE}"}


def make_page(results: Results, rates: Sequence[Sequence[BdRate]]) -> bytes:
    """Return the page, HTML in UTF-8.

    Parameters
    ----------
    results : Results
    rates : sequence of sequence of BdRate
        For each reference of `results`, as `compare` gives them.
    """
    charted = _charted(results.references)
    charts = [chart for number in charted for chart in _charts(number, results.references[number])]
    names = short_names([each.reference for each in results.references])
    title = names[0] if len(names) == 1 else f"{len(names)} references"
    return render(
        "ladder.html",
        charts,
        styles=["page.css", "ladder.css"],
        script="ladder.js",
        eyebrow="Encodes by bitrate, scored where people look",
        title=title,
        warnings=results.warnings,
        method=METHOD,
        titles=TITLES,
        note=_note(results.references, charted),
        means=_means(rates),
        references=[
            _reference(number, name, group, found, is_charted=number in charted)
            for number, (name, group, found) in enumerate(
                zip(names, results.references, rates, strict=True)
            )
        ],
    )


def _charted(references: Sequence[ReferenceLadders]) -> list[int]:
    """Return which references are drawn: those that have bitrates, as long as there is room."""
    charted, curves = [], 0
    for number, each in enumerate(references):
        curves += len(each.ladders)
        if curves > MOST_CURVES:
            break
        if _rated(each.encodes):
            charted.append(number)
    return charted


def _note(references: Sequence[ReferenceLadders], charted: Sequence[int]) -> str:
    rated = sum(bool(_rated(each.encodes)) for each in references)
    if len(charted) == rated:
        return ""
    return f"{len(charted)} of {rated} references are drawn; the tables have all of them."


def _rated(encodes: Iterable[Encode]) -> list[Encode]:
    return [each for each in encodes if each.bitrate is not None]


def _points(encodes: Iterable[Encode], metric: str) -> _Points:
    """Return bitrates in kbit/s, and scores, of what has both."""
    return [((each.bitrate or 0.0) / 1000, each.scores[metric]) for each in _rated(encodes)]


def _charts(number: int, group: ReferenceLadders) -> list[figure]:
    """Return a reference's charts, which are zoomed together and have one scale of scores."""
    rates = [rate for rate, _ in _points(group.encodes, METRICS[0])]
    scores = [score for metric in CHARTED for _, score in _points(group.encodes, metric)]
    x_range = Range1d(min(rates) / _WIDEN, max(rates) * _WIDEN)
    y_range = range_of(scores, _AIR)
    return [_chart(number, group, metric, x_range, y_range) for metric in CHARTED]


def _chart(
    number: int, group: ReferenceLadders, metric: str, x_range: Range1d, y_range: Range1d
) -> figure:
    chart = bare_chart(
        f"r{number}_{metric}", _HEIGHT, x_range=x_range, y_range=y_range, x_axis_type="log"
    )
    chart.xaxis.ticker = FixedTicker(ticks=_ticks(x_range.start, x_range.end))
    chart.xaxis.formatter = NumeralTickFormatter(format="0,0.[00]")
    chart.xaxis.axis_label = "kbit/s"
    chart.yaxis.axis_label = f"VMAF, {TITLES[metric]}"
    if len(group.ladders) > 1:
        _line(chart, "hull", "--line", _corners(_points(group.encodes, metric)), width=9)
    for place, ladder in enumerate(group.ladders):
        name, colour = f"l{place}", compared_colour(place)
        shape = _SHAPES[place // SERIES_COLOURS % len(_SHAPES)]
        points = _points(ladder.encodes, metric)
        corners = _corners(points)
        off = [point for point in points if point not in corners]
        _line(chart, name, colour, corners, width=2)
        if off:  # else the two lines are one
            _line(chart, name, colour, points, width=1.4, dash=[2, 3])
            _scatter(chart, name, [colour, "fill"], off, marker=shape)
        _scatter(chart, name, [colour], corners, marker=shape)
    _scatter(chart, "at", ["--ink", "fill"], [], size=17, fill_alpha=0.0)
    return chart


def _ticks(low: float, high: float) -> list[float]:
    """Return round bitrates for a logarithmic axis, at least four where there are as many."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for mantissas in _MANTISSAS:
        ticks = [mantissa * 10.0**decade for decade in decades for mantissa in mantissas]
        ticks = [each for each in ticks if low <= each <= high]
        if len(ticks) >= _LEAST_TICKS:
            break
    return ticks


def _corners(points: _Points) -> _Points:
    return [points[at] for at in hull(points)]


def _line(
    chart: figure,
    name: str,
    colour: str,
    points: _Points,
    *,
    width: float,
    dash: str | list[int] = "solid",
) -> None:
    """Draw a line; `colour` is the page's variable, by which it paints what is tagged with it."""
    line = chart.line("x", "y", source=_source(points), line_width=width, line_dash=dash, name=name)
    line.glyph.line_join, line.glyph.line_cap = "round", "round"
    line.tags = [colour]


def _scatter(
    chart: figure,
    name: str,
    tags: list[str],
    points: _Points,
    *,
    marker: str = "circle",
    size: int = 8,
    fill_alpha: float = 1.0,
) -> None:
    dots = chart.scatter(
        "x",
        "y",
        source=_source(points),
        marker=marker,
        size=size,
        line_width=1.6,
        fill_alpha=fill_alpha,
        name=name,
    )
    dots.tags = tags


def _source(points: _Points) -> ColumnDataSource:
    return ColumnDataSource({"x": [x for x, _ in points], "y": [y for _, y in points]})


def _reference(
    number: int,
    name: str,
    group: ReferenceLadders,
    rates: Sequence[BdRate],
    *,
    is_charted: bool,
) -> dict[str, Any]:
    rows = rows_of(group)
    files = short_names([row.encode.distorted for row in rows])
    named = groupby(zip(rows, files, strict=True), lambda pair: pair[0].ladder)
    ladders = [
        {
            "column": f"l{place}",
            "colour": compared_colour(place),
            "name": ladder,
            "rows": [_row(row, file) for row, file in of_ladder],
        }
        for place, (ladder, of_ladder) in enumerate(named)
    ]
    tests = dict.fromkeys(rate.test for rate in rates)
    return {
        "id": f"r{number}",
        "name": name,
        "path": group.reference,
        "charts": [f"r{number}_{metric}" for metric in CHARTED] if is_charted else [],
        "ladders": ladders,
        "anchor": rates[0].anchor if rates else "",
        "tests": [
            {
                "name": test,
                "percents": [shown_percent(rate.percent) for rate in rates if rate.test == test],
            }
            for test in tests
        ],
        "notes": [
            f"{rate.test}, {TITLES[rate.metric]}: {note_of(rate)}"
            for rate in rates
            if note_of(rate)
        ],
    }


def _row(row: Row, name: str) -> dict[str, Any]:
    encode = row.encode
    return {
        "name": name,
        "path": encode.distorted,
        "kbit": None if encode.bitrate is None else repr(encode.bitrate / 1000),
        "bitrate": shown_bitrate(encode.bitrate),
        "scores": [
            {
                "metric": metric,
                "value": encode.scores[metric],
                "mark": _MARKS[row.mark(metric)] if encode.bitrate is not None else "",
            }
            for metric in METRICS
        ],
    }


def _means(rates: Sequence[Sequence[BdRate]]) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for each in mean_over_references(rates):
        row = found.setdefault(
            (each.anchor, each.test),
            {"anchor": each.anchor, "test": each.test, "percents": dict.fromkeys(METRICS, "-")},
        )
        row["percents"][each.metric] = f"{shown_percent(each.percent)} ({each.references})"
    return list(found.values())
