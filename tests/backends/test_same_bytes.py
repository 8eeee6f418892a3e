"""Every format, up to 2160p, with masks of several sizes: each backend gives NumPy's bytes."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
from support import ALL_FORMATS
from test_kernels import digests, plan_of

from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.devices.dispatch import BACKENDS

if TYPE_CHECKING:
    from roi_accel.backends.frame import PixelFormat
    from roi_accel.backends.plan import Plan
    from roi_accel.backends.protocol import Backend

SIZES = [(33, 35), (176, 144), (576, 324), (1920, 1080), (3840, 2160)]
MASKS_AND_FADES = [((256, 144), 0.1), ((22, 15), 0.0), ((33, 1), 1.0)]
SEED = 1


@functools.cache
def wanted(plan: Plan) -> dict[str, str]:
    return digests(NumpyBackend(), plan, SEED)


@pytest.mark.parametrize("backend", sorted({*BACKENDS} - {"numpy"}), indirect=True)
@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize(("mask", "fade"), MASKS_AND_FADES, ids=str)
def test_every_stage_has_the_reference_backends_digest(
    backend: Backend,
    pixel_format: PixelFormat,
    size: tuple[int, int],
    mask: tuple[int, int],
    fade: float,
) -> None:
    plan = plan_of(pixel_format, size, mask, fade)
    assert digests(backend, plan, SEED) == wanted(plan)
