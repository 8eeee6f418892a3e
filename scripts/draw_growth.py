"""Draw docs/images/growth.svg: seconds of a whole run by frames, pixels and distorted videos.

python -m pip install matplotlib
python scripts/draw_growth.py bench/results/DATE-MACHINE-whole-runs.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib import pyplot as plt

from roi_accel.bench.inputs import SIZES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from matplotlib.axes import Axes

    Row = Mapping[str, Any]

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "growth.svg"
_MEGA = 1e6


def main() -> None:
    """Write the picture from the report that the command line names."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one file
        sys.exit(f"name one report of whole runs: python {sys.argv[0]} bench/results/FILE.json")
    rows = json.loads(Path(sys.argv[1]).read_text("utf-8"))["growth"]
    mpl.rcParams["svg.hashsalt"] = "roi-accel"  # so that the same figures give the same file
    figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained", sharey=True)
    for axis, name in zip(axes, _NUMBERS, strict=True):
        _draw(axis, rows, name)
    axes[0].set_ylabel("seconds")
    figure.savefig(OUTPUT, metadata={"Date": None})


def _draw(axis: Axes, rows: list[Row], name: str) -> None:
    """Draw the rows that differ from the base in that number alone, medians with their ranges."""
    base = _base(rows)
    number = _NUMBERS[name]
    others = [each for other, each in _NUMBERS.items() if other != name]
    chosen = [row for row in rows if all(other(row) == other(base) for other in others)]
    chosen.sort(key=number)
    x = [number(row) for row in chosen]
    median = [row["median"] for row in chosen]
    below = [row["median"] - row["min"] for row in chosen]
    above = [row["max"] - row["median"] for row in chosen]
    axis.errorbar(x, median, yerr=(below, above), marker="o", capsize=3)
    axis.set(xlabel=name, xlim=(0, None), ylim=(0, None))
    axis.grid(alpha=0.3)


def _base(rows: list[Row]) -> Row:
    """Return the row from which the others differ in one number each."""
    frames = next(row["frames"] for row in rows if row["distorted"] > 1)
    return next(
        row
        for row in rows
        if (row["frames"], row["size"], row["distorted"]) == (frames, "1080p", 1)
    )


def _megapixels(row: Row) -> float:
    width, height = SIZES[row["size"]]
    return width * height / _MEGA


_NUMBERS: Mapping[str, Callable[[Row], float]] = {
    "frames": lambda row: row["frames"],
    "megapixels of a frame": _megapixels,
    "distorted videos": lambda row: row["distorted"],
}


if __name__ == "__main__":
    main()
