"""A seeded corpus of frames and masks: the same samples on every machine and with every NumPy."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from roi_accel.backends.frame import (
    BIT_DEPTHS,
    SUBSAMPLINGS,
    ColourMatrix,
    ColourRange,
    Frame,
    PixelFormat,
    Subsampling,
)
from roi_accel.backends.plan import MASK_MAX, ModelSize, Plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from roi_accel.backends.protocol import Session

STAGES = ("preprocess", "upsample", "substitute")

_SIZES = ((33, 35), (176, 144), (576, 324))
_LARGE: tuple[tuple[int, int, Subsampling, int], ...] = (
    (1920, 1080, "420", 8),
    (1920, 1080, "420", 10),
    (3840, 2160, "420", 10),
)
_FADES = (0.1, 0.0, 1.0)
_THRESHOLDS = (0.3, 0.0, 0.75)
_MASK_SIZES = ((24, 16), (1, 1), (61, 47))
_MASK_KINDS = ("noise", "ramp", "steps")


@dataclass(frozen=True)
class Case:
    """One plan with the frames and the mask to run it on.

    Attributes
    ----------
    name : str
        Says what it is; the key of its digests.
    plan : Plan
    mask_kind : {"noise", "ramp", "steps"}
    """

    name: str
    plan: Plan
    mask_kind: str

    @cached_property
    def reference(self) -> Frame:
        """The reference frame: noise over the whole range."""
        return self._frame("reference")

    @cached_property
    def distorted(self) -> Frame:
        """The distorted frame: other noise."""
        return self._frame("distorted")

    @cached_property
    def mask(self) -> NDArray[np.uint16]:
        """The mask, uint16[mask_height, mask_width]."""
        height, width = self.plan.mask_height, self.plan.mask_width
        codes: NDArray[np.generic]
        index = np.arange(height * width, dtype=np.uint64).reshape(height, width)
        if self.mask_kind == "noise":
            codes = _noise(f"{self.name} mask", height * width).reshape(height, width) >> 48
        elif self.mask_kind == "ramp":
            codes = index * MASK_MAX // max(1, height * width - 1)
        else:
            # Right at the fade's ends and one beside them, where a rounding error would show.
            low, high = self.plan.threshold_code, self.plan.threshold_code + self.plan.fade_code
            ends = [0, low - 1, low, low + 1, high - 1, high, high + 1, MASK_MAX]
            codes = np.clip(ends, 0, MASK_MAX)[index % len(ends)]
        return codes.astype(np.uint16)

    def run(self, session: Session) -> dict[str, str]:
        """Return the SHA-256 of what `session` gives for each stage."""
        masked = session.substitute(self.reference, self.distorted, self.mask)
        return {
            "preprocess": digest(session.preprocess(self.reference)),
            "upsample": digest(*session.upsample(self.mask)),
            "substitute": digest(*masked.planes),
        }

    def _frame(self, what: str) -> Frame:
        pixel_format = self.plan.pixel_format
        y, u, v = (
            (_noise(f"{self.name} {what} {plane}", h * w) >> (64 - pixel_format.bit_depth))
            .astype(pixel_format.dtype)
            .reshape(h, w)
            for plane, (h, w) in enumerate(self.plan.plane_shapes)
        )
        return Frame((y, u, v), pixel_format)


def cases() -> Iterator[Case]:
    """Yield the corpus: every format at small sizes, and a few large frames."""
    number = 0
    for subsampling in SUBSAMPLINGS:
        for bit_depth in BIT_DEPTHS:
            for width, height in _SIZES:
                yield _case(number, width, height, PixelFormat(subsampling, bit_depth))
                number += 1
    for width, height, subsampling, bit_depth in _LARGE:
        yield _case(number, width, height, PixelFormat(subsampling, bit_depth))
        number += 1


def _case(number: int, width: int, height: int, pixel_format: PixelFormat) -> Case:
    """Return one case; its number turns every wheel, so that all values meet all formats."""
    mask_width, mask_height = _MASK_SIZES[number % len(_MASK_SIZES)]
    fade = _FADES[number // 3 % len(_FADES)]
    threshold = _THRESHOLDS[number // 2 % len(_THRESHOLDS)]
    kind = _MASK_KINDS[(number + number // 3) % len(_MASK_KINDS)]
    plan = Plan(
        pixel_format=pixel_format,
        width=width,
        height=height,
        mask_width=mask_width,
        mask_height=mask_height,
        threshold=threshold,
        fade=fade,
        colour_matrix=list(ColourMatrix)[number % len(ColourMatrix)],
        colour_range=list(ColourRange)[number // 3 % len(ColourRange)],
        model=ModelSize(22, 15, 24, 16) if width < height else ModelSize(30, 17, 32, 24),
    )
    name = f"{pixel_format.name} {width}x{height} {kind} {mask_width}x{mask_height}"
    return Case(f"{name} threshold {threshold:g} fade {fade:g}", plan, kind)


def _noise(name: str, count: int) -> NDArray[np.uint64]:
    """Return `count` 64-bit words that depend on `name` alone (SplitMix64, Steele et al. 2014)."""
    seed = np.uint64(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little"))
    with np.errstate(over="ignore"):
        z = seed + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def digest(*arrays: NDArray[np.generic]) -> str:
    """Return the SHA-256 of the arrays' types, shapes and little-endian bytes."""
    total = hashlib.sha256()
    for array in arrays:
        little = np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False))
        total.update(f"{little.dtype.str}{little.shape}".encode())
        total.update(little.tobytes())
    return total.hexdigest()
