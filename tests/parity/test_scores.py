"""Claims about the stage score: scores are measured where VMAF can tell frames apart."""

from __future__ import annotations

import numpy as np
import pytest
from clips import frame_set

from roi_accel.backends.frame import Frame
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.checks.matrix_run import open_scoring
from roi_accel.parity.cases import SeededCase, cases
from roi_accel.scorers import find_scorer

PICTURES = [case for case in cases() if case.has_pictures]


@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case.plan.pixel_format.name)
def test_the_corpus_scores_lie_far_from_vmafs_ends(case: SeededCase) -> None:
    scoring = open_scoring(find_scorer(), case.plan, 2)
    with NumpyBackend().open(case.plan) as session, scoring:
        for sample in case.samples():
            scoring.feed(frame_set(sample.reference, session.substitute(*sample), sample.distorted))
        masked, distorted = (video.full.metrics["vmaf"] for video in scoring.finish())
    assert len(masked) == len(distorted) == case.frames
    assert all(20 < score < 90 for score in (*masked, *distorted))
    assert masked != distorted


def test_one_code_in_one_pixel_moves_the_score_by_more_than_is_allowed() -> None:
    case = PICTURES[0]
    scoring = open_scoring(find_scorer(), case.plan, 2)
    with NumpyBackend().open(case.plan) as session, scoring:
        for sample in case.samples():
            good = session.substitute(*sample)
            luma = good.planes[0].copy()
            luma[30, 40] ^= np.uint8(1)
            bad = Frame((luma, *good.planes[1:]), good.pixel_format)
            scoring.feed(frame_set(sample.reference, good, bad))
        first, second = (video.full.metrics["vmaf"] for video in scoring.finish())
    assert max(abs(a - b) for a, b in zip(first, second, strict=True)) > 5e-5
