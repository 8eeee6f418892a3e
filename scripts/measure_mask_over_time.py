"""Measure how --saliency-stride and --mask-smooth move scores and masks, and what a stride saves.

Prints Markdown tables per pair; docs/mask-over-time.md is written from them. Without videos the
pair of the demo is measured. Times are those of whole commands, run in turns.

    python scripts/measure_mask_over_time.py --model student_v2 ref.mp4 dist.mp4 [ref2 dist2]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import roi_accel
from roi_accel.bench.contender import ratios, time_commands
from roi_accel.cli.demo import make_pair

STRIDES = (1, 2, 4, 8)
SECONDS = (0.0, 0.1, 0.5)


def main() -> None:
    """Score every pair with every stride and time constant, then time the strides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="student_v2", help="a saliency model's name or path")
    parser.add_argument("--size", default="256", help="the network's long side, or native")
    parser.add_argument("--frames", type=int, default=100, help="frames of each pair to score")
    parser.add_argument("--repeats", type=int, default=5, help="turns of each command; 0: no times")
    parser.add_argument("videos", nargs="*", help="reference and distorted, pair after pair")
    arguments = parser.parse_args()
    path = Path(arguments.model)
    network = {
        "saliency_model": str(path.resolve()) if path.exists() else arguments.model,
        "saliency_size": arguments.size,
        "frame_count": arguments.frames,
    }
    with tempfile.TemporaryDirectory(prefix="roi-accel-over-time-") as name:
        folder = Path(name)
        videos = [Path(each).resolve() for each in arguments.videos] or list(make_pair(folder))
        for reference, distorted in zip(videos[::2], videos[1::2], strict=True):
            print_scores(reference, distorted, network)
            if arguments.repeats:
                print_times(reference, distorted, network, folder, arguments.repeats)


def print_scores(reference: Path, distorted: Path, network: dict[str, Any]) -> None:
    """Print the masked score for each stride and time, and how much the mask moves."""
    found = {
        (stride, seconds): roi_accel.score(
            reference,
            distorted,
            saliency_stride=stride,
            mask_smooth=seconds,
            **network,
        )
        for stride in STRIDES
        for seconds in SECONDS
    }
    plain = found[1, 0.0]
    video = plain.provenance["reference"]
    print(
        f"\n{reference.name}, {video['width']}x{video['height']}, {len(plain.frames)} frames, ",
        end="",
    )
    print(f"{video['frame_rate']} per second, vmaf_full {plain.vmaf_full:.2f}\n")
    heads = [f"smooth {seconds:g} s" for seconds in SECONDS]
    print(f"| stride | {' | '.join(f'{head} | moves' for head in heads)} |")
    print(f"|---{'|---|---' * len(heads)}|")
    for stride in STRIDES:
        cells = [
            f"{found[stride, seconds].vmaf_masked:.2f} | {_moves(found[stride, seconds]):.4f}"
            for seconds in SECONDS
        ]
        print(f"| {stride} | {' | '.join(cells)} |")


def print_times(
    reference: Path, distorted: Path, network: dict[str, Any], folder: Path, repeats: int
) -> None:
    """Print how long whole runs take beside a run of stride 1."""
    command = [sys.executable, "-m", "roi_accel", "score", "--quiet", "--overwrite"]
    command += ["-r", str(reference), "-d", str(distorted), "-o", "result.json"]
    for name, value in network.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    sides = {f"{stride}": [[*command, "--saliency-stride", f"{stride}"]] for stride in STRIDES}
    seconds = time_commands(sides, folder, rounds=repeats)
    print("\n| stride | time / stride 1: median | least | most |\n|---|---|---|---|")
    for stride in STRIDES[1:]:
        spread = ratios(seconds, f"{stride}", "1")
        print(f"| {stride} | {spread['median']:.2f} | {spread['min']:.2f} | {spread['max']:.2f} |")


def _moves(result: roi_accel.Result) -> float:
    """Return by how much the share of the frame that is scored changes from frame to frame."""
    return float(np.abs(np.diff([frame.alpha_mean for frame in result.frames])).mean())


if __name__ == "__main__":
    main()
