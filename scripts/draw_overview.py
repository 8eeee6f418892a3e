"""Draw README's picture: reference, distorted, where people look, and what VMAF gets to see.

python -m pip install matplotlib && python scripts/draw_overview.py
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

import roi_accel
from roi_accel.backends.arithmetic import quantise
from roi_accel.backends.frame import Frame
from roi_accel.backends.plan import Plan
from roi_accel.demo import make_pair
from roi_accel.models import resolve
from roi_accel.options import DEFAULT_NETWORK
from roi_accel.providers import plan_provider
from roi_accel.saliency import DEFAULT_SIZE, SaliencyNetwork, SaliencySize
from roi_accel.video import open_video

OUTPUT = Path(__file__).resolve().parent.parent / "docs" / "images" / "overview.png"
FRAME = 20


def main() -> None:
    """Write docs/images/overview.png from one frame of the demo's pair."""
    with tempfile.TemporaryDirectory() as folder:
        reference, distorted = (_frame(path) for path in make_pair(Path(folder)))
    size = SaliencySize(DEFAULT_SIZE).for_frame(reference.width, reference.height)
    plan = Plan(
        pixel_format=reference.pixel_format,
        width=reference.width,
        height=reference.height,
        mask_width=size.width,
        mask_height=size.height,
        model=size,
    )
    network = SaliencyNetwork(resolve(DEFAULT_NETWORK), plan_provider("numpy"), threads=1)
    with roi_accel.get_backend("numpy").open(plan) as session:
        mask = quantise(network.infer(session.preprocess(reference))[: size.height, : size.width])
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


def _frame(path: Path) -> Frame:
    with open_video(path) as reader:
        for number, frame in enumerate(reader):
            if number == FRAME:
                # The reader may reuse its buffers once it is closed.
                y, u, v = (plane.copy() for plane in frame.planes)
                return Frame((y, u, v), frame.pixel_format)
    message = f"{path} has no frame {FRAME}"
    raise ValueError(message)


def _rgb(frame: Frame) -> np.ndarray:
    """Return the frame as RGB in 0..1 for the eye only (BT.709, limited range)."""
    luma = (frame.planes[0] - 16.0) / 219
    blue, red = ((p.repeat(2, 0).repeat(2, 1) - 128.0) / 224 for p in frame.planes[1:])
    green = luma - 0.1873 * blue - 0.4681 * red
    return np.clip(np.stack([luma + 1.5748 * red, green, luma + 1.8556 * blue], -1), 0, 1)


if __name__ == "__main__":
    main()
