"""Each backend gives NumPy's bytes: every format with every mask, and a few formats up to 2160p."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
from covering import pairwise
from support import ALL_FORMATS
from test_kernels import digests, plan_of

from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.devices.dispatch import BACKENDS

if TYPE_CHECKING:
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Backend

SMALL = [(33, 35), (176, 144), (576, 324)]
LARGE = [(1920, 1080), (3840, 2160)]
MASKS_AND_FADES = [((256, 144), 0.1), ((22, 15), 0.0), ((33, 1), 1.0)]
SEED = 1


@functools.cache
def wanted(plan: Plan) -> dict[str, str]:
    return digests(NumpyBackend(), plan, SEED)


# At large sizes the format matters only by the width of a sample and the shape of chroma.
CASES = [
    *pairwise(ALL_FORMATS, SMALL, MASKS_AND_FADES),
    *(
        pytest.param(PixelFormat(*given), size, MASKS_AND_FADES[0], marks=pytest.mark.slow)
        for given in [("420", 8), ("422", 10), ("444", 16)]
        for size in LARGE
    ),
]


@pytest.mark.parametrize("backend", sorted({*BACKENDS} - {"numpy"}), indirect=True)
@pytest.mark.parametrize(("pixel_format", "size", "mask_and_fade"), CASES, ids=str)
def test_every_stage_has_the_reference_backends_digest(
    backend: Backend,
    pixel_format: PixelFormat,
    size: tuple[int, int],
    mask_and_fade: tuple[tuple[int, int], float],
) -> None:
    plan = plan_of(pixel_format, size, *mask_and_fade)
    assert digests(backend, plan, SEED) == wanted(plan)
