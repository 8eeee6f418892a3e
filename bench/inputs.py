"""The machine's facts, and inputs: noise and masks, more than its last-level cache holds."""

from __future__ import annotations

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from roi_accel.backends.frame import Frame
from roi_accel.backends.host import available_cores, processor_name
from roi_accel.backends.plan import MASK_MAX, ModelSize, Plan
from roi_accel.backends.tables import ONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from roi_accel.backends.frame import PixelFormat
    from roi_accel.backends.protocol import Alpha, Mask

SIZES = {"720p": (1280, 720), "1080p": (1920, 1080), "2160p": (3840, 2160)}
"""Width and height in pixels, by the names that people use."""

Kernel = Literal["substitute", "substitute on the device", "upsample", "preprocess"]
ON_DEVICE: Kernel = "substitute on the device"
KERNELS: tuple[Kernel, ...] = ("substitute", ON_DEVICE, "upsample", "preprocess")

ON_DEVICE_BACKEND = "cuda"
"""The backend whose sessions take frames that are in its device's memory."""

MaskKind = Literal["blobs", "noise"]
MASK_KINDS: tuple[MaskKind, ...] = ("blobs", "noise")
"""Two salient blobs, with most of the picture entirely inside or outside, as networks make them;
and noise, with which no kernel can skip anything."""

MASK_SIZE = (256, 144)
"""Of masks and of the network's input: 16:9 at ``--saliency-size 256``."""

_CACHES = 4
"""Size of reference and distorted frames together, in last-level caches."""

_FEWEST_FRAMES = 4
_MOST_FRAMES = 64
_LINE_BYTES = 64
_SEED = 20240229
_ASSUMED_CACHE = 32 << 20


