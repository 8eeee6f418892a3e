"""What a machine offers to a cluster, and what a pair asks of one, in the words of Ray's resources.

``roi`` is how many pairs a machine scores at a time; ``roi_numba``, ``roi_cuda``, ``roi_opencl``,
``roi_opencl_intel`` and so on are as many, and say what can be used there. Ray adds them up and
decides who goes where; nothing here does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from roi_accel.batch.local import make_slots
from roi_accel.devices.dispatch import AUTO, AUTO_ORDER, HOST_ORDER, backend_names, probe_all
from roi_accel.inference.providers import VENDOR_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from roi_accel.backends.protocol import DeviceStatus
    from roi_accel.batch.rows import Pair

SLOTS = "roi"
"""The resource that every pair takes one of."""

_ORDER = (*HOST_ORDER, *(name for name in AUTO_ORDER if name not in HOST_ORDER))
"""Without a GPU: numba is faster than OpenCL on a processor."""


@dataclass(frozen=True)
class ResourceRequest:
    """What a pair is to be computed on, as `score` takes it; None for whatever a machine has."""

    backend: str | None = None
    device: str | None = None

    @classmethod
    def of_pair(cls, pair: Pair) -> ResourceRequest:
        """Return what a row asks for by name."""
        return cls(pair.keywords.get("backend"), pair.keywords.get("device"))

    @classmethod
    def of_name(cls, name: str) -> ResourceRequest:
        """Return what ``--worker`` asks for, such as ``numba``, ``cuda:1`` or ``opencl:intel``."""
        backend, colon, _ = name.partition(":")
        return cls(None if backend == AUTO else backend, name if colon else None)

    @property
    def is_anything(self) -> bool:
        """Whether the machine decides."""
        return self.device is None and self.backend in {None, AUTO}

    @property
    def resources(self) -> tuple[str, ...]:
        """What a machine must offer."""
        backend, _, which = (self.device or "").partition(":")
        if backend in backend_names() and which.lower() in VENDOR_WORDS.values():
            return SLOTS, f"{SLOTS}_{backend}_{which.lower()}"
        name = backend if backend in backend_names() else self.backend
        return (SLOTS,) if name in {None, AUTO} else (SLOTS, f"{SLOTS}_{name}")


def node_resources(workers: int | None = None) -> dict[str, int]:
    """Return what this machine offers to `workers` pairs at a time.

    `workers` and the error are those of `make_slots`.
    """
    count = len(make_slots((), workers))
    names = [
        name
        for backend, statuses in probe_all().items()
        for status in statuses
        if status.state == "ready"
        for name in _resources(backend, status)
    ]
    return dict.fromkeys([SLOTS, *names], count)


def _resources(backend: str, status: DeviceStatus) -> list[str]:
    """Return the resources that a device gives its machine, the most particular one last."""
    names = [f"{SLOTS}_{backend}"]
    if status.several_vendors:
        vendor = status.vendor_id
        unknown = "other" if vendor is None else f"{vendor:04x}"
        word = status.kind if status.kind == "cpu" else VENDOR_WORDS.get(vendor or 0, unknown)
        names.append(f"{names[0]}_{word}")
    return names


def devices_in_order(
    statuses: Mapping[str, list[DeviceStatus]], resources: Iterable[str]
) -> list[list[ResourceRequest]]:
    """Return the devices that a machine offers, alike ones together, the preferred ones first.

    Parameters
    ----------
    statuses : mapping of str to list of DeviceStatus
        As `probe_all` returns it.
    resources : iterable of str
        What the machine says it offers; a device that it keeps for itself is not among them.
    """
    offered = set(resources)
    groups: dict[tuple[bool, str], list[ResourceRequest]] = {}
    for backend, devices in statuses.items():
        for status in devices:
            if status.state == "ready" and _resources(backend, status)[-1] in offered:
                # A backend with one device knows it without a name.
                device = status.device if ":" in status.device else None
                request = ResourceRequest(backend, device)
                groups.setdefault((status.kind == "gpu", backend), []).append(request)
    return [groups[key] for key in sorted(groups, key=_rank)]


def _rank(key: tuple[bool, str]) -> tuple[bool, int]:
    is_gpu, backend = key
    order = AUTO_ORDER if is_gpu else _ORDER
    return not is_gpu, order.index(backend) if backend in order else len(order)
