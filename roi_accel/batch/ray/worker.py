"""What a node of a Ray cluster does with a job: choose a device, have it proved, score the pairs.

A function of this module is what the engine sends; its name only, so every node has roi-accel
itself. What one process learned of its devices it keeps for its next job.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence  # noqa: TC003 - dataclasses read their annotations
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._version import __version__
from roi_accel.batch.outcome import Failure, Outcome
from roi_accel.batch.ray.resources import SLOTS, Wanted, devices_in_order
from roi_accel.batch.ray.scratch import scratch_folder
from roi_accel.batch.worker import Slot, Trust, prove, score_pairs
from roi_accel.devices.dispatch import probe_all
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.batch.rows import Pair

EVERY_DEVICE = "every device"
"""In place of a device's name, where all of a node are meant."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the engine says besides the pairs.

    Attributes
    ----------
    version : str
        The engine's own, which a score depends on.
    number : int
        Of the job; jobs are dealt out by it to the alike devices of a node.
    wanted : Wanted
    avoided : mapping of str to frozenset of str
        Devices that are not to be used, by the node's id.
    reproducible : bool
        See `Slot`.
    files_record : bool
        Whether parity records are wanted.
    filed : frozenset of (str, str)
        Nodes and devices whose record is there.
    """

    version: str
    number: int
    wanted: Wanted
    avoided: Mapping[str, frozenset[str]]
    reproducible: bool
    files_record: bool
    filed: frozenset[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a node did.

    Attributes
    ----------
    node : str
        Its id.
    excluded : sequence of (str, Failure)
        Devices that could not be trusted, and why.
    device : str or None
        What the pairs were scored on; None where nothing was left for them here.
    trust : Trust or None
    record : (str, bytes) or None
        Name and content of a parity record.
    outcomes : sequence of Outcome
    """

    node: str
    excluded: Sequence[tuple[str, Failure]] = ()
    device: str | None = None
    trust: Trust | None = None
    record: tuple[str, bytes] | None = None
    outcomes: Sequence[Outcome] = field(default=())


def do_job(pairs: tuple[Pair, ...], order: Order) -> Answer:
    """Score `pairs` on a device of this node; what goes wrong is part of the answer."""
    node = _this_node()
    if order.version != __version__:
        found = f"roi-accel {__version__} is installed there, but the batch is of {order.version}"
        failure = Failure.of(BackendUnavailable(found, remedy="install one version on every node"))
        return Answer(node=node.id, excluded=[(EVERY_DEVICE, failure)])
    with scratch_folder() as folder:
        excluded: list[tuple[str, Failure]] = []
        for slot in node.slots(order):
            is_filed = not order.files_record or (node.id, slot.name) in order.filed
            proof = node.proof(slot, None if is_filed else folder)
            if isinstance(proof, Failure):
                excluded.append((slot.name, proof))
                continue
            answer = Answer(
                node=node.id,
                excluded=excluded,
                device=slot.name,
                trust=proof.trust,
                record=None if is_filed else proof.record,
                outcomes=score_pairs(pairs, slot),
            )
            if any(isinstance(each, Failure) and each.is_of_device for each in answer.outcomes):
                node.forget(slot)  # It failed once: it is to prove itself again.
            return answer
        return Answer(node=node.id, excluded=excluded)


@dataclass(frozen=True)
class _Proof:
    trust: Trust
    record: tuple[str, bytes] | None


class _Node:
    """What this process knows of the node that it is on."""

    def __init__(self, node_id: str, resources: Mapping[str, float]) -> None:
        self.id = node_id
        self._devices = devices_in_order(probe_all(), resources)
        self._threads = max(1, int(resources.get("CPU", 1) / max(1, resources.get(SLOTS, 1))))
        self._proofs: dict[Slot, _Proof | Failure] = {}

    def slots(self, order: Order) -> Iterator[Slot]:
        """Yield what the job may be done on, the best first."""
        avoided = order.avoided.get(self.id, frozenset())
        for alike in self._groups(order.wanted):
            slots = [self._slot(each, order) for each in alike]
            usable = [slot for slot in slots if slot.name not in avoided]
            for step in range(len(usable)):
                yield usable[(order.number + step) % len(usable)]

    def _groups(self, wanted: Wanted) -> list[list[Wanted]]:
        if wanted.is_anything:
            return self._devices
        if wanted.device is not None or wanted.backend is None:
            return [[wanted]]
        return [group for group in self._devices if group[0].backend == wanted.backend] or [
            [wanted]
        ]  # It is for `score` to say why there is none.

    def _slot(self, device: Wanted, order: Order) -> Slot:
        return Slot(
            number=0,
            backend=device.backend,
            device=device.device,
            threads=self._threads,
            reproducible=order.reproducible,
        )

    def proof(self, slot: Slot, folder: Path | None) -> _Proof | Failure:
        """Return what the device proved in this process; it proves it once."""
        if slot not in self._proofs:
            try:
                self._proofs[slot] = _proved(slot, folder)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is not to be trusted
                self._proofs[slot] = Failure.of(error)
        return self._proofs[slot]

    def forget(self, slot: Slot) -> None:
        """Have the device prove itself again."""
        self._proofs.pop(slot, None)


def _proved(slot: Slot, folder: Path | None) -> _Proof:
    if folder is None:
        return _Proof(prove(slot), None)
    records = folder / "records"
    records.mkdir(exist_ok=True)
    trust = prove(slot, records=records)
    if trust.record is None:
        return _Proof(trust, None)
    path = Path(trust.record)
    return _Proof(replace(trust, record=None), (path.name, path.read_bytes()))


@cache  # One per process: a worker of Ray has no other place between two jobs.
def _this_node() -> _Node:
    import ray  # noqa: PLC0415 - only where there is one

    node_id = ray.get_runtime_context().get_node_id()
    found: list[dict[str, Any]] = [each for each in ray.nodes() if each["NodeID"] == node_id]
    return _Node(node_id, found[0]["Resources"] if found else {})
