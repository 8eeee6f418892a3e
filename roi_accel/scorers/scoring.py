"""A running program: frames go in through pipes, scores come out, and nothing is left behind."""

from __future__ import annotations

import contextlib
import itertools
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.closing import Closing
from roi_accel.errors import OutputError, ScorerError
from roi_accel.scorers.protocol import Scoring, VideoScores, read_log
from roi_accel.scorers.streams import StreamWriter, kill, start

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO

    from roi_accel.backends.frame import Frame, FrameSet
    from roi_accel.scorers.program import ProgramScorer
    from roi_accel.scorers.protocol import ScoreLog, ScoringRequest

QUEUE_DEPTH = 3
"""Frames that may wait per stream; bounds the memory whatever the clip's length."""

STALL_SECONDS = 300.0
"""A scorer that takes no byte for so long is taken for hung (a slow 2160p frame needs seconds)."""

_POLL_SECONDS = 0.1
_EXIT_SECONDS = 5.0
_RELEASE_SECONDS = 1.0
_TAIL_LINES = 12

# ffmpeg heads its lines with "[libvmaf @ 0x55d0c8a3b2c0]": the address is useless, and makes two
# reports of one fault differ.
_ADDRESSED_HEAD = re.compile(r"\[([^\[\]]+?) @ (?:0x)?[0-9a-fA-F]+\]")


@dataclass(frozen=True)
class Launch:
    """One process to start: which streams it reads, and its command once their pipes are known.

    Stream 0 is the reference; 1 and up are the variants that are scored against it: of each
    distorted video its full and its masked frames.
    """

    streams: tuple[int, ...]
    arguments: Callable[[Sequence[int]], list[str]]


def log_name(variant: int) -> str:
    """Return the file in the working folder to which the scores of `variant` (from 1) go."""
    return f"variant{variant}.json"


class ProgramScoring(Scoring):
    """One run of a program over a reference and its variants, as a context manager.

    A scorer that takes no input for `stall_seconds`, or takes longer to end after its last, is
    killed.
    ScorerError, from any method, if it cannot be started, died, hung or left no whole log.
    """

    def __init__(
        self,
        scorer: ProgramScorer,
        request: ScoringRequest,
        *,
        stall_seconds: float = STALL_SECONDS,
    ) -> None:
        super().__init__(scorer, request)
        self._stall_seconds = stall_seconds
        self._frames_fed = 0
        self._resources = contextlib.ExitStack()
        with contextlib.ExitStack() as guard:
            self._folder = Path(guard.enter_context(_temporary_folder()))
            self._processes = [
                guard.enter_context(_Process(launch, self._folder))
                for launch in scorer.plan(request, self._folder)
            ]
            self._resources = guard.pop_all()

    def feed(self, frames: FrameSet) -> None:
        """Queue the frames of an instant; waits while queues are full."""
        streams = [frames.reference]
        for number, distorted in enumerate(frames.distorted):
            streams += [distorted, *(frames.masked[number] if self.request.masks else ())]
        if len(streams) != self.request.variants + 1:
            msg = f"{self.request.variants + 1} streams are scored, {len(streams)} were fed"
            raise ValueError(msg)
        for process in self._processes:
            for stream, writer in process.writers.items():
                self._offer(process, writer, streams[stream])
        self._frames_fed += 1

    def end(self) -> None:
        """End the streams, and wait for the program to end without complaint."""
        for process in self._processes:
            for writer in process.writers.values():
                self._offer(process, writer, None)
        for process in self._processes:
            self._await_end(process)

    def finish(self) -> list[VideoScores]:
        """End the streams, wait for the program, and return its logs, checked."""
        self.end()
        logs = (self._read_log(variant + 1) for variant in range(self.request.variants))
        return [
            VideoScores(next(logs), tuple(itertools.islice(logs, self.request.masks)))
            for _ in range(self.request.videos)
        ]

    def _read_log(self, variant: int) -> ScoreLog:
        try:
            return read_log(
                self._folder / log_name(variant),
                frames_fed=self._frames_fed,
                subsample=self.request.subsample,
                scores=tuple(model.name for model in self.request.models),
            )
        except ScorerError as error:
            # ffmpeg ends with status 0 where libvmaf refuses the frames; its words tell why.
            words = [words for process in self._processes if (words := process.last_words())]
            if not words:
                raise
            remedy = "the model may need larger frames; try another --model or --vmaf"
            msg = f"{error.message}: {' | '.join(words)}"
            raise ScorerError(msg, remedy=remedy) from error

    def close(self) -> None:
        """End every process and remove every file, whatever state they are in."""
        self._resources.close()

    def _offer(self, process: _Process, writer: StreamWriter, frame: Frame | None) -> None:
        while not writer.offer(frame, _POLL_SECONDS):
            if writer.broken.is_set() or process.has_exited():
                raise process.failure(what="stopped reading")
            self._check_stall(process)
        if frame is not None and writer.broken.is_set():
            raise process.failure(what="stopped reading")

    def _await_end(self, process: _Process) -> None:
        while not process.wait(_POLL_SECONDS):
            self._check_stall(process)
        if process.has_failed():  # guard: vmaf-status
            raise process.failure(what="failed")

    def _check_stall(self, process: _Process) -> None:
        seconds = process.seconds_without_progress()
        if seconds > self._stall_seconds:  # guard: vmaf-stall
            kill(process.process)
            raise process.failure(what=f"took no input for {seconds:.0f} s and was ended")


