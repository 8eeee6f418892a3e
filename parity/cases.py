"""A seeded corpus of frames and masks: the same samples on every machine and with every NumPy."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np

from roi_accel.backends.frame import (
    PIXEL_FORMATS,
    ColourMatrix,
    ColourRange,
    Frame,
    PixelFormat,
    Subsampling,
)
from roi_accel.backends.plan import MASK_MAX, ModelSize, Plan
from roi_accel.parity.calibration import INTEGER_STAGES, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from roi_accel.backends.protocol import Mask, Session

FRAME_KINDS = ("noise", "ramp", "extremes", "identical", "waves")
MASK_KINDS = ("noise", "ramp", "steps", "zero", "one", "pixel")

GOLDEN_FILE = "golden.json"
FRAMES = 3
"""Frames of a small case: a fault that needs a frame before it shows from the second on."""

_SIZES = ((33, 35), (176, 144), (576, 324))
_LARGE: tuple[tuple[tuple[int, int], Subsampling, int], ...] = (
    ((1920, 1080), "420", 8),
    ((1920, 1080), "420", 10),
    ((3840, 2160), "420", 10),
    ((1920, 1080), "422", 12),
    ((1920, 1080), "444", 16),
)
_FADES = (0.1, 0.0, 1.0)
_THRESHOLDS = (0.3, 0.0, 0.75)
_MASK_SIZES = ((24, 16), (1, 1), (61, 47))

# Odd sizes, sizes under a vector's width, single pixels; one longer than all vectors and odd.
_TINY = ((1, 1), (2, 3), (67, 45), (7, 1), (129, 17), (16, 130), (5, 64))
_TINY_MASKS = ((5, 3), (8, 8), (2, 1), (31, 17), (1, 9))
# The ends: alpha 0 unless fully salient, alpha 1 everywhere, a fade of one code.
_ENDS = (
    *((1.0, 0.0), (0.0, 0.0), (0.0, 1.0), (1.0, 1.0)),
    *((0.5, 1 / MASK_MAX), (0.3, 0.1), (0.9, 0.3)),
)
_WAVES = (96, 64)
_COARSE = 48
"""So coarse, in 8-bit codes, that VMAF is far from its limits, where it would not differ."""


class Sample(NamedTuple):
    """One frame of a case."""

    reference: Frame
    distorted: Frame
    mask: Mask


class Case(Protocol):
    """Frames for one plan, in order."""

    @property
    def name(self) -> str:
        """What it is, for reports."""

    @property
    def plan(self) -> Plan:
        """Geometry and masking parameters."""

    @property
    def has_pictures(self) -> bool:
        """Whether a network and a quality metric can make sense of the frames."""

    def samples(self) -> Iterator[Sample]:
        """Yield the frames, the same ones at every call."""


@dataclass(frozen=True)
class SeededCase:
    """One plan with the frames and masks to run it on; its name is the key of its digests.

    Attributes
    ----------
    frame_kind : {"noise", "ramp", "extremes", "identical", "waves"}
        Both frames noise; ramps of which one is reversed; checkers of 0 and the largest sample;
        the same noise twice; smooth waves, the distorted ones coarse as compression leaves them.
    mask_kind : {"noise", "ramp", "steps", "zero", "one", "pixel"}
    """

    name: str
    plan: Plan
    frame_kind: str
    mask_kind: str
    frames: int = 1

    @property
    def has_pictures(self) -> bool:
        """Whether the frames are waves, large enough for VMAF."""
        return self.frame_kind == "waves"

    def samples(self) -> Iterator[Sample]:
        """Yield the frames; their arrays are read-only, since every backend gets the same ones."""
        for number in range(self.frames):
            sample = Sample(
                self._frame("reference", number),
                self._frame("distorted", number),
                self._mask(number),
            )
            for array in (*sample.reference.planes, *sample.distorted.planes, sample.mask):
                array.setflags(write=False)
            yield sample

    def run(self, session: Session) -> dict[str, dict[str, str]]:
        """Return the digests of every frame, under the golden file's keys."""
        return {
            frame_key(self.name, number): digests(session, sample)
            for number, sample in enumerate(self.samples())
        }

    def _frame(self, what: str, number: int) -> Frame:
        shapes = enumerate(self.plan.plane_shapes)
        y, u, v = (self._plane(what, number, plane, shape) for plane, shape in shapes)
        return Frame((y, u, v), self.plan.pixel_format)

    def _plane(
        self, what: str, number: int, plane: int, shape: tuple[int, int]
    ) -> NDArray[np.generic]:
        pixel_format = self.plan.pixel_format
        index = np.arange(shape[0] * shape[1], dtype=np.uint64).reshape(shape)
        samples: NDArray[np.uint64]
        if self.frame_kind in {"noise", "identical"}:
            name = "reference" if self.frame_kind == "identical" else what
            key = f"{self.name} {name} {plane}" + (f" frame {number}" if number else "")
            samples = _noise(key, index.size).reshape(shape)
            samples >>= np.uint64(64 - pixel_format.bit_depth)
        elif self.frame_kind == "ramp":
            samples = (index + number) * pixel_format.max_value // max(1, index.size - 1 + number)
            samples = samples if what == "reference" else samples[::-1, ::-1]
        elif self.frame_kind == "extremes":
            # Both meet as 0 and 0, 0 and max, max and 0, max and max.
            y, x = np.divmod(index, np.uint64(shape[1]))
            bit = (x if what == "reference" else y) + np.uint64(number + plane)
            samples = bit % np.uint64(2) * np.uint64(pixel_format.max_value)
        else:
            samples = _waves(index, shape, number, plane, pixel_format)
            if what == "distorted":
                coarse = _COARSE << (pixel_format.bit_depth - 8)
                samples = samples // coarse * coarse
        return samples.astype(pixel_format.dtype)

    def _mask(self, number: int) -> NDArray[np.uint16]:
        height, width = self.plan.mask_height, self.plan.mask_width
        codes: NDArray[np.generic]
        index = np.arange(height * width, dtype=np.uint64).reshape(height, width)
        if self.mask_kind == "noise":
            key = f"{self.name} mask" + (f" frame {number}" if number else "")
            codes = _noise(key, height * width).reshape(height, width) >> 48
        elif self.mask_kind == "ramp":
            codes = index * MASK_MAX // max(1, height * width - 1)
            codes = codes if number % 2 == 0 else codes[::-1, ::-1]
        elif self.mask_kind == "steps":
            # At the fade's ends and next to them, where a rounding error would show.
            low, high = self.plan.threshold_code, self.plan.threshold_code + self.plan.fade_code
            ends = [0, low - 1, low, low + 1, high - 1, high, high + 1, MASK_MAX]
            codes = np.clip(ends, 0, MASK_MAX)[(index + number) % len(ends)]
        elif self.mask_kind == "pixel":
            lit = (7 * number + height * width // 2) % (height * width)
            codes = np.where(index == lit, MASK_MAX, 0)
        else:
            codes = np.full(index.shape, MASK_MAX if self.mask_kind == "one" else 0)
        return codes.astype(np.uint16)


def frame_key(name: str, number: int) -> str:
    """Return the key of one frame's digests; the first frame's is the case's own name."""
    return f"{name} frame {number}" if number else name


def cases() -> Iterator[SeededCase]:
    """Yield the corpus.

    Every format meets every kind of mask and of frame at small sizes; a few large frames; and for
    each format moving pictures that a network and VMAF can make sense of.
    """
    small = [(pixel_format, size, FRAMES) for pixel_format in PIXEL_FORMATS for size in _SIZES]
    large = [(PixelFormat(subsampling, bits), size, 1) for size, subsampling, bits in _LARGE]
    # The number of a case turns every wheel, so that all values meet all formats.
    for number, (pixel_format, size, frames) in enumerate([*small, *large]):
        yield _case(
            pixel_format,
            ("noise", MASK_KINDS[(number + number // 3) % len(_MASK_SIZES)]),
            size,
            _MASK_SIZES[number % len(_MASK_SIZES)],
            (_THRESHOLDS[number // 2 % len(_THRESHOLDS)], _FADES[number // 3 % len(_FADES)]),
            (number, number // 3),
            ModelSize(22, 15, 24, 16) if size[0] < size[1] else ModelSize(30, 17, 32, 24),
            frames,
        )
    # Small cases with each mask; formats differ in which frames, sizes and ends they meet.
    for number, pixel_format in enumerate(PIXEL_FORMATS):
        for kind, mask_kind in enumerate(MASK_KINDS):
            wheel = number * len(MASK_KINDS) + kind
            yield _case(
                pixel_format,
                (("ramp", "extremes", "identical")[(kind + number) % 3], mask_kind),
                _TINY[wheel % len(_TINY)],
                _TINY_MASKS[wheel % len(_TINY_MASKS)],
                _ENDS[(kind + number) % len(_ENDS)],
                (wheel, wheel),
                ModelSize(8, 8, 8, 8) if wheel % 2 else ModelSize(13, 9, 16, 16),
            )
    for number, pixel_format in enumerate(PIXEL_FORMATS):
        model = ModelSize(*_WAVES, *_WAVES)
        kinds = ("waves", "ramp")
        yield _case(pixel_format, kinds, _WAVES, (24, 16), (0.3, 0.4), (number, number), model)


def _case(
    pixel_format: PixelFormat,
    kinds: tuple[str, str],
    size: tuple[int, int],
    mask_size: tuple[int, int],
    ends: tuple[float, float],
    colours: tuple[int, int],
    model: ModelSize,
    frames: int = FRAMES,
) -> SeededCase:
    """Return a case of such frames and masks; `ends` are threshold and fade."""
    matrices, ranges = list(ColourMatrix), list(ColourRange)
    plan = Plan(
        pixel_format=pixel_format,
        width=size[0],
        height=size[1],
        mask_width=mask_size[0],
        mask_height=mask_size[1],
        threshold=ends[0],
        fade=ends[1],
        colour_matrix=matrices[colours[0] % len(matrices)],
        colour_range=ranges[colours[1] % len(ranges)],
        model=model,
    )
    what = kinds[1] if kinds[0] == "noise" else ", ".join(kinds)
    name = f"{pixel_format.name} {plan.width}x{plan.height} {what} {mask_size[0]}x{mask_size[1]}"
    name += f" threshold {plan.threshold:g} fade {plan.fade:g}"
    return SeededCase(name, plan, *kinds, frames)


def _waves(
    index: NDArray[np.uint64],
    shape: tuple[int, int],
    number: int,
    plane: int,
    pixel_format: PixelFormat,
) -> NDArray[np.uint64]:
    """Return moving parabolic waves with some grain, in integers alone."""
    y, x = np.divmod(index, np.uint64(shape[1]))
    total = np.zeros(shape, dtype=np.uint64)
    for period, phase in ((37, 3 * x + y), (23, x + 2 * y), (11, 2 * x + 61 * y)):
        turn = (phase + np.uint64(2 * number + 5 * plane)) % np.uint64(period)
        total += turn * (period - turn) * 1024 // (period * period // 4)
    grain = _noise(f"grain {number} {plane}", index.size).reshape(shape) >> 58
    return (total + grain + 256) * pixel_format.max_value // 3600


def golden_digests() -> dict[str, dict[str, str]]:
    """Return the committed SHA-256 of each stage by frame key, the same for every backend."""
    text = resources.files("roi_accel.parity").joinpath(GOLDEN_FILE).read_text("utf-8")
    content: dict[str, dict[str, str]] = json.loads(text)
    return content


def digests(session: Session, sample: Sample) -> dict[str, str]:
    """Return the SHA-256 of what `session` gives for each integer stage of one frame."""
    return {stage: digest(*compute(session, stage, sample)) for stage in INTEGER_STAGES}


def compute(session: Session, stage: Stage, sample: Sample) -> tuple[NDArray[np.generic], ...]:
    """Return the arrays that `session` computes in an integer stage of one frame."""
    if stage == "preprocess":
        return (session.preprocess(sample.reference),)
    if stage == "upsample":
        return session.upsample(sample.mask)
    return session.substitute(*sample).planes


def digest(*arrays: NDArray[np.generic]) -> str:
    """Return the SHA-256 of the arrays' types, shapes and little-endian bytes."""
    sha256 = hashlib.sha256()
    for array in arrays:
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        sha256.update(f"{little.dtype.str}{little.shape}".encode())
        sha256.update(little.tobytes())
    return sha256.hexdigest()


def _noise(name: str, count: int) -> NDArray[np.uint64]:
    """Return `count` 64-bit words that depend on `name` alone (SplitMix64, Steele et al. 2014)."""
    seed = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    with np.errstate(over="ignore"):
        z = seed + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
