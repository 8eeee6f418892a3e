"""Kills batches at random moments, and counts every pair that is lost, changed or scored twice.

    python scripts/kill_batches.py --kills 20

A batch of 40 pairs and two workers is started; at a random moment one of its workers, or all of it,
is killed by SIGKILL. A batch that is gone is started again with the same command, until nothing is
left to do. Then there must be exactly 40 lines, each equal to the `score` of that pair alone but
for its times, and none that was there at any kill may have been written again: its times, which
differ between equal runs, are still the ones it had. Runs until enough kills have met a batch.

What a killed process was still scoring is scored anew, and no more than that: the VMAF runs that
came to their end are counted by a scorer that notes them, and compared with the pairs that were in
the works at the kills.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import roi_accel
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

WIDTH, HEIGHT, FRAMES = 96, 64, 6
REFERENCES, ENCODES = 8, 5
WORKERS = 2
MASK = 0.6
HANG_SECONDS = 120.0

_SCORER = """\
#!{python} -ISE
import os, subprocess, sys
done = subprocess.run([{ffmpeg!r}, *sys.argv[1:]], close_fds=False)
if "-filter_complex" in sys.argv and done.returncode == 0:
    with open({counter!r}, "ab", buffering=0) as file:
        file.write(b"1\\n")
sys.exit(done.returncode)
"""


@dataclass
class Tally:
    """What was done to the batches, and what was found."""

    rounds: int = 0
    kills: Counter[str] = field(default_factory=Counter)
    ended: int = 0
    faults: list[str] = field(default_factory=list)
    scored_again: int = 0


def main() -> int:
    """Kill batches and print the figures; 1 if any pair was lost, changed or written twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    draw = random.Random(options.seed)  # noqa: S311 - no secret
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="kills ") as name:
        folder = Path(name)
        pairs = write_pairs(folder)
        scorer = write_scorer(folder)
        wanted = {distorted: alone(folder, reference, distorted) for reference, distorted in pairs}
        usual, runs = run_whole(folder, scorer, wanted)
        while sum(tally.kills.values()) < options.kills:
            tally.rounds += 1
            one_round(folder, scorer, draw, usual, tally, wanted=wanted, runs=runs)
            print(f"round {tally.rounds}: {dict(tally.kills)}", flush=True)
    print(f"pairs of each batch: {len(pairs)}, by {WORKERS} workers; {usual:.1f} s without a kill")
    print(f"batches: {tally.rounds}, started {tally.rounds + tally.kills['batch']} times")
    print(f"killed: {tally.kills['worker']} workers, {tally.kills['batch']} whole batches")
    print(f"VMAF runs that ended and were run again: {tally.scored_again} of pairs that a kill met")
    print(f"faults: {len(tally.faults)}")
    for fault in tally.faults:
        print(f"  {fault}")
    return 1 if tally.faults else 0


def write_pairs(folder: Path) -> list[tuple[str, str]]:
    """Write the videos and a manifest of them; return the names of the pairs."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    pairs = []
    for number in range(REFERENCES):
        luma = [
            128 + 90 * np.sin((x + 3 * frame) / (5 + number)) * np.cos(y / 7)
            for frame in range(FRAMES)
        ]
        names = [f"ref{number}.y4m", *(f"dist{number}-{each}.y4m" for each in range(ENCODES))]
        for step, path in enumerate(names):
            coarse = 1 + 7 * step
            with (folder / path).open("wb") as file:
                file.write(f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F25:1 Ip C420jpeg\n".encode())
                for plane in luma:
                    file.write(b"FRAME\n" + (plane.astype(np.uint8) // coarse * coarse).tobytes())
                    file.write(bytes([128]) * (WIDTH * HEIGHT // 2))
        pairs += [(names[0], path) for path in names[1:]]
    rows = [f"{reference},{distorted}" for reference, distorted in pairs]
    (folder / "pairs.csv").write_text("\n".join(["reference,distorted", *rows, ""]))
    return pairs


def write_scorer(folder: Path) -> Path:
    """Write an executable that is the bundled ffmpeg and notes each scoring that it ends."""
    path = folder / "ffmpeg"
    path.write_text(
        _SCORER.format(
            python=sys.executable, ffmpeg=bundled_ffmpeg(), counter=str(folder / "counter")
        )
    )
    path.chmod(0o755)
    return path


def alone(folder: Path, reference: str, distorted: str) -> dict[str, Any]:
    """Return the pair's own score."""
    result = roi_accel.score(
        folder / reference, folder / distorted, synthetic_mask=MASK, backend="numpy"
    )
    return comparable(json.loads(result.to_json()))