class _Process(Closing):
    """One scorer process with its pipes, in a process group of its own."""

    def __init__(self, launch: Launch, folder: Path) -> None:
        self.writers = _open_pipes(launch.streams)
        pipes = [writer.read_end for writer in self.writers.values()]
        command = launch.arguments(pipes)
        self._name = Path(command[0]).name
        try:
            self.process = start(command, folder=folder, pipes=pipes)
        except OSError as error:
            for writer in self.writers.values():
                writer.close(_RELEASE_SECONDS)
            msg = f"{command[0]} cannot be started: {error}"
            raise ScorerError(msg, remedy="check --vmaf") from error
        self._tail: deque[str] = deque(maxlen=_TAIL_LINES)
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._last_count = 0
        self._last_progress = time.monotonic()
        try:
            self._listener.start()
            for writer in self.writers.values():
                writer.start()
        except BaseException:
            kill(self.process)
            raise

    def has_exited(self) -> bool:
        """Return whether the process has ended."""
        return self.process.poll() is not None

    def has_failed(self) -> bool:
        """Return whether the process, which has ended, failed or closed a pipe too early."""
        is_broken = any(writer.broken.is_set() for writer in self.writers.values())
        return is_broken or self.process.returncode != 0

    def wait(self, seconds: float) -> bool:
        """Wait for the end; return whether it came in time."""
        # Its stderr ends with it, which is seen at once; a wait with a timeout looks every 50 ms.
        self._listener.join(seconds)
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def seconds_without_progress(self) -> float:
        """Return how long ago the process last took a chunk from any pipe."""
        count = sum(writer.chunks_written for writer in self.writers.values())
        now = time.monotonic()
        if count != self._last_count:
            self._last_count, self._last_progress = count, now
        return now - self._last_progress

    def failure(self, *, what: str) -> ScorerError:
        """Return the error that says how this process ended, in its own last words.

        What writing a frame raised, such as MemoryError, if it ended because of that.
        """
        for writer in self.writers.values():
            if writer.error is not None:
                raise writer.error
        has_ended = self.wait(_EXIT_SECONDS)
        how = _ending(self.process.returncode) if has_ended else "but went on running"
        words = self.last_words()
        ending = f": {words}" if words else " without output"  # guard: vmaf-own-words
        remedy = "check --model and --feature, or try another --vmaf"
        if (self.process.returncode or 0) < 0:  # A signal, which its options cannot have caused.
            remedy = "run again, with fewer --threads if memory is short, or try another --vmaf"
        return ScorerError(f"{self._name} {what} ({how}){ending}", remedy=remedy)

    def last_words(self) -> str:
        """Return the end of what the process wrote to stderr, on one line."""
        self._listener.join(_EXIT_SECONDS)
        lines = (_ADDRESSED_HEAD.sub(r"\1:", line) for line in self._tail)  # guard: vmaf-addresses
        return " | ".join(line for line in lines if line.strip())

    def close(self) -> None:
        """End it, and release its pipes and threads."""
        if not self.has_exited():
            kill(self.process)
        if not self._release():
            # A wrapper script has died, and the program it started still holds our pipes.
            kill(self.process)
            self._release()

    def _release(self) -> bool:
        """Close every pipe; return whether the threads that serve them have all ended."""
        closed = [writer.close(_RELEASE_SECONDS) for writer in self.writers.values()]
        self._listener.join(_RELEASE_SECONDS)
        if self._listener.is_alive():
            return False  # Closing a stream that is being read would wait for its reader.
        if self.process.stderr:
            self.process.stderr.close()
        return all(closed)

    def _listen(self) -> None:
        stream: IO[bytes] | None = self.process.stderr
        if stream is not None:
            for line in stream:
                self._tail.append(line.decode(errors="replace").rstrip())


def _open_pipes(streams: tuple[int, ...]) -> dict[int, StreamWriter]:
    writers: dict[int, StreamWriter] = {}
    try:
        for stream in streams:
            writers[stream] = StreamWriter(QUEUE_DEPTH)
    except OSError as error:
        for writer in writers.values():
            writer.close(_RELEASE_SECONDS)
        msg = f"no pipe can be opened for stream {len(writers) + 1} of {len(streams)}: {error}"
        remedy = "raise the limit with ulimit -n, or score fewer videos or regions at once"
        raise ScorerError(msg, remedy=remedy) from error
    return writers


def _temporary_folder() -> tempfile.TemporaryDirectory[str]:
    try:
        return tempfile.TemporaryDirectory(prefix="roi-accel-", ignore_cleanup_errors=True)
    except OSError as error:
        msg = f"no temporary folder can be made for VMAF's logs: {error}"
        raise OutputError(
            msg, remedy="make room, or set TMPDIR to a folder that can be written"
        ) from error


def _ending(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    with contextlib.suppress(ValueError):  # Real-time signals have numbers only.
        return signal.Signals(-status).name
    return f"signal {-status}"
