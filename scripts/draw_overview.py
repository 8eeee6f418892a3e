"""Draw README's picture: reference, distorted, where people look, and what VMAF gets to see.

python -m pip install matplotlib && python scripts/draw_overview.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
import numpy as np
from demo_frame import look_at, read_frame

import roi_accel
from roi_accel.cli.demo import make_pair

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "overview.png"


def main() -> None:
    """Write docs/images/overview.png from one frame of the demo's pair."""
    with tempfile.TemporaryDirectory() as folder:
        reference, distorted = (read_frame(path) for path in make_pair(Path(folder)))
    plan, mask = look_at(reference)
    with roi_accel.get_backend("numpy").open(plan) as session:
        masked = session.substitute(reference, distorted, mask)
    figure, axes = plt.subplots(1, 4, figsize=(16, 2.75), layout="constrained")
    pictures = (reference, distorted, reference, masked)
    titles = ("reference", "distorted", "where people look", "distorted, masked")
    for axis, picture, title in zip(axes, pictures, titles, strict=True):
        axis.imshow(_rgb(picture))
        axis.set_title(title, fontsize=15)
        axis.axis("off")
    height, width = picture.height, picture.width
    axes[2].imshow(mask / 65535, cmap="viridis", alpha=0.65, extent=(0, width, height, 0))
    figure.savefig(OUTPUT, dpi=75)


def _rgb(frame: Frame) -> np.ndarray:
    """Return the frame as RGB in 0..1 for the eye only (BT.709, limited range)."""
    luma = (frame.planes[0] - 16.0) / 219
    blue, red = ((p.repeat(2, 0).repeat(2, 1) - 128.0) / 224 for p in frame.planes[1:])
    green = luma - 0.1873 * blue - 0.4681 * red
    return np.clip(np.stack([luma + 1.5748 * red, green, luma + 1.8556 * blue], -1), 0, 1)


if __name__ == "__main__":
    main()
