"""Every backend reproduces the committed digests of the seeded corpus."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np
import pytest

from roi_accel.backends.frame import PIXEL_FORMATS
from roi_accel.backends.plan import MASK_MAX
from roi_accel.parity import cases as corpus
from roi_accel.parity.calibration import INTEGER_STAGES
from roi_accel.parity.cases import (
    FRAME_KINDS,
    MASK_KINDS,
    SeededCase,
    cases,
    digest,
    digests,
    frame_key,
    golden_digests,
)

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

CORPUS = list(cases())


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_the_backend_gives_the_golden_bytes(backend: Backend, case: SeededCase) -> None:
    with backend.open(case.plan) as session:
        found = case.run(session)
    golden = golden_digests()
    assert found == {key: golden[key] for key in found}


def test_the_corpus_and_the_golden_file_have_the_same_frames() -> None:
    keys = [frame_key(case.name, number) for case in CORPUS for number in range(case.frames)]
    assert keys == list(golden_digests())
    assert all(tuple(digests) == INTEGER_STAGES for digests in golden_digests().values())


@pytest.mark.parametrize("pixel_format", PIXEL_FORMATS, ids=lambda each: each.name)
def test_every_format_meets_every_mask_every_frame_and_the_ends(pixel_format: object) -> None:
    mine = [case for case in CORPUS if case.plan.pixel_format == pixel_format]
    assert {case.mask_kind for case in mine} == set(MASK_KINDS)
    assert {case.frame_kind for case in mine} == set(FRAME_KINDS)
    assert {0.0, 1.0} <= {case.plan.fade for case in mine}
    assert {0.0, 1.0} & {case.plan.threshold for case in mine}
    assert any(case.plan.width % 2 and case.plan.height % 2 for case in mine)
    assert min(case.plan.width for case in mine) <= 7
    assert sum(case.has_pictures for case in mine) == 1


def test_the_corpus_has_the_ends_of_its_parameters_and_large_frames() -> None:
    plans = [case.plan for case in CORPUS]
    ends = {(plan.threshold, plan.fade) for plan in plans}
    assert ends >= {(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.5, 1 / MASK_MAX)}
    sizes = {(plan.width, plan.height) for plan in plans}
    assert sizes >= {(1, 1), (33, 35), (1920, 1080), (3840, 2160)}


def test_all_small_cases_have_frames_enough_for_a_fault_on_the_second() -> None:
    assert {case.frames for case in CORPUS if case.plan.width < 1000} == {3}


def test_frames_of_a_case_differ_and_are_the_same_each_time() -> None:
    moving = [case for case in CORPUS if case.frames > 1 and case.plan.width > 30]
    for case in moving[::7]:
        first, again = (
            [digest(*sample.reference.planes) for sample in case.samples()] for _ in range(2)
        )
        assert first == again
        if case.frame_kind != "extremes":  # Its checkers come back every second frame.
            assert len(set(first)) == case.frames, case.name


def test_identical_frames_are_identical_and_the_others_are_not() -> None:
    for case in CORPUS:
        if case.plan.width < 30:
            continue
        sample = next(case.samples())
        same = all(map(np.array_equal, sample.reference.planes, sample.distorted.planes))
        assert same == (case.frame_kind == "identical"), case.name


def test_samples_cannot_be_written_to_by_one_backend_before_another_sees_them() -> None:
    sample = next(CORPUS[0].samples())
    for array in (*sample.reference.planes, *sample.distorted.planes, sample.mask):
        with pytest.raises(ValueError, match="read-only"):
            array[0, 0] = 1


def test_one_changed_sample_changes_the_digest(backend: Backend) -> None:
    case = CORPUS[1]
    sample = next(case.samples())
    with backend.open(case.plan) as session:
        before = digests(session, sample)
        for frame in (sample.reference, sample.distorted):
            frame.planes[2].setflags(write=True)
            frame.planes[2][-1, -1] ^= np.uint8(1)
        after = digests(session, sample)
    assert before["substitute"] != after["substitute"]
    assert before["upsample"] == after["upsample"]


def test_the_noise_is_splitmix64_whatever_numpy_does(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first words of SplitMix64 seeded with 1234567, as its authors' test vector has them.
    class Seeded:
        def __init__(self, _: bytes) -> None: ...

        def digest(self) -> bytes:
            return (1234567).to_bytes(8, "little")

    with monkeypatch.context() as patch:
        patch.setattr(hashlib, "sha256", Seeded)
        words = corpus._noise("any", 3)  # noqa: SLF001 - the private generator
    assert [int(word) for word in words] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
