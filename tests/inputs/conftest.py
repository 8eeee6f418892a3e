"""What tests of the inputs share: scores of the bundled ffmpeg's VMAF, per frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from clips import P8, damaged, smooth_frames

from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from roi_accel.backends.frame import Frame

WIDTH, HEIGHT, COUNT = 96, 64, 8


@pytest.fixture(autouse=True)
def only_the_bundled_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score with imageio-ffmpeg's binary whatever is on PATH, so that every machine runs alike."""
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(bundled_ffmpeg()))


@pytest.fixture(scope="session")
def good() -> list[Frame]:
    """Return 12 frames of 96x64 that move."""
    return smooth_frames(P8, WIDTH, HEIGHT, 12)


@pytest.fixture(scope="session")
def bad(good: list[Frame]) -> list[Frame]:
    """Return the same, badly compressed."""
    return damaged(good, step=30)
