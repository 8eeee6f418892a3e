"""The engine of one machine: a process per slot, each fed by a thread that outlives it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import replace
from itertools import cycle, islice
from typing import TYPE_CHECKING

from roi_accel.backends.host import available_cores
from roi_accel.batch.jobs import Advanced, Began, Died, Excluded, Failure, Finished, Ready, Refused
from roi_accel.batch.process import WorkerDied, WorkerProcess
from roi_accel.batch.worker import Slot
from roi_accel.devices.dispatch import AUTO, AUTO_ORDER, check_backends, probe_all
from roi_accel.errors import BackendUnavailable, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from roi_accel.batch.jobs import Event, Job, JobFactory, Outcome
    from roi_accel.batch.worker import Attestation

    _Events = queue.SimpleQueue[Event | BaseException | None]

_CORES_PER_WORKER = 4
"""Where devices do not decide: VMAF keeps so many busy for one pair."""

_MAX_DEATHS = 3
"""Workers that may die over one pair before the pair is taken to be the reason."""


def make_slots(
    devices: Sequence[str] = (), workers: int | None = None, *, reproducible: bool = False
) -> list[Slot]:
    """Return the slots of this machine.

    Parameters
    ----------
    devices : sequence of str
        Backends or devices, such as ``numba`` or ``cuda:1``, taken in turn. Default: every GPU that
        can be used, else what ``auto`` takes.
    workers : int, optional
        How many slots. Default: one per name in `devices`; without names one per GPU, or as many
        as give each four cores if that is more.
    reproducible : bool
        See `Slot`.

    Raises
    ------
    InputError
        `workers` is less than 1.
    BackendUnavailable
        There is no such backend.
    """
    if workers is not None and workers < 1:
        msg = f"--workers must be at least 1, not {workers}"
        raise InputError(msg, remedy="leave it out for as many as fit")
    cores = available_cores()
    named = list(devices) or _gpus() or [AUTO]
    count = workers or len(named)
    if workers is None and not devices:
        count = max(count, cores // _CORES_PER_WORKER)
    backends = (name.partition(":")[0] for name in named)
    check_backends((name for name in backends if name != AUTO), said_by="--worker")
    return [
        Slot(
            number=number,
            backend=name.partition(":")[0],
            device=name if ":" in name else None,
            threads=max(1, cores // count),
            reproducible=reproducible,
        )
        for number, name in enumerate(islice(cycle(named), count))
    ]


def _gpus() -> list[str]:
    """Return the GPUs of the first backend, as ``auto`` prefers them, that can use any."""
    statuses = probe_all()
    for name in AUTO_ORDER:
        ready = [status for status in statuses[name] if status.state == "ready"]
        gpus = [status.device for status in ready if status.kind == "gpu"]
        if gpus:
            return gpus
    return []


class LocalEngine:
    """Processes of this machine.

    Parameters
    ----------
    slots : sequence of Slot
    records : Path or None
        The folder for parity records.
    """

    def __init__(self, slots: Sequence[Slot], *, records: Path | None = None) -> None:
        self._slots = slots
        self._records = records
        self._events: _Events = queue.SimpleQueue()
        self._jobs = _JobQueue(slots)
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, WorkerProcess] = {}

    def run(self, factories: Iterator[JobFactory]) -> Iterator[Event]:
        """Yield what happens until every job is finished, or no worker is left."""
        self._jobs.factories = factories
        for slot in self._slots:
            thread = threading.Thread(target=self._keep_busy, args=(slot,), daemon=True)
            self._threads.append(thread)
            thread.start()
        working = len(self._threads)
        while working:
            event = self._events.get()
            if event is None:
                working -= 1
            elif isinstance(event, BaseException):
                raise event
            else:
                yield event

    def close(self) -> None:
        """End every worker; safe to call twice."""
        self._jobs.close()
        for process in list(self._processes.values()):
            process.ask_to_end()
        for thread in self._threads:
            thread.join()

    def _keep_busy(self, slot: Slot) -> None:
        worker = _Worker(slot, self._open, self._events)
        try:
            while (job := self._jobs.take(slot)) is not None:
                if not worker.start():
                    self._jobs.leave(slot, job)
                    break
                self._jobs.give_back(slot, self._do(worker, job))
        except BaseException as error:  # noqa: BLE001 - what the manifest's reading raises
            self._jobs.close()
            self._events.put(error)
        finally:
            worker.close()
            for job, failure in self._jobs.hopeless():
                self._fail(worker, job, failure)
            self._events.put(None)

    def _open(self, slot: Slot) -> WorkerProcess:
        process = WorkerProcess(slot, self._records)
        self._processes[slot.number] = process
        # Either `close` has seen it, or this sees that `close` was called.
        if self._jobs.is_closed:
            process.ask_to_end()
        return process

    def _do(self, worker: _Worker, job: Job) -> list[Job]:
        """Do a job; return what is left of it for others."""
        try:
            outcomes = worker.score(job)
        except WorkerDied as death:
            return self._after_death(worker, job, death)
        device = worker.slot.name
        done, outcomes, left = job.divided(outcomes, device)
        if done.tasks:
            self._events.put(Finished(done, outcomes, worker.attestation))
        for rest in left:
            self._events.put(Refused(worker.name, rest, rest.refused[device]))
        if left:
            worker.close()  # A device that failed once is not to be trusted in that process.
        return left

    def _after_death(self, worker: _Worker, job: Job, death: WorkerDied) -> list[Job]:
        if self._jobs.is_closed:
            return []
        again = replace(job, deaths=job.deaths + 1)
        self._events.put(Died(worker.name, job, str(death)))
        if len(job.tasks) > 1:  # guard: batch-one-by-one
            return again.alone()
        if again.deaths < _MAX_DEATHS:
            return [again]  # guard: batch-retry
        died = f"{again.deaths} workers died over it, the last one {death}"
        failure = Failure.of(BackendUnavailable(died, remedy="memory may be short; --workers 1"))
        self._fail(worker, job, failure)
        return []

    def _fail(self, worker: _Worker, job: Job, failure: Failure) -> None:
        self._events.put(Finished(job, [failure] * len(job.tasks), worker.attestation))


class _Worker:
    """A slot, and its process of the moment."""

    def __init__(
        self, slot: Slot, opened: Callable[[Slot], WorkerProcess], events: _Events
    ) -> None:
        self.slot = slot
        self.name = f"{slot.number} {slot.name}"
        self.attestation: Attestation | None = None
        self._opened = opened
        self._events = events
        self._process: WorkerProcess | None = None

    def start(self) -> bool:
        """Have a process whose device passed its self-test; return whether there is one.

        Raises
        ------
        OutputError
            Its parity record cannot be written.
        """
        deaths = 0
        while self._process is None:
            process = self._opened(self.slot)
            try:
                answer = process.self_test()
            except WorkerDied as death:
                deaths += 1
                self._events.put(Died(self.name, None, str(death)))
                if deaths < _MAX_DEATHS:
                    continue
                msg = f"its process died {deaths} times before its first pair: it {death}"
                answer = Failure.of(BackendUnavailable(msg, remedy="see roi-accel devices"))
            if isinstance(answer, Failure):
                process.close()
                answer.raise_if_of_output()
                self._events.put(Excluded(self.name, self.slot.name, answer))
                return False
            self.attestation, self._process = answer, process
            self._events.put(Ready(self.name, answer))
        return True

    def score(self, job: Job) -> list[Outcome]:
        """Return what became of the job's tasks; WorkerDied where nothing did."""
        if self._process is None:
            msg = "the worker is not started"
            raise RuntimeError(msg)
        self._events.put(Began(self.name, job))
        try:
            return self._process.score(
                tuple(task.pair for task in job.tasks),
                lambda done, total: self._events.put(Advanced(self.name, done, total)),
            )
        except WorkerDied:
            self._process = None
            raise

    def close(self) -> None:
        """End the process, if there is one; `start` has another."""
        if self._process is not None:
            self._process.close()
            self._process = None