def comparable(record: dict[str, Any]) -> dict[str, Any]:
    """Return what equal runs share: not the times, nor whose line it is, nor where files lie."""
    left_out = ("timing", "batch", "reference", "distorted")
    found = {name: value for name, value in record.items() if name not in left_out}
    found["provenance"] = {
        name: value for name, value in found["provenance"].items() if name != "vmaf"
    }
    return found


def start(folder: Path, scorer: Path) -> subprocess.Popen[bytes]:
    """Start the batch, or go on with it."""
    command = [sys.executable, "-m", "roi_accel", "batch", "pairs.csv", "-o", "out.ndjson"]
    command += ["--synthetic-mask", str(MASK), "--worker", "numpy", "--workers", str(WORKERS)]
    command += ["--together", "1", "--no-records", "--vmaf", str(scorer)]
    return subprocess.Popen(  # noqa: S603 - our own command
        command, cwd=folder, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def lines_of(folder: Path) -> list[bytes]:
    """Return the whole lines that are there."""
    path = folder / "out.ndjson"
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    return [line for line in lines if line.endswith(b"\n")]


def counted(folder: Path) -> int:
    """Return how many VMAF runs have ended, and forget them."""
    path = folder / "counter"
    found = len(path.read_bytes().splitlines()) if path.exists() else 0
    path.unlink(missing_ok=True)
    return found


def run_whole(folder: Path, scorer: Path, wanted: dict[str, dict[str, Any]]) -> tuple[float, int]:
    """Let a batch come to its end; return its seconds, and the VMAF runs that each pair takes."""
    counted(folder)
    started = time.monotonic()
    process = start(folder, scorer)
    _, said = process.communicate(timeout=HANG_SECONDS)
    seconds = time.monotonic() - started
    faults = judge(folder, wanted)
    if process.returncode or faults:
        sys.exit(f"the batch fails without a kill: {said.decode()} {faults}")
    (folder / "out.ndjson").unlink()
    return seconds, counted(folder) // len(wanted)


def one_round(
    folder: Path,
    scorer: Path,
    draw: random.Random,
    usual: float,
    tally: Tally,
    *,
    wanted: dict[str, dict[str, Any]],
    runs: int,
) -> None:
    """Start a batch, kill it or its workers until it is done, and check what it wrote."""
    kept: list[bytes] = []
    kills = 0
    while True:
        process = start(folder, scorer)
        time.sleep(draw.uniform(0.0, 0.8 * usual))
        whole = draw.random() < 0.5  # noqa: PLR2004 - one kind of kill as often as the other
        if process.poll() is None:
            victims = [process.pid] if whole else workers_of(process.pid)
            if victims:
                os.kill(draw.choice(victims), signal.SIGKILL)
                tally.kills["batch" if whole else "worker"] += 1
                kills += 1
        try:
            _, said = process.communicate(timeout=HANG_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            tally.faults.append(f"round {tally.rounds}: hangs")
            return
        lines = lines_of(folder)
        if lines[: len(kept)] != kept:
            tally.faults.append(f"round {tally.rounds}: a line that was there has changed")
        kept = lines
        if process.returncode == 0:
            break
        if process.returncode != -signal.SIGKILL:
            tally.faults.append(f"round {tally.rounds}: {process.returncode}: {said.decode()}")
            return
        wait_for_end(folder)
    tally.faults += [f"round {tally.rounds}: {fault}" for fault in judge(folder, wanted)]
    again = counted(folder) - runs * len(wanted)
    tally.scored_again += again
    if not 0 <= again <= kills * WORKERS * runs:
        tally.faults.append(f"round {tally.rounds}: {again} VMAF runs too many")
    (folder / "out.ndjson").unlink()


def workers_of(pid: int) -> list[int]:
    """Return the numbers of the workers that a batch has."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"spawn_main" in line:
            found.append(int(folder.name))
    return found


def wait_for_end(folder: Path) -> None:
    """Wait until the scorers of a batch that was killed have ended, so that all are counted."""
    scorer = str(folder / "ffmpeg").encode()
    deadline = time.monotonic() + HANG_SECONDS
    while time.monotonic() < deadline:
        running = False
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                running = running or scorer in path.read_bytes()
            except OSError:
                continue
        if not running:
            return
        time.sleep(0.05)


def judge(folder: Path, wanted: dict[str, dict[str, Any]]) -> list[str]:
    """Return what is wrong with the lines."""
    found = [json.loads(line) for line in lines_of(folder)]
    names = Counter(record["distorted"] for record in found)
    faults = [f"{name} has {count} lines" for name, count in names.items() if count > 1]
    faults += [f"{name} has no line" for name in wanted if name not in names]
    faults += [
        f"{record['distorted']} has other scores than alone"
        for record in found
        if comparable(record) != wanted[record["distorted"]]
    ]
    return faults


if __name__ == "__main__":
    sys.exit(main())
