"""The kernels of `backends/kernels/`, run through OpenCL, give the reference backend's bytes."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import ALL_FORMATS, random_frame

from roi_accel.backends import kernel_calls
from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.opencl.backend import OpenclBackend, OpenclDevice
from roi_accel.backends.plan import ModelSize, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roi_accel.backends.protocol import Backend

pytestmark = pytest.mark.parametrize("backend", ["opencl"], indirect=True)

# Where bytes are moved and not computed: each width of a sample and each shape of chroma.
by_layouts = pytest.mark.parametrize(
    "pixel_format",
    [PixelFormat("420", 8), PixelFormat("420", 10), PixelFormat("422", 12), PixelFormat("444", 16)],
    ids=lambda f: f.name,
)
by_formats = pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)


def digest(arrays: Iterable[np.ndarray]) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()


def smooth_mask(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    """Return noise below, a bright and a dark block above: every branch of the blend is taken."""
    mask = rng.integers(0, 65536, (height, width), dtype=np.uint16)
    mask[: height // 3, : width // 2] = 65535
    mask[: height // 3, width // 2 :] = 0
    return mask


def digests(backend: Backend, plan: Plan, seed: int) -> dict[str, str]:
    rng = np.random.default_rng(seed)
    reference, distorted = (
        random_frame(rng, plan.pixel_format, plan.width, plan.height) for _ in range(2)
    )
    mask = smooth_mask(rng, plan.mask_width, plan.mask_height)
    with backend.open(plan) as session:
        return {
            "preprocess": digest([session.preprocess(reference)]),
            "upsample": digest(session.upsample(mask)),
            "substitute": digest(session.substitute(reference, distorted, mask).planes),
        }


def plan_of(
    pixel_format: PixelFormat, size: tuple[int, int], mask: tuple[int, int], fade: float
) -> Plan:
    return Plan(
        pixel_format=pixel_format,
        width=size[0],
        height=size[1],
        mask_width=mask[0],
        mask_height=mask[1],
        fade=fade,
        model=ModelSize(min(size[0], 252), min(size[1], 141), 256, 144),
    )


@by_formats
def test_a_network_at_the_frames_own_size_gets_the_reference_backends_input(
    backend: Backend, pixel_format: PixelFormat
) -> None:
    plan = Plan(
        pixel_format=pixel_format,
        width=97,
        height=61,
        mask_width=97,
        mask_height=61,
        model=ModelSize(97, 61, 104, 64),
    )
    assert digests(backend, plan, 3) == digests(NumpyBackend(), plan, 3)


@by_layouts
def test_strided_rows_change_nothing(backend: Backend, pixel_format: PixelFormat) -> None:
    rng = np.random.default_rng(4)
    plan = plan_of(pixel_format, (97, 61), (24, 16), 0.1)
    frames = [random_frame(rng, pixel_format, 97, 61) for _ in range(2)]
    strided = [Frame(tuple(map(within_padded_rows, f.planes)), pixel_format) for f in frames]
    mask = smooth_mask(rng, 24, 16)
    wide_mask = np.repeat(mask, 2, axis=1)[:, ::2]
    with backend.open(plan) as session:
        dense = session.preprocess(frames[0]), *session.substitute(*frames, mask).planes
        found = session.preprocess(strided[0]), *session.substitute(*strided, wide_mask).planes
    assert digest(found) == digest(dense)


@by_layouts
@pytest.mark.parametrize("is_shared", [True, False], ids=["shared", "staged"])
def test_the_way_to_the_device_changes_nothing(
    backend: Backend, pixel_format: PixelFormat, is_shared: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same device, taken for one that shares the host's memory and for one that does not.
    monkeypatch.setattr("roi_accel.backends.opencl.memory._shares_memory", lambda _: is_shared)
    plan = plan_of(pixel_format, (97, 61), (24, 16), 0.1)
    assert digests(backend, plan, 8) == digests(NumpyBackend(), plan, 8)


@by_layouts
@pytest.mark.parametrize("on_processor", [True, False], ids=["segments", "vectors"])
def test_what_a_work_item_handles_changes_nothing(
    backend: Backend, pixel_format: PixelFormat, on_processor: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same device, given the kernels' shape for processors and that for GPUs.
    monkeypatch.setattr(OpenclDevice, "is_processor", on_processor)
    plan = plan_of(pixel_format, (197, 61), (24, 16), 0.1)
    assert digests(OpenclBackend(device=backend.device), plan, 9) == digests(
        NumpyBackend(), plan, 9
    )


def within_padded_rows(plane: np.ndarray) -> np.ndarray:
    """Return `plane` as a read-only view that starts at an odd address, as decoders have them."""
    height, width = plane.shape
    wide = np.full((height, width + 13), 7, plane.dtype)
    wide[:, 3 : 3 + width] = plane
    wide.setflags(write=False)
    return wide[:, 3 : 3 + width]


def test_a_read_only_reference_is_sent_once(backend: Backend) -> None:
    rng = np.random.default_rng(5)
    plan = plan_of(PixelFormat("420", 8), (96, 64), (24, 16), 0.1)
    reference, distorted = (random_frame(rng, plan.pixel_format, 96, 64) for _ in range(2))
    mask = smooth_mask(rng, 24, 16)
    with NumpyBackend().open(plan) as session:
        wanted = session.substitute(reference, distorted, mask).planes
    for plane in reference.planes:
        plane.setflags(write=False)
    other = random_frame(rng, plan.pixel_format, 96, 64)
    with backend.open(plan) as session:
        session.preprocess(other)
        session.preprocess(reference)
        twice = [session.substitute(reference, distorted, mask).planes for _ in range(2)]
        session.preprocess(other)
        again = session.substitute(reference, distorted, mask).planes
    assert [digest(planes) for planes in (*twice, again)] == [digest(wanted)] * 3


def test_a_writable_reference_that_changed_is_sent_again(backend: Backend) -> None:
    rng = np.random.default_rng(6)
    plan = plan_of(PixelFormat("420", 8), (96, 64), (24, 16), 0.1)
    reference, distorted = (random_frame(rng, plan.pixel_format, 96, 64) for _ in range(2))
    mask = np.zeros((16, 24), np.uint16)
    with backend.open(plan) as session:
        session.preprocess(reference)
        session.substitute(reference, distorted, mask)
        reference.planes[0][:] = 9
        masked = session.substitute(reference, distorted, mask)
    assert (masked.planes[0] == 9).all()


MUTATIONS = {
    "the blend's rounding": ("FIXED_HALF", "(FIXED_HALF - 1)", "arithmetic.ker"),
    "the slope's rounding": ("+ SLOPE_HALF", "+ 0u", "arithmetic.ker"),
    "the fade's end": ("code >= opaque", "code > opaque", "arithmetic.ker"),
    "the box's rounding": ("sum + count / 2", "sum + count / 2 - 1", "preprocess.ker"),
    "the chroma's zero": ("- 128", "- 127", "preprocess.ker"),
    "the mask's right neighbour": ("RIGHT_OF(columns", "LEFT_OF(columns", "upsample_rows.ker"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_a_changed_kernel_changes_the_digest(
    backend: Backend, monkeypatch: pytest.MonkeyPatch, mutation: str
) -> None:
    before, after, file = MUTATIONS[mutation]
    plan = Plan(
        pixel_format=PixelFormat("420", 16),
        width=640,
        height=360,
        mask_width=256,
        mask_height=144,
        fade=1.0,
        threshold=0.0,
        model=ModelSize(256, 144, 256, 144),
    )
    wanted = digests(backend, plan, 7)
    assert wanted == digests(NumpyBackend(), plan, 7)
    read = kernel_calls.read_kernel_file

    def read_mutant(name: str) -> str:
        text = read(name)
        if name != file:
            return text
        assert before in text
        return text.replace(before, after)

    monkeypatch.setattr(kernel_calls, "read_kernel_file", read_mutant)
    assert digests(OpenclBackend(device=backend.device), plan, 7) != wanted
