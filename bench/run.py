"""One run of the benchmark: every case measured, held to the exact bytes, written down."""

from __future__ import annotations

import hashlib
import os
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel._version import __version__
from roi_accel.backends.frame import PixelFormat
from roi_accel.bench.contender import Absent, Contender
from roi_accel.bench.goals import judge
from roi_accel.bench.inputs import (
    KERNELS,
    MASK_SIZE,
    ON_DEVICE,
    ON_DEVICE_BACKEND,
    BenchCase,
    alpha_shares,
    bytes_to_move,
    cases_of,
    make_inputs,
)
from roi_accel.bench.machine import machine_facts
from roi_accel.bench.ours import (
    REFERENCE_BACKEND,
    copy_bytes,
    device_copy,
    host_copy,
    our_contender,
)
from roi_accel.bench.peers import PEERS
from roi_accel.bench.sizes import SIZES
from roi_accel.bench.timing import FULL, QUICK, Effort, Spread, alternate, ratios
from roi_accel.devices.dispatch import probe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from roi_accel.backends.protocol import Alpha
    from roi_accel.bench.inputs import Inputs, Kernel

SCHEMA_VERSION = 1

DEFAULT_CASES = (
    ("1080p", "yuv420p"),
    ("2160p", "yuv420p10le"),
    ("720p", "yuv420p"),
    ("1080p", "yuv420p10le"),
    ("1080p", "yuv444p16le"),
)
"""(size, pixel format): what is mostly scored, the largest, the smallest, the deepest."""

_COMPARED_FRAMES = 2
_MASKS_COUNTED = 4
_QUICK_FRAMES = 2
_QUICK_COPY = 1 << 20
_GIGA = 1e9
_TRANSFERS = ("upload", "download")


@dataclass(frozen=True, kw_only=True)
class BenchOptions:
    """What is measured.

    Attributes
    ----------
    backends : sequence of str
    cases : sequence of (width, height, PixelFormat)
    kernels : sequence of Kernel
    threads : int
        Of the host's processor, for every backend and peer that takes several.
    quick : bool
        Shows that everything works; the figures mean nothing.
    """

    backends: Sequence[str]
    cases: Sequence[tuple[int, int, PixelFormat]]
    kernels: Sequence[Kernel] = KERNELS
    threads: int
    quick: bool = False

    @property
    def measurable_kernels(self) -> tuple[Kernel, ...]:
        """Without those that none of the backends has."""
        return tuple(
            k for k in self.kernels if k != ON_DEVICE or ON_DEVICE_BACKEND in self.backends
        )

    @property
    def effort(self) -> Effort:
        """How long is measured."""
        return QUICK if self.quick else FULL

    @property
    def copied_bytes(self) -> int:
        """How large the array is whose copying gives the bandwidth."""
        return _QUICK_COPY if self.quick else copy_bytes()


def default_cases() -> list[tuple[int, int, PixelFormat]]:
    """Return `DEFAULT_CASES` as numbers."""
    return [(*SIZES[size], PixelFormat.from_name(name)) for size, name in DEFAULT_CASES]


def run_bench(
    options: BenchOptions, *, progress: Callable[[int, int | None], None] | None = None
) -> dict[str, Any]:
    """Measure all cases and return the report, ready for JSON.

    Raises
    ------
    RoiAccelError
        A backend that is there fails.
    """
    cases = cases_of(options.cases, options.measurable_kernels)
    machine = machine_facts()
    measured = []
    for number, case in enumerate(cases):
        if progress is not None:
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
        found = _everyone(case, inputs, options, stack)
        contenders = [each for each in found if isinstance(each, Contender)]
        exact, alphas = exact_outputs(
            case.kernel, inputs, frames=_COMPARED_FRAMES, masks=_MASKS_COUNTED
        )
        outcomes = {each.name: _outcome(each, exact, case) for each in contenders}
        before = {each.name: (each.done, each.events()) for each in contenders if each.events}
        seconds = alternate(contenders, options.effort)
        device_seconds = {
            each.name: _device_seconds(each, *before[each.name])
            for each in contenders
            if each.events
        }
    needed = bytes_to_move(case.kernel, inputs.plan, alphas)
    copies = {
        each.name: _bandwidth(options.copied_bytes, seconds[each.name])
        for each in contenders
        if each.role == "copy"
    }
    rows = []
    for each in contenders:
        if each.role == "copy":
            continue
        row = _row(each, seconds, device_seconds.get(each.name, {}), needed, options.copied_bytes)
        if each.role == "backend":
            row["ratios"] = {
                other.name: ratios(seconds, each.name, other.name).to_dict()
                for other in contenders
                if other.role in {"peer", "transfers"}
            }
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
        "copies": copies,
        "rows": rows,
        "not_measured": [vars(each) for each in found if isinstance(each, Absent)],
    }


def digest_of(planes: Sequence[np.ndarray]) -> str:
    """Return the SHA-256 of arrays with their types and shapes."""
    digest = hashlib.sha256()
    for plane in planes:
        digest.update(f"{plane.dtype.str}{list(plane.shape)}".encode())
        digest.update(np.ascontiguousarray(plane).tobytes())
    return digest.hexdigest()


