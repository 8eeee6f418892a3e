"""The blend of two scores and the pools over time: the only arithmetic on scores there is."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def blend(full: float, masked: float, weight: float) -> float:
    """Return ``(1 - weight) * full + weight * masked``.

    Parameters
    ----------
    full, masked : float
        VMAF of the whole frame and of its salient part. Never clamped: some models exceed 100.
    weight : float
        The masked score's share, in [0, 1].

    Raises
    ------
    ValueError
        A score is not finite, or the weight is not in [0, 1].
    """
    if not 0.0 <= weight <= 1.0:
        msg = f"weight must be in [0, 1], not {weight}"
        raise ValueError(msg)
    if not (math.isfinite(full) and math.isfinite(masked)):
        msg = f"scores must be finite, not {full} and {masked}"
        raise ValueError(msg)
    return (1.0 - weight) * full + weight * masked


def pool(values: Sequence[float], saliency: Sequence[float]) -> dict[str, float]:
    """Return the pools of one metric over time.

    Parameters
    ----------
    values : sequence of float
        The metric per frame; not empty.
    saliency : sequence of float
        Each frame's mean saliency in [0, 1], as long as `values`.

    Returns
    -------
    dict
        ``min``, ``max``, ``mean``; ``harmonic_mean`` as libvmaf defines it (libvmaf/src/libvmaf.c),
        n / sum(1 / (v + 1)) - 1, absent where a value is -1 or less and it means nothing; and
        ``saliency_weighted_mean``, sum(s * v) / sum(s), which is the mean where no frame has any
        saliency.

    Raises
    ------
    ValueError
        A value or a saliency is not finite, or there are not as many of one as of the other.
    """
    if not all(map(math.isfinite, (*values, *saliency))):
        msg = "values and saliency must be finite"
        raise ValueError(msg)
    count = len(values)
    mean = math.fsum(values) / count
    pools = {"min": min(values), "max": max(values), "mean": mean}
    if pools["min"] > -1.0:
        pools["harmonic_mean"] = count / math.fsum(1.0 / (v + 1.0) for v in values) - 1.0
    largest = max(saliency)
    # Relative to the largest, so that the products of tiny weights cannot vanish.
    weights = [s / largest if largest > 0.0 else 1.0 for s in saliency]
    weighted = math.fsum(s * v for s, v in zip(weights, values, strict=True))
    pools["saliency_weighted_mean"] = weighted / math.fsum(weights)
    return pools
