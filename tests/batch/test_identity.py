"""Claims about identity: what may change a score is another pair, and nothing else is."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from roi_accel.batch import identity
from roi_accel.batch.identity import Identifier
from roi_accel.batch.rows import Pair

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench


def pair(bench: Bench, **keywords: Any) -> Pair:
    reference, distorted = (str(bench.folder / name) for name in bench.pairs[0])
    options = {"synthetic_mask": 0.5, **keywords}
    return Pair(
        line=1, reference=reference, distorted=distorted, ladder=None, row="r", keywords=options
    )


def of(bench: Bench, *, reproducible: bool = False, **keywords: Any) -> str:
    return Identifier(reproducible=reproducible).identify(pair(bench, **keywords))[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"weight": 0.25},
        {"threshold": 0.2},
        {"synthetic_mask": 0.75},
        {"model": "version=vmaf_v0.6.1neg"},
        {"ep": "cpu"},
        {"frame_count": 3},
        {"mask_smooth": 0.5},
        {"backend": "numpy"},
    ],
)
def test_an_option_that_may_change_a_score_is_another_pair(
    bench: Bench, changes: dict[str, Any]
) -> None:
    assert of(bench, **changes) != of(bench)


@pytest.mark.parametrize("changes", [{"threads": 3}, {"saliency_batch": 2}, {"dump": "/nowhere"}])
def test_one_that_cannot_is_not(bench: Bench, changes: dict[str, Any]) -> None:
    assert of(bench, **changes) == of(bench)


def test_a_network_that_is_bound_to_the_processor_is_another_pair(bench: Bench) -> None:
    assert of(bench, reproducible=True) != of(bench)


def test_another_vmaf_is_another_pair(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = of(bench)
    found = identity.find_scorer()
    monkeypatch.setattr(identity, "find_scorer", lambda _: replace(found, version="9.9"))
    assert of(bench) != before


def test_a_mask_is_known_by_its_content(bench: Bench, tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("1.png", "2.png", "3.png"))
    one.write_bytes(b"a mask")
    two.write_bytes(b"a mask")
    three.write_bytes(b"another")
    found = [of(bench, synthetic_mask=None, mask=str(path)) for path in (one, two, three)]
    assert found[0] == found[1] != found[2]


def test_the_time_of_a_file_is_not_its_content(bench: Bench) -> None:
    before = of(bench)
    os.utime(bench.folder / bench.pairs[0][1])
    assert of(bench) == before
