"""A pair that is off in time is told, with what mends it; nothing else is taken for that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import damaged, run_ffmpeg, write_y4m
from scored import metrics, score

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.diagnostics.inspector import Shift, ShiftFinder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

W, H = 192, 128


def gray(luma: np.ndarray, depth: int = 8) -> Frame:
    pixel_format = PixelFormat("420", depth)
    samples = np.clip(np.round(luma * (1 << depth - 8)), 0, pixel_format.max_value)
    chroma = np.full((H // 2, W // 2), 1 << depth - 1, pixel_format.dtype)
    return Frame((samples.astype(pixel_format.dtype), chroma, chroma), pixel_format)


def picture(seed: int = 0) -> np.ndarray:
    """Return a smooth picture, wider than the frame."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:H, : W + 400]
    waves = [
        np.sin(x * rng.uniform(0.02, 0.2) + y * rng.uniform(-0.2, 0.2) + rng.uniform(0, 6))
        for _ in range(12)
    ]
    return 120 + 20 * np.sum(waves, axis=0)


def pan(count: int, step: int = 3) -> list[np.ndarray]:
    wide = picture()
    return [wide[:, step * n : step * n + W] for n in range(count)]


def compressed(
    frames: Sequence[np.ndarray], *, noise: float = 3.0, seed: int = 1
) -> list[np.ndarray]:
    """Return the frames coarser and with noise of their own."""
    rng = np.random.default_rng(seed)
    return [np.round(frame / 8) * 8 + rng.normal(0, noise, frame.shape) for frame in frames]


def found(reference: Sequence[np.ndarray], distorted: Sequence[np.ndarray]) -> Shift | None:
    finder = ShiftFinder()
    for index, (one, other) in enumerate(zip(reference, distorted, strict=False)):
        finder.look(index, gray(one), gray(other))
    return finder.shift


@pytest.mark.parametrize("offset", [-2, -1, 1, 2])
def test_a_shift_is_found_with_its_direction(offset: int) -> None:
    clip = pan(60)
    late = [clip[min(max(n - offset, 0), 59)] for n in range(60)]
    shift = found(clip, compressed(late))
    assert shift is not None
    assert shift.frames == offset
    assert shift.gain > 3
    assert shift.agreeing == shift.probes == 5


def test_deep_video_is_compared_on_the_same_scale() -> None:
    clip = pan(12)
    finder = ShiftFinder()
    for index in range(11):
        finder.look(index, gray(clip[index], 10), gray(clip[index + 1], 10))
    assert finder.shift is not None
    assert finder.shift.frames == -1


def test_a_pair_in_step_has_none() -> None:
    clip = pan(60)
    assert found(clip, compressed(clip)) is None
    assert found(clip, compressed(clip, noise=20)) is None


def test_identical_frames_have_none() -> None:
    clip = pan(60)
    assert found(clip, clip) is None


def test_a_still_has_none() -> None:
    clip = pan(60, step=0)
    assert found(clip, clip) is None
    assert found(clip, compressed(clip)) is None


def test_a_still_whose_quality_pulses_has_none() -> None:
    clip = pan(60, step=0)
    pulsing = [frame for n in range(60) for frame in compressed([clip[n]], noise=1 + 6 * (n % 3))]
    assert found(clip, pulsing) is None
    grainy = [frame + 0.05 * (noise - 120) for frame, noise in zip(clip, grain(60, 4), strict=True)]
    assert found(grainy, pulsing) is None


def grain(count: int, seed: int) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.normal(120, 30, (H, W)) for _ in range(count)]


@pytest.mark.parametrize("seed", range(5))
def test_noise_has_none(seed: int) -> None:
    clip = grain(60, seed)
    assert found(clip, compressed(clip, noise=20)) is None
    assert found(clip, grain(60, seed + 100)) is None
    smoothed = [frame.mean() + 0.2 * (frame - frame.mean()) for frame in clip]
    assert found(clip, smoothed) is None


def test_a_still_under_grain_that_the_encoder_removed_has_none() -> None:
    still = picture()[:, :W]
    grainy = [still + 0.1 * (noise - 120) for noise in grain(60, 3)]
    assert found(grainy, [still] * 60) is None


def fade_in(n: int) -> float:
    return min(1.0, n / 40)


FADES: dict[str, Callable[[int], float]] = {
    "in": fade_in,
    "out": lambda n: 1 - fade_in(n),
    "whole": lambda n: n / 60,
}


