"""One frame of the demo's pair and its mask, for the scripts that draw pictures of docs/."""

from __future__ import annotations

from typing import TYPE_CHECKING

import roi_accel
from roi_accel.backends.arithmetic import quantise
from roi_accel.backends.frame import Frame
from roi_accel.backends.plan import Plan
from roi_accel.inference.models import resolve
from roi_accel.inference.network import DEFAULT_SIZE, SaliencyNetwork, SaliencySize
from roi_accel.inference.providers import plan_provider
from roi_accel.options import DEFAULT_NETWORK
from roi_accel.video import open_video

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.protocol import Mask

FRAME = 20


def read_frame(path: Path) -> Frame:
    """Return frame 20 of a video."""
    with open_video(path) as reader:
        for number, frame in enumerate(reader):
            if number == FRAME:
                # The reader may reuse its buffers once it is closed.
                y, u, v = (plane.copy() for plane in frame.planes)
                return Frame((y, u, v), frame.pixel_format)
    message = f"{path} has no frame {FRAME}"
    raise ValueError(message)


def look_at(reference: Frame) -> tuple[Plan, Mask]:
    """Return the mask that the built-in network makes of a frame, and the plan it belongs to."""
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
        saliency = network.infer(session.preprocess(reference))
    return plan, quantise(saliency[: size.height, : size.width])
