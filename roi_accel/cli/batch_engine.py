"""Which engine `roi-accel batch run` uses, and what its options mean to it."""

from __future__ import annotations

import sys
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING

from roi_accel._util.suggest import no_such
from roi_accel.batch.local import LocalEngine, make_slots
from roi_accel.devices.dispatch import AUTO, check_backends
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from roi_accel.batch.jobs import Engine


LOCAL, RAY = ENGINES = ("local", "ray")
"""What ``--engine`` takes."""


def check_engine(engine: str, *, address: str | None, output: Path | None) -> None:
    """Raise InputError where options do not fit the engine."""
    if engine not in ENGINES:
        raise no_such(engine, ENGINES, what="engine")
    if engine == LOCAL:
        if address is not None:
            msg = "--address is for --engine ray"
            raise InputError(msg, remedy="add --engine ray, or leave --address out")
    elif output is None:
        msg = "--engine ray needs --output, since Ray writes messages of its own to stdout"
        raise InputError(msg, remedy="add -o results.ndjson")


def make_engine(
    engine: str,
    *,
    address: str | None,
    devices: Sequence[str],
    workers: int | None,
    reproducible: bool,
    records: Path | None,
) -> Engine:
    """Return the engine.

    Parameters
    ----------
    engine : str
        One of `ENGINES`.
    address : str or None
        Of the Ray cluster.
    devices : sequence of str
        A backend or device for each worker; all that there are if empty.
    workers : int or None
        How many pairs are scored at a time.
    reproducible : bool
        Whether the network runs on the CPU.
    records : Path or None
        The folder of parity records.

    Raises
    ------
    InputError
        `workers` is less than 1, or what the engine needs is missing.
    BackendUnavailable
        There is no such backend.
    """
    if engine == LOCAL:
        slots = make_slots(devices, workers, reproducible=reproducible)
        return LocalEngine(slots, records=records)
    # Ray is large, and so is what only it needs.
    from roi_accel.batch.ray.cluster import Cluster  # noqa: PLC0415 - see above
    from roi_accel.batch.ray.engine import RayEngine  # noqa: PLC0415 - see above

    named = (each.partition(":")[0] for each in devices)
    check_backends((name for name in named if name != AUTO), said_by="--worker")
    if workers is not None and workers < 1:
        msg = f"--workers must be at least 1, not {workers}"
        raise InputError(msg, remedy="leave it out for as many as the nodes offer")
    return RayEngine(
        Cluster(address, workers=workers),
        devices=devices,
        workers=workers,
        reproducible=reproducible,
        records=records,
    )


@contextmanager
def quiet_stdout(engine: str) -> Iterator[None]:
    """Have what Ray prints go to stderr, where messages belong."""
    if engine == LOCAL:
        yield
        return
    with redirect_stdout(sys.stderr):
        yield