@pytest.mark.parametrize("name", FADES)
@pytest.mark.parametrize("change", ["none", "brighter", "darker", "flatter"])
def test_a_fade_has_none(name: str, change: str) -> None:
    still = picture()[:, :W] - 16
    clip = [16 + still * FADES[name](n) for n in range(60)]
    altered = {
        "none": clip,
        "brighter": [frame + 6 for frame in clip],
        "darker": [frame - 6 for frame in clip],
        "flatter": [16 + 0.98 * (frame - 16) for frame in clip],
    }[change]
    assert found(clip, compressed(altered)) is None


def test_a_shift_is_found_in_a_pan_that_fades() -> None:
    clip = [16 + (frame - 16) * fade_in(n) for n, frame in enumerate(pan(60))]
    shift = found(clip[:-1], clip[1:])
    assert shift is not None
    assert shift.frames == -1


def test_every_frame_shown_twice_has_none() -> None:
    clip = [frame for frame in pan(30, step=6) for _ in range(2)]
    assert found(clip, compressed(clip)) is None


def test_a_freeze_in_the_distorted_video_has_none() -> None:
    clip = pan(60)
    frozen = [*clip[:40], *[clip[39]] * 20]
    assert found(clip, compressed(frozen)) is None


def test_too_few_frames_have_none() -> None:
    clip = pan(6)
    assert found(clip[:4], clip[1:5]) is None


def test_few_frames_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[Frame] = []
    monkeypatch.setattr(
        "roi_accel.diagnostics.inspector._samples",
        lambda frame: looked.append(frame) or np.zeros((2, 2)),
    )
    finder = ShiftFinder()
    frame = gray(np.zeros((H, W)))
    for index in range(20_000):
        finder.look(index, frame, frame)
    assert len(looked) <= 2 * 5 * 14


# From end to end


def test_a_late_video_is_told_with_what_mends_it(tmp_path: Path) -> None:
    moving = write_y4m(tmp_path / "ref.y4m", pan_frames(30))
    late = write_y4m(tmp_path / "late.y4m", damaged([*pan_frames(1) * 2, *pan_frames(28)]))
    result = score(moving, late)
    (line,) = [line for line in result.warnings if "late" in line]
    assert "late.y4m seems to be 2 frames late" in line
    assert "--frame-skip-dist 2 --shortest" in line
    mended = score(moving, late, frame_skip_dist=2, shortest=True)
    assert mended.vmaf_full > result.vmaf_full + 5
    assert not [line for line in mended.warnings if "seems" in line]


def test_an_early_video_is_told_with_what_mends_it(tmp_path: Path) -> None:
    moving = write_y4m(tmp_path / "ref.y4m", pan_frames(30))
    early = write_y4m(tmp_path / "early.y4m", damaged([*pan_frames(30)[1:], pan_frames(30)[-1]]))
    (line,) = [line for line in score(moving, early).warnings if "early" in line]
    assert "1 frame early" in line
    assert "--frame-skip-ref 1 --shortest" in line


def test_options_already_given_are_counted(tmp_path: Path) -> None:
    moving = write_y4m(tmp_path / "ref.y4m", pan_frames(30))
    late = write_y4m(tmp_path / "late.y4m", damaged([*pan_frames(1) * 3, *pan_frames(27)]))
    result = score(moving, late, frame_skip_dist=1, shortest=True)
    assert any("--frame-skip-dist 3 --shortest" in line for line in result.warnings)


def test_real_compression_in_step_is_not_told(tmp_path: Path) -> None:
    moving = write_y4m(tmp_path / "ref.y4m", pan_frames(60))
    encoded = tmp_path / "dist.mp4"
    run_ffmpeg("-i", moving, "-c:v", "libx264", "-crf", "45", "-bf", "3", encoded)
    assert not [line for line in score(moving, encoded).warnings if "seems" in line]


def test_the_look_changes_no_score(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moving = write_y4m(tmp_path / "ref.y4m", pan_frames(12))
    other = write_y4m(tmp_path / "dist.y4m", damaged(pan_frames(12)))
    with_look = metrics(score(moving, other))
    monkeypatch.setattr("roi_accel.diagnostics.inspector.Inspector.take", lambda *_: None)
    assert metrics(score(moving, other)) == with_look


def pan_frames(count: int) -> list[Frame]:
    return [gray(frame) for frame in pan(count)]
