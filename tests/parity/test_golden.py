"""Every backend reproduces the committed digests of the seeded corpus."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from roi_accel.backends.frame import BIT_DEPTHS, SUBSAMPLINGS
from roi_accel.parity.cases import SeededCase, cases
from roi_accel.parity.golden import golden_digests

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

CORPUS = list(cases())


@pytest.mark.parametrize("case", CORPUS, ids=lambda case: case.name)
def test_the_backend_gives_the_golden_bytes(backend: Backend, case: Case) -> None:
    with backend.open(case.plan) as session:
        found = case.run(session)
    assert found == golden_digests()[case.name]


def test_the_corpus_and_the_golden_file_have_the_same_cases() -> None:
    assert [case.name for case in CORPUS] == list(golden_digests())
    assert all(tuple(digests) == STAGES for digests in golden_digests().values())


def test_the_corpus_has_every_format_fade_and_mask() -> None:
    plans = [case.plan for case in CORPUS]
    formats = {(p.pixel_format.subsampling, p.pixel_format.bit_depth) for p in plans}
    assert formats == {(s, d) for s in SUBSAMPLINGS for d in BIT_DEPTHS}
    assert {plan.fade for plan in plans} == {0.0, 0.1, 1.0}
    assert {case.mask_kind for case in CORPUS} == {"noise", "ramp", "steps"}
    assert {(plan.width, plan.height) for plan in plans} >= {(33, 35), (1920, 1080), (3840, 2160)}
    assert len({digest["substitute"] for digest in golden_digests().values()}) == len(CORPUS)


def test_one_changed_sample_changes_the_digest(backend: Backend) -> None:
    case = CORPUS[1]
    with backend.open(case.plan) as session:
        before = case.run(session)
        case.distorted.planes[2][-1, -1] ^= np.uint8(1)
        case.reference.planes[2][-1, -1] ^= np.uint8(1)
        after = case.run(session)
    case.distorted.planes[2][-1, -1] ^= np.uint8(1)
    case.reference.planes[2][-1, -1] ^= np.uint8(1)
    assert before["substitute"] != after["substitute"]
    assert before["upsample"] == after["upsample"]


def test_the_noise_is_splitmix64_whatever_numpy_does() -> None:
    # The first words of SplitMix64 seeded with 1234567, as its authors' test vector has them.
    from roi_accel.parity import corpus  # noqa: PLC0415 - to reach the private generator

    class Seeded:
        def __init__(self, _: bytes) -> None: ...

        def digest(self) -> bytes:
            return (1234567).to_bytes(8, "little")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(corpus.hashlib, "sha256", Seeded)
        words = corpus._noise("any", 3)  # noqa: SLF001
    assert [int(word) for word in words] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]
