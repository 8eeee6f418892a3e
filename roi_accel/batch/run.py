"""A batch from its rows to its lines: what is done is passed over, the rest goes to an engine."""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from roi_accel.batch.identity import Identifier
from roi_accel.batch.jobs import Failure, Finished, Job, Recorded, Scored, Task, grouped
from roi_accel.batch.records import bad_row_record, copied_record, scored_record, summary_of
from roi_accel.batch.rows import BadRow, Pair
from roi_accel.errors import BackendUnavailable, RoiAccelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from roi_accel.batch.jobs import Engine, Event, JobFactory, Outcome, Shard
    from roi_accel.batch.records import Summary


class Sink(Protocol):
    """Where lines go."""

    def write(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Add lines for good."""

    def record(self, identity: str) -> dict[str, Any] | None:
        """Return a line with this pair's scores; None where there is none."""


@dataclass
class Batch:
    """One run of a batch.

    Parameters
    ----------
    rows : sequence of Pair or BadRow
        Those of this shard.
    engine : Engine
    sink : Sink
    done : mapping of (str, str) to Summary
        Rows that an earlier run scored, by their pair's identity and what they asked for.
    together : int
        Pairs of one reference that are scored at once, at most.
    shard : Shard, optional
    reproducible : bool
        As the engine's workers have it.
    keeps_frames : bool
        Whether lines have the scores of every frame.
    watch : callable, optional
        Called with every event, after what it brought is written.

    Attributes
    ----------
    summaries : list of Summary
        Of every row that is done, in the order in which they were.
    passed_over : int
        Pairs that an earlier run had scored.
    copied : int
        Rows whose scores the line of another row had, equal in all but the names of files.
    repeated : list of (Pair, Pair)
        Rows that equal an earlier row word by word, and that row.
    """

    rows: Sequence[Pair | BadRow]
    engine: Engine
    sink: Sink
    done: Mapping[tuple[str, str], Summary] = field(default_factory=dict)
    together: int = 1
    shard: Shard | None = None
    reproducible: bool = False
    keeps_frames: bool = True
    watch: Callable[[Event], None] | None = None
    summaries: list[Summary] = field(default_factory=list, init=False)
    passed_over: int = field(default=0, init=False)
    copied: int = field(default=0, init=False)
    repeated: list[tuple[Pair, Pair]] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self._identifier = Identifier(reproducible=self.reproducible)
        self._rows: dict[str, Pair] = {}
        self._deciding = threading.Lock()
        self._at_work: set[str] = set()
        self._failures: dict[str, Failure] = {}
        self._like_others: list[tuple[Pair, str]] = []
        self._early: deque[dict[str, Any]] = deque()

    def run(self) -> None:
        """Score what is not scored yet; every line is written as soon as it is known.

        Raises
        ------
        OutputError
            A line cannot be written.
        BackendUnavailable
            No worker is left, but there are pairs; what is done is written.
        """
        bad_rows = [row for row in self.rows if isinstance(row, BadRow)]
        self._write([bad_row_record(row, **self._shard()) for row in bad_rows])
        try:
            for event in self.engine.run(self._factories()):
                self._write_early()
                if isinstance(event, Finished):
                    self._write(self._records(event))
                if self.watch:
                    self.watch(event)
            self._write_early()
            self._copy()
        finally:
            # The engine's threads read files, and are waited for.
            self._identifier.stop()
            self.engine.close()
        left = len(self.rows) - len(self.summaries) - len(self.repeated)
        if left:
            msg = f"no worker is left for {left} pairs"
            remedy = "fix the errors above and run the same command again"
            raise BackendUnavailable(msg, remedy=remedy)

    @property
    def exit_code(self) -> int:
        """0 if every row has a score, else the code of the first row that has none."""
        failed = [row for row in self.summaries if row.exit_code]  # guard: batch-exit-code
        return min(failed, key=lambda row: row.line).exit_code if failed else 0

    def _factories(self) -> Iterator[JobFactory]:
        """Yield what makes jobs of pairs; files are opened only when it is called."""
        pairs = [row for row in self.rows if isinstance(row, Pair)]
        for group in grouped(pairs, together=self.together):
            new = [pair for pair in group if self._is_new(pair)]
            if new:
                yield partial(self._job, new)

    def _is_new(self, pair: Pair) -> bool:
        first = self._rows.setdefault(pair.row, pair)
        if first is not pair:
            self.repeated.append((pair, first))
        return first is pair

    def _job(self, pairs: Sequence[Pair]) -> Job | None:
        tasks = tuple(task for pair in pairs if (task := self._task(pair)) is not None)
        return Job(tasks) if tasks else None

    def _task(self, pair: Pair) -> Task | None:
        """Return what is to be done for `pair`; None where nothing is, or nothing can be."""
        try:
            identity, contents = self._identifier.identify(pair)
        except RoiAccelError as error:
            failure = Failure.of(error)
            # This thread is the engine's; lines are written by one thread only.
            self._early.append(scored_record(pair, failure, identity=None, **self._shard()))
            return None
        # Files are read before, by several threads at once; of equal pairs only one is at work.
        with self._deciding:
            if (identity, pair.row) in self.done:  # guard: batch-done
                self.passed_over += 1
                self.summaries.append(replace(self.done[identity, pair.row], line=pair.line))
                return None
            if identity in self._at_work or self.sink.record(identity) is not None:
                self._like_others.append((pair, identity))
                return None
            self._at_work.add(identity)
        return Task(pair, identity, contents)

    def _records(self, event: Finished) -> list[dict[str, Any]]:
        records = []
        worker = None if event.attestation is None else asdict(event.attestation)
        for task, answer in zip(event.job.tasks, event.outcomes, strict=True):
            outcome = _checked(task, answer)
            more = {**self._shard(), "worker": worker}
            if isinstance(outcome, Failure):
                self._failures[task.id] = outcome
            else:
                more |= {"frames": len(outcome.result["frames"]), "bitrate": outcome.bitrate}
                if not self.keeps_frames:
                    kept = {key: x for key, x in outcome.result.items() if key != "frames"}
                    outcome = replace(outcome, result=kept)
            records.append(scored_record(task.pair, outcome, identity=task.id, **more))
        return records

    def _copy(self) -> None:
        """Write lines for pairs that are what other rows asked for under other names."""
        for pair, identity in self._like_others:
            record, failure = self.sink.record(identity), self._failures.get(identity)
            if record is not None:
                self.copied += 1
                self._write([copied_record(record, pair, **self._shard())])
            elif failure is not None:
                self._write([scored_record(pair, failure, identity=identity, **self._shard())])

    def _shard(self) -> dict[str, Any]:
        return {"shard": str(self.shard) if self.shard else None}

    def _write_early(self) -> None:
        # One by one: an engine's thread may add more meanwhile.
        while self._early:
            self._write([self._early.popleft()])

    def _write(self, records: Sequence[dict[str, Any]]) -> None:
        if not records:
            return
        self.sink.write(records)
        for record in records:
            self.summaries.append(summary_of(record))
            if self.watch:
                self.watch(Recorded(self.summaries[-1]))


def _checked(task: Task, outcome: Outcome) -> Outcome:
    """Return the outcome; a failure where files changed while they were scored."""
    if isinstance(outcome, Scored):
        try:
            task.contents.check()
        except RoiAccelError as error:
            return Failure.of(error)
    return outcome
