"""Measure how well `center-surround` agrees with the students, beside a centred Gaussian.

    python scripts/measure_center_surround.py

Reads the real clips and networks from $ROI_ACCEL_TEST_DATA (default ../shared beside the
repository). For every tenth frame the student's map above 0.5 is the truth and the area under the
ROC curve is taken over its pixels. docs/center-surround.md is written from what this prints.
"""

from __future__ import annotations

import argparse
import os
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import roi_accel
from roi_accel.backends.plan import Plan
from roi_accel.models import resolve
from roi_accel.providers import plan_provider
from roi_accel.saliency import SaliencyNetwork, SaliencySize
from roi_accel.video import open_video

DATA = Path(os.environ.get("ROI_ACCEL_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))
CLIPS = (
    ("bigbuckbunny.mp4", "256"),
    ("carphone_pristine.mp4", "native"),
    ("carphone_pristine.mp4", "256"),
)
STUDENTS = ("saliency_student_v2.onnx", "saliency_student_v1.onnx")
EVERY = 10
TRUTH = 0.5
COUNTS = 0.35  # The middle of the default fade.
SIGMAS = np.arange(0.1, 0.62, 0.02)


@dataclass(frozen=True)
class Agreement:
    """AUC of a map against the truth: the mean over frames, and over all pixels at once."""

    per_frame: float
    pooled: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA, help="folder with clips/ and models/")
    data = parser.parse_args().data
    ours = open_network("center-surround")
    students = [open_network(str(data / "models" / name)) for name in STUDENTS]
    print("| clip, input | truth | centred Gaussian (best sigma) | center-surround |", end=" ")
    print("pooled | above 0.35: truth, ours | ms/frame: truth, ours |")
    print("|---|---|---|---|---|---|---|")
    for clip, size in CLIPS:
        inputs = read_inputs(data / "clips" / clip, size)
        maps, milliseconds = run(ours, inputs)
        for student in students:
            truth, student_milliseconds = run(student, inputs)
            sigma, gaussian = best_gaussian(truth)
            found = agreement(maps, truth)
            height, width = truth.shape[1:]
            print(
                f"| {clip}, {width}x{height} | {Path(student.model.name).stem} "
                f"| {gaussian:.3f} ({sigma:.2f}) | **{found.per_frame:.3f}** | {found.pooled:.3f} "
                f"| {np.mean(truth > COUNTS):.2f}, {np.mean(maps > COUNTS):.2f} "
                f"| {student_milliseconds:.1f}, {milliseconds:.2f} |"
            )


def read_inputs(path: Path, size: str) -> list[np.ndarray]:
    """Return the network's inputs of every tenth frame, float32[1, 3, h, w]."""
    with open_video(path) as reader:
        info = reader.info
        model = SaliencySize.parse(size).for_frame(info.width, info.height)
        plan = Plan(
            pixel_format=info.pixel_format,
            width=info.width,
            height=info.height,
            mask_width=model.width,
            mask_height=model.height,
            colour_matrix=info.colour_matrix,
            colour_range=info.colour_range,
            model=model,
        )
        with roi_accel.get_backend("numpy").open(plan) as session:
            frames = (frame for number, frame in enumerate(reader) if number % EVERY == 0)
            return [session.preprocess(frame) for frame in frames]


def run(network: SaliencyNetwork, inputs: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the maps and the mean milliseconds per frame, one thread, the first frame left out."""
    network.infer(inputs[0])
    started = time.perf_counter()
    maps = np.stack([network.infer(frame) for frame in inputs])
    return maps, 1000 * (time.perf_counter() - started) / len(inputs)


def best_gaussian(truth: np.ndarray) -> tuple[float, float]:
    """Return the sigma (a share of each side) that suits this clip best, and its mean AUC."""
    height, width = truth.shape[1:]
    scores = []
    for sigma in SIGMAS:
        down = ((np.arange(height) + 0.5) / height - 0.5) / sigma
        across = ((np.arange(width) + 0.5) / width - 0.5) / sigma
        blob = np.exp(-0.5 * (down[:, None] ** 2 + across**2))
        maps = np.broadcast_to(blob, truth.shape)
        scores.append((agreement(maps, truth).per_frame, float(sigma)))
    score, sigma = max(scores)
    return sigma, score


def agreement(maps: np.ndarray, truth: np.ndarray) -> Agreement:
    """Return how well `maps` rank the pixels of `truth` above 0.5; both [frames, h, w]."""
    frames = [auc(a, b > TRUTH) for a, b in zip(maps, truth, strict=True)]
    return Agreement(float(np.nanmean(frames)), auc(maps, truth > TRUTH))


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Return the area under the ROC curve by ranks, ties averaged; NaN without both classes."""
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse.ravel()]
    positive = truth.ravel()
    hits, misses = int(positive.sum()), int((~positive).sum())
    if not hits or not misses:
        return float("nan")
    return float((ranks[positive].sum() - hits * (hits + 1) / 2) / (hits * misses))


def open_network(name: str) -> SaliencyNetwork:
    """Return a network by name or path, on one thread of the CPU."""
    return SaliencyNetwork(resolve(name), plan_provider("numpy"), threads=1)


if __name__ == "__main__":
    main()
