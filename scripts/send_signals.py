"""Interrupts scores at random moments, and counts every hang, wrong exit, remnant or partial file.

    python scripts/send_signals.py --runs 200

Each run gets SIGINT or SIGTERM, at a moment drawn evenly from its start to a little after its usual
end, until `--runs` signals have met a run that was still there. It passes if it ends within 2 s of
the signal, leaves no process and no temporary file, and its result is absent, or whole and as it
always is (then the exit code is 0).
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

MARK = "ROI_ACCEL_SIGNAL_RUN"
"""A variable that every process of a run inherits, by which it is found again."""

ALLOWED_SECONDS = 2.0
HANG_SECONDS = 60.0
WIDTH, HEIGHT, FRAMES = 320, 192, 24
DIED = {signal.SIGINT: (130, -signal.SIGINT), signal.SIGTERM: (143, -signal.SIGTERM)}
"""A signal that comes before Python has read our first line has its own default effect."""


@dataclass(frozen=True)
class Outcome:
    """What became of one run; `met` is whether it was still there when the signal was sent."""

    number: signal.Signals
    code: int
    seconds: float
    faults: tuple[str, ...]
    met: bool


def main() -> int:
    """Send the signals and print the figures; 1 if any run failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    # A shell's `&` has us ignore it, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    with tempfile.TemporaryDirectory(prefix="signals ") as name:
        folder = Path(name)
        pair = write_pair(folder)
        arguments = [*pair, "--backend", "numpy"]
        usual, wanted = run_whole(folder, arguments)
        outcomes: list[Outcome] = []
        index = 0
        while sum(outcome.met for outcome in outcomes) < options.runs:
            index += 1
            number = draw.choice([signal.SIGINT, signal.SIGTERM])
            moment = draw.uniform(0.0, 1.1 * usual)
            outcome = interrupt(folder, arguments, number, moment, wanted)
            outcomes.append(outcome)
            for fault in outcome.faults:
                print(f"run {index}: {number.name} after {moment:.3f} s: {fault}", flush=True)
    report(outcomes, usual)
    return 1 if any(outcome.faults for outcome in outcomes) else 0


def write_pair(folder: Path) -> list[str]:
    """Write two short Y4M files and return the options that name them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    options = []
    for option, step in (("-r", 1), ("-d", 16)):
        path = folder / f"{option[1:]}.y4m"
        with path.open("wb") as file:
            file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip C420jpeg\n".encode())
            for index in range(FRAMES):
                luma = 128 + 90 * np.sin((x + 3 * index) / 17) * np.cos(y / 11)
                file.write(b"FRAME\n" + (luma.astype(np.uint8) // step * step).tobytes())
                file.write(bytes([128]) * (WIDTH * HEIGHT // 2))
        options += [option, str(path)]
    return options


def start(folder: Path, arguments: list[str], mark: str) -> subprocess.Popen[bytes]:
    """Start a score whose result and temporary files have folders of their own."""
    (folder / "temporary").mkdir(exist_ok=True)
    command = [sys.executable, "-m", "roi_accel", "score", *arguments]
    command += ["-o", str(folder / "result.json"), "--csv", str(folder / "result.csv")]
    return subprocess.Popen(  # noqa: S603 - our own command
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=os.environ | {MARK: mark, "TMPDIR": str(folder / "temporary")},
    )


def run_whole(folder: Path, arguments: list[str]) -> tuple[float, dict[str, Any]]:
    """Let scores come to their ends, and return the shortest's seconds and the result."""
    seconds = []
    for _ in range(4):
        started = time.monotonic()
        start(folder, arguments, "whole").communicate(timeout=HANG_SECONDS)
        seconds.append(time.monotonic() - started)
        wanted = result_of(folder / "result.json")
    return min(seconds), wanted


def result_of(path: Path) -> dict[str, Any]:
    """Return a result without its times, and remove it; ValueError where it is not whole."""
    result: dict[str, Any] = json.loads(path.read_text("utf-8"))
    result.pop("timing")
    path.unlink()
    path.with_suffix(".csv").unlink()
    return result


def interrupt(
    folder: Path,
    arguments: list[str],
    number: signal.Signals,
    moment: float,
    wanted: dict[str, Any],
) -> Outcome:
    """Run a score, send it a signal after `moment` seconds, and check everything it left."""
    mark = uuid.uuid4().hex
    process = start(folder, arguments, mark)
    time.sleep(moment)
    sent = time.monotonic()
    met = process.poll() is None
    process.send_signal(number)
    faults = []
    try:
        _, said = process.communicate(timeout=HANG_SECONDS)
    except subprocess.TimeoutExpired:
        faults.append("hangs")
        process.kill()
        _, said = process.communicate()
    while living(mark) and time.monotonic() - sent < ALLOWED_SECONDS:
        time.sleep(0.01)
    seconds = time.monotonic() - sent
    if seconds > ALLOWED_SECONDS:
        faults.append(f"took {seconds:.2f} s")
    faults += [f"left process {each}" for each in living(mark)]
    left = [*(folder / "temporary").iterdir(), *folder.glob(".roi-accel-*")]
    faults += [f"left {path.name}" for path in left]
    # What Python itself does where Ctrl-C meets it while it is still starting.
    code = -number if b"init_import_site" in said else process.returncode
    faults += judge(folder, code, number, wanted)
    return Outcome(number, code, seconds, tuple(faults), met)


def judge(folder: Path, code: int, number: signal.Signals, wanted: dict[str, Any]) -> list[str]:
    """Return what is wrong with the files and the exit code, and remove the files."""
    present = [name for name in ("result.json", "result.csv") if (folder / name).exists()]
    faults = []
    if code == 0 and len(present) == 2:  # noqa: PLR2004
        try:
            found = result_of(folder / "result.json")
        except ValueError as error:
            return [f"partial result: {error}"]
        if found != wanted:
            faults.append("another result than without a signal")
    elif code not in DIED[number]:
        faults.append(f"exit code {code}")
    elif present:
        faults.append(f"exit code {code}, and yet {', '.join(present)}")
    for name in present:
        (folder / name).unlink(missing_ok=True)
    return faults


def living(mark: str) -> list[str]:
    """Return the numbers of the living processes of a run."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if wanted in environment.read_bytes().split(b"\0"):
                found.append(environment.parent.name)
    return found


def report(outcomes: list[Outcome], usual: float) -> None:
    """Print the figures."""
    met = [outcome for outcome in outcomes if outcome.met]
    seconds = sorted(outcome.seconds for outcome in met)
    signals = Counter(outcome.number.name for outcome in met)
    codes = Counter(outcome.code for outcome in met)
    failed = sum(bool(outcome.faults) for outcome in outcomes)
    print(f"runs: {len(outcomes)}, of {usual:.2f} s where nothing interrupts them")
    print(f"ended before their signal: {len(outcomes) - len(met)}")
    print(
        "signals that met a run: "
        + ", ".join(f"{count} {name}" for name, count in sorted(signals.items()))
    )
    print("exit codes: " + ", ".join(f"{count} x {code}" for code, count in sorted(codes.items())))
    print(
        f"from the signal to the last process's end: median {seconds[len(seconds) // 2]:.2f} s, "
        f"largest {seconds[-1]:.2f} s"
    )
    print(f"runs with a fault: {failed}")


if __name__ == "__main__":
    sys.exit(main())
