"""The engine of many machines: Ray decides where a job runs and runs it again if its node dies.

What is left to do here is to keep a few jobs per slot in Ray's hands, to take the answers as they
come, and to send a job on that a device could not do. Which nodes a job may not go to any more is
told to Ray with the job.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._version import __version__
from roi_accel.batch.events import Died, Excluded, Finished, Proved, Refused
from roi_accel.batch.jobs import Job
from roi_accel.batch.outcome import Failure
from roi_accel.batch.ray.records import RecordFolder
from roi_accel.batch.ray.resources import SLOTS, Wanted
from roi_accel.batch.ray.worker import EVERY_DEVICE, Answer, Order, do_job
from roi_accel.batch.rows import anchored, at, is_url, names_no_device
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.batch.events import Draw, Event
    from roi_accel.batch.jobs import Task
    from roi_accel.batch.outcome import Outcome
    from roi_accel.batch.ray.cluster import Cluster, Node
    from roi_accel.batch.rows import Pair

_JOBS_PER_SLOT = 2
"""One that runs and one that waits: no slot idles, and an autoscaler sees that there is more."""

_RETRIES = 2
"""Of a job whose worker or node died; so many deaths and one more are taken to be its own doing."""

_MOST_REFUSALS = 3
"""Devices that may fail at a job before the job is taken to be the reason."""

_SECONDS_BETWEEN_LOOKS = 1.0
_SECONDS_OF_PATIENCE = 60.0
"""What a node may take to come where there is none that can do a job: they restart, or scale up."""


@dataclass(frozen=True)
class _Given:
    """A job in Ray's hands."""

    job: Job
    wanted: Wanted
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
        self._devices = [Wanted.of_name(each) for each in devices] or [Wanted()]
        self._workers = workers
        self._reproducible = reproducible
        self._records = RecordFolder(records)
        self._patience = patience
        self._given: dict[Any, _Given] = {}
        self._again: deque[tuple[Job, frozenset[str]]] = deque()
        self._avoided: dict[str, dict[str, Failure]] = {}
        self._barren: dict[Wanted, set[str]] = {}
        self._proved: set[tuple[str, str]] = set()
        self._count = 0
        self._gave_up = False

    def run(self, draws: Iterator[Draw]) -> Iterator[Event]:
        """Yield what happens until every job is finished, or no node is left."""
        jobs = (job for draw in draws if (job := draw()) is not None)
        self._cluster.connect()
        for wanted in self._devices:
            self._cluster.require(wanted.resources)
        while True:
            for node in self._cluster.look():
                yield Died(node.label, None, "is gone, node and all; its pairs go to others")
            self._give(jobs)
            if not self._given:
                return
            for ref in self._cluster.wait(list(self._given), seconds=_SECONDS_BETWEEN_LOOKS):
                yield from self._take(ref)
            yield from self._give_up_on_stranded()

    def close(self) -> None:
        """End everything at once; safe to call twice."""
        self._cluster.close(list(self._given))
        self._given.clear()

    def _give(self, jobs: Iterator[Job]) -> None:
        """Give Ray as many jobs as it can use soon, those that come back first."""
        slots = int(sum(node.resources.get(SLOTS, 0) for node in self._cluster.nodes))
        most = self._workers or max(1, slots * _JOBS_PER_SLOT)
        while len(self._given) < most:
            if self._again:
                job, barred = self._again.popleft()
            else:
                drawn = None if self._gave_up else next(jobs, None)
                if drawn is None:
                    return
                job, barred = drawn, frozenset()
            self._submit(job, barred)

    def _submit(self, job: Job, barred: frozenset[str]) -> None:
        wanted = Wanted.of_pair(job.tasks[0].pair)
        if names_no_device(job.tasks[0].pair):
            counts = [sum(g.wanted == each for g in self._given.values()) for each in self._devices]
            wanted = self._devices[counts.index(min(counts))]
        order = Order(
            version=__version__,
            number=self._count,
            wanted=wanted,
            avoided=self._avoided_for(job),
            reproducible=self._reproducible,
            files_record=self._records.is_wanted,
            filed=frozenset(self._records.filed),
        )
        self._count += 1
        ref = self._cluster.submit(
            do_job,
            (tuple(_anywhere(task.pair) for task in job.tasks), order),
            resources=wanted.resources,
            barred=barred | self._barren.get(wanted, set()),
            retries=_RETRIES,
        )
        self._given[ref] = _Given(job, wanted, barred)

    def _avoided_for(self, job: Job) -> dict[str, frozenset[str]]:
        """Return the devices that `job` must not be done on, by node."""
        avoided = {node: set(found) for node, found in self._avoided.items()}
        for name in job.refused:
            node, _, device = name.partition(" ")
            avoided.setdefault(node, set()).add(device)
        return {node: frozenset(found) for node, found in avoided.items()}

    def _take(self, ref: object) -> Iterator[Event]:
        """Say what became of a job, and see to what is left of it."""
        given = self._given.pop(ref)
        answer = self._cluster.answer(ref)
        if isinstance(answer, Answer):
            yield from self._after(given, answer)
        elif isinstance(answer, Failure):
            yield self._finished(given.job, answer)
        elif len(given.job.tasks) > 1:
            # One of them may be the reason; the others are not to suffer for it.
            job = replace(given.job, deaths=given.job.deaths + 1 + _RETRIES)
            yield Died("on some node", given.job, f"died {1 + _RETRIES} times")
            self._again.extend((each, given.barred) for each in job.alone())
        else:
            died = f"{1 + _RETRIES} workers died over it: {answer}"
            remedy = "memory may be short; offer fewer slots per node"
            yield self._finished(given.job, Failure.of(BackendUnavailable(died, remedy=remedy)))

    def _after(self, given: _Given, answer: Answer) -> Iterator[Event]:
        node, job = self._cluster.node(answer.node), given.job
        for device, failure in answer.excluded:
            yield from self._exclude(node, device, failure)
        if answer.device is None or answer.trust is None:
            self._send_on(given, node)
            return
        trust = self._records.kept(answer)
        name = f"{node.label} {answer.device}"
        if (node.id, answer.device) not in self._proved:
            self._proved.add((node.id, answer.device))
            yield Proved(name, trust)
        outcomes = [*map(_named, job.tasks, answer.outcomes)]
        done, left = job, list[Job]()
        if len(job.refused) < _MOST_REFUSALS - 1:
            done, outcomes, left = job.divided(outcomes, f"{node.id} {answer.device}")
        if done.tasks:
            yield Finished(name, done, outcomes, trust)
        for each in left:
            yield Refused(name, answer.device, each, [*each.refused.values()][-1])
            self._again.append((each, given.barred))

    def _exclude(self, node: Node, device: str, failure: Failure) -> Iterator[Event]:
        found = self._avoided.setdefault(node.id, {})
        if device not in found:
            found[device] = failure
            yield Excluded(f"{node.label} {device}", f"{device} on {node.label}", failure)

    def _send_on(self, given: _Given, node: Node) -> None:
        """Have Ray keep a job off a node that has nothing left for it."""
        if EVERY_DEVICE in self._avoided.get(node.id, {}) or not given.job.refused:
            self._barren.setdefault(given.wanted, set()).add(node.id)
        self._again.append((given.job, given.barred | {node.id}))

    def _give_up_on_stranded(self) -> Iterator[Event]:
        """Take back jobs that no node can do."""
        now = time.monotonic()
        for ref, given in list(self._given.items()):
            barred = given.barred | self._barren.get(given.wanted, set())
            offering = self._cluster.offering(given.wanted.resources)
            if any(node.id not in barred for node in offering):
                self._given[ref] = replace(given, stranded_at=None)
                continue
            since = now if given.stranded_at is None else given.stranded_at
            self._given[ref] = replace(given, stranded_at=since)
            # Where all that could are excluded, waiting helps nobody.
            if offering or now - since >= self._patience:
                del self._given[ref]
                self._cluster.cancel(ref)
                yield from self._stranded(given)

    def _stranded(self, given: _Given) -> Iterator[Event]:
        if given.job.refused:
            yield self._finished(given.job, list(given.job.refused.values())[-1])
        elif names_no_device(given.job.tasks[0].pair):
            self._gave_up = True  # So would every other pair that leaves it to the nodes.
        else:
            asked = given.wanted.resources[-1]
            found = [failure for each in self._avoided.values() for failure in each.values()]
            is_there = self._cluster.offering(given.wanted.resources)
            msg = f"no node of the cluster offers {asked}"
            failure = Failure.of(BackendUnavailable(msg, remedy="see docs/fleet.md for how it can"))
            yield self._finished(given.job, found[-1] if is_there and found else failure)

    def _finished(self, job: Job, failure: Failure) -> Finished:
        return Finished("", job, [failure] * len(job.tasks), None)


def _anywhere(pair: Pair) -> Pair:
    """Return a pair whose files are found from any folder."""
    here = Path.cwd()
    return replace(
        pair,
        reference=at(pair.reference, here),
        distorted=at(pair.distorted, here),
        keywords=anchored(pair.keywords, here),
    )


def _named(task: Task, outcome: Outcome) -> Outcome:
    """Return an outcome whose videos are named as the row names them."""
    if isinstance(outcome, Failure):
        return outcome
    names = {name: _as_scored(getattr(task.pair, name)) for name in ("reference", "distorted")}
    return replace(outcome, result={**outcome.result, **names})


def _as_scored(name: str) -> str:
    return name if is_url(name) else str(Path(name))
