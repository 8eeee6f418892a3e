"""Claims about weights in the sums of features: what they leave as it is, and what they find."""

from __future__ import annotations

import math

import numpy as np
import pytest
from clips import P8, damaged, smooth_frames

from roi_accel.backends.features.adm import adm_sums
from roi_accel.backends.features.motion import motion_sums
from roi_accel.backends.features.vif import LOG2, log2, vif_sums
from roi_accel.backends.features.weights import adm_weights, full_weight, vif_weights, weights_of
from roi_accel.features.scores import adm_score, motion_score, vif_score

WIDTH, HEIGHT = 480, 360
REFERENCE, NEXT = (frame.planes[0] for frame in smooth_frames(P8, WIDTH, HEIGHT, 2))
DISTORTED = damaged(smooth_frames(P8, WIDTH, HEIGHT, 1), step=9)[0].planes[0].copy()
DISTORTED[: HEIGHT // 2] = REFERENCE[: HEIGHT // 2] // 40 * 40  # The upper half is worse.


def scores(weights: np.ndarray, crop: tuple[slice, slice] = np.s_[:, :]) -> list[float]:
    """Return VIF's scales, adm2 and motion of one frame, or of a part of it."""
    reference, distorted, following = (each[crop] for each in (REFERENCE, DISTORTED, NEXT))
    height, width = reference.shape
    (vif,) = vif_sums(reference, distorted, 8, [weights])
    (adm,) = adm_sums(reference, distorted, 8, [weights])
    (motion,) = motion_sums(reference, following, 8, [weights])
    adm2 = adm_score(adm, height=height, width=width).adm2
    return [*map(vif_score, vif), adm2, motion_score(motion)]


PLAIN = scores(full_weight((HEIGHT, WIDTH)))


def test_full_saliency_is_full_weight() -> None:
    codes = np.array([[0, 1, 32767, 32768, 65535]], np.uint16)
    assert weights_of(codes).tolist() == [[0, 1, 32767, 32769, 65536]]


@pytest.mark.parametrize("shape", [(35, 33), (64, 64)])
def test_a_constant_weight_is_constant_at_every_scale(shape: tuple[int, int]) -> None:
    for pyramid in (vif_weights, adm_weights):
        for level in pyramid(np.full(shape, 12345, np.int64)):
            assert np.unique(level).tolist() == [12345]


def test_a_constant_weight_gives_the_plain_features() -> None:
    assert scores(np.full((HEIGHT, WIDTH), 20000, np.int64)) == pytest.approx(PLAIN, abs=1e-6)


def test_several_weights_in_one_pass_are_each_as_alone() -> None:
    half = full_weight((HEIGHT, WIDTH))
    half[:, : WIDTH // 2] = 0
    both = [full_weight((HEIGHT, WIDTH)), half]
    for sums in (vif_sums, adm_sums):
        together = sums(REFERENCE, DISTORTED, 8, both)  # type: ignore[operator]
        alone = [sums(REFERENCE, DISTORTED, 8, [each])[0] for each in both]  # type: ignore[operator]
        assert together == alone


def test_no_weight_gives_no_number() -> None:
    assert all(map(math.isnan, scores(np.zeros((HEIGHT, WIDTH), np.int64))))


def test_the_worse_half_scores_worse() -> None:
    upper, lower = (full_weight((HEIGHT, WIDTH)) for _ in range(2))
    upper[HEIGHT // 2 :], lower[: HEIGHT // 2] = 0, 0
    for worse, plain, better in zip(scores(upper)[:5], PLAIN[:5], scores(lower)[:5], strict=True):
        assert worse < plain < better


def test_a_map_of_0_and_1_agrees_with_scoring_the_crop() -> None:
    crop = np.s_[20:340, 80:400]
    weights = np.zeros((HEIGHT, WIDTH), np.int64)
    weights[crop] = 65536
    inside, cropped = scores(weights), scores(full_weight((320, 320)), crop)
    assert inside[:4] == pytest.approx(cropped[:4], abs=3e-3)
    assert inside[5] == pytest.approx(cropped[5], rel=1e-2)
    assert inside[4] == pytest.approx(cropped[4], abs=2e-2)


def test_the_logarithms_are_those_of_a_table_in_single_precision() -> None:
    codes = np.arange(32767, 65536)
    # Half away from zero, as C rounds; the values are positive.
    table = np.floor(np.log2(codes.astype(np.float32)).astype(np.float64) * 2048 + 0.5)
    assert (LOG2[codes - 1] == table).mean() > 0.999  # NumPy's log2 is not every C library's.
    assert log2(np.array([65536, 131072, 1 << 40])).tolist() == [2048 * 16, 2048 * 17, 2048 * 40]
