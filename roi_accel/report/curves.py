"""What the report draws of the scores: which frames, which of them are marked, and the histogram.

Arithmetic on finished results alone; it neither knows the page nor the plotting library.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.results.summary import TITLES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from roi_accel.results.result import Result

MAX_FRAMES = 8_000
"""Frames that a page draws: several per pixel of a wide screen, and about 0.4 MB for one video."""

MAX_VALUES = 150_000
"""Scores that a page holds, so that many long videos do not make it large: about 1.6 MB."""

MARKED = 5
"""Worst frames that are marked in a video's curve."""

_APART = 40
"""Marks lie at least this fraction of the clip apart, or one bad scene would take them all; and at
least two frames, or one bad moment of a short clip would.
"""

_MOST_BINS = 24
_BIN_WIDTHS = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0)


@dataclass(frozen=True)
class Curves:
    """Every curve of a page, over the same frames.

    Attributes
    ----------
    frames : int64[n]
        Numbers of the frames that are drawn, in order.
    columns : mapping of str to float64[n]
        Scores by a name that no user chose: see `column` and `region_column`.
    scored : int
        How many frames were scored, drawn or not.
    """

    frames: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float64]]
    scored: int


def column(video: int, metric: str) -> str:
    """Return the name of a curve of distorted video `video`, counted from 0."""
    return f"v{video}_{metric}"


def region_column(video: int, region: int) -> str:
    """Return the name of the curve of a region's blend, both counted from 0."""
    return f"v{video}_region{region}"


def series(result: Result, metric: str) -> NDArray[np.float64]:
    """Return a metric of every scored frame, float64[n]."""
    return np.array([frame.metrics[metric] for frame in result.frames])


def gather(results: Sequence[Result]) -> Curves:
    """Return the curves of a run, thinned out where they are too long for a page.

    Parameters
    ----------
    results : sequence of Result
        Of one run, so that all have the same frames.
    """
    columns: dict[str, NDArray[np.float64]] = {}
    for video, result in enumerate(results):
        for metric in TITLES:
            columns[column(video, metric)] = series(result, metric)
        for number, region in enumerate(result.regions):
            columns[region_column(video, number)] = np.array(
                [frame.regions[region]["vmaf_roi"] for frame in result.frames]
            )
    numbers = np.array([frame.frame_number for frame in results[0].frames], np.int64)
    kept = thinned(list(columns.values()), min(MAX_FRAMES, MAX_VALUES // (len(columns) + 1)))
    marked = [position for result in results for position in _worst(result)]
    kept = np.union1d(kept, np.array(marked, np.intp))
    return Curves(
        frames=numbers[kept],
        columns={name: values[kept] for name, values in columns.items()},
        scored=len(numbers),
    )


def thinned(curves: Sequence[NDArray[np.float64]], most: int) -> NDArray[np.intp]:
    """Return the positions to draw, in order, so that no peak of any curve is lost.

    Parameters
    ----------
    curves : sequence of float64[n]
    most : int

    Returns
    -------
    intp[m]
        All of them if there are no more than `most`. Else the first, the last, and of equal
        stretches each curve's lowest and highest, which is what a line over them would show.
    """
    count = len(curves[0])
    if count <= most:
        return np.arange(count)
    stretches = max(1, most // (2 * len(curves)))
    edges = np.linspace(0, count, stretches + 1).astype(np.intp)
    kept = {0, count - 1}
    for start, stop in pairwise(edges):
        for values in curves:
            part = values[start:stop]
            kept |= {start + int(part.argmin()), start + int(part.argmax())}
    return np.array(sorted(kept), np.intp)


def worst_frames(result: Result) -> list[int]:
    """Return the numbers of the frames with the lowest blended score, the lowest first.

    One lies at least a fortieth of the clip from any other, and none is its neighbour. None is of
    the better half, so that of a clip of two or three frames there is one.
    """
    return [result.frames[position].frame_number for position in _worst(result)]


def _worst(result: Result) -> list[int]:
    """Return the places of the worst frames among those that were scored."""
    roi = series(result, "vmaf_roi")
    apart = max(2, len(roi) // _APART)
    found: list[int] = []
    for position in np.argsort(roi, kind="stable")[: max(1, len(roi) // 2)]:
        if all(abs(position - other) >= apart for other in found):
            found.append(int(position))
        if len(found) == MARKED:
            break
    return found


def example_frames(result: Result) -> dict[str, int]:
    """Return the frames of the lowest, middle and highest blended score, by what they are.

    Of equal scores the earliest. A clip of fewer than three frames has fewer.
    """
    order = np.argsort(series(result, "vmaf_roi"), kind="stable")
    # The earliest of the best: argsort would give the last of them.
    best = int(series(result, "vmaf_roi").argmax())
    places = {"worst": int(order[0]), "median": int(order[(len(order) - 1) // 2]), "best": best}
    examples: dict[str, int] = {}
    for name, place in places.items():
        number = result.frames[place].frame_number
        if number not in examples.values():
            examples[name] = number
    return examples


def histogram(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return how `values` are spread, over at most 24 bins of a round width.

    Returns
    -------
    edges : float64[n + 1]
    counts : int64[n]
    """
    low, high = float(values.min()), float(values.max())
    widths = (w for w in _BIN_WIDTHS if high // w - low // w < _MOST_BINS)
    width = next(widths, (high - low) / (_MOST_BINS - 1))
    first = np.floor(low / width)
    bins = int(np.floor(high / width) - first) + 1
    edges = (first + np.arange(bins + 1)) * width
    places = np.clip(((values / width) - first).astype(np.int64), 0, bins - 1)
    return edges, np.bincount(places, minlength=bins).astype(np.int64)
