"""The report's charts as one Bokeh document, so that all of them share one copy of the scores.

Bokeh learns nothing that a user wrote: curves have names of our own, and the page around the
charts, which escapes, says what they are. Colours are names of the page's CSS variables, by which
it paints the charts light or dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from bokeh.models import BoxZoomTool, ColumnDataSource, Range1d, Span
from bokeh.plotting import figure

from roi_accel.report.curves import column, histogram, region_column, series, worst_frames
from roi_accel.results.summary import TITLES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bokeh.models import GlyphRenderer
    from numpy.typing import NDArray

    from roi_accel.report.curves import Curves
    from roi_accel.results.result import Result

SERIES_COLOURS = 5
"""How many colours the page has for curves that are compared; beyond, lines are dashed as well."""

_DASHES = ("solid", [7, 3], [2, 3])
_HEIGHT = 300
_LOW_HEIGHT = 210
_AIR = 0.06
"""Free space above and below the curves, in parts of their range."""

_LEAST_RANGE = 2.0
"""Of VMAF's scale: a smaller one would make noise of the last digits look like a change."""


def draw(results: Sequence[Result], curves: Curves) -> list[figure]:
    """Return the charts of a run, named ``compare``, ``v0_curves``, ``v0_histogram`` and so on."""
    source = ColumnDataSource({"frame": curves.frames, **curves.columns}, name="scores")
    first, last = int(curves.frames[0]), int(curves.frames[-1])
    # Half a frame to each side: a clip of one frame has a place, too.
    start, end = first - 0.5, last + 0.5
    x_range = Range1d(start, end, bounds=(start, end), min_interval=min(4, end - start))
    axes = _Axes(source, x_range)
    charts = []
    if len(results) > 1:
        names = [column(video, "vmaf_roi") for video in range(len(results))]
        charts.append(axes.compared("compare", names))
    for video, result in enumerate(results):
        charts.append(axes.of_video(video, worst_frames(result)))
        if result.regions:
            names = [region_column(video, number) for number in range(len(result.regions))]
            charts.append(axes.compared(f"v{video}_regions", names))
        charts.append(_histogram_chart(video, series(result, "vmaf_roi")))
    return charts


def range_of(scores: Sequence[float], air: float) -> Range1d:
    """Return an axis for `scores` with free space around them, in parts of their range."""
    low, high = min(scores), max(scores)
    lacking = max(0.0, _LEAST_RANGE - (high - low)) / 2
    air *= max(high - low, _LEAST_RANGE)
    return Range1d(low - lacking - air, high + lacking + air)


def compared_colour(number: int) -> str:
    """Return the page's CSS variable with the colour of the compared curve `number`, from 0."""
    return f"--series-{number % SERIES_COLOURS}"


@dataclass(frozen=True)
class _Axes:
    """Charts over frames, which are zoomed together and draw from one table."""

    source: ColumnDataSource
    x_range: Range1d

    def of_video(self, video: int, worst: Sequence[int]) -> figure:
        names = [column(video, metric) for metric in TITLES]
        chart = self._chart(f"v{video}_curves", names)
        for name, metric in zip(names, TITLES, strict=True):
            width = 2.2 if metric == "vmaf_roi" else 1.4
            self._line(chart, name, f"--{metric}", width)
        positions = np.isin(self.source.data["frame"], worst)
        marks = chart.scatter(
            self.source.data["frame"][positions],
            self.source.data[names[-1]][positions],
            marker="inverted_triangle",
            size=11,
            line_width=1.5,
            name=f"v{video}_worst",
        )
        marks.tags = ["--mark", "fill"]
        return chart

    def compared(self, name: str, names: Sequence[str]) -> figure:
        chart = self._chart(name, names)
        for number, each in enumerate(names):
            dash = _DASHES[number // SERIES_COLOURS % len(_DASHES)]
            self._line(chart, each, compared_colour(number), 1.8, dash)
        return chart

    def _line(
        self,
        chart: figure,
        name: str,
        colour: str,
        width: float,
        dash: str | list[int] = "solid",
    ) -> None:
        line = chart.line(
            "frame", name, source=self.source, name=name, line_width=width, line_dash=dash
        )
        line.glyph.line_join = "round"
        drawn: list[GlyphRenderer] = [line]
        if len(self.source.data["frame"]) == 1:  # of which no line can be drawn
            drawn.append(chart.scatter("frame", name, source=self.source, name=name, size=7))
        for each in drawn:
            each.tags = [colour]

    def _chart(self, name: str, names: Sequence[str]) -> figure:
        columns = [self.source.data[each] for each in names]
        scores = [float(end) for each in columns for end in (each.min(), each.max())]
        y_range = range_of(scores, _AIR)
        chart = bare_chart(name, _HEIGHT, x_range=self.x_range, y_range=y_range)
        chart.add_tools(BoxZoomTool(dimensions="width"))
        chart.add_layout(Span(dimension="height", name="cursor", visible=False, line_width=1))
        chart.xaxis.axis_label = "frame"
        chart.xaxis.ticker.min_interval = 1  # no frame is half one
        chart.yaxis.axis_label = "VMAF"
        return chart


def _histogram_chart(video: int, roi: NDArray[np.float64]) -> figure:
    edges, counts = histogram(roi)
    air = float(edges[1] - edges[0])  # or a single bin would fill the chart
    chart = bare_chart(
        f"v{video}_histogram",
        _LOW_HEIGHT,
        x_range=Range1d(float(edges[0]) - air, float(edges[-1]) + air),
        y_range=Range1d(0, float(counts.max()) * 1.05),
    )
    bins = ColumnDataSource(
        {"left": edges[:-1], "right": edges[1:], "count": counts}, name=f"v{video}_bins"
    )
    bars = chart.quad(
        left="left",
        right="right",
        bottom=0,
        top="count",
        source=bins,
        line_width=1.5,
        name=f"v{video}_bars",
    )
    bars.tags = ["--vmaf_roi", "bar"]
    chart.xaxis.axis_label = f"VMAF, {TITLES['vmaf_roi']}"
    chart.yaxis.axis_label = "frames"
    chart.yaxis.ticker.min_interval = 1
    chart.xgrid.visible = False
    return chart


def bare_chart(
    name: str,
    height: int,
    *,
    x_range: Range1d,
    y_range: Range1d,
    x_axis_type: Literal["linear", "log"] = "linear",
) -> figure:
    """Return a chart of nothing, which the page paints, on whatever lies behind it."""
    chart = figure(
        name=name,
        height=height,
        sizing_mode="stretch_width",
        x_range=x_range,
        y_range=y_range,
        x_axis_type=x_axis_type,
        tools="",
        toolbar_location=None,
        background_fill_color=None,
        border_fill_color=None,
        outline_line_color=None,
        min_border_right=12,
    )
    for axis in (*chart.xaxis, *chart.yaxis):
        axis.axis_line_color = None
        axis.major_tick_line_color = None
        axis.minor_tick_line_color = None
        axis.axis_label_text_font_style = "normal"
        axis.axis_label_text_font_size = "12px"
        axis.major_label_text_font_size = "12px"
        axis.axis_label_text_font = axis.major_label_text_font = "system-ui, sans-serif"
    chart.xgrid.visible = False
    return chart
