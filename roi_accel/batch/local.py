"""The engine of one machine: a process per slot, each fed by a thread that outlives it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING

from roi_accel.backends.host import available_cores
from roi_accel.batch.events import Advanced, Began, Died, Excluded, Finished, Proved, Refused
from roi_accel.batch.outcome import Failure
from roi_accel.batch.process import Refused as ProcessRefused
from roi_accel.batch.process import WorkerDied, WorkerProcess
from roi_accel.batch.worker import Slot
from roi_accel.devices.dispatch import AUTO, AUTO_ORDER, check_backends, probe_all
from roi_accel.errors import BackendUnavailable, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from roi_accel.batch.events import Draw, Event
    from roi_accel.batch.jobs import Job
    from roi_accel.batch.outcome import Outcome
    from roi_accel.batch.worker import Trust

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
    return [
        _slot(number, named[number % len(named)], max(1, cores // count), reproducible=reproducible)
        for number in range(count)
    ]


def _slot(number: int, name: str, threads: int, *, reproducible: bool) -> Slot:
    backend, colon, _ = name.partition(":")
    if backend != AUTO:
        check_backends((backend,), said_by="--worker")
    return Slot(
        number=number,
        backend=backend,
        device=name if colon else None,
        threads=threads,
        reproducible=reproducible,
    )


def _gpus() -> list[str]:
    """Return the GPUs of the first backend, as ``auto`` prefers them, that can use any."""
    found = probe_all()
    for name in AUTO_ORDER:
        gpus = [each.device for each in found[name] if each.state == "ready" and each.kind == "gpu"]
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
        self._events: queue.SimpleQueue[Event | BaseException | None] = queue.SimpleQueue()
        self._board = _Board(slots)
        self._threads: list[threading.Thread] = []
        self._processes: dict[int, WorkerProcess] = {}

    def run(self, draws: Iterator[Draw]) -> Iterator[Event]:
        """Yield what happens until every job is finished, or no worker is left."""
        self._board.draws = draws
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
        self._board.close()
        for process in list(self._processes.values()):
            process.ask_to_end()
        for thread in self._threads:
            thread.join()

    def _keep_busy(self, slot: Slot) -> None:
        worker = _Worker(slot, self._open, self._events)
        try:
            while (job := self._board.take(slot)) is not None:
                self._board.give_back(slot, self._do(worker, job))
        except _Unfit:
            self._board.leave(slot)
        except BaseException as error:  # noqa: BLE001 - what the manifest's reading raises
            self._board.close()
            self._events.put(error)
        finally:
            worker.close()
            for job, failure in self._board.hopeless():
                self._finish(worker, job, failure)
            self._events.put(None)

    def _open(self, slot: Slot) -> WorkerProcess:
        process = WorkerProcess(slot, self._records)
        self._processes[slot.number] = process
        # Either `close` has seen it, or this sees that `close` was called.
        if self._board.is_closed:
            process.ask_to_end()
        return process

    def _do(self, worker: _Worker, job: Job) -> list[Job]:
        """Do a job; return what is left of it for others."""
        try:
            worker.start()
        except _Unfit:
            self._board.give_back(worker.slot, [job])
            raise
        try:
            outcomes = worker.score(job)
        except WorkerDied as death:
            return self._after_death(worker, job, death)
        done, found, left = job.divided(outcomes, worker.slot.name)
        if done.tasks:
            self._events.put(Finished(worker.name, done, found, worker.trust))
        for each in left:
            failure = each.refused[worker.slot.name]
            self._events.put(Refused(worker.name, worker.slot.name, each, failure))
        if left:
            worker.restart()  # A device that failed once is not to be trusted in that process.
        return left

    def _after_death(self, worker: _Worker, job: Job, death: WorkerDied) -> list[Job]:
        if self._board.is_closed:
            return []
        again = replace(job, deaths=job.deaths + 1)
        self._events.put(Died(worker.name, job, str(death)))
        if len(job.tasks) > 1:  # guard: batch-one-by-one
            return again.alone()
        if again.deaths < _MAX_DEATHS:
            return [again]  # guard: batch-retry
        died = f"{again.deaths} workers died over it, the last one {death}"
        failure = Failure.of(BackendUnavailable(died, remedy="memory may be short; --workers 1"))
        self._finish(worker, job, failure)
        return []

    def _finish(self, worker: _Worker, job: Job, failure: Failure) -> None:
        self._events.put(Finished(worker.name, job, [failure] * len(job.tasks), worker.trust))


class _Unfit(Exception):  # noqa: N818 - ends a slot
    pass


class _Worker:
    """A slot's process of the moment."""

    def __init__(
        self,
        slot: Slot,
        opened: Callable[[Slot], WorkerProcess],
        events: queue.SimpleQueue[Event | BaseException | None],
    ) -> None:
        self.slot = slot
        self.name = f"{slot.number} {slot.name}"
        self.trust: Trust | None = None
        self._opened = opened
        self._events = events
        self._process: WorkerProcess | None = None

    def start(self) -> None:
        """Have a process that has proved its device.

        Raises
        ------
        _Unfit
            There can be none.
        OutputError
            Its parity record cannot be written.
        """
        deaths = 0
        while self._process is None:
            process = self._opened(self.slot)
            try:
                self.trust = process.prove()
            except ProcessRefused as refused:
                process.close()
                refused.failure.raise_if_of_output()
                self._events.put(Excluded(self.name, self.slot.name, refused.failure))
                raise _Unfit from refused
            except WorkerDied as death:
                deaths += 1
                self._events.put(Died(self.name, None, str(death)))
                if deaths == _MAX_DEATHS:
                    msg = f"its process died {deaths} times before its first pair: it {death}"
                    failure = Failure.of(BackendUnavailable(msg, remedy="see roi-accel devices"))
                    self._events.put(Excluded(self.name, self.slot.name, failure))
                    raise _Unfit from death
            else:
                self._process = process
                self._events.put(Proved(self.name, self.trust))

    def score(self, job: Job) -> Sequence[Outcome]:
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

    def restart(self) -> None:
        """Have another process next time."""
        self.close()
        self._process = None

    def close(self) -> None:
        """End the process, if there is one."""
        if self._process is not None:
            self._process.close()


