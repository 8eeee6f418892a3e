"""Jobs, pairs of one reference that are scored at once, and what an engine reports of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from roi_accel._util.error_translation import foreseen
from roi_accel.batch.rows import Pair, digest, names_no_device
from roi_accel.errors import BackendUnavailable, InputError, OutputError, ParityError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from roi_accel.batch.identity import Contents
    from roi_accel.batch.records import Summary
    from roi_accel.batch.rows import BadRow
    from roi_accel.batch.worker import Attestation

DEFAULT_TOGETHER = 4
"""Encodes of one reference that are scored at once, at most: each is two more runs of VMAF."""

_OF_DEVICE = (BackendUnavailable.__name__, ParityError.__name__)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A pair's result, as `score` writes it, and the bits per second of its distorted video.

    The bitrate of raw video is None.
    """

    result: Mapping[str, Any]
    bitrate: float | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a pair has no score: the class of the error, what it says, and its exit code."""

    kind: str
    message: str
    remedy: str
    exit_code: int

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return the failure that `error` is; an error that is not one of ours is a bug."""
        known = foreseen(error)
        return cls(
            kind=type(known).__name__,
            message=known.message,
            remedy=known.remedy,
            exit_code=known.exit_code,
        )

    @property
    def is_of_device(self) -> bool:
        """Whether another device may do what this one could not."""
        return self.kind in _OF_DEVICE

    def raise_if_of_output(self) -> None:
        """Raise OutputError again where a file could not be written, on whatever device."""
        if self.kind == OutputError.__name__:
            raise OutputError(self.message, remedy=self.remedy)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


Outcome = Scored | Failure


@dataclass(frozen=True)
class Task:
    """A pair to score, its identity of 64 hexadecimal digits, and the state of its files."""

    pair: Pair
    id: str
    contents: Contents


@dataclass(frozen=True)
class Job:
    """What one worker does in one go.

    Attributes
    ----------
    tasks : tuple of Task
        Of one reference and the same options: one decode and one inference for all.
    deaths : int
        Workers that died over it.
    refused : mapping of str to Failure
        Devices that cannot do it, and why.
    """

    tasks: tuple[Task, ...]
    deaths: int = 0
    refused: Mapping[str, Failure] = field(default_factory=dict)

    def alone(self) -> list[Job]:
        """Return a job per task, so that one which fails does not fail the others."""
        return [replace(self, tasks=(task,)) for task in self.tasks]

    def divided(
        self, outcomes: Sequence[Outcome], device: str
    ) -> tuple[Job, list[Outcome], list[Job]]:
        """Return what is done of this job, its outcomes, and what another device may be able to do.

        Parameters
        ----------
        outcomes : sequence of Outcome
            One per task.
        device : str
            Which they come from; the jobs that are left have it among those that refused them.
        """
        done: list[tuple[Task, Outcome]] = []
        left: list[Job] = []
        for task, outcome in zip(self.tasks, outcomes, strict=True):
            if isinstance(outcome, Failure) and outcome.is_of_device and names_no_device(task.pair):
                left.append(replace(self, tasks=(task,), refused={**self.refused, device: outcome}))
            else:
                done.append((task, outcome))
        finished = replace(self, tasks=tuple(task for task, _ in done))
        return finished, [outcome for _, outcome in done], left


@dataclass(frozen=True)
class Shard:
    """Part `index` of `count` equal parts of a manifest, ``0 <= index < count``."""

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that ``i/n`` means; InputError where `text` means none."""
        index, slash, count = text.partition("/")
        is_number = all(part.isascii() and part.isdecimal() for part in (index, count))
        if not (slash and is_number and int(index) < int(count)):
            msg = f"--shard is i/n with i from 0 to n-1, not {text!r}"
            raise InputError(msg, remedy="for example 0/4, 1/4, 2/4 and 3/4 on four machines")
        return cls(int(index), int(count))

    def of_rows(self, rows: Sequence[Pair | BadRow]) -> list[Pair | BadRow]:
        """Return this part of `rows`: every `count`-th reference, with all its encodes.

        Only the manifest decides, so that machines which never speak to each other agree. Rows that
        cannot be used belong to the first part.
        """
        return self.parts(rows).get(self.index, [])

    def parts(self, rows: Sequence[Pair | BadRow]) -> dict[int, list[Pair | BadRow]]:
        """Return every part of `rows` that has any, by its index."""
        places: dict[str, int] = {}
        parts: dict[int, list[Pair | BadRow]] = {}
        for row in rows:
            place = places.setdefault(row.reference, len(places)) if isinstance(row, Pair) else 0
            parts.setdefault(place % self.count, []).append(row)
        return parts


def grouped(pairs: Sequence[Pair], *, together: int = DEFAULT_TOGETHER) -> list[list[Pair]]:
    """Return `pairs` in groups of at most `together` that can be scored at once.

    Groups are in the order of the manifest, by their first pair.
    """
    groups: dict[str, list[Pair]] = {}
    for pair in pairs:
        groups.setdefault(digest([pair.reference, dict(pair.keywords)]), []).append(pair)
    return [
        group[start : start + together]
        for group in groups.values()
        for start in range(0, len(group), together)
    ]


@dataclass(frozen=True)
class Ready:
    """A worker's device has passed its self-test."""

    worker: str
    attestation: Attestation


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
    job: Job
    failure: Failure


@dataclass(frozen=True)
class Finished:
    """A job is done; `outcomes` are those of its tasks, in their order."""

    job: Job
    outcomes: Sequence[Outcome]
    attestation: Attestation | None


@dataclass(frozen=True)
class Recorded:
    """The line of a row is written."""

    summary: Summary


Event = Ready | Excluded | Began | Advanced | Died | Refused | Finished | Recorded

JobFactory = Callable[[], "Job | None"]
"""Reads the files of some pairs, which may take minutes, and returns the job that they make.

None where nothing of them is to be scored.
"""


class Engine(Protocol):
    """Brings jobs to workers. It decides where, and what becomes of a job whose worker is gone."""

    def run(self, factories: Iterator[JobFactory]) -> Iterator[Event]:
        """Yield what happens until every job is finished, or no worker is left.

        A factory is taken as a worker becomes free, from any thread, one at a time; several threads
        may call theirs at once.
        """

    def close(self) -> None:
        """End everything at once; what was not finished is lost."""
