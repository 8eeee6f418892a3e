"""How a run's threads are divided, so that decoder, network, kernels and VMAF do not fight."""

from __future__ import annotations

from dataclasses import dataclass

_VMAF_PER_HELPER = 4
"""VMAF takes most of a run's time on the processor; one thread in so many helps beside it."""


@dataclass(frozen=True)
class ThreadShares:
    """Threads that each part of a run may keep busy.

    Attributes
    ----------
    decode : int
        Of each video's decoder.
    network : int
        ONNX Runtime's, within one operator.
    kernels : int
        A backend's on the processor.
    vmaf : int
        libvmaf's, all variants together.
    """

    decode: int
    network: int
    kernels: int
    vmaf: int


def share_threads(total: int) -> ThreadShares:
    """Return the shares of `total` threads.

    VMAF gets them all: it is what a run waits for. The others work only until its queues are full
    and then wait, so they get few, and none of them takes all cores at once.
    """
    helpers = max(1, total // _VMAF_PER_HELPER)
    return ThreadShares(decode=helpers, network=helpers, kernels=helpers, vmaf=total)
