"""Build `center-surround`, the embedded saliency network: a classical model as an ONNX graph.

    python scripts/build_center_surround.py [--output PATH]

Six maps and a centre prior are added on a logit scale:

    logit = prior * P + sum over channels c of ( figure_c * S_c + contrast_c * C_c ) + bias

and the map is sigmoid(logit), enlarged linearly to the input's size. The channels are those of
Itti, Koch and Niebur (1998) without their normalisation by brightness, a division by values near
zero: intensity I = (R + G + B) / 3 and the opponent colours RG = R - G and BY = B - (R + G) / 2,
all in [-1, 1] and at a quarter of the input's resolution.

blurN is the mean over a box of N x N samples, taken twice, over samples inside the frame only.

C_c, contrast of centre and surround at two scales (Itti et al. 1998):
    f = (|blur3 - blur15| + |blur7 - blur31|) / 2, C = (f - mean f) / (mean f + 0.1) in [-1, 3].
S_c, distance from the background with its sign (after Achanta et al. 2009, who take the distance
    from the mean colour of the frame; here the mean is weighted by 1 - P, towards the borders,
    which are background more often):
    d = blur7 - sum((1 - P) c) / sum(1 - P), S = d / (mean |d| + 0.1) in [-2, 2].
P, a Gaussian centred on the frame, exp(-(x^2 + y^2) / (2 * 0.28^2)) with x and y from -0.5 to 0.5
    across the frame: people, and the cameras that people hold, prefer the centre (Tatler 2007).

Means are over the frame, so both maps are relative to it. The floors of 0.1 added to them bound the
gain, so that flat frames stay at zero, noise close to it, and small differences between devices
small. docs/center-surround.md has the measurements behind the weights.

L. Itti, C. Koch, E. Niebur, "A model of saliency-based visual attention for rapid scene analysis",
    IEEE TPAMI 20(11), 1998.
R. Achanta, S. Hemami, F. Estrada, S. Susstrunk, "Frequency-tuned salient region detection",
    CVPR 2009.
B. Tatler, "The central fixation bias in scene viewing", Journal of Vision 7(14), 2007.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OUTPUT = Path(__file__).resolve().parent.parent / "roi_accel" / "data" / "center_surround.onnx"

DESCRIPTION = (
    "Saliency by multi-scale centre-surround contrast, distance from the mean colour of the "
    "borders and a centre prior, on intensity and opponent colours."
)
OPSET = 17  # What the trained networks of the same contract use.
IR_VERSION = 8  # The oldest that opset 17 needs, so that old runtimes read it.

MEAN = np.array([0.485, 0.456, 0.406])  # The contract's normalisation (ImageNet), undone here.
STD = np.array([0.229, 0.224, 0.225])
OPPONENTS = np.array(
    [
        [1 / 3, 1 / 3, 1 / 3],  # I
        [1.0, -1.0, 0.0],  # RG
        [-0.5, -0.5, 1.0],  # BY
    ]
)

REDUCTION = 4  # Salient objects are larger than a few pixels, and it is 16 times less to compute.
# Centre and surround, in samples of the reduced frame: at 256 pixels across (64 samples) from an
# eye to half a frame. A surround is 4 to 5 times its centre, as in Itti et al.
SCALES = ((3, 15), (7, 31))
FIGURE_BLUR = 7  # Less follows the noise of a frame; more blurs away a head in the distance.
# Contrast and distance (of 1) below which a frame counts as flat. Half of it lets the noise of a
# frame of noise through at the borders; twice as much needs larger weights to agree as well.
CONTRAST_FLOOR = 0.1
FIGURE_FLOOR = 0.1
# What one cue alone may say: guards for odd frames, seldom reached on real ones.
CONTRAST_RANGE = (-1.0, 3.0)
FIGURE_RANGE = (-2.0, 2.0)
# Of each side. Makes the map's share above 0.35 about the trained networks' (0.40 to 0.60 of the
# frame); agreement as such hardly changes from 0.25 to 0.36.
PRIOR_SIGMA = 0.28
PRIOR_SIDE = 32  # The prior is smooth, so a small map, resized to the frame, holds it.


@dataclass(frozen=True)
class Weights:
    """What each map adds to the logit.

    Round numbers of the order of a least-squares logistic fit to student_v2's maps, with the prior
    and the bias such that a frame of nothing has a blob of 0.88 that falls to 0.15 at the borders.
    Salient things are a little darker, redder and bluer than what borders the frame (sky, foliage,
    walls, lamps); contrast is weighed alike on all channels, for the fits do not agree on more.

    Attributes
    ----------
    prior : float
        Of the centre prior.
    figure, contrast : tuple of float
        Of the distance from the background and of contrast, for I, RG and BY.
    bias : float
        The logit where every map is zero.
    """

    prior: float = 4.8
    figure: tuple[float, float, float] = (-0.4, 1.0, 1.0)
    contrast: tuple[float, float, float] = (0.4, 0.4, 0.4)
    bias: float = -2.8


WEIGHTS = Weights()


class Graph:
    """Nodes and constants of a graph under construction."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, values: object, dtype: type = np.float32) -> str:
        """Add a constant and return its name."""
        array: np.ndarray = np.asarray(values, dtype)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def add(self, operator: str, inputs: list[str], output: str, **attributes: object) -> str:
        """Add a node named after its one output and return that name."""
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, **attributes))
        return output


