"""One run of the benchmark: every case measured, compared with the exact bytes, and reported."""

from __future__ import annotations

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._version import __version__
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.bench import gpu
from roi_accel.bench.contender import (
    FULL,
    QUICK,
    Absent,
    Contender,
    Effort,
    contend,
    ratios,
    spread,
    time_contenders,
)
from roi_accel.bench.goals import judge
from roi_accel.bench.inputs import (
    KERNELS,
    MASK_SIZE,
    ON_DEVICE,
    ON_DEVICE_BACKEND,
    SIZES,
    BenchCase,
    alpha_shares,
    bytes_to_move,
    cases_of,
    machine_facts,
    make_inputs,
)
from roi_accel.bench.ours import (
    copy_bytes,
    device_copy,
    frame_of,
    host_copy,
    our_contender,
    planes_of,
)
from roi_accel.bench.peers import PEERS
from roi_accel.devices.dispatch import probe
from roi_accel.parity.cases import digest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from roi_accel.backends.protocol import Alpha
    from roi_accel.bench.inputs import Inputs, Kernel

SCHEMA_VERSION = 1

DEFAULT_CASES = [
    (*SIZES[size], PixelFormat.from_name(name))
    for size, name in (
        ("1080p", "yuv420p"),
        ("2160p", "yuv420p10le"),
        ("720p", "yuv420p"),
        ("1080p", "yuv420p10le"),
        ("1080p", "yuv444p16le"),
    )
]
"""(width, height, pixel format): what is mostly scored, the largest, the smallest, the deepest."""

ALL_PEERS = PEERS | gpu.DEVICE_PEERS

_COMPARED_FRAMES = 2
_COUNTED_MASKS = 4
_QUICK_FRAMES = 2
_QUICK_COPY = 1 << 20
_GIGA = 1e9
_TRANSFERS = ("upload", "download")


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is measured, on so many threads of the host's processor; `quick` is a smoke test."""

    backends: Sequence[str]
    cases: Sequence[tuple[int, int, PixelFormat]]
    kernels: Sequence[Kernel] = KERNELS
    threads: int
    quick: bool = False

    @property
    def measurable_kernels(self) -> tuple[Kernel, ...]:
        """Without those that none of the backends has."""
        has_device = ON_DEVICE_BACKEND in self.backends
        return tuple(kernel for kernel in self.kernels if kernel != ON_DEVICE or has_device)

    @property
    def effort(self) -> Effort:
        """How long is measured."""
        return QUICK if self.quick else FULL

    @property
    def copied_bytes(self) -> int:
        """The size of the array whose copying gives the bandwidth."""
        return _QUICK_COPY if self.quick else copy_bytes()


def run_bench(
    options: BenchOptions, *, progress: Callable[[int, int | None], None] | None = None
) -> dict[str, Any]:
    """Measure all cases and return the report, ready for JSON.

    `progress` is called before each case with its number and how many there are. RoiAccelError if
    a backend that is present fails.
    """
    cases = cases_of(options.cases, options.measurable_kernels)
    machine = machine_facts()
    measured = []
    for number, case in enumerate(cases):
        if progress:
            progress(number, len(cases))
        measured.append(measure_case(case, options))
    report = {
        "schema_version": SCHEMA_VERSION,
        "roi_accel": __version__,
        "date": datetime.now(UTC).date().isoformat(),
        "machine": machine | {"load_after": os.getloadavg()[0]},
        "settings": {
            "threads": options.threads,
            "quick": options.quick,
            "rounds": options.effort.rounds,
            "turn_seconds": options.effort.turn_seconds,
            "mask_size": list(MASK_SIZE),
            "copied_bytes": options.copied_bytes,
        },
        "devices": {name: [each.to_dict() for each in probe(name)] for name in options.backends},
        "cases": measured,
    }
    report["goals"] = judge(report)
    return report


def measure_case(case: BenchCase, options: BenchOptions) -> dict[str, Any]:
    """Return one case's copies, rows and what is absent."""
    inputs = make_inputs(case, frames=_QUICK_FRAMES if options.quick else None)
    with ExitStack() as stack:
        everyone = _everyone(case, inputs, options, stack)
        contenders = [each for each in everyone if isinstance(each, Contender)]
        exact, alphas = exact_outputs(case.kernel, inputs, _COMPARED_FRAMES, _COUNTED_MASKS)
        outcomes = {each.name: _outcome(each, exact, case) for each in contenders}
        seconds = time_contenders(contenders, options.effort)
        device_seconds = {each.name: each.device_seconds() for each in contenders}
    needed = bytes_to_move(case.kernel, inputs.plan, alphas)
    peers = [each.name for each in contenders if each.role in {"peer", "transfers"}]
    rows = []
    for each in contenders:
        if each.role == "copy":
            continue
        row = _row(each, seconds, device_seconds[each.name], needed, options.copied_bytes)
        if each.role == "backend":
            row["ratios"] = {peer: ratios(seconds, each.name, peer) for peer in peers}
        rows.append(row | outcomes[each.name])
    return {
        "name": case.name,
        "kernel": case.kernel,
        "size": case.size,
        "width": case.width,
        "height": case.height,
        "pixel_format": case.pixel_format.name,
        "mask": None if case.kernel == "preprocess" else case.mask,
        "alpha_shares": alpha_shares(alphas),
        "frames": inputs.count,
        "bytes_per_frame": needed,
        "copies": {
            each.name: _bandwidth(options.copied_bytes, seconds[each.name])
            for each in contenders
            if each.role == "copy"
        },
        "rows": rows,
        "not_measured": [vars(each) for each in everyone if isinstance(each, Absent)],
    }


