"""Measure how well `center-surround` agrees with the students, beside a centred Gaussian.

    python scripts/measure_center_surround.py [--clips-dir DIR] [--models-dir DIR]

Reads real clips and networks, by default from clips/ and models/ in $ROI_ACCEL_TEST_DATA (../shared
beside the repository). Where the student's map is above 0.5 is the truth, and the area under the
ROC curve (AUC) is taken over the pixels of every tenth frame. Prints four tables: agreement, what
each part is worth, weights fitted without the clip that they are tried on, maps over input sizes.
docs/center-surround.md is written from them.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from build_center_surround import WEIGHTS, Weights, build

import roi_accel
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.plan import Plan
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork, SaliencySize
from roi_accel.inference.providers import plan_provider
from roi_accel.video import RawGeometry, open_video

DATA = Path(os.environ.get("ROI_ACCEL_TEST_DATA", Path(__file__).resolve().parents[2] / "shared"))
STUDENTS = ("student_v2", "student_v1")
EVERY = 10
TRUTH = 0.5
COUNTS = 0.35  # The middle of the default fade.
# Sigma down / sigma across, as shares of the sides. Ranks, and so AUC, are the same for every sigma
# of one ratio; the ratio that suits a clip best is the baseline's.
RATIOS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 1.75, 2.0, 2.5, 3.0)
BLOB_SIGMA = 0.4  # Across. Wide, so that the borders keep apart in float64.
RIDGE = 1e-4  # Keeps a fit on three frames from running away.
FIT_STEPS = 30
SIZES = ("64", "128", "256", "512", "native")
GRID = (36, 64)  # Divides every size of a 16:9 frame from 128 on.


@dataclass(frozen=True)
class Clip:
    """A clip and how it is shown to the networks.

    Attributes
    ----------
    file, size : str
        Its file and the networks' input size, as `--saliency-size` takes it.
    every : int
        Of so many frames the first is used.
    raw : RawGeometry, optional
        Of a raw video.
    """

    file: str
    size: str
    every: int = EVERY
    raw: RawGeometry | None = None

    @property
    def name(self) -> str:
        """What the tables call it."""
        return self.file.partition(".")[0]


BUNNY = Clip("bigbuckbunny.mp4", "256")
CARPHONE = Clip("carphone_pristine.mp4", "native")
SRC01 = Clip(
    "src01_hrc00_576x324.yuv420p10le.yuv", "256", 1, RawGeometry(576, 324, PixelFormat("420", 10))
)
CLIPS = (BUNNY, CARPHONE, replace(CARPHONE, size="256"), SRC01)
APART = (BUNNY, CARPHONE, SRC01)  # Each clip once.
FITS = (
    ((CARPHONE,), BUNNY),
    ((BUNNY,), CARPHONE),
    ((BUNNY, CARPHONE), SRC01),
    ((CARPHONE, SRC01), BUNNY),
    ((BUNNY, SRC01), CARPHONE),
)

NONE = (0.0, 0.0, 0.0)
ABLATIONS = {
    "whole": WEIGHTS,
    "without the centre prior": replace(WEIGHTS, prior=0.0),
    "without the distance from the background": replace(WEIGHTS, figure=NONE),
    "without the distance of I": replace(WEIGHTS, figure=(0.0, *WEIGHTS.figure[1:])),
    "without the distance of RG": replace(
        WEIGHTS, figure=(WEIGHTS.figure[0], 0.0, WEIGHTS.figure[2])
    ),
    "without the distance of BY": replace(WEIGHTS, figure=(*WEIGHTS.figure[:2], 0.0)),
    "without contrast": replace(WEIGHTS, contrast=NONE),
    "without the contrast of I": replace(WEIGHTS, contrast=(0.0, *WEIGHTS.contrast[1:])),
    "without the contrast of RG": replace(
        WEIGHTS, contrast=(WEIGHTS.contrast[0], 0.0, WEIGHTS.contrast[2])
    ),
    "without the contrast of BY": replace(WEIGHTS, contrast=(*WEIGHTS.contrast[:2], 0.0)),
    "centre prior alone": replace(WEIGHTS, figure=NONE, contrast=NONE),
}


@dataclass(frozen=True)
class Agreement:
    """AUC of a map against the truth: the mean over frames, and over all pixels at once."""

    per_frame: float
    pooled: float


@dataclass(frozen=True)
class Footage:
    """The networks' inputs of a clip, float32[1, 3, h, w], and the maps of each student."""

    inputs: list[np.ndarray]
    truths: dict[str, np.ndarray]
    milliseconds: dict[str, float]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--clips-dir", type=Path, default=DATA / "clips")
    parser.add_argument("--models-dir", type=Path, default=DATA / "models")
    arguments = parser.parse_args()
    students = {
        name: open_network(str(arguments.models_dir / f"saliency_{name}.onnx")) for name in STUDENTS
    }
    footage = {}
    for clip in CLIPS:
        inputs = read_inputs(arguments.clips_dir / clip.file, clip.size, clip.every, clip.raw)
        found = {name: run(student, inputs) for name, student in students.items()}
        footage[clip] = Footage(
            inputs,
            {name: maps for name, (maps, _) in found.items()},
            {name: milliseconds for name, (_, milliseconds) in found.items()},
        )
    print_agreement(footage)
    print_ablation(footage)
    print_left_out(footage)
    print_sizes(arguments.clips_dir / BUNNY.file)