def opponent_channels(graph: Graph) -> str:
    """Reduce the frame, undo the normalisation and return I, RG and BY: [batch, 3, h, w]."""
    side = [REDUCTION, REDUCTION]
    small = graph.add("AveragePool", ["input"], "small", kernel_shape=side, strides=side)
    weights = graph.constant("opponent_weights", _rounded(OPPONENTS * STD)[:, :, None, None])
    offsets = graph.constant("opponent_offsets", _rounded(OPPONENTS @ MEAN))
    return graph.add("Conv", [small, weights, offsets], "opponents", kernel_shape=[1, 1])


def blurs(graph: Graph, channels: str) -> dict[int, str]:
    """Return `channels` blurred by each scale: two box averages, a tent, edges not darkened."""
    blurred = {}
    for size in sorted({FIGURE_BLUR, *(side for pair in SCALES for side in pair)}):
        name = channels
        for number in range(2):
            for axis, kernel in (("x", [1, size]), ("y", [size, 1])):
                pads = [side // 2 for side in kernel] * 2
                name = graph.add(
                    "AveragePool",
                    [name],
                    f"blur{size}_{axis}{number}",
                    kernel_shape=kernel,
                    pads=pads,
                    count_include_pad=0,
                )
        blurred[size] = name
    return blurred


def centre_prior(graph: Graph, like: str) -> str:
    """Return a centred Gaussian of the size of `like`: [1, 1, h, w]."""
    position = (np.arange(PRIOR_SIDE) + 0.5) / PRIOR_SIDE - 0.5
    profile = np.exp(-0.5 * (position / PRIOR_SIGMA) ** 2)
    small = graph.constant("prior_map", _rounded(np.outer(profile, profile))[None, None])
    shape = graph.add("Shape", [like], "reduced_shape", start=2, end=4)
    ones = graph.constant("prior_batch", [1, 1], np.int64)
    sizes = graph.add("Concat", [ones, shape], "prior_sizes", axis=0)
    return graph.add("Resize", [small, "", "", sizes], "prior", **_linear())


def contrast(graph: Graph, blurred: dict[int, str]) -> str:
    """Return C: how much centre and surround differ, relative to the frame's own mean."""
    scales = []
    for centre, surround in SCALES:
        name = f"scale{centre}_{surround}"
        difference = graph.add("Sub", [blurred[centre], blurred[surround]], f"{name}_difference")
        scales.append(graph.add("Abs", [difference], name))
    total = graph.add("Add", scales, "contrast_total")
    share = graph.constant("contrast_share", 1 / len(SCALES))
    raw = graph.add("Mul", [total, share], "contrast_raw")
    mean = graph.add("GlobalAveragePool", [raw], "contrast_mean")
    centred = graph.add("Sub", [raw, mean], "contrast_centred")
    return _relative(graph, centred, mean, CONTRAST_FLOOR, CONTRAST_RANGE, "contrast")


def figure(graph: Graph, channels: str, blurred: str, prior: str) -> str:
    """Return S: the signed distance from the mean over the frame's borders."""
    one = graph.constant("one", 1.0)
    border = graph.add("Sub", [one, prior], "border")
    border_mean = graph.add("GlobalAveragePool", [border], "border_mean")
    weighted = graph.add("Mul", [channels, border], "border_channels")
    weighted_mean = graph.add("GlobalAveragePool", [weighted], "border_channels_mean")
    background = graph.add("Div", [weighted_mean, border_mean], "background")
    distance = graph.add("Sub", [blurred, background], "distance")
    magnitude = graph.add("Abs", [distance], "distance_magnitude")
    mean = graph.add("GlobalAveragePool", [magnitude], "distance_mean")
    return _relative(graph, distance, mean, FIGURE_FLOOR, FIGURE_RANGE, "figure")


def combine(graph: Graph, weights: Weights, figure_map: str, contrast_map: str, prior: str) -> None:
    """Add the weighted maps, squash them into [0, 1] and enlarge them to the input's size."""
    maps = graph.add("Concat", [figure_map, contrast_map], "maps", axis=1)
    of_maps = np.array([*weights.figure, *weights.contrast])[None, :, None, None]
    weight = graph.constant("map_weights", of_maps)
    bias = graph.constant("bias", [weights.bias])
    features = graph.add("Conv", [maps, weight, bias], "features", kernel_shape=[1, 1])
    prior_weight = graph.constant("prior_weight", weights.prior)
    weighted = graph.add("Mul", [prior, prior_weight], "weighted_prior")
    logit = graph.add("Add", [features, weighted], "logit")
    small = graph.add("Sigmoid", [logit], "small_map")
    scales = graph.constant("enlarge", [1, 1, REDUCTION, REDUCTION])
    graph.add("Resize", [small, "", scales], "saliency_map", **_linear())


def build(weights: Weights = WEIGHTS) -> bytes:
    """Return the network's file content, the same bytes on every machine."""
    graph = Graph()
    channels = opponent_channels(graph)
    blurred = blurs(graph, channels)
    prior = centre_prior(graph, channels)
    contrast_map = contrast(graph, blurred)
    figure_map = figure(graph, channels, blurred[FIGURE_BLUR], prior)
    combine(graph, weights, figure_map, contrast_map, prior)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "center-surround",
            [_value("input", 3)],
            [_value("saliency_map", 1)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="roi-accel",
        domain="roi-accel",
        doc_string=DESCRIPTION,
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _relative(
    graph: Graph, values: str, mean: str, floor: float, limits: tuple[float, float], name: str
) -> str:
    """Return values / (mean + floor), clipped to `limits`."""
    added = graph.constant(f"{name}_floor", floor)
    scale = graph.add("Add", [mean, added], f"{name}_scale")
    ratio = graph.add("Div", [values, scale], f"{name}_ratio")
    low = graph.constant(f"{name}_low", limits[0])
    high = graph.constant(f"{name}_high", limits[1])
    return graph.add("Clip", [ratio, low, high], name)


def _linear() -> dict[str, object]:
    return {"mode": "linear", "coordinate_transformation_mode": "half_pixel"}


def _value(name: str, channels: int) -> onnx.ValueInfoProto:
    shape = ["batch", channels, "height", "width"]
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _rounded(values: np.ndarray) -> np.ndarray:
    """Return values rounded to 2**-16, so that no library's exp decides a bit of the file."""
    return np.round(values * 65536) / 65536


def main() -> None:
    """Write the network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, default=OUTPUT)
    path = parser.parse_args().output
    content = build()
    path.write_bytes(content)
    print(f"{path}: {len(content)} bytes")


if __name__ == "__main__":
    main()
