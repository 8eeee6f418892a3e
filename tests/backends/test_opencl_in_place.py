"""On a processor OpenCL masks frames where they lie, and copies only those that it must."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from support import random_frame

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.opencl.backend import OpenclBackend
from roi_accel.backends.plan import ModelSize, Plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.backends.protocol import Backend

pytestmark = pytest.mark.parametrize("backend", ["opencl"], indirect=True)

# Whole segments of 64 samples in every plane, even where chroma is half as wide.
WIDTH, HEIGHT = 256, 37
FORMATS = [PixelFormat(s, d) for s in ("420", "422", "444") for d in (8, 10, 16)]


@pytest.fixture(autouse=True)
def on_a_processor(backend: Backend) -> None:
    if not any(s.kind == "cpu" for s in OpenclBackend.probe() if s.device == backend.device):
        pytest.skip(f"{backend.device} is no processor: its memory is not the host's")


def a_plan(pixel_format: PixelFormat, width: int = WIDTH) -> Plan:
    return Plan(
        pixel_format=pixel_format,
        width=width,
        height=HEIGHT,
        mask_width=24,
        mask_height=16,
        model=ModelSize(32, 16, 32, 16),
    )


def a_pair(plan: Plan, seed: int = 0) -> tuple[Frame, Frame]:
    rng = np.random.default_rng(seed)
    first, second = (
        random_frame(rng, plan.pixel_format, plan.width, plan.height) for _ in range(2)
    )
    return first, second


def a_mask(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 65536, (16, 24), dtype=np.uint16)


def numpys(plan: Plan, pair: tuple[Frame, Frame], mask: np.ndarray) -> Frame:
    with NumpyBackend(threads=1).open(plan) as session:
        return session.substitute(*pair, mask)


def same(found: Frame, wanted: Frame) -> bool:
    return all(map(np.array_equal, found.planes, wanted.planes))


@pytest.fixture
def copied(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list that grows with every plane group of a distorted frame that is copied."""
    from roi_accel.backends.opencl.session import OpenclGrid  # noqa: PLC0415 - needs pyopencl

    seen: list[str] = []
    upload = OpenclGrid.upload

    def noting(self: OpenclGrid, array: object, *args: object) -> object:
        if array is self.distorted:
            seen.append("copied")
        return upload(self, array, *args)

    monkeypatch.setattr(OpenclGrid, "upload", noting)
    return seen


@pytest.mark.parametrize("pixel_format", FORMATS, ids=lambda f: f.name)
def test_whole_segments_are_masked_without_a_copy(
    backend: Backend, copied: list[str], pixel_format: PixelFormat
) -> None:
    plan = a_plan(pixel_format)
    with backend.open(plan) as session:
        for seed in range(3):
            pair = a_pair(plan, seed)
            assert same(session.substitute(*pair, a_mask(seed)), numpys(plan, pair, a_mask(seed)))
    assert not copied


def test_read_only_frames_are_lent_and_stay_as_they_are(
    backend: Backend, copied: list[str]
) -> None:
    plan = a_plan(FORMATS[0])
    pair = a_pair(plan)
    before = [plane.copy() for frame in pair for plane in frame.planes]
    for frame in pair:
        for plane in frame.planes:
            plane.flags.writeable = False
    with backend.open(plan) as session:
        masked = session.substitute(*pair, a_mask())
        assert all(plane.flags.writeable for plane in masked.planes)
    after = [plane for frame in pair for plane in frame.planes]
    assert all(map(np.array_equal, before, after))
    assert not copied


def strided(frame: Frame) -> Frame:
    y, u, v = (np.repeat(plane, 2, axis=1)[:, ::2] for plane in frame.planes)
    return Frame((y, u, v), frame.pixel_format)


def unaligned(frame: Frame) -> Frame:
    def move(plane: np.ndarray) -> np.ndarray:
        room = np.zeros(plane.nbytes + 1, np.uint8)[1:]
        room[:] = plane.view(np.uint8).ravel()
        return room.view(plane.dtype).reshape(plane.shape)

    y, u, v = map(move, frame.planes)
    return Frame((y, u, v), frame.pixel_format)


@pytest.mark.parametrize("lay", [strided, unaligned])
def test_frames_that_cannot_be_lent_are_copied(
    backend: Backend, copied: list[str], lay: Callable[[Frame], Frame]
) -> None:
    plan = a_plan(PixelFormat("420", 10))
    first, second = a_pair(plan)
    with backend.open(plan) as session:
        for pair in ((lay(first), second), (first, lay(second))):
            copied.clear()
            assert same(session.substitute(*pair, a_mask()), numpys(plan, pair, a_mask()))
            assert copied


def test_a_frame_masked_with_itself_is_not_lent_twice(backend: Backend, copied: list[str]) -> None:
    plan = a_plan(FORMATS[0])
    frame, _ = a_pair(plan)
    with backend.open(plan) as session:
        assert same(session.substitute(frame, frame, a_mask()), frame)
    assert copied


def test_rows_that_end_within_a_segment_are_copied(backend: Backend, copied: list[str]) -> None:
    plan = a_plan(FORMATS[0], width=WIDTH + 64)  # chroma ends after half of one
    pair = a_pair(plan)
    with backend.open(plan) as session:
        assert same(session.substitute(*pair, a_mask()), numpys(plan, pair, a_mask()))
    assert copied


def test_the_reference_that_is_on_the_device_is_told_from_one_that_was_lent(
    backend: Backend,
) -> None:
    plan = a_plan(FORMATS[0])
    (one, distorted), (other, _) = a_pair(plan, 1), a_pair(plan, 2)
    for plane in (*one.planes, *other.planes):
        plane.flags.writeable = False
    with backend.open(plan) as session:
        session.preprocess(one)
        for reference in (other, one, other):
            for pair in ((reference, distorted), (reference, strided(distorted))):
                assert same(session.substitute(*pair, a_mask()), numpys(plan, pair, a_mask()))
