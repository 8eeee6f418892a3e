"""How many frames a network infers at once: decided once per run, by trying.

The file may promise a free batch axis that its nodes do not keep, and a provider may add in another
order for another shape. So a batch is used only where its maps were the same to the last bit as
those of its frames alone, on this network, size and provider (docs/adr/0010-batches.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.errors import InputError, RoiAccelError
from roi_accel.inference.providers import CUDA_PROVIDER, DML_PROVIDER

if TYPE_CHECKING:
    from roi_accel._util.timing import Stopwatch
    from roi_accel.backends.plan import ModelSize
    from roi_accel.inference.network import SaliencyNetwork

AUTO_BATCH = "auto"
MAX_BATCH = 64
"""Frames of every video wait for their batch; more would be gigabytes at 4K."""

_AUTO = {CUDA_PROVIDER: 4, DML_PROVIDER: 4}
"""Frames at once on GPU providers that take a shape as it comes; others compile for each, and on
the processor one frame keeps its threads busy."""


@dataclass(frozen=True)
class Batch:
    """How many frames at once, from 1, and why so many, for people."""

    frames: int
    reason: str


def parse_batch(text: str | int) -> int | None:
    """Return how many frames ``--saliency-batch`` allows by `text`, None for ``auto``.

    InputError if `text` is neither ``auto`` nor a whole number from 1 to 64.
    """
    if text == AUTO_BATCH:
        return None
    try:
        frames = int(text)
    except ValueError:
        frames = 0
    if not 1 <= frames <= MAX_BATCH:
        msg = f"{text!r} is neither '{AUTO_BATCH}' nor from 1 to {MAX_BATCH}"
        raise InputError(msg, remedy=f"leave it out for {AUTO_BATCH}")
    return frames


def decide_batch(
    network: SaliencyNetwork,
    size: ModelSize,
    asked: int | None,
    stopwatch: Stopwatch,
    *,
    stride: int = 1,
) -> Batch:
    """Return how many frames `network` is to infer at once, at most `asked`.

    Parameters
    ----------
    network : SaliencyNetwork
    size : ModelSize
        Of its inputs.
    asked : int or None
        None leaves it to the provider.
    stopwatch : Stopwatch
        Counts the stage ``try_batch``, where there is something to try.
    stride : int
        How many frames wait for each inference; all in all not above MAX_BATCH.
    """
    provider = network.providers.attached[0]
    frames = _AUTO.get(provider, 1) if asked is None else asked
    reason = f"{AUTO_BATCH} on {provider}" if asked is None else "as asked"
    if frames * stride > MAX_BATCH:
        frames = MAX_BATCH // stride
        reason = f"with --saliency-stride {stride}, {MAX_BATCH} frames wait for it already"
    if frames == 1:
        return Batch(1, reason)
    if not network.takes_batches:
        return Batch(1, f"network {network.model.name} takes one frame at a time")
    with stopwatch.stage("try_batch"):
        trouble = _trouble(network, size, frames)
    return Batch(1, trouble) if trouble else Batch(frames, reason)


def _trouble(network: SaliencyNetwork, size: ModelSize, frames: int) -> str:
    """Return what is wrong with maps made `frames` at once, empty if nothing is."""
    shape = (frames, 3, size.padded_height, size.padded_width)
    # Pictures that differ from one another, in the range of normalised RGB.
    inputs = np.random.default_rng(0).uniform(-2, 2.6, shape).astype(np.float32)
    together = f"network {network.model.name} on {network.providers.attached[0]}"
    try:
        maps = network.infer_batch(inputs)
        alone = np.stack([network.infer(one[np.newaxis]) for one in inputs])
    except RoiAccelError as error:
        return f"{together} cannot infer {frames} frames at once: {error.message}"
    if np.array_equal(maps.view(np.uint32), alone.view(np.uint32)):  # to the last bit
        return ""
    return f"{together} makes other maps of {frames} frames at once than of each alone"