def print_agreement(footage: dict[Clip, Footage]) -> None:
    """Print how well the network agrees with the students, beside a centred Gaussian."""
    print_header(
        "clip, input",
        "truth",
        "above 0.5",
        "centred Gaussian (sigmas' ratio)",
        "center-surround",
        "pooled",
        "above 0.35: truth, ours",
        "ms/frame: truth, ours",
    )
    ours = open_network("center-surround")
    for clip, shown in footage.items():
        maps, milliseconds = run(ours, shown.inputs)
        for name, truth in shown.truths.items():
            ratio, gaussian = best_gaussian(truth)
            found = agreement(maps, truth)
            height, width = truth.shape[1:]
            print(
                f"| {clip.name}, {width}x{height} | {name} | {np.mean(truth > TRUTH):.3f} "
                f"| {gaussian:.3f} ({ratio:.2f}) "
                f"| **{found.per_frame:.3f}** | {found.pooled:.3f} "
                f"| {np.mean(truth > COUNTS):.2f}, {np.mean(maps > COUNTS):.2f} "
                f"| {shown.milliseconds[name]:.1f}, {milliseconds:.2f} |"
            )


def print_ablation(footage: dict[Clip, Footage]) -> None:
    """Print the agreement of the network without each of its parts."""
    print_header("model", *(f"{clip.name}, {name}" for clip in APART for name in STUDENTS))
    for label, weights in ABLATIONS.items():
        scores = [score for clip in APART for score in try_weights(weights, footage[clip])]
        print(f"| {label} |", " | ".join(f"{score:.3f}" for score in scores), "|")


def print_left_out(footage: dict[Clip, Footage]) -> None:
    """Print how weights fitted to some clips agree on another one."""
    print_header("fitted to", "prior, figure, contrast, bias", "tried on", *STUDENTS)
    for fitted, tried in FITS:
        weights = fit([footage[clip] for clip in fitted])
        names = ", ".join(clip.name for clip in fitted)
        scores = " | ".join(f"{score:.3f}" for score in try_weights(weights, footage[tried]))
        print(f"| {names} | {numbers(weights)} | {tried.name} | {scores} |")


def numbers(weights: Weights) -> str:
    """Return the weights in the order in which the table names them."""
    values = (weights.prior, *weights.figure, *weights.contrast, weights.bias)
    return ", ".join(f"{value:.1f}" for value in values)


def print_sizes(path: Path) -> None:
    """Print how like its map at 256 the network's map at other input sizes is."""
    print_header("size", "above 0.35", "correlation with 256", "mean difference from 256")
    ours = open_network("center-surround")
    maps = {size: run(ours, read_inputs(path, size, 3 * EVERY))[0] for size in SIZES}
    for size in SIZES:
        share = np.mean(maps[size] > COUNTS)
        if size == "64":  # Smaller than the grid, and its rows no divisor's multiple.
            print(f"| {size} | {share:.2f} | | |")
            continue
        found, usual = (block_means(maps[name], GRID).ravel() for name in (size, "256"))
        correlation = np.corrcoef(found, usual)[0, 1]
        print(f"| {size} | {share:.2f} | {correlation:.3f} | {np.abs(found - usual).mean():.3f} |")


