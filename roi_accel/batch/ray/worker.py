"""What a node of a Ray cluster does with a job: choose a device, test it, score the pairs.

A function of this module is what the engine sends; its name only, so every node has roi-accel
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
from roi_accel.batch.locks import scratch_folder, temporary_files_in
from roi_accel.batch.ray.resources import SLOTS, ResourceRequest, devices_in_order
from roi_accel.batch.worker import Attestation, Slot, score_pairs, self_test
from roi_accel.devices.dispatch import probe_all
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.batch.rows import Pair

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
