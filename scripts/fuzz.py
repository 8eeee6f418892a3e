"""Feeds hostile files to everything that parses, for longer than the test suite does.

The strategies are those of tests/faults/fuzz_targets.py. Each target runs in a process of its own
with a limit on its address space, so that a crash or a hang is a finding too and not the end.

    python scripts/fuzz.py all --inputs 120000 --seed 1
    python scripts/fuzz.py y4m --inputs 1000 --keep findings
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

ROOT = Path(__file__).resolve().parent.parent
BATCH = 500
"""Inputs per run of hypothesis, which remembers all of a run's inputs."""

ADDRESS_SPACE = 8 << 30
HANG_SECONDS = 60.0
POLL_SECONDS = 0.5
MOST_RESTARTS = 50


@dataclass
class Tally:
    """What happened to one target's inputs."""

    tried: int = 0
    seconds: float = 0.0
    accepted: int = 0
    findings: collections.Counter[str] = field(default_factory=collections.Counter)


def main() -> int:
    """Run the targets and print the table; 1 if anything was found."""
    arguments = parse_arguments()
    if arguments.worker:
        work(arguments.target, arguments.inputs, arguments.seed, Path(arguments.worker))
        return 0
    names = list(load_targets().TARGETS) if arguments.target == "all" else [arguments.target]
    share = -(-arguments.inputs // len(names))
    tallies = {}
    print(f"{'target':14} {'inputs':>8} {'accepted':>9} {'seconds':>8} {'findings':>9}", flush=True)
    for name in names:
        tally = tallies[name] = run_target(name, share, arguments.seed, arguments.keep)
        print_row(name, tally)
    total = Tally(
        sum(each.tried for each in tallies.values()),
        sum(each.seconds for each in tallies.values()),
        sum(each.accepted for each in tallies.values()),
        sum((each.findings for each in tallies.values()), collections.Counter()),
    )
    print_row("all", total)
    for name, tally in tallies.items():
        for what, count in tally.findings.most_common():
            print(f"{name}: {count} x {what}")
    return 1 if total.findings else 0


def parse_arguments() -> argparse.Namespace:
    """Return the command line's arguments."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("target", help="a target's name, or all")
    parser.add_argument("--inputs", type=int, default=120_000, help="in all")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="folder for the inputs of findings")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def load_targets() -> Any:  # noqa: ANN401 - a module of the tests, which are not type-checked
    """Return the module of targets."""
    sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "faults")]
    return importlib.import_module("fuzz_targets")


def print_row(name: str, tally: Tally) -> None:
    """Print one row of the table."""
    print(
        f"{name:14} {tally.tried:8} {tally.accepted:9} {tally.seconds:8.0f} "
        f"{len(tally.findings):9}",
        flush=True,
    )


def run_target(name: str, inputs: int, first_seed: int, keep: Path | None) -> Tally:
    """Give one target `inputs` files, in a new process after each crash or hang."""
    tally = Tally()
    started = time.monotonic()
    for restart in range(MOST_RESTARTS):
        left = inputs - tally.tried
        if left <= 0:
            break
        with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
            failure = watch(name, left, first_seed + 10_000 * restart, Path(folder))
            state = json.loads((Path(folder) / "state.json").read_text("utf-8"))
            tally.tried += state["tried"]
            tally.accepted += state["accepted"]
            tally.findings.update(state["findings"])
            if failure:
                tally.findings[failure] += 1
            if keep is not None:
                keep_findings(Path(folder), keep / name, failure)
    tally.seconds = time.monotonic() - started
    return tally


def watch(name: str, inputs: int, first_seed: int, folder: Path) -> str:
    """Run a worker to its end and return how it failed, "" if it did not."""
    (folder / "state.json").write_text('{"tried": 0, "accepted": 0, "findings": {}}', "utf-8")
    command = [sys.executable, __file__, name, "--inputs", str(inputs), "--seed", str(first_seed)]
    process = subprocess.Popen([*command, "--worker", str(folder)])  # noqa: S603 - this script
    last, since = "", time.monotonic()
    while process.poll() is None:
        time.sleep(POLL_SECONDS)
        state = (folder / "state.json").read_text("utf-8")
        if state != last:
            last, since = state, time.monotonic()
        elif time.monotonic() - since > HANG_SECONDS:
            process.kill()
            process.wait()
            return f"hang of more than {HANG_SECONDS:.0f} s"
    if process.returncode < 0:
        return f"killed by {signal.Signals(-process.returncode).name}"
    return f"exit code {process.returncode}" if process.returncode else ""


def keep_findings(folder: Path, target: Path, failure: str) -> None:
    """Copy the inputs of findings, and the one that was being read when the worker ended."""
    kept = sorted(folder.glob("finding-*"))
    if failure:
        kept += sorted(folder.glob("input*"))
    for path in kept:
        target.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def work(name: str, inputs: int, first_seed: int, folder: Path) -> None:
    """Be the worker: read `inputs` files in this process and note what happens."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    targets = load_targets()
    target = targets.TARGETS[name]
    strategy = target.inputs()
    path = folder / f"input{target.suffix}"
    tally = Tally()

    def attempt(content: bytes) -> None:
        if tally.tried >= inputs:
            return
        path.write_bytes(content)
        tally.tried += 1
        try:
            tally.accepted += targets.hold(target, path) == "accepted"
        except Exception as error:  # noqa: BLE001 - whatever it is, it is a finding
            what = describe(error)
            if not tally.findings[what]:
                shutil.copy(path, folder / f"finding-{len(tally.findings)}{target.suffix}")
            tally.findings[what] += 1
        note(folder, tally)

    batch = 0
    while tally.tried < inputs:
        rules: Any = settings(
            max_examples=BATCH,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seeded: Any = seed(first_seed + batch)  # hypothesis's decorators have no types
        given_inputs: Any = given(strategy)
        seeded(rules(given_inputs(attempt)))()
        batch += 1


def note(folder: Path, tally: Tally) -> None:
    """Write the state whole, for the parent to read at any moment."""
    state = {"tried": tally.tried, "accepted": tally.accepted, "findings": tally.findings}
    fresh = folder / "state.new"
    fresh.write_text(json.dumps(state), "utf-8")
    os.replace(fresh, folder / "state.json")  # noqa: PTH105 - the cheapest call, once per input


def describe(error: Exception) -> str:
    """Return an error's type and where in the product it came from, to count equal ones once."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if "fuzz" not in Path(each.filename).name] or list(frames)
    place = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
    return f"{type(error).__name__} at {place}: {str(error)[:100]}"


if __name__ == "__main__":
    sys.exit(main())
