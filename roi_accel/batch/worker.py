"""What a worker does, whatever engine brought it work: test its device, then score pairs."""

from __future__ import annotations

import platform
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.files import naming_output, write_atomically
from roi_accel._version import __version__
from roi_accel.backends.frame import PixelFormat
from roi_accel.batch.jobs import Failure, Scored
from roi_accel.batch.locks import locked
from roi_accel.batch.remote import downloaded
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
    from collections.abc import Callable, Sequence

    from roi_accel.batch.jobs import Outcome
    from roi_accel.batch.rows import Pair
    from roi_accel.devices.dispatch import Choice
    from roi_accel.results.result import Result

    Progress = Callable[[int, int | None], None]

_TESTED = (PixelFormat("420", 8), PixelFormat("420", 10))
"""What nearly all video is; the gate of each pair tests the pair's own format again."""

_CPU = "cpu"


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place for one pair at a time.

    Attributes
    ----------
    number : int
    backend, device : str or None
        Those of rows that name neither.
    threads : int
        Of each pair.
    reproducible : bool
        Whether the network, the only stage in floating point, runs on the CPU, so that a score is
        the same to the last digit on every worker.
    """

    number: int
    backend: str | None
    device: str | None
    threads: int
    reproducible: bool = False

    @property
    def name(self) -> str:
        """The device, or the backend; slots of one name are alike."""
        return self.device if self.device and ":" in self.device else self.backend or AUTO


@dataclass(frozen=True, kw_only=True)
class Attestation:
    """What a worker that passed the self-test computes on.

    Attributes
    ----------
    node, backend, device, description, driver : str
    provider : str
        The execution provider of rows that name none.
    values : int
        Values of the golden self-test that it reproduced.
    record : str or None
        The path of its parity record.
    """

    node: str
    backend: str
    device: str
    description: str
    driver: str
    provider: str
    values: int
    record: str | None


def self_test(slot: Slot, *, records: Path | None = None) -> Attestation:
    """Have the slot's device reproduce the golden self-test, and file its parity record.

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
    backend, status = choice.backend, choice.status
    values = sum(run_self_test(backend, pixel_format).values for pixel_format in _TESTED)
    requested = _CPU if slot.reproducible else None
    return Attestation(
        node=platform.node(),
        backend=backend.name,
        device=backend.device,
        description=status.description,
        driver=status.driver,
        provider=plan_provider(backend.name, status, requested=requested).provider,
        values=values,
        record=None if records is None else str(_filed(choice, records)),
    )


def _filed(choice: Choice, folder: Path) -> Path:
    """File the parity record of a device, unless it has one there already; return where it is."""
    name, device, status = choice.backend.name, choice.backend.device, choice.status
    version = digest([__version__, name, device, status.description, status.driver])[:12]
    where = [] if device == _CPU else [device.replace(":", "-")]
    path = folder / f"{'-'.join([platform.node(), name, *where, version])}.json"
    # Workers of one device need only one record: the others wait for it.
    with naming_output(folder), locked(folder / f".{version}.lock"):
        if not path.exists():
            # A backend with one device knows it without a name.
            devices = (device,) if ":" in device else ()
            record = make_record(ParityOptions(backends=(name,), devices=devices))
            write_atomically(path, write_record(record).encode(), overwrite=False)
    return path


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
        with downloaded(pairs) as copies:
            return [
                Scored(result=copies.restored(result.to_dict()), bitrate=_bitrate(result))
                for result in _score(copies.pairs, slot, progress)
            ]
    except Exception as error:  # noqa: BLE001 - whatever it is, the next pair is not to suffer
        if len(pairs) == 1 or isinstance(error, BackendUnavailable):
            return [Failure.of(error)] * len(pairs)
    return [outcome for pair in pairs for outcome in score_pairs([pair], slot, progress=progress)]


def _score(pairs: Sequence[Pair], slot: Slot, progress: Progress | None) -> list[Result]:
    keywords = {"threads": slot.threads, **pairs[0].keywords}
    if names_no_device(pairs[0]):
        keywords |= {"backend": slot.backend, "device": slot.device}
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
