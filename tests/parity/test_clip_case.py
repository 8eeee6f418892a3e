"""Claims about the user's own videos as a case: how many frames, which masks, whether scored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import P8, damaged, smooth_frames, write_y4m

from roi_accel.checks.matrix_run import ClipCase, run_parity
from roi_accel.errors import InputError
from roi_accel.options.parity import ParityOptions

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

    from roi_accel.parity.cells import Report


def case_of(pair: Pair, frames: int) -> ClipCase:
    return ClipCase(pair.reference, pair.distorted, raw=None, frames=frames)


@pytest.mark.parametrize(("frames", "given"), [(1, 1), (2, 2), (5, 5), (8, 8), (10, 8)])
def test_the_first_frames_are_taken_as_many_as_asked_for(
    tiny_pair: Pair, frames: int, given: int
) -> None:
    samples = list(case_of(tiny_pair, frames).samples())
    assert len(samples) == given
    whole = list(case_of(tiny_pair, 8).samples())
    for sample, expected in zip(samples, whole, strict=False):
        assert np.array_equal(sample.reference.planes[0], expected.reference.planes[0])
    first, second = (sample.reference.planes[0] for sample in whole[:2])
    assert not np.array_equal(first, second)


def test_frames_meet_a_ramp_and_noise_in_turn(tiny_pair: Pair) -> None:
    masks = [sample.mask for sample in case_of(tiny_pair, 4).samples()]
    ramp, noise = masks[:2]
    assert (np.diff(ramp.astype(np.int64).ravel()) >= 0).all()
    assert (np.diff(noise.astype(np.int64).ravel()) < 0).any()
    assert np.array_equal(masks[2], ramp)
    assert np.array_equal(masks[3], noise)


def test_a_clip_of_no_frames_is_refused() -> None:
    with pytest.raises(InputError, match="frames must be at least 1, not 0"):
        ParityOptions(frames=0)


def small(folder: Path, side: int) -> tuple[Path, Path]:
    frames = smooth_frames(P8, 48, side, 2)
    reference = write_y4m(folder / f"{side}-reference.y4m", frames)
    return reference, write_y4m(folder / f"{side}-distorted.y4m", damaged(frames))


@pytest.mark.parametrize(("side", "scored"), [(30, 0), (32, 2)])
def test_a_clip_under_32_pixels_is_masked_and_not_scored(
    tmp_path: Path, side: int, scored: int
) -> None:
    def run(**options: object) -> Report:
        fixed = {
            "backends": ("numpy",), "formats": ("yuv420p",), "stages": ("substitute", "score"),
        }  # fmt: skip
        return run_parity(ParityOptions(**(fixed | options)))  # type: ignore[arg-type]

    reference, distorted = small(tmp_path, side)
    without, found = run(), run(reference=reference, distorted=distorted)

    def more(stage: str) -> int:
        one, other = (
            sum(cell.comparison.compared for cell in report.cells if cell.stage == stage)
            for report in (found, without)
        )
        return one - other

    assert found.with_status("ERROR") == []
    assert more("substitute") == 2 * 48 * side * 3 // 2
    assert more("score") == scored
