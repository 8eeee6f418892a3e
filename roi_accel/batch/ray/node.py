"""A node of a Ray cluster: the resources that it offers, and what it does with a job.

``roi`` is how many pairs a machine scores at a time; ``roi_numba``, ``roi_cuda``, ``roi_opencl``,
``roi_opencl_intel`` and so on are as many, and say what can be used there. Ray adds them up and
decides where a job goes. The engine sends `do_job` by its name only, so every node has roi-accel
itself. What one process learned of its devices it keeps for its next job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - dataclasses read their annotations
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._version import __version__
from roi_accel.batch.jobs import Failure, Outcome
from roi_accel.batch.local import make_slots
from roi_accel.batch.locks import scratch_folder, temporary_files_in
from roi_accel.batch.worker import Attestation, Slot, score_pairs, self_test
from roi_accel.devices.dispatch import AUTO, AUTO_ORDER, HOST_ORDER, backend_names, probe_all
from roi_accel.errors import BackendUnavailable
from roi_accel.inference.providers import VENDOR_WORDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

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


EVERY_DEVICE = "every device"
"""In place of a device's name, where all of a node are meant."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the engine says besides the pairs."""

    version: str  # of the engine, which a score depends on
    number: int  # of the job; the alike devices of a node take turns by it
    request: ResourceRequest
    avoided: Mapping[str, frozenset[str]]  # devices that are not to be used, by the node's id
    reproducible: bool
    files_record: bool
    filed: frozenset[tuple[str, str]]  # nodes and devices whose record is there


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the node of id `node` did, and the devices there that it could not trust."""

    node: str
    excluded: Sequence[tuple[str, Failure]] = ()
    device: str | None = None  # None where nothing was left for the pairs here
    attestation: Attestation | None = None
    record: tuple[str, bytes] | None = None  # name and content
    outcomes: Sequence[Outcome] = ()


def do_job(pairs: tuple[Pair, ...], order: Order) -> Answer:
    """Score `pairs` on a device of this node; what goes wrong is part of the answer."""
    node = _this_node()
    if order.version != __version__:
        msg = f"roi-accel {__version__} is installed there, but the batch is of {order.version}"
        failure = Failure.of(BackendUnavailable(msg, remedy="install one version on every node"))
        return Answer(node=node.id, excluded=[(EVERY_DEVICE, failure)])
    excluded: list[tuple[str, Failure]] = []
    with scratch_folder() as folder, temporary_files_in(folder):
        for slot in node.slots(order):
            is_filed = not order.files_record or (node.id, slot.name) in order.filed
            tested = node.tested(slot, None if is_filed else folder)
            if isinstance(tested, Failure):
                excluded.append((slot.name, tested))
                continue
            outcomes = score_pairs(pairs, slot)
            if any(isinstance(outcome, Failure) and outcome.is_of_device for outcome in outcomes):
                node.forget(slot)  # It failed once: it is to be tested again.
            attestation, record = tested
            return Answer(
                node=node.id,
                excluded=excluded,
                device=slot.name,
                attestation=attestation,
                record=None if is_filed else record,
                outcomes=outcomes,
            )
    return Answer(node=node.id, excluded=excluded)


_Tested = tuple[Attestation, tuple[str, bytes] | None]
"""A device's attestation, and the name and content of its parity record."""


class _Node:
    """What this process knows of the node that it is on."""

    def __init__(self, node_id: str, resources: Mapping[str, float]) -> None:
        self.id = node_id
        self._devices = devices_in_order(probe_all(), resources)
        self._threads = max(1, int(resources.get("CPU", 1) / max(1, resources.get(SLOTS, 1))))
        self._tested: dict[Slot, _Tested | Failure] = {}

    def slots(self, order: Order) -> Iterator[Slot]:
        """Yield what the job may be done on, the best first."""
        avoided = order.avoided.get(self.id, frozenset())
        for alike in self._groups(order.request):
            slots = [
                Slot(
                    number=0,
                    backend=device.backend,
                    device=device.device,
                    threads=self._threads,
                    reproducible=order.reproducible,
                )
                for device in alike
            ]
            usable = [slot for slot in slots if slot.name not in avoided]
            for step in range(len(usable)):
                yield usable[(order.number + step) % len(usable)]

    def _groups(self, request: ResourceRequest) -> list[list[ResourceRequest]]:
        if request.is_anything:
            return self._devices
        groups = [group for group in self._devices if group[0].backend == request.backend]
        if request.device is not None or request.backend is None:
            groups = []
        return groups or [[request]]  # `score` says why there is none.

    def tested(self, slot: Slot, folder: Path | None) -> _Tested | Failure:
        """Return what came of the device's self-test, which this process runs once."""
        if slot not in self._tested:
            try:
                self._tested[slot] = _run_self_test(slot, folder)
            except Exception as error:  # noqa: BLE001 - the device cannot be trusted then
                self._tested[slot] = Failure.of(error)
        return self._tested[slot]

    def forget(self, slot: Slot) -> None:
        """Have the device tested again."""
        self._tested.pop(slot, None)


def _run_self_test(slot: Slot, folder: Path | None) -> _Tested:
    if folder is None:
        return self_test(slot), None
    records = folder / "records"
    records.mkdir(exist_ok=True)
    attestation = self_test(slot, records=records)
    if attestation.record is None:
        return attestation, None
    path = Path(attestation.record)
    return replace(attestation, record=None), (path.name, path.read_bytes())


@cache  # One per process: a worker of Ray has no other place between two jobs.
def _this_node() -> _Node:
    import ray  # noqa: PLC0415 - only where there is one

    node_id = ray.get_runtime_context().get_node_id()
    resources = (node["Resources"] for node in ray.nodes() if node["NodeID"] == node_id)
    return _Node(node_id, next(resources, {}))
