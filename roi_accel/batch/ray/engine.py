"""The engine of many machines: Ray decides where a job runs and runs it again if its node dies.

This module keeps a few jobs per slot in Ray's hands, takes the answers as they come, and sends on a
job that a device could not do. Nodes that a job may not go to any more are part of its request.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._util.files import write_atomically
from roi_accel._version import __version__
from roi_accel.batch.jobs import Died, Excluded, Failure, Finished, Job, Ready, Refused
from roi_accel.batch.ray.node import (
    EVERY_DEVICE,
    SLOTS,
    Answer,
    Order,
    ResourceRequest,
    do_job,
)
from roi_accel.batch.rows import at, is_url, names_no_device, resolve_paths
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from roi_accel.batch.jobs import Event, JobFactory, Outcome, Task
    from roi_accel.batch.ray.cluster import Cluster
    from roi_accel.batch.rows import Pair

_JOBS_PER_SLOT = 2
"""One that runs and one that waits: no slot idles, and an autoscaler sees that there is more."""

_RETRIES = 2
"""Of a job whose worker or node died; a job that dies once more is taken to be the reason."""

_MOST_REFUSALS = 3
"""Devices that may fail at a job before the job is taken to be the reason."""

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_OF_PATIENCE = 60.0
"""What a node may take to come where there is none that can do a job: they restart, or scale up."""


@dataclass(frozen=True)
class _Submitted:
    """A job in Ray's hands."""

    job: Job
    request: ResourceRequest
    barred: frozenset[str]
    stranded_at: float | None = None


