"""A worker in a process of its own, which may die without taking anything with it.

The parent asks over a pipe and learns of a death at once. A worker whose parent dies ends too, and
so do the VMAF processes of a worker that dies: nobody feeds their pipes any more.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
import time
from contextlib import ExitStack
from multiprocessing import resource_tracker
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from roi_accel.batch.jobs import Failure
from roi_accel.batch.locks import scratch_folder, temporary_files_in

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from pathlib import Path

    from roi_accel.batch.jobs import Outcome
    from roi_accel.batch.rows import Pair
    from roi_accel.batch.worker import Attestation, Progress, Slot

_SECONDS_TO_END = 5.0
"""A worker has these to end its VMAF and to remove its files."""

_SECONDS_BETWEEN = 0.2
"""Between two messages of how far a pair has come."""

_CONTEXT = multiprocessing.get_context("spawn")
"""Not fork: ONNX Runtime, OpenCL and CUDA do not outlive one."""


class WorkerDied(Exception):  # noqa: N818 - no error to those who catch it
    """A worker's process ended before it answered; its text says how."""

    def __init__(self, exit_code: int | None) -> None:
        how = f"ended with exit code {exit_code}"
        if exit_code is not None and exit_code < 0:  # minus the number of a signal
            number = -exit_code
            known = number in set(signal.Signals)  # which lacks most real-time signals
            how = f"was ended by {signal.Signals(number).name if known else f'signal {number}'}"
        super().__init__(how)


class WorkerProcess:
    """One process, started by making this, and what to ask it.

    Parameters
    ----------
    slot : Slot
    records : Path or None
        As for `roi_accel.batch.worker.self_test`.
    """

    def __init__(self, slot: Slot, records: Path | None) -> None:
        self._held = ExitStack()
        # Created here, so that it goes even if the process is killed.
        folder = self._held.enter_context(scratch_folder())
        self._connection, theirs = _CONTEXT.Pipe()
        self._is_asked = False
        self._process = _CONTEXT.Process(
            target=_serve,
            args=(theirs, slot, records, folder),
            name=f"worker {slot.number}",
            daemon=True,
        )
        # Ctrl-C reaches every process of a terminal, but the parent decides what it means; the
        # process inherits that it is deaf to it, from its very beginning. Unless multiprocessing
        # starts its resource tracker meanwhile, which unblocks SIGINT.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGHUP))
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()

    def self_test(self) -> Attestation | Failure:
        """Wait for the worker's self-test; WorkerDied where its process ends before."""
        answer: Attestation | Failure = self._answer(None)
        return answer

    def score(self, pairs: tuple[Pair, ...], progress: Progress) -> list[Outcome]:
        """Return what became of `pairs`; WorkerDied where nothing did."""
        try:
            self._connection.send(pairs)
        except OSError as error:
            raise self._death() from error
        answer: list[Outcome] = self._answer(progress)
        return answer

    def _answer(self, progress: Progress | None) -> Any:  # noqa: ANN401 - what was asked for
        while True:
            # The pipe first: an answer that a dying worker sent is an answer.
            ready = wait([self._connection, self._process.sentinel])
            if self._connection not in ready:
                raise self._death()
            try:
                kind, content = self._connection.recv()
            except (EOFError, OSError) as error:
                raise self._death() from error
            if kind == "answer":
                return content
            if progress:
                progress(*content)

    def _death(self) -> WorkerDied:
        self._process.join(_SECONDS_TO_END)
        code = self._process.exitcode
        self.close()
        return WorkerDied(code)

    def ask_to_end(self) -> None:
        """Have the process end what it does; it does so by itself, `close` waits for it.

        Asked once only: a second signal would end it before it has removed anything.
        """
        if not self._is_asked:
            self._is_asked = True
            self._process.terminate()

    def close(self) -> None:
        """End the process and remove what it left; safe to call twice."""
        self._connection.close()
        self.ask_to_end()
        self._process.join(_SECONDS_TO_END)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._held.close()


def _serve(connection: Connection, slot: Slot, records: Path | None, folder: Path) -> None:
    """Be the worker: test the device, then answer until the parent has no more to ask."""
    is_ending, is_over = threading.Event(), threading.Event()

    def end(number: int, _frame: object) -> None:
        if is_over.is_set():
            return  # The parent asks for the end that is coming anyway: let the last clean-up be.
        is_ending.set()
        signal.signal(number, signal.SIG_DFL)  # A second one ends the process at once.
        raise SystemExit(128 + number)

    signal.signal(signal.SIGTERM, end)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        with temporary_files_in(folder):
            _answer_all(connection, slot, records)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pass  # The parent needs no more, or is gone.
    except Exception:
        # Compiled code may wrap what our handler raised inside it in an error of its own.
        if not is_ending.is_set():
            raise
    finally:
        is_over.set()
        shutil.rmtree(folder, ignore_errors=True)


def _answer_all(connection: Connection, slot: Slot, records: Path | None) -> None:
    from roi_accel.batch.worker import score_pairs, self_test  # noqa: PLC0415 - takes a second

    try:
        connection.send(("answer", self_test(slot, records=records)))
    except Exception as error:  # noqa: BLE001 - the device cannot be trusted then
        connection.send(("answer", Failure.of(error)))
        return
    last = 0.0

    def progress(done: int, total: int | None) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN:
            last = now
            connection.send(("progress", (done, total)))

    while True:
        pairs = connection.recv()
        connection.send(("answer", score_pairs(pairs, slot, progress=progress)))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_SECONDS_TO_END)
        os._exit(1)