def differences(exact: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> dict[str, float]:
    """Return which share of the samples differs from the exact ones, and by how much at most."""
    total = sum(plane.size for plane in exact)
    off, largest = 0, 0
    for wanted, got in zip(exact, other, strict=True):
        gap = np.abs(wanted.astype(np.int64) - got.astype(np.int64))
        off += int((gap != 0).sum())
        largest = max(largest, int(gap.max()))
    return {"share_off": off / total, "largest": largest}


def _everyone(
    case: BenchCase, inputs: Inputs, options: BenchOptions, stack: ExitStack
) -> list[Contender | Absent]:
    """Return copies, backends and peers; on the device, those that work there."""
    from roi_accel.bench import gpu  # noqa: PLC0415 - it looks for CuPy

    found: list[Contender | Absent] = []
    threads = options.threads
    on_device = case.kernel == ON_DEVICE
    backends = [ON_DEVICE_BACKEND] if on_device else options.backends
    if not on_device:
        found += [host_copy(count, options.copied_bytes, stack) for count in sorted({1, threads})]
    for name in backends:
        ours = our_contender(name, case.kernel, inputs, threads, stack)
        found.append(ours)
        if isinstance(ours, Contender) and not ours.threads:
            copy = device_copy(name, threads, options.copied_bytes, stack)
            found += [] if copy is None else [copy]
    if case.kernel == "substitute":
        found += [make(inputs, threads, stack) for make in PEERS.values()]
        if ON_DEVICE_BACKEND in backends:
            found.append(gpu.transfers(inputs, threads, stack))
    elif on_device:
        found += [make(inputs, threads, stack) for make in gpu.DEVICE_PEERS.values()]
    return found


def exact_outputs(
    kernel: Kernel, inputs: Inputs, *, frames: int, masks: int
) -> tuple[list[list[np.ndarray]], list[Alpha]]:
    """Return the reference backend's output for the first frames, and alpha of the first masks.

    At most so many `frames` and `masks`; each frame as its planes in the host's memory.
    """
    host_kernel: Kernel = "substitute" if kernel == ON_DEVICE else kernel
    with ExitStack() as stack:
        reference = our_contender(REFERENCE_BACKEND, host_kernel, inputs, 1, stack)
        upsampler = our_contender(REFERENCE_BACKEND, "upsample", inputs, 1, stack)
        if isinstance(reference, Absent) or isinstance(upsampler, Absent):
            msg = "the reference backend needs NumPy alone"
            raise TypeError(msg)
        exact = [reference.planes(i) for i in range(min(inputs.count, frames))]
        alphas = [upsampler.frame(i) for i in range(min(inputs.count, masks))]
    return exact, alphas


def _outcome(
    contender: Contender, exact: Sequence[Sequence[np.ndarray]], case: BenchCase
) -> dict[str, Any]:
    """Return what a contender's output is beside the exact one."""
    if contender.role not in {"backend", "peer"}:
        return {}
    planes = [plane for number in range(len(exact)) for plane in contender.planes(number)]
    wanted = [plane for frame in exact for plane in frame]
    digest = digest_of(planes)
    outcome: dict[str, Any] = {"digest": digest, "exact": digest == digest_of(wanted)}
    if contender.role == "peer":
        outcome["difference"] = {
            **differences(wanted, planes),
            "why": contender.difference,
            "with_alpha_from_the_mask_itself": _difference_without_fade(contender, case),
        }
    return outcome


def _difference_without_fade(contender: Contender, case: BenchCase) -> dict[str, float]:
    """Return the same where threshold 0 and fade 1 make the mask itself alpha.

    So that what a peer's own rounding does shows apart from where it applies the fade. It gets as
    many threads as the one that is timed: OpenCV keeps their number for the whole process.
    """
    from roi_accel.bench import gpu  # noqa: PLC0415 - it looks for CuPy

    inputs = make_inputs(case, frames=1, threshold=0.0, fade=1.0)
    exact, _ = exact_outputs("substitute", inputs, frames=1, masks=0)
    with ExitStack() as stack:
        peer = (PEERS | gpu.DEVICE_PEERS)[contender.name](inputs, contender.threads, stack)
        if isinstance(peer, Absent):
            msg = f"{contender.name} was there a moment ago: {peer.reason}"
            raise TypeError(msg)
        return differences(exact[0], peer.planes(0))


def _bandwidth(copied_bytes: int, seconds: Sequence[float]) -> float:
    """Return GB/s of a copy, each byte of which is read once and written once."""
    return 2 * copied_bytes / Spread.of(seconds).median / _GIGA


def _device_seconds(
    contender: Contender, done: int, before: Mapping[str, float]
) -> dict[str, float]:
    if contender.events is None or contender.done == done:
        return {}
    return {
        kind: (seconds - before.get(kind, 0.0)) / (contender.done - done)
        for kind, seconds in contender.events().items()
    }


def _row(
    contender: Contender,
    seconds: Mapping[str, Sequence[float]],
    device_seconds: Mapping[str, float],
    needed: float,
    copied_bytes: int,
) -> dict[str, Any]:
    spread = Spread.of(seconds[contender.name])
    row: dict[str, Any] = {
        "name": contender.name,
        "role": contender.role,
        "threads": contender.threads,
        "facts": contender.facts,
        "seconds_per_frame": spread.to_dict(),
        "frames_per_second": 1 / spread.median,
        "gigabytes_per_second": needed / spread.median / _GIGA,
    }
    if contender.copy in seconds:
        copied = _bandwidth(copied_bytes, seconds[contender.copy])
        row["copy"] = contender.copy
        row["copy_gigabytes_per_second"] = copied
        row["seconds_at_copy_bandwidth"] = needed / copied / _GIGA
        # A device's copy stays in its memory, so only its kernels may be held against it.
        kernels = sum(device_seconds[kind] for kind in device_seconds if kind not in _TRANSFERS)
        if contender.threads == 0 and kernels > 0:
            row["share_of_copy"] = needed / kernels / _GIGA / copied
        else:
            beside = ratios(seconds, contender.copy, contender.name).median
            row["share_of_copy"] = beside * needed / (2 * copied_bytes)
    if device_seconds:
        row["device_seconds_per_frame"] = dict(device_seconds)
    return row
