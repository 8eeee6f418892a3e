"""Jobs: pairs that are scored at once because they share a reference and every option."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclasses read their annotations
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roi_accel.batch.outcome import Failure
from roi_accel.batch.rows import Pair, digest, names_no_device
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from roi_accel.batch.identity import Contents
    from roi_accel.batch.outcome import Outcome
    from roi_accel.batch.rows import BadRow

DEFAULT_TOGETHER = 4
"""Encodes of one reference that are scored at once, at most: each is two more runs of VMAF."""


@dataclass(frozen=True)
class Task:
    """A pair that is to be scored, and what its files held when it was looked at.

    Attributes
    ----------
    pair : Pair
    id : str
        Its identity, 64 hexadecimal digits.
    contents : Contents
    """

    pair: Pair
    id: str
    contents: Contents


@dataclass(frozen=True)
class Job:
    """What one worker does in one go.

    Attributes
    ----------
    tasks : tuple of Task
        Of one reference and the same options, which is decoded and looked at once for all.
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
            Whose they are; jobs that are left know it as one that refused them.
        """
        done: list[tuple[Task, Outcome]] = []
        left: list[Job] = []
        for task, outcome in zip(self.tasks, outcomes, strict=True):
            if isinstance(outcome, Failure) and outcome.is_of_device and names_no_device(task.pair):
                left.append(replace(self, tasks=(task,), refused={**self.refused, device: outcome}))
            else:
                done.append((task, outcome))
        return (
            replace(self, tasks=tuple(task for task, _ in done)),
            [outcome for _, outcome in done],
            left,
        )


@dataclass(frozen=True)
class Shard:
    """One of equal parts of a manifest.

    Attributes
    ----------
    index, count : int
        ``0 <= index < count``.
    """

    index: int
    count: int

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Return the shard that ``i/n`` means.

        Raises
        ------
        InputError
            It is no such text, or there is no such part.
        """
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
        found: dict[int, list[Pair | BadRow]] = {}
        for row in rows:
            place = 0
            if isinstance(row, Pair):
                place = places.setdefault(row.reference, len(places))
            found.setdefault(place % self.count, []).append(row)
        return found


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
