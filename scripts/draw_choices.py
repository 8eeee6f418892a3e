"""Draw the pictures of docs/choosing.md, and print its table: what threshold and fade keep.

python -m pip install matplotlib && python scripts/draw_choices.py
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from demo_frame import look_at, read_frame

import roi_accel
from roi_accel.backends.tables import ONE
from roi_accel.cli.demo import make_pair
from roi_accel.options import DEFAULT_THRESHOLD, ScoreOptions
from roi_accel.results.summary import percent

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from roi_accel.backends.frame import Frame
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Mask

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "images"
THRESHOLDS = (0.1, 0.3, 0.5, 0.7)
EXTREMES = (0.0, 0.9)
"""Thresholds in the table that are too low and too high."""

FADES = (0.0, 0.1, 0.3, 0.5)
DEFAULT_FADE = ScoreOptions().fade


def main() -> None:
    """Write docs/images/choosing-*.png from one frame of the demo's pair, and print the table."""
    with tempfile.TemporaryDirectory() as folder:
        reference, distorted = make_pair(Path(folder))
        _draw(read_frame(reference))
        print("| threshold | fade | coverage | vmaf_full | vmaf_masked | vmaf_roi |")
        print("|---|---|---|---|---|---|")
        pairs = [(threshold, DEFAULT_FADE) for threshold in sorted((*THRESHOLDS, *EXTREMES))]
        pairs += [(DEFAULT_THRESHOLD, fade) for fade in FADES if fade != DEFAULT_FADE]
        for threshold, fade in pairs:
            result = roi_accel.score(reference, distorted, threshold=threshold, fade=fade)
            alpha = result.pooled_metrics["alpha_mean"]["mean"]
            scores = (result.vmaf_full, result.vmaf_masked, result.vmaf_roi)
            cells = " | ".join(f"{score:.2f}" for score in scores)
            print(f"| {threshold:g} | {fade:g} | {percent(alpha)} | {cells} |")


def _draw(reference: Frame) -> None:
    plan, mask = look_at(reference)

    figure, axes = plt.subplots(1, 2, figsize=(9, 2.9), layout="constrained")
    axes[0].imshow(reference.planes[0], cmap="gray", vmin=16, vmax=235)
    axes[0].set_title("a frame")
    shown = axes[1].imshow(mask / 65535, cmap="viridis", vmin=0, vmax=1)
    axes[1].set_title("its mask: saliency from 0 to 1")
    figure.colorbar(shown, ax=axes[1])
    _save(figure, axes, "choosing-mask.png")

    figure, axes = plt.subplots(1, len(THRESHOLDS), figsize=(12, 2.2), layout="constrained")
    for axis, threshold in zip(axes, THRESHOLDS, strict=True):
        _show(axis, replace(plan, threshold=threshold, fade=DEFAULT_FADE), mask)
    _save(figure, axes, "choosing-threshold.png")

    figure, axes = plt.subplots(1, len(FADES), figsize=(12, 2.2), layout="constrained")
    for axis, fade in zip(axes, FADES, strict=True):
        _show(axis, replace(plan, threshold=DEFAULT_THRESHOLD, fade=fade), mask)
    _save(figure, axes, "choosing-fade.png")


def _show(axis: Axes, plan: Plan, mask: Mask) -> None:
    """Show alpha as the backends compute it: white is kept as it is, black is made perfect."""
    with roi_accel.get_backend("numpy").open(plan) as session:
        alpha = session.upsample(mask)[0] / ONE
    axis.imshow(alpha, cmap="gray", vmin=0, vmax=1)
    axis.set_title(f"threshold {plan.threshold:g}, fade {plan.fade:g}: {alpha.mean():.0%} counts")


def _save(figure: plt.Figure, axes: np.ndarray, name: str) -> None:
    for axis in axes:
        axis.axis("off")
    figure.savefig(FOLDER / name, dpi=70, metadata={"Software": None})


if __name__ == "__main__":
    main()