def differences(exact: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the share of samples that differ from the exact ones, and the largest difference."""
    wanted, got = (np.concatenate([plane.ravel() for plane in planes]) for planes in (exact, other))
    gap = np.abs(wanted.astype(np.int64) - got.astype(np.int64))
    return {"share_off": float((gap != 0).mean()), "largest": int(gap.max())}


def _everyone(
    case: BenchCase, inputs: Inputs, options: BenchOptions, stack: ExitStack
) -> list[Contender | Absent]:
    """Return copies, backends and peers; on the device, those that work there."""
    everyone: list[Contender | Absent | None] = []
    threads = options.threads
    on_device = case.kernel == ON_DEVICE
    backends = [ON_DEVICE_BACKEND] if on_device else options.backends
    if not on_device:
        everyone += [host_copy(n, options.copied_bytes, stack) for n in sorted({1, threads})]
    for name in backends:
        backend = our_contender(name, case.kernel, inputs, threads, stack)
        everyone.append(backend)
        if isinstance(backend, Contender) and not backend.threads:
            everyone.append(device_copy(name, threads, options.copied_bytes, stack))
    for name in peers_of(case.kernel):
        make = partial(ALL_PEERS[name], inputs, threads)
        everyone.append(contend(name, "peer", make, stack))
    if case.kernel == "substitute" and ON_DEVICE_BACKEND in backends:
        make = partial(gpu.transfers, inputs, threads)
        everyone.append(contend(gpu.TRANSFERS, "transfers", make, stack))
    return [each for each in everyone if each is not None]


def peers_of(kernel: Kernel) -> list[str]:
    """Return the names of the peers that can do what `kernel` does."""
    return list({"substitute": PEERS, ON_DEVICE: gpu.DEVICE_PEERS}.get(kernel, {}))


def exact_outputs(
    kernel: Kernel, inputs: Inputs, frames: int, masks: int
) -> tuple[list[list[np.ndarray]], list[Alpha]]:
    """Return the reference backend's planes for the first frames, and alpha of the first masks.

    Parameters
    ----------
    kernel : Kernel
    inputs : Inputs
    frames, masks : int
        At most so many of each.
    """
    with NumpyBackend(threads=1).open(inputs.plan) as session:
        compute = frame_of(kernel, session, inputs)
        exact = [planes_of(kernel)(compute(i)) for i in range(min(inputs.count, frames))]
        alphas = [session.upsample(mask) for mask in inputs.masks[:masks]]
    return exact, alphas


def _outcome(
    contender: Contender, exact: Sequence[Sequence[np.ndarray]], case: BenchCase
) -> dict[str, Any]:
    """Return how a contender's output compares with the exact one."""
    if contender.role not in {"backend", "peer"}:
        return {}
    planes = [plane for number in range(len(exact)) for plane in contender.planes(number)]
    wanted = [plane for frame in exact for plane in frame]
    sha256 = digest(*planes)
    outcome: dict[str, Any] = {"digest": sha256, "exact": sha256 == digest(*wanted)}
    if contender.role == "peer":
        outcome["difference"] = {
            **differences(wanted, planes),
            "why": contender.difference,
            "with_alpha_from_the_mask_itself": _difference_without_fade(contender, case),
        }
    return outcome


def _difference_without_fade(contender: Contender, case: BenchCase) -> dict[str, float]:
    """Return a peer's difference with threshold 0 and fade 1, where alpha is the mask itself.

    This separates its own rounding from where it applies the fade. It gets as many threads as the
    one that is timed, since OpenCV has one number of them per process.
    """
    inputs = make_inputs(case, frames=1, threshold=0.0, fade=1.0)
    exact, _ = exact_outputs("substitute", inputs, 1, 0)
    with closing(ALL_PEERS[contender.name](inputs, contender.threads)) as peer:
        return differences(exact[0], peer.planes(0))


def _bandwidth(copied_bytes: int, seconds: Sequence[float]) -> float:
    """Return GB/s of a copy, which reads and writes each byte once."""
    return 2 * copied_bytes / spread(seconds)["median"] / _GIGA


def _row(
    contender: Contender,
    seconds: Mapping[str, Sequence[float]],
    device_seconds: Mapping[str, float],
    needed: float,
    copied_bytes: int,
) -> dict[str, Any]:
    taken = spread(seconds[contender.name])
    row: dict[str, Any] = {
        "name": contender.name,
        "role": contender.role,
        "threads": contender.threads,
        "facts": contender.facts,
        "seconds_per_frame": taken,
        "frames_per_second": 1 / taken["median"],
        "gigabytes_per_second": needed / taken["median"] / _GIGA,
    }
    if contender.copy in seconds:
        copied = _bandwidth(copied_bytes, seconds[contender.copy])
        row["copy"] = contender.copy
        row["copy_gigabytes_per_second"] = copied
        row["seconds_at_copy_bandwidth"] = needed / copied / _GIGA
        # A device's copy stays in its memory, so only the kernels compare with it.
        kernels = sum(device_seconds[kind] for kind in device_seconds if kind not in _TRANSFERS)
        if contender.threads == 0 and kernels > 0:
            row["share_of_copy"] = needed / kernels / _GIGA / copied
        else:
            beside = ratios(seconds, contender.copy, contender.name)["median"]
            row["share_of_copy"] = beside * needed / (2 * copied_bytes)
    if device_seconds:
        row["device_seconds_per_frame"] = dict(device_seconds)
    return row