class _Board:
    """Which job goes where: one place that all slots' threads look at."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        self.draws: Iterator[Draw] = iter(())
        self.is_closed = False
        self._again: deque[Job] = deque()
        self._fit = {slot.number: slot.name for slot in slots}
        self._busy: set[int] = set()
        self._changed = threading.Condition()

    def take(self, slot: Slot) -> Job | None:
        """Return a job for `slot`, once there is one; None where there will never be one."""
        while (found := self._next(slot)) is not None:
            # Nobody waits meanwhile: files are looked at, and read to their end.
            job = found() if callable(found) else found
            if job is not None:
                return job
        return None

    def _next(self, slot: Slot) -> Job | Draw | None:
        """Return what is or may be a job for `slot`, which is busy with it; None as `take` does."""
        with self._changed:
            self._busy.discard(slot.number)
            while not self.is_closed:
                found = self._returned(slot) or next(self.draws, None)
                if found is not None:
                    self._busy.add(slot.number)
                    return found
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

    def give_back(self, slot: Slot, jobs: list[Job]) -> None:
        """Take what `slot` could not do, and know that it is free again."""
        with self._changed:
            self._again.extendleft(reversed(jobs))
            self._busy.discard(slot.number)
            self._changed.notify_all()

    def leave(self, slot: Slot) -> None:
        """Count on `slot` no more."""
        with self._changed:
            self._fit.pop(slot.number, None)
            self._busy.discard(slot.number)
            self._changed.notify_all()

    def hopeless(self) -> list[tuple[Job, Failure]]:
        """Return and forget the jobs that were given back and that no slot is left to do."""
        with self._changed:
            if self.is_closed:
                return []
            found = [job for job in self._again if job.refused and not self._may_be_done(job)]
            for job in found:
                self._again.remove(job)
            return [(job, list(job.refused.values())[-1]) for job in found]

    def _may_be_done(self, job: Job) -> bool:
        return any(name not in job.refused for name in self._fit.values())

    def close(self) -> None:
        """Give out nothing more."""
        with self._changed:
            self.is_closed = True
            self._changed.notify_all()