class RayEngine:
    """The nodes of a Ray cluster that offer ``roi``.

    Parameters
    ----------
    cluster : Cluster
    devices : sequence of str
        What pairs that name no backend are computed on, as ``--worker`` takes it; each job asks for
        one of them. Default: what the node it comes to has.
    workers : int, optional
        Jobs at a time, at most. Default: as many as the nodes offer.
    reproducible : bool
        See `roi_accel.batch.worker.Slot`.
    records : Path or None
        The folder for parity records, on this machine.
    patience : float
        Seconds to wait for a node that can do a job, where there is none.
    """

    def __init__(
        self,
        cluster: Cluster,
        *,
        devices: Sequence[str] = (),
        workers: int | None = None,
        reproducible: bool = False,
        records: Path | None = None,
        patience: float = _SECONDS_OF_PATIENCE,
    ) -> None:
        self._cluster = cluster
        self._requests = [*map(ResourceRequest.of_name, devices)] or [ResourceRequest()]
        self._workers = workers
        self._reproducible = reproducible
        self._records = records
        self._patience = patience
        self._submitted: dict[Any, _Submitted] = {}
        self._again: deque[tuple[Job, frozenset[str]]] = deque()
        self._avoided: defaultdict[str, dict[str, Failure]] = defaultdict(dict)
        self._barren: defaultdict[ResourceRequest, set[str]] = defaultdict(set)
        self._ready: set[tuple[str, str]] = set()
        self._filed: dict[tuple[str, str], str] = {}
        self._count = 0
        self._gave_up = False

    def run(self, factories: Iterator[JobFactory]) -> Iterator[Event]:
        """Yield what happens until every job is finished, or no node is left."""
        jobs = (job for factory in factories if (job := factory()) is not None)
        self._cluster.connect()
        for request in self._requests:
            self._cluster.require(request.resources)
        while True:
            for node in self._cluster.refresh():
                yield Died(node.label, None, "is gone, node and all; its pairs go to others")
            self._submit_jobs(jobs)
            if not self._submitted:
                return
            for ref in self._cluster.wait(list(self._submitted), seconds=_SECONDS_BETWEEN_LOOKS):
                yield from self._take(ref)
            yield from self._give_up_on_stranded()

    def close(self) -> None:
        """End everything at once; safe to call twice."""
        self._cluster.close(list(self._submitted))
        self._submitted.clear()

    def _submit_jobs(self, jobs: Iterator[Job]) -> None:
        """Give Ray as many jobs as it can use soon, those that come back first."""
        slots = int(sum(node.resources.get(SLOTS, 0) for node in self._cluster.nodes))
        most = self._workers or max(1, slots * _JOBS_PER_SLOT)
        while len(self._submitted) < most:
            if self._again:
                self._submit(*self._again.popleft())
            elif not self._gave_up and (job := next(jobs, None)) is not None:
                self._submit(job, frozenset())
            else:
                return

    def _submit(self, job: Job, barred: frozenset[str]) -> None:
        request = ResourceRequest.of_pair(job.tasks[0].pair)
        if names_no_device(job.tasks[0].pair):
            counts = Counter(submitted.request for submitted in self._submitted.values())
            request = min(self._requests, key=counts.__getitem__)
        order = Order(
            version=__version__,
            number=self._count,
            request=request,
            avoided=self._avoided_for(job),
            reproducible=self._reproducible,
            files_record=self._records is not None,
            filed=frozenset(self._filed),
        )
        self._count += 1
        ref = self._cluster.submit(
            do_job,
            (tuple(_anywhere(task.pair) for task in job.tasks), order),
            resources=request.resources,
            barred=barred | self._barren[request],
            retries=_RETRIES,
        )
        self._submitted[ref] = _Submitted(job, request, barred)

    def _avoided_for(self, job: Job) -> dict[str, frozenset[str]]:
        """Return the devices that `job` must not be done on, by node."""
        avoided = {node: frozenset(devices) for node, devices in self._avoided.items()}
        for name in job.refused:
            node, _, device = name.partition(" ")
            avoided[node] = avoided.get(node, frozenset()) | {device}
        return avoided

    def _take(self, ref: object) -> Iterator[Event]:
        """Say what became of a job, and see to what is left of it."""
        submitted = self._submitted.pop(ref)
        job = submitted.job
        answer = self._cluster.answer(ref)
        if isinstance(answer, Answer):
            yield from self._after(submitted, answer)
        elif isinstance(answer, Failure):
            yield _failed(job, answer)
        elif len(job.tasks) > 1:
            # One of them may be the reason; the others are not to suffer for it.
            yield Died("on some node", job, f"died {1 + _RETRIES} times")
            again = replace(job, deaths=job.deaths + 1 + _RETRIES)
            self._again.extend((single, submitted.barred) for single in again.alone())
        else:
            died = f"{1 + _RETRIES} workers died over it: {answer}"
            remedy = "memory may be short; offer fewer slots per node"
            yield _failed(job, Failure.of(BackendUnavailable(died, remedy=remedy)))

    def _after(self, submitted: _Submitted, answer: Answer) -> Iterator[Event]:
        node, job = self._cluster.node(answer.node), submitted.job
        for device, failure in answer.excluded:
            if device not in self._avoided[node.id]:
                self._avoided[node.id][device] = failure
                yield Excluded(f"{node.label} {device}", f"{device} on {node.label}", failure)
        if answer.device is None or answer.attestation is None:
            # Nothing is left for the job there: Ray keeps it off that node.
            if EVERY_DEVICE in self._avoided[node.id] or not job.refused:
                self._barren[submitted.request].add(node.id)
            self._again.append((job, submitted.barred | {node.id}))
            return
        key = node.id, answer.device
        attestation = replace(answer.attestation, record=self._file(key, answer.record))
        name = f"{node.label} {answer.device}"
        if key not in self._ready:
            self._ready.add(key)
            yield Ready(name, attestation)
        outcomes = [*map(_named, job.tasks, answer.outcomes)]
        done, left = job, list[Job]()
        if len(job.refused) < _MOST_REFUSALS - 1:
            done, outcomes, left = job.divided(outcomes, " ".join(key))
        if done.tasks:
            yield Finished(done, outcomes, attestation)
        for rest in left:
            yield Refused(name, rest, _last(rest.refused))
            self._again.append((rest, submitted.barred))

    def _file(self, key: tuple[str, str], record: tuple[str, bytes] | None) -> str | None:
        """File the record of a node's device, if there is one; return where it is."""
        if self._records and record and key not in self._filed:
            path = self._records / record[0]
            if not path.exists():
                write_atomically(path, record[1], overwrite=False)
            self._filed[key] = str(path)
        return self._filed.get(key)

    def _give_up_on_stranded(self) -> Iterator[Event]:
        """Take back jobs that no node can do."""
        now = time.monotonic()
        for ref, submitted in list(self._submitted.items()):
            barred = submitted.barred | self._barren[submitted.request]
            offering = self._cluster.offering(submitted.request.resources)
            if any(node.id not in barred for node in offering):
                self._submitted[ref] = replace(submitted, stranded_at=None)
                continue
            since = now if submitted.stranded_at is None else submitted.stranded_at
            self._submitted[ref] = replace(submitted, stranded_at=since)
            # Where all that could are excluded, waiting helps nobody.
            if offering or now - since >= self._patience:
                del self._submitted[ref]
                self._cluster.cancel(ref)
                yield from self._stranded(submitted)

    def _stranded(self, submitted: _Submitted) -> Iterator[Event]:
        job, resources = submitted.job, submitted.request.resources
        if job.refused:
            yield _failed(job, _last(job.refused))
        elif names_no_device(job.tasks[0].pair):
            self._gave_up = True  # So would every other pair that leaves it to the nodes.
        else:
            failures = [f for devices in self._avoided.values() for f in devices.values()]
            if failures and self._cluster.offering(resources):
                yield _failed(job, failures[-1])
                return
            msg = f"no node of the cluster offers {resources[-1]}"
            remedy = "see docs/fleet.md for how it can"
            yield _failed(job, Failure.of(BackendUnavailable(msg, remedy=remedy)))


def _failed(job: Job, failure: Failure) -> Finished:
    return Finished(job, [failure] * len(job.tasks), None)


def _last(refused: Mapping[str, Failure]) -> Failure:
    return list(refused.values())[-1]


def _anywhere(pair: Pair) -> Pair:
    """Return a pair whose files are found from any folder."""
    here = Path.cwd()
    return replace(
        pair,
        reference=at(pair.reference, here),
        distorted=at(pair.distorted, here),
        keywords=resolve_paths(pair.keywords, here),
    )


def _named(task: Task, outcome: Outcome) -> Outcome:
    """Return an outcome whose videos are named as the row names them."""
    if isinstance(outcome, Failure):
        return outcome
    videos = {"reference": task.pair.reference, "distorted": task.pair.distorted}
    names = {key: name if is_url(name) else str(Path(name)) for key, name in videos.items()}
    return replace(outcome, result={**outcome.result, **names})
