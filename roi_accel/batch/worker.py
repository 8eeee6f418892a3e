"""What a worker does, whatever engine brought it work: prove its device, then score pairs."""

from __future__ import annotations

import fcntl
import os
import platform
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.files import naming_output, write_atomically
from roi_accel._version import __version__
from roi_accel.backends.frame import PixelFormat
from roi_accel.batch.outcome import Failure, Scored
from roi_accel.batch.remote import brought
from roi_accel.batch.rows import digest, names_no_device, options_of
from roi_accel.checks.record_run import make_record
from roi_accel.devices.dispatch import AUTO, choose_backend
from roi_accel.errors import BackendUnavailable
from roi_accel.inference.providers import plan_provider
from roi_accel.options.parity import ParityOptions
from roi_accel.parity.record import write_record
from roi_accel.parity.selftest import run_self_test
from roi_accel.run.score import score_all
from roi_accel.video.opening import bitrate_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from roi_accel.batch.outcome import Outcome
    from roi_accel.batch.rows import Pair
    from roi_accel.devices.dispatch import Choice
    from roi_accel.results.result import Result

    Progress = Callable[[int, int | None], None]

_TRIED = (PixelFormat("420", 8), PixelFormat("420", 10))
"""What nearly all video is; the gate of each pair tests the pair's own format again."""

_CPU = "cpu"


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one pair at a time.

    Attributes
    ----------
    number : int
    backend, device : str or None
        What rows that name neither are computed on; as `score` takes them.
    threads : int
        Of each pair.
    reproducible : bool
        Whether the network runs on the CPU, so that a score is the same to the last digit
        whichever worker made it. The network is the only stage that computes in floating point.
    """

    number: int
    backend: str | None
    device: str | None
    threads: int
    reproducible: bool = False

    @property
    def name(self) -> str:
        """What people call it; slots of one name are alike."""
        return self.device if self.device and ":" in self.device else self.backend or AUTO


@dataclass(frozen=True, kw_only=True)
class Trust:
    """What a worker proved before its first pair.

    Attributes
    ----------
    node, backend, device, description, driver : str
        Where it computes.
    provider : str
        The execution provider that this asks for, where a row names no other.
    values : int
        Values of the golden self-test that it reproduced.
    record : str or None
        The parity record that it filed.
    """

    node: str
    backend: str
    device: str
    description: str
    driver: str
    provider: str
    values: int
    record: str | None


def prove(slot: Slot, *, records: Path | None = None) -> Trust:
    """Let the slot's device reproduce the golden self-test, and file its parity record.

    Parameters
    ----------
    slot : Slot
    records : Path, optional
        The folder for records; one that this device filed before is kept. None files none.

    Raises
    ------
    BackendUnavailable
        The device cannot be used, or does not reproduce the self-test.
    ParityError
        It answers the same question in two ways.
    OutputError
        The record cannot be written.
    """
    choice = choose_backend(slot.backend, device=slot.device, threads=slot.threads)
    values = sum(run_self_test(choice.backend, each).values for each in _TRIED)
    return Trust(
        node=platform.node(),
        backend=choice.backend.name,
        device=choice.backend.device,
        description=choice.status.description,
        driver=choice.status.driver,
        provider=plan_provider(
            choice.backend.name, choice.status, requested=_CPU if slot.reproducible else None
        ).provider,
        values=values,
        record=None if records is None else str(_filed(choice, records)),
    )


def _filed(choice: Choice, folder: Path) -> Path:
    """File the parity record of a device, unless it has one there already; return where it is."""
    name, device, status = choice.backend.name, choice.backend.device, choice.status
    facts = digest([__version__, name, device, status.description, status.driver])[:12]
    parts = [platform.node(), name, *([device.replace(":", "-")] if device != _CPU else []), facts]
    path = folder / f"{'-'.join(parts)}.json"
    with _alone_in(folder):
        if path.exists():
            return path
        # A backend with one device knows it without a name.
        devices = (device,) if ":" in device else ()
        record = make_record(ParityOptions(backends=(name,), devices=devices))
        write_atomically(path, write_record(record).encode(), overwrite=False)
    return path


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Have other workers that file a record in `folder` wait: those of one device need only one."""
    with naming_output(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        with naming_output(folder):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def score_pairs(
    pairs: Sequence[Pair], slot: Slot, *, progress: Progress | None = None
) -> list[Outcome]:
    """Score pairs of one reference at once; where that fails, one by one.

    Not so where the device fails: in this process it is not to be trusted with another frame.

    Returns
    -------
    list of Scored or Failure
        For each pair.
    """
    try:
        with brought(pairs) as copies:
            return [
                Scored(result=copies.restored(result.to_dict()), bitrate=_bitrate(result))
                for result in _score(copies.pairs, slot, progress)
            ]
    except Exception as error:  # noqa: BLE001 - whatever it is, the next pair is not to suffer
        if len(pairs) == 1 or isinstance(error, BackendUnavailable):
            return [Failure.of(error)] * len(pairs)
    return [outcome for pair in pairs for outcome in score_pairs([pair], slot, progress=progress)]


def _score(pairs: Sequence[Pair], slot: Slot, progress: Progress | None) -> list[Result]:
    keywords = dict(pairs[0].keywords)
    if names_no_device(pairs[0]):
        keywords |= {"backend": slot.backend, "device": slot.device}
    keywords.setdefault("threads", slot.threads)
    if slot.reproducible:
        keywords["ep"] = _CPU
    return score_all(
        Path(pairs[0].reference),
        [Path(pair.distorted) for pair in pairs],
        options_of(keywords),
        progress=progress,
    )


def _bitrate(result: Result) -> float | None:
    rate = result.provenance["reference"]["frame_rate"]
    return bitrate_of(result.distorted, frame_rate=Fraction(rate) if rate else None)
