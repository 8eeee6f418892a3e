"""Measure how the network's input size moves the masked score, the mask and the time.

Prints one Markdown table per pair; docs/saliency-size.md is written from it.

    python scripts/measure_saliency_size.py --model student_v2 ref.mp4 dist.mp4 [ref2.mp4 dist2.mp4]
"""

from __future__ import annotations

import argparse

import numpy as np

import roi_accel

SIZES = ("96", "128", "192", "256", "320", "400", "512", "768", "native")
TRAINING_SIZE = "400"
"""DUTS-TR's images, from which the students' 256x256 crops were cut, are about so long."""


def main() -> None:
    """Score every pair at every size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="student_v2", help="a saliency model's name or path")
    parser.add_argument("--frames", type=int, default=60, help="frames of each pair to score")
    parser.add_argument("videos", nargs="+", help="reference and distorted, pair after pair")
    arguments = parser.parse_args()
    pairs = list(zip(arguments.videos[::2], arguments.videos[1::2], strict=True))
    for reference, distorted in pairs:
        results = {
            size: roi_accel.score(
                reference,
                distorted,
                saliency_model=arguments.model,
                saliency_size=size,
                frame_count=arguments.frames,
            )
            for size in SIZES
        }
        print_table(reference, results)


def print_table(reference: str, results: dict[str, roi_accel.Result]) -> None:
    """Print what each size gave, and how far its coverage is from the training size's."""
    training = _coverage(results[TRAINING_SIZE])
    first = next(iter(results.values()))
    video = first.provenance["reference"]
    print(f"\n{reference.rsplit('/', 1)[-1]}, {video['width']}x{video['height']}, ", end="")
    print(f"{len(first.frames)} frames, vmaf_full {first.vmaf_full:.2f}\n")
    print("| size | input | vmaf_masked | mean alpha | coverage vs 400 | network ms/frame |")
    print("|---|---|---|---|---|---|")
    for size, result in results.items():
        mask = result.provenance["mask"]
        stages = result.timing["stages"]
        milliseconds = 1000 * stages["network"] / len(result.frames)
        difference = np.abs(_coverage(result) - training).mean()
        print(
            f"| {size} | {mask['input_width']}x{mask['input_height']} | {result.vmaf_masked:.2f} "
            f"| {_coverage(result).mean():.3f} | {difference:.3f} | {milliseconds:.1f} |"
        )


def _coverage(result: roi_accel.Result) -> np.ndarray:
    """Return each frame's mean alpha: how much of it counts."""
    return np.array([frame.alpha_mean for frame in result.frames])


if __name__ == "__main__":
    main()
