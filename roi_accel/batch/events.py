"""What an engine tells while it works: who proved what, how far each is, and what came out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from roi_accel.batch.jobs import Job
    from roi_accel.batch.outcome import Failure, Outcome
    from roi_accel.batch.records import Summary
    from roi_accel.batch.worker import Trust


@dataclass(frozen=True)
class Proved:
    """A worker is ready for its first pair."""

    worker: str
    trust: Trust


@dataclass(frozen=True)
class Excluded:
    """A device cannot be trusted; it gets no pairs."""

    worker: str
    device: str
    failure: Failure


@dataclass(frozen=True)
class Began:
    """A worker has taken a job."""

    worker: str
    job: Job


@dataclass(frozen=True)
class Advanced:
    """So many frames of a worker's job are done."""

    worker: str
    done: int
    total: int | None


@dataclass(frozen=True)
class Died:
    """A worker's process, or its machine, is gone; its pairs go to others."""

    worker: str
    job: Job | None
    reason: str


@dataclass(frozen=True)
class Refused:
    """A device cannot do a job that another may be able to do."""

    worker: str
    device: str
    job: Job
    failure: Failure


@dataclass(frozen=True)
class Finished:
    """A job is done; `outcomes` are those of its tasks, in their order."""

    worker: str
    job: Job
    outcomes: Sequence[Outcome]
    trust: Trust | None


@dataclass(frozen=True)
class Recorded:
    """A row is done for good: its line is written."""

    summary: Summary


Event = Proved | Excluded | Began | Advanced | Died | Refused | Finished | Recorded


Draw = Callable[[], "Job | None"]
"""Looks at the files of some pairs, which may take minutes, and returns what is to be scored of
them; None where nothing is.
"""


class Engine(Protocol):
    """Brings jobs to workers. It decides where, and what becomes of a job whose worker is gone."""

    def run(self, draws: Iterator[Draw]) -> Iterator[Event]:
        """Yield what happens until every job is finished, or no worker is left.

        `draws` is drawn from as workers become free, from any thread, one at a time; what it gives
        may be called by several threads at once.
        """

    def close(self) -> None:
        """End everything at once; what was not finished is lost."""
