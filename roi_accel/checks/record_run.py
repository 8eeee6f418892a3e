"""Makes this machine's record for comparing machines, and reads the records of others."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.checks.matrix_run import counter, provenance
from roi_accel.checks.participants import find_backends, find_providers
from roi_accel.errors import BackendUnavailable, InputError, ParityError, RoiAccelError
from roi_accel.inference.models import resolve
from roi_accel.parity.calibration import Calibration, read_calibration
from roi_accel.parity.cases import cases, frame_key
from roi_accel.parity.compare import map_problem
from roi_accel.parity.machines import compare_records
from roi_accel.parity.record import Entry, Record, read_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from roi_accel.options.parity import ParityOptions
    from roi_accel.parity.cases import SeededCase
    from roi_accel.parity.cells import Report
    from roi_accel.parity.matrix import BackendRunner, NetworkRunner


def make_record(
    options: ParityOptions, *, progress: Callable[[int, int | None], None] | None = None
) -> Record:
    """Return what the backends and providers of this machine answer to the corpus.

    Those that `options` name must be there; by default all that are. `progress` is called with the
    number of cases done and of all cases.

    Raises
    ------
    BackendUnavailable
        One that was named is absent, or one fails.
    ParityError
        One gives two answers to the same question, or a map that is not a mask.
    """
    model = resolve(options.saliency_model)
    corpus = list(cases())
    pictures = [case for case in corpus if case.has_pictures]
    with ExitStack() as resources:
        backends = find_backends(options.backends, devices=options.devices)
        providers = find_providers(model, resources, options.eps, half=options.fp16)
        named = (*(options.backends or ()), *(options.eps or ()), *options.devices)
        participants = (*backends.participants, *providers.participants)
        for each in participants:
            if each.absent and each.name in named:
                msg = f"{each.name} cannot be recorded: {each.absent}"
                raise BackendUnavailable(msg, remedy="leave it out, or make it available")
        steps = len(corpus) * len(backends.runners) + len(pictures) * len(providers.runners)
        advance = counter(progress, steps)
        by_name = {each.name: each for each in participants}
        entries = []
        for backend in backends.runners:
            digests = _digests(backend, corpus, advance)
            entries.append(Entry(participant=by_name[backend.name], digests=digests))
        for provider in providers.runners:
            maps = _maps(provider, pictures, advance)
            who = by_name[provider.name]
            entries.append(Entry(participant=who, maps=maps, network=model.sha256))
    return Record(name="", entries=tuple(entries), provenance=provenance())


def compare_files(paths: Sequence[Path], calibration: Path | None) -> Report:
    """Return the matrix over the records in `paths` and the committed golden digests.

    Raises
    ------
    InputError
        A record or the calibration cannot be used, or a file is named twice.
    """
    resolved = [path.resolve() for path in paths]
    for path, full in zip(paths, resolved, strict=True):
        if resolved.count(full) > 1:
            msg = f"{path} is named twice"
            raise InputError(msg, remedy="name each record once")
    stems = [path.stem for path in paths]
    records = [
        read_record(path, name=path.stem if stems.count(path.stem) == 1 else str(path))
        for path in paths
    ]
    names = [entry.participant.name for record in records for entry in record.entries]
    for name in names:
        if names.count(name) > 1:
            msg = f"the records have two entries {name!r}, of which one would hide the other"
            raise InputError(msg, remedy="rename a file, or record again")
    rules = read_calibration(calibration) if calibration else Calibration()
    return compare_records(records, rules, provenance=provenance())


def _digests(
    runner: BackendRunner, corpus: Iterable[SeededCase], advance: Callable[[], None]
) -> Mapping[str, Mapping[str, str]]:
    """Return the digests of every frame; each case is run twice, in sessions of its own."""
    digests: dict[str, dict[str, str]] = {}
    for case in corpus:
        first, second = (_run(runner, case) for _ in range(2))
        for key, stages in first.items():
            for stage, digest in stages.items():
                if second[key][stage] != digest:
                    msg = f"{runner.name} gave two answers for {stage} of {key!r}"
                    raise ParityError(msg, remedy="see roi-accel parity for where they differ")
        digests |= first
        advance()
    return digests


def _run(runner: BackendRunner, case: SeededCase) -> dict[str, dict[str, str]]:
    try:
        with runner.open(case.plan) as session:
            return case.run(session)
    except RoiAccelError:
        raise
    except Exception as error:
        msg = f"{runner.name} failed on {case.name!r}: {type(error).__name__}: {error}"
        raise BackendUnavailable(msg, remedy="leave it out with --backends") from error


def _maps(
    runner: NetworkRunner, pictures: Iterable[SeededCase], advance: Callable[[], None]
) -> Mapping[str, NDArray[np.float32]]:
    maps: dict[str, NDArray[np.float32]] = {}
    for case in pictures:
        with NumpyBackend().open(case.plan) as session:
            for number, sample in enumerate(case.samples()):
                key = frame_key(case.name, number)
                maps[key] = np.array(runner.infer(session.preprocess(sample.reference)))
                if problem := map_problem(maps[key]):
                    msg = f"{runner.name} gave a map of {key!r} that is not a mask: {problem}"
                    raise ParityError(msg, remedy="leave it out with --eps")
        advance()
    return maps