def machine_facts() -> dict[str, Any]:
    """Return processor, cores, last-level cache, system, versions and the load of this minute."""
    return {
        "processor": processor_name(),
        "cores": available_cores(),
        "last_level_cache_bytes": last_level_cache_bytes(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load_before": os.getloadavg()[0],
    }


def last_level_cache_bytes(processors: Path = Path("/sys/devices/system/cpu")) -> int:
    """Return the total size of the last-level caches; 32 MiB where the system does not say.

    Cores that share a cache name the same ``shared_cpu_list``, and it is counted once.
    """
    caches: dict[int, dict[str, int]] = {}
    for folder in processors.glob("cpu[0-9]*/cache/index*"):
        try:
            level, shared, size = (
                (folder / name).read_text("ascii").strip()
                for name in ("level", "shared_cpu_list", "size")
            )
        except OSError:
            continue
        if size.endswith("K"):
            caches.setdefault(int(level), {})[shared] = int(size[:-1]) << 10
    return sum(caches[max(caches)].values()) if caches else _ASSUMED_CACHE


@dataclass(frozen=True)
class BenchCase:
    """One kernel on one pixel format, size in pixels and kind of mask."""

    kernel: Kernel
    pixel_format: PixelFormat
    width: int
    height: int
    mask: MaskKind

    @property
    def size(self) -> str:
        """Such as ``1080p`` or ``320x180``."""
        names = {size: name for name, size in SIZES.items()}
        return names.get((self.width, self.height), f"{self.width}x{self.height}")

    @property
    def name(self) -> str:
        """Such as ``substitute, 1080p yuv420p, blobs``."""
        name = f"{self.kernel}, {self.size} {self.pixel_format.name}"
        return name if self.kernel == "preprocess" else f"{name}, {self.mask}"


def cases_of(
    formats: Iterable[tuple[int, int, PixelFormat]], kernels: Sequence[Kernel]
) -> list[BenchCase]:
    """Return a case per (width, height, format), kernel and, where it has one, kind of mask."""
    return [
        BenchCase(kernel, pixel_format, width, height, mask)
        for width, height, pixel_format in formats
        for kernel in kernels
        for mask in (MASK_KINDS if kernel != "preprocess" else MASK_KINDS[:1])
    ]


@dataclass(frozen=True)
class Inputs:
    """Read-only frames of noise over the format's whole range, and as many masks."""

    plan: Plan
    references: tuple[Frame, ...]
    distorted: tuple[Frame, ...]
    masks: tuple[Mask, ...]

    @property
    def count(self) -> int:
        """The number of different frames."""
        return len(self.references)


def make_inputs(
    case: BenchCase, *, frames: int | None = None, threshold: float = 0.3, fade: float = 0.1
) -> Inputs:
    """Return seeded inputs for `case`.

    Parameters
    ----------
    case : BenchCase
    frames : int, optional
        Default: far more than the last-level cache holds.
    threshold, fade : float
        Of the plan, from 0 to 1.
    """
    rng = np.random.default_rng(_SEED)
    plan = Plan(
        pixel_format=case.pixel_format,
        width=case.width,
        height=case.height,
        mask_width=MASK_SIZE[0],
        mask_height=MASK_SIZE[1],
        threshold=threshold,
        fade=fade,
        model=ModelSize(*MASK_SIZE, *MASK_SIZE),
    )
    if frames is None:
        pair = 2 * plan.pixel_format.frame_bytes(plan.width, plan.height)
        wanted = math.ceil(_CACHES * last_level_cache_bytes() / pair)
        frames = min(max(wanted, _FEWEST_FRAMES), _MOST_FRAMES)
    return Inputs(
        plan,
        tuple(_noise(rng, plan) for _ in range(frames)),
        tuple(_noise(rng, plan) for _ in range(frames)),
        tuple(_mask(case.mask, number, rng) for number in range(frames)),
    )


def _mask(kind: MaskKind, number: int, rng: np.random.Generator) -> Mask:
    """Return uint16[144, 256]: the mask of frame `number`; blobs move from frame to frame."""
    width, height = MASK_SIZE
    if kind == "noise":
        return rng.integers(0, MASK_MAX + 1, (height, width), dtype=np.uint16)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    shift = number % 32
    saliency = np.zeros((height, width))
    for centre_x, centre_y, spread in ((80 + shift, 70, 26), (190 - shift, 60 + shift / 2, 16)):
        distance = (x - centre_x) ** 2 + (y - centre_y) ** 2
        saliency = np.maximum(saliency, np.exp(-distance / (2 * spread**2)))
    codes: Mask = np.floor(saliency * MASK_MAX + 0.5).astype(np.uint16)
    return codes


def alpha_shares(alphas: list[Alpha]) -> dict[str, float]:
    """Return the shares of samples taken from the reference, from the distorted, and blended."""
    samples = np.concatenate([plane.ravel() for alpha in alphas for plane in alpha])
    reference, distorted = (float((samples == value).mean()) for value in (0, ONE))
    blended = 1 - reference - distorted
    return {"reference": reference, "distorted": distorted, "blended": blended}


def bytes_to_move(kernel: Kernel, plan: Plan, alphas: list[Alpha]) -> float:
    """Return the bytes per frame that `kernel` cannot avoid reading or writing.

    Inputs are read once and outputs written once, by whole cache lines of 64 bytes: a line of the
    reference (distorted) whose alpha is 1 (0) throughout need not be read. As in STREAM, neither
    tables count, nor what a cache reads of a line before overwriting it. The mean over `alphas`.
    """
    mask_bytes = plan.mask_width * plan.mask_height * 2
    frame = plan.pixel_format.frame_bytes(plan.width, plan.height)
    if kernel == "preprocess":
        return frame + 3 * plan.mask_width * plan.mask_height * 4
    if kernel == "upsample":
        return mask_bytes + 4 * sum(height * width for height, width in set(plan.plane_shapes))
    itemsize = plan.pixel_format.dtype.itemsize
    read = [sum(_lines_read(plane, itemsize) for plane in alpha) for alpha in alphas]
    return mask_bytes + frame + _LINE_BYTES * sum(read) / len(read)


def _lines_read(alpha: NDArray[np.uint32], itemsize: int) -> int:
    """Return how many cache lines of both inputs a plane needs."""
    starts = range(0, alpha.shape[1], _LINE_BYTES // itemsize)
    lowest = np.minimum.reduceat(alpha, starts, axis=1)
    highest = np.maximum.reduceat(alpha, starts, axis=1)
    return int((lowest < ONE).sum() + (highest > 0).sum())


def _noise(rng: np.random.Generator, plan: Plan) -> Frame:
    pixel_format = plan.pixel_format
    planes = []
    for shape in plan.plane_shapes:
        plane = rng.integers(0, pixel_format.max_value + 1, shape, dtype=pixel_format.dtype)
        plane.flags.writeable = False
        planes.append(plane)
    y, u, v = planes
    return Frame((y, u, v), pixel_format)
