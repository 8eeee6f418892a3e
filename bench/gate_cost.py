"""What the gate costs: whole scores with it and without it, as a ratio.

    python -m roi_accel.bench.gate_cost --backends numba,opencl --frames 48,60,300

Both sides are whole processes of `roi-accel score` on the same files. They alternate, and which one
goes first alternates too, so that a change in the machine's speed meets both.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roi_accel._version import __version__
from roi_accel.backends.host import available_cores
from roi_accel.bench.clips import find_ffmpeg, make_pair
from roi_accel.errors import InputError, RoiAccelError
from roi_accel.parity.gate import DEFAULT_GATE, GATE_MODES

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table and write the JSON that is asked for."""
    options = _parse(arguments)
    counts = [int(text) for text in options.frames.split(",")]
    rows: list[dict[str, Any]] = []
    try:
        with tempfile.TemporaryDirectory(prefix="roi-accel-bench-") as folder:
            pair = options.reference, options.distorted
            if None in pair:
                made = make_pair(find_ffmpeg(), Path(folder), max(counts))
                pair = made.reference, made.distorted[0]
            for backend in options.backends.split(","):
                for count in counts:
                    rows.append(measure(pair, backend, count, options))
                    print_row(rows[-1], with_heading=len(rows) == 1)
    except RoiAccelError as error:
        print(f"bench: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        report = {
            "roi_accel": __version__,
            "system": f"{platform.system()} {platform.machine()}, {available_cores()} cores",
            "gate": options.gate,
            "rows": rows,
        }
        options.json.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("-r", "--reference", type=Path, help="default: a made one, 1080p")
    parser.add_argument("-d", "--distorted", type=Path)
    parser.add_argument("--backends", default="numba")
    parser.add_argument("--frames", default="48,60,300", help="lengths of the runs")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--gate", choices=GATE_MODES, default=DEFAULT_GATE)
    parser.add_argument("--json", type=Path, help="write the figures here")
    return parser.parse_args(arguments)


def measure(
    pair: tuple[Path, Path], backend: str, frames: int, options: argparse.Namespace
) -> dict[str, Any]:
    """Return the seconds of each alternating run and their ratios, after one warm-up of each."""
    seconds: dict[str, list[float]] = {options.gate: [], "off": []}
    processor: dict[str, list[float]] = {options.gate: [], "off": []}
    gate_seconds: list[float] = []
    for repeat in range(options.repeats + 1):
        order = (options.gate, "off") if repeat % 2 else ("off", options.gate)
        for gate in order:
            before = _processor_seconds()
            result = _score(pair, backend, frames, gate)
            used = _processor_seconds() - before
            timing = result["timing"]
            if repeat:
                seconds[gate].append(timing["seconds"])
                processor[gate].append(used)
                if gate == options.gate:
                    # The self-test before the run, and checked frames beside it.
                    parts = (timing["stages"], timing["beside"])
                    gate_seconds.append(sum(part.get("gate", 0.0) for part in parts))
                    checked = result["parity"]["frames_checked"]
    return {
        "backend": backend,
        "frames": frames,
        "frames_checked": checked,
        "seconds": seconds,
        "processor_seconds": processor,
        "gate_seconds": gate_seconds,
        "ratios": _ratios(seconds, options.gate),
        "processor_ratios": _ratios(processor, options.gate),
    }


def _ratios(seconds: dict[str, list[float]], gate: str) -> list[float]:
    return [a / b for a, b in zip(seconds[gate], seconds["off"], strict=True)]


def _processor_seconds() -> float:
    """Return what all ended children, VMAF's among them, have used of all cores together."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_row(row: dict[str, Any], *, with_heading: bool) -> None:
    """Print medians, and the ranges of the ratios."""
    if with_heading:
        print(
            "| backend | frames | checked | s with | s without | s in the gate | ratio "
            "| ratio of processor time |\n|---|---|---|---|---|---|---|---|"
        )
    with_gate, without = (statistics.median(values) for values in row["seconds"].values())
    gate = statistics.median(row["gate_seconds"])
    print(
        f"| {row['backend']} | {row['frames']} | {row['frames_checked']} | {with_gate:.2f} "
        f"| {without:.2f} | {gate:.3f} ({gate / with_gate:.1%}) "
        f"| {_spread(row['ratios'])} | {_spread(row['processor_ratios'])} |",
        flush=True,
    )


def _spread(values: list[float]) -> str:
    return f"{statistics.median(values):.3f} ({min(values):.3f} to {max(values):.3f})"


def _score(pair: tuple[Path, Path], backend: str, frames: int, gate: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "roi_accel", "score", "--quiet", "-r", str(pair[0])]
    command += ["-d", str(pair[1]), "--backend", backend, "--gate", gate]
    command += ["--frame-count", str(frames)]
    done = subprocess.run(command, capture_output=True, check=False, text=True)  # noqa: S603 - a list, no shell
    if done.returncode:
        msg = f"score failed: {done.stderr.strip()}"
        raise InputError(msg, remedy="try the command by hand: " + " ".join(command))
    result: dict[str, Any] = json.loads(done.stdout)
    return result


if __name__ == "__main__":
    sys.exit(main())
