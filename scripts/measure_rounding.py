"""Measure how often, and by how much at most, the integer path differs from float64.

python scripts/measure_rounding.py
"""

from __future__ import annotations

import numpy as np

import roi_accel
from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.plan import Plan

WIDTH, HEIGHT = 1920, 1080
MASK_WIDTH, MASK_HEIGHT = 256, 144


def main() -> None:
    """Print the rate for every bit depth, on noise."""
    rng = np.random.default_rng(0)
    mask = rng.integers(0, 65536, (MASK_HEIGHT, MASK_WIDTH), dtype=np.uint16)
    print("| depth | differs | largest difference |")
    print("|---|---|---|")
    for depth in (8, 10, 12, 16):
        pixel_format = PixelFormat("420", depth)
        plan = Plan(
            pixel_format=pixel_format,
            width=WIDTH,
            height=HEIGHT,
            mask_width=MASK_WIDTH,
            mask_height=MASK_HEIGHT,
        )
        reference, distorted = (_noise(rng, plan) for _ in range(2))
        with roi_accel.get_backend("numpy").open(plan) as session:
            masked = session.substitute(reference, distorted, mask)
        difference = np.abs(masked.planes[0] - _exact(reference, distorted, mask, plan))
        print(f"| {depth} | {np.mean(difference > 0):.4%} | {difference.max():.0f} |")


def _noise(rng: np.random.Generator, plan: Plan) -> Frame:
    high = plan.pixel_format.max_value + 1
    y, u, v = (rng.integers(0, high, s, dtype=plan.pixel_format.dtype) for s in plan.plane_shapes)
    return Frame((y, u, v), plan.pixel_format)


def _exact(reference: Frame, distorted: Frame, mask: np.ndarray, plan: Plan) -> np.ndarray:
    """Return the luma plane blended in float64 and rounded to nearest."""
    saliency = mask / 65535
    for axis, size in ((1, plan.width), (0, plan.height)):
        source = saliency.shape[axis]
        position = np.clip((np.arange(size) + 0.5) * source / size - 0.5, 0, source - 1)
        left = position.astype(int)
        right = np.minimum(left + 1, source - 1)
        share = np.expand_dims(position - left, 1 - axis)
        first, second = np.take(saliency, left, axis), np.take(saliency, right, axis)
        saliency = first * (1 - share) + second * share
    alpha = np.clip((saliency - plan.threshold) / plan.fade, 0, 1)
    blended = reference.planes[0] * (1 - alpha) + distorted.planes[0] * alpha
    return np.floor(blended + 0.5)


if __name__ == "__main__":
    main()