def print_header(*columns: str) -> None:
    """Print a Markdown table's head."""
    print(f"\n| {' | '.join(columns)} |\n|{'---|' * len(columns)}")


def read_inputs(
    path: Path, size: str, every: int = EVERY, raw: RawGeometry | None = None
) -> list[np.ndarray]:
    """Return the network's inputs of each `every`-th frame, float32[1, 3, h, w]."""
    with open_video(path, raw=raw) as reader:
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
            frames = (frame for number, frame in enumerate(reader) if number % every == 0)
            return [session.preprocess(frame) for frame in frames]


def run(network: SaliencyNetwork, inputs: list[np.ndarray]) -> tuple[np.ndarray, float]:
    """Return the maps and the median milliseconds per frame, after a frame to warm up."""
    network.infer(inputs[0])
    maps, seconds = [], []
    for frame in inputs:
        started = time.perf_counter()
        maps.append(network.infer(frame))
        seconds.append(time.perf_counter() - started)
    return np.stack(maps), 1000 * float(np.median(seconds))


def try_weights(weights: Weights, footage: Footage) -> list[float]:
    """Return the mean AUC of a network with `weights` against each student."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "variant.onnx"
        path.write_bytes(build(weights))
        maps, _ = run(open_network(str(path)), footage.inputs)
    return [agreement(maps, truth).per_frame for truth in footage.truths.values()]


def fit(clips: list[Footage]) -> Weights:
    """Return the logistic regression of student_v2's maps on ours, every clip counting alike."""
    rows, targets, shares = [], [], []
    for clip in clips:
        maps = read_maps(clip.inputs)
        truth = clip.truths[STUDENTS[0]]
        targets.append(block_means(truth, maps.shape[2:]).ravel())
        rows.append(np.moveaxis(maps, 1, -1).reshape(targets[-1].size, -1))
        shares.append(np.full(targets[-1].size, 1 / targets[-1].size))
    maps, target, share = np.concatenate(rows), np.concatenate(targets), np.concatenate(shares)
    maps = np.column_stack([maps, np.ones_like(target)])
    found = np.zeros(maps.shape[1])
    for _ in range(FIT_STEPS):  # Newton's method
        guess = 1 / (1 + np.exp(-maps @ found))
        slope = maps.T @ (share * (target - guess)) - RIDGE * found
        curvature = (maps * (share * guess * (1 - guess))[:, None]).T @ maps
        found += np.linalg.solve(curvature + RIDGE * np.eye(found.size), slope)
    f0, f1, f2, c0, c1, c2, prior, bias = found.tolist()
    return Weights(prior, (f0, f1, f2), (c0, c1, c2), bias)


def read_maps(inputs: list[np.ndarray]) -> np.ndarray:
    """Return the network's figure (3), contrast (3) and prior maps, [frames, 7, h / 4, w / 4]."""
    names = ["figure", "contrast", "prior"]
    model = onnx.load_from_string(build())
    for name in names:
        value = onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
        model.graph.output.append(value)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    found = [np.concatenate(session.run(names, {"input": frame}), axis=1) for frame in inputs]
    return np.concatenate(found).astype(np.float64)


def block_means(maps: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return [frames, *shape], the means of `maps` [frames, h, w] over equal blocks."""
    frames, height, width = maps.shape
    rows, columns = shape
    blocks = maps.reshape(frames, rows, height // rows, columns, width // columns)
    means: np.ndarray = blocks.mean((2, 4))
    return means


def best_gaussian(truth: np.ndarray) -> tuple[float, float]:
    """Return the sigmas' ratio that suits this clip best, and the Gaussian's mean AUC."""
    height, width = truth.shape[1:]
    down = (np.arange(height) + 0.5) / height - 0.5
    across = (np.arange(width) + 0.5) / width - 0.5
    scores = []
    for ratio in RATIOS:
        blob = np.exp(-0.5 * ((down[:, None] / ratio) ** 2 + across**2) / BLOB_SIGMA**2)
        maps = np.broadcast_to(blob, truth.shape)
        scores.append((agreement(maps, truth).per_frame, ratio))
    score, ratio = max(scores)
    return ratio, score


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