class _JobQueue:
    """Which job goes to which slot; used by the threads of all slots."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.factories: Iterator[JobFactory] = iter(())
        self.is_closed = False
        self._again: deque[Job] = deque()
        self._fit = {slot.number: slot.name for slot in slots}
        self._busy: set[int] = set()
        self._changed = threading.Condition()

    def take(self, slot: Slot) -> Job | None:
        """Return a job for `slot`, once there is one; None where there will never be one."""
        while (item := self._next(slot)) is not None:
            # Nobody waits meanwhile: a factory reads files to their end.
            job = item() if callable(item) else item
            if job is not None:
                return job
        return None

    def _next(self, slot: Slot) -> Job | JobFactory | None:
        """Return what is or may be a job for `slot`, which is busy with it; None as `take` does."""
        with self._changed:
            self._busy.discard(slot.number)
            while not self.is_closed:
                item = self._returned(slot) or next(self.factories, None)
                if item is not None:
                    self._busy.add(slot.number)
                    return item
                if not self._busy:
                    break
                self._changed.wait()
            self._fit.pop(slot.number, None)
            self._changed.notify_all()
            return None

    def _returned(self, slot: Slot) -> Job | None:
        for job in self._again:
            if slot.name not in job.refused:
                self._again.remove(job)
                return job
        return None

    def give_back(self, slot: Slot, jobs: Sequence[Job]) -> None:
        """Take what `slot` could not do, and know that it is free again."""
        with self._changed:
            self._again.extendleft(reversed(jobs))
            self._busy.discard(slot.number)
            self._changed.notify_all()

    def leave(self, slot: Slot, job: Job) -> None:
        """Take a job back, and give `slot` no more."""
        with self._changed:
            self._fit.pop(slot.number, None)
            self.give_back(slot, [job])

    def hopeless(self) -> list[tuple[Job, Failure]]:
        """Return and forget the jobs that were given back and that no slot is left to do."""
        with self._changed:
            if self.is_closed:
                return []
            fit = set(self._fit.values())
            jobs = [job for job in self._again if job.refused and fit <= job.refused.keys()]
            for job in jobs:
                self._again.remove(job)
            return [(job, list(job.refused.values())[-1]) for job in jobs]

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
