"""Measures a batch by one worker with all threads against one by several that share them.

    python scripts/measure_workers.py --pairs 8 --repeats 5

Prints the ratio of their throughputs, turn by turn, in one run; docs/batch.md has it. Every
pair has a reference of its own, so that nothing is shared between pairs.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from roi_accel.backends.host import available_cores
from roi_accel.bench.commands import find_ffmpeg, make_pair
from roi_accel.bench.contender import ratios, time_commands
from roi_accel.bench.inputs import SIZES


def main() -> None:
    """Time batches of equal pairs, in turns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--size", default="720p", choices=sorted(SIZES))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    cores = available_cores()
    with tempfile.TemporaryDirectory(prefix="workers ") as name:
        folder = Path(name)
        made = make_pair(find_ffmpeg(), folder, options.frames, size=SIZES[options.size])
        rows = ["reference,distorted"]
        for number in range(options.pairs):
            for path in (made.reference, *made.distorted):
                # Other bytes behind the same frames, or the batch would see one pair only.
                copy = folder / f"{number}-{path.name}"
                shutil.copy(path, copy)
                with copy.open("ab") as file:
                    file.write(b"\0\0\0\x10free" + number.to_bytes(8, "big"))
            rows.append(f"{number}-{made.reference.name},{number}-{made.distorted[0].name}")
        (folder / "pairs.csv").write_text("\n".join([*rows, ""]))
        sides = {
            f"{workers} x {max(1, cores // workers)}": [command(workers, max(1, cores // workers))]
            for workers in (1, options.workers)
        }
        seconds = time_commands(sides, folder, rounds=options.repeats)
    one, several = sides
    found = ratios(seconds, one, several)
    print(f"{options.pairs} pairs of {options.frames} frames, {options.size}; {cores} cores")
    for side, each in seconds.items():
        print(f"workers x threads {side}: {min(each):.1f} to {max(each):.1f} s")
    print(
        f"throughput of {several} over {one}: median {found['median']:.2f}, "
        f"{found['min']:.2f} to {found['max']:.2f}"
    )


def command(workers: int, threads: int) -> list[str]:
    """Return a batch of so many workers with so many threads each."""
    return [
        *(sys.executable, "-m", "roi_accel", "batch", "pairs.csv", "-o", "out.ndjson"),
        *("--overwrite", "--no-records", "--quiet", "--together", "1"),
        *("--workers", str(workers), "--threads", str(threads)),
    ]


if __name__ == "__main__":
    main()
