"""Claims about convex hulls, and about what is read of a batch's results."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ladders import ANCHOR, encode, failure, record, write_results
from results import make_result

from roi_accel.errors import InputError
from roi_accel.ladder.ladder import METRICS, UNNAMED, hull, on_hull, read_results
from roi_accel.results.result import to_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POINTS = st.lists(st.tuples(st.integers(1, 40), st.integers(0, 40)), min_size=1, max_size=20)


def best_at_some_price(points: list[tuple[float, float]]) -> set[tuple[float, float]]:
    """Return the points of the highest `score - price * bitrate`, over every price that matters.

    That is what the hull is for; nothing of how it is found.
    """
    array = np.array(points, float)
    rates, scores = array.T
    with np.errstate(divide="ignore", invalid="ignore"):
        prices = (scores[:, None] - scores) / (rates[:, None] - rates)
    turning = np.unique(prices[np.isfinite(prices) & (prices > 0)])
    between = np.concatenate([[1e-6], turning, (turning[1:] + turning[:-1]) / 2, [1e3]])
    found = set()
    for price in between:
        values = scores - price * rates
        found |= {points[at] for at in np.flatnonzero(values >= values.max() - 1e-9)}
    return found


@given(POINTS)
def test_the_hull_has_the_points_that_are_best_at_some_price_of_a_bit(
    points: list[tuple[float, float]],
) -> None:
    assert {points[at] for at in hull(points)} == best_at_some_price(points)


@given(POINTS)
def test_the_hull_rises_strictly_and_bends_down(points: list[tuple[float, float]]) -> None:
    corners = np.array([points[at] for at in hull(points)], float)
    steps = np.diff(corners, axis=0)
    assert (steps > 0).all()
    assert (np.diff(steps[:, 1] / steps[:, 0]) <= 1e-9).all()


def test_a_point_below_the_line_between_its_neighbours_is_off_the_hull() -> None:
    assert hull([(1, 10), (2, 19.9), (3, 30)]) == [0, 2]
    assert hull([(1, 10), (2, 20.1), (3, 30)]) == [0, 1, 2]


def test_more_bits_for_no_better_score_are_off_the_hull() -> None:
    assert hull([(1, 10), (2, 20), (3, 20), (4, 19)]) == [0, 1]


def test_equal_encodes_are_on_the_hull_together() -> None:
    encodes = [encode(1, 1e3, 10, "a"), encode(2, 2e3, 20, "b"), encode(3, 2e3, 20, "c")]
    assert on_hull(encodes, "vmaf_roi") == {(1, "a"), (2, "b"), (3, "c")}


def test_an_encode_without_a_bitrate_is_never_on_the_hull() -> None:
    encodes = [encode(1, 1e3, 10, "a"), encode(2, None, 99, "b")]
    assert on_hull(encodes, "vmaf_roi") == {(1, "a")}


def test_encodes_of_one_line_are_told_apart() -> None:
    encodes = [encode(1, 1e3, 10, "a"), encode(1, 2e3, 9, "b"), encode(1, 3e3, 20, "c")]
    assert on_hull(encodes, "vmaf_roi") == {(1, "a"), (1, "c")}


def test_encodes_are_grouped_by_reference_then_ladder_and_sorted_by_bitrate(
    tmp_path: Path,
) -> None:
    records = [
        record(1, 3e5, 60, ladder="b"),
        record(2, 1e5, 40, ladder="a", reference="other.mp4"),
        record(3, 1e5, 40, ladder="b"),
        record(4, None, 90, ladder="a"),
        record(5, 2e5, 50, ladder="a"),
    ]
    found = read_results(write_results(tmp_path / "r.ndjson", records)).references
    shape = [
        (group.reference, [(each.name, [e.line for e in each.encodes]) for each in group.ladders])
        for group in found
    ]
    assert shape == [
        ("ref.mp4", [("b", [3, 1]), ("a", [5, 4])]),
        ("other.mp4", [("a", [2])]),
    ]


def test_the_order_is_the_manifest_s_and_not_that_of_finishing(tmp_path: Path) -> None:
    records = [record(2, 2e5, 50, ladder="second"), record(1, 1e5, 40, ladder="first")]
    (group,) = read_results(write_results(tmp_path / "r.ndjson", records)).references
    assert [each.name for each in group.ladders] == ["first", "second"]


def test_encodes_of_no_named_ladder_are_one(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40), record(2, 2e5, 50)]
    (group,) = read_results(write_results(tmp_path / "r.ndjson", records)).references
    assert [(each.name, len(each.encodes)) for each in group.ladders] == [(UNNAMED, 2)]


def test_scores_and_bitrates_are_those_of_the_file(tmp_path: Path) -> None:
    path = write_results(tmp_path / "r.ndjson", [record(1, 123456.5, 70.25)])
    (encode,) = read_results(path).references[0].encodes
    assert encode.bitrate == 123456.5
    assert encode.scores == dict(zip(METRICS, (68.25, 72.25, 70.25), strict=True))


def test_frames_may_be_absent(tmp_path: Path) -> None:
    content = record(1, 1e5, 40)
    del content["frames"]
    assert read_results(write_results(tmp_path / "r.ndjson", [content])).references


def test_a_pair_that_failed_is_named_and_left_out(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40, ladder="a"), failure(2, "a.mp4: no such file", ladder="a")]
    found = read_results(write_results(tmp_path / "r.ndjson", records))
    assert [each.line for each in found.failures] == [2]
    assert [len(each.encodes) for each in found.references] == [1]
    assert "line 2 of the manifest failed and is left out: a.mp4: no such file" in found.warnings


def test_a_pair_that_failed_and_was_run_again_counts_once(tmp_path: Path) -> None:
    records = [failure(1, "killed"), record(1, 1e5, 40)]
    found = read_results(write_results(tmp_path / "r.ndjson", records))
    assert not found.failures
    assert [each.line for each in found.references[0].encodes] == [1]


def test_a_row_that_cannot_be_read_is_named_and_left_out(tmp_path: Path) -> None:
    bad = failure(2, "names no reference") | {"reference": None, "distorted": None}
    bad["batch"] |= {"row": None}
    found = read_results(write_results(tmp_path / "r.ndjson", [bad, record(1, 1e5, 40)]))
    assert [each.line for each in found.failures] == [2]
    assert [each.line for each in found.references[0].encodes] == [1]


def test_equal_videos_are_an_encode_each(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40, ladder="a"), record(2, 1e5, 40, ladder="b")]
    records[1]["batch"]["id"] = records[0]["batch"]["id"]
    found = read_results(write_results(tmp_path / "r.ndjson", records))
    assert [ladder.name for ladder in found.references[0].ladders] == ["a", "b"]


def test_of_a_row_that_was_scored_again_the_last_line_counts(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40), record(1, 2e5, 60)]
    records[1]["batch"]["id"] = "f" * 64
    found = read_results(write_results(tmp_path / "r.ndjson", records))
    assert [each.bitrate for each in found.references[0].encodes] == [2e5]


def test_encodes_without_a_bitrate_are_counted_in_a_warning(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40), record(2, None, 60)]
    (warning,) = read_results(write_results(tmp_path / "r.ndjson", records)).warnings
    assert warning.startswith("ref.mp4: 1 of 2 encodes have no bitrate")


@pytest.mark.parametrize("key", ["model", "saliency_model", "weight"])
def test_scores_that_were_made_otherwise_are_said_not_to_be_comparable(
    tmp_path: Path, key: str
) -> None:
    records = [record(1, 1e5, 40), record(2, 2e5, 60, **{key: 0.7})]
    (warning,) = read_results(write_results(tmp_path / "r.ndjson", records)).warnings
    assert f"scores with {key} " in warning
    assert "are not comparable" in warning


def test_a_threshold_of_its_own_is_said_not_to_be_comparable(tmp_path: Path) -> None:
    other = record(2, 2e5, 60)
    other["provenance"]["parameters"] = other["provenance"]["parameters"] | {"threshold": 0.5}
    path = write_results(tmp_path / "r.ndjson", [record(1, 1e5, 40), other])
    (warning,) = read_results(path).warnings
    assert "threshold 0.3 and 0.5" in warning


def on_other_reference(**settings: object) -> dict[str, Any]:
    content = record(2, 2e5, 60, reference="ref2.mp4")
    parameters = content["provenance"]["parameters"] | settings
    content["provenance"] = content["provenance"] | {"parameters": parameters}
    return content


@pytest.mark.parametrize("name", ["threshold", "fade", "saliency_stride", "mask_smooth"])
def test_references_scored_otherwise_are_said_not_to_be_comparable(
    tmp_path: Path, name: str
) -> None:
    records = [record(1, 1e5, 40), on_other_reference(**{name: 0.5})]
    (warning,) = read_results(write_results(tmp_path / "r.ndjson", records)).warnings
    assert warning.startswith(f"references with unlike {name} are not comparable")
    assert "0.5 (ref2.mp4)" in warning


def test_saliency_sizes_of_references_are_compared(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40), on_other_reference()]
    for content, size in zip(records, ("256", "512"), strict=True):
        content["provenance"] = content["provenance"] | {"mask": {"saliency_size": size}}
    (warning,) = read_results(write_results(tmp_path / "r.ndjson", records)).warnings
    assert "unlike saliency_size" in warning
    assert "256 (ref.mp4), 512 (ref2.mp4)" in warning


def test_references_scored_alike_with_masks_of_their_own_bring_no_warning(tmp_path: Path) -> None:
    records = [
        record(1, 1e5, 40, saliency_model="mask:a.npz"),
        record(2, 2e5, 60, saliency_model="mask:b.npz", reference="ref2.mp4"),
    ]
    assert not read_results(write_results(tmp_path / "r.ndjson", records)).warnings


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda r: r.pop("vmaf_roi"), "'vmaf_roi' is missing"),
        (lambda r: r.update(vmaf_roi=None), "'vmaf_roi' is None; expected a valid number"),
        (lambda r: r.update(vmaf_roi=True), "'vmaf_roi' is True; expected a valid number"),
        (lambda r: r.update(vmaf_roi=1e999), "is not an object of strict JSON"),
        (lambda r: r.pop("reference"), "'reference' is missing"),
        (lambda r: r.update(distorted=1), "'distorted' is 1; expected a valid string"),
        (lambda r: r.pop("batch"), "has no batch"),
        (lambda r: r["batch"].pop("line"), "'batch.line' is missing"),
        (lambda r: r["batch"].update(line="1"), "'batch.line' is '1'; expected a valid integer"),
        (lambda r: r["batch"].update(ladder=7), "'batch.ladder' is 7; expected a valid string"),
        (lambda r: r["batch"].update(bitrate=0), "'batch.bitrate' is 0; expected greater than 0"),
        (
            lambda r: r["batch"].update(bitrate="1M"),
            "'batch.bitrate' is '1M'; expected a valid number",
        ),
        (lambda r: r["batch"].update(bitrate=10**400), "'batch.bitrate' is 1000"),
        (lambda r: r.update(vmaf_full=10**400), "'vmaf_full' is 1000"),
        (
            lambda r: r["batch"].update(bitrate=True),
            "'batch.bitrate' is True; expected a valid number",
        ),
    ],
)
def test_a_line_that_is_no_result_is_refused_by_its_number(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object], said: str
) -> None:
    content = record(2, 2e5, 60)
    damage(content)
    path = write_results(tmp_path / "r.ndjson", [record(1, 1e5, 40), content])
    with pytest.raises(InputError) as caught:
        read_results(path)
    assert f"line 2: {said}" in str(caught.value)
    assert "roi-accel batch" in caught.value.remedy


@pytest.mark.parametrize("indent", [2, None])
@pytest.mark.parametrize("count", [1, 2])
def test_results_of_score_are_told_from_those_of_a_batch(
    tmp_path: Path, indent: int | None, count: int
) -> None:
    result = make_result(distorted="d" * 300)
    text = to_json(result if count == 1 else [result] * count, indent=indent)
    (tmp_path / "result.json").write_text(text, "utf-8")
    with pytest.raises(InputError, match="is a result of 'score', and a ladder is read") as caught:
        read_results(tmp_path / "result.json")
    assert "roi-accel batch" in caught.value.remedy


def test_another_json_document_is_not_taken_for_a_result_of_score(tmp_path: Path) -> None:
    (tmp_path / "r.json").write_text('{\n  "references": []\n}\n')
    with pytest.raises(InputError, match="line 1: is not an object of strict JSON"):
        read_results(tmp_path / "r.json")


def test_a_number_too_large_for_a_float_is_refused(tmp_path: Path) -> None:
    text = json.dumps(record(1, 1e5, 40)).replace('"vmaf_roi": 40', '"vmaf_roi": 1e999')
    (tmp_path / "r.ndjson").write_text(text + "\n", "utf-8")
    with pytest.raises(
        InputError, match=r"line 1: is not an object of strict JSON .the number 1e999 is too large"
    ):
        read_results(tmp_path / "r.ndjson")


def test_a_last_line_that_was_cut_off_is_told_from_other_damage(tmp_path: Path) -> None:
    path = write_results(tmp_path / "r.ndjson", [record(1, 1e5, 40), record(2, 2e5, 60)])
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(InputError, match="line 2: is not an object of strict JSON") as caught:
        read_results(path)
    assert "cut off" in caught.value.remedy


@pytest.mark.parametrize("text", ["", "\n\n", "[1]\n", "[" * 100_000 + "\n", "\xff\n"])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "r.ndjson").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError):
        read_results(tmp_path / "r.ndjson")


def test_results_of_nothing_but_failures_are_refused(tmp_path: Path) -> None:
    path = write_results(tmp_path / "r.ndjson", [failure(1, "no such file")])
    with pytest.raises(InputError, match="has no scores: all 1 pairs failed"):
        read_results(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file; name the file that"):
        read_results(tmp_path / "none.ndjson")


def test_a_real_ladder_is_on_its_hull_and_costs_more_for_more(real_results: Path) -> None:
    (group,) = read_results(real_results).references
    assert [each.name for each in group.ladders] == ["x264-ultrafast", "x264-slow"]
    assert len(ANCHOR) == len(group.ladders[0].encodes)
    for ladder in group.ladders:
        assert all(each.bitrate for each in ladder.encodes)
        for metric in METRICS:
            scores = [each.scores[metric] for each in ladder.encodes]
            assert scores == sorted(scores)
            assert on_hull(ladder.encodes, metric) == {each.place for each in ladder.encodes}


def test_the_better_encoder_s_encodes_are_the_hull_of_both_but_for_its_top(
    real_results: Path,
) -> None:
    (group,) = read_results(real_results).references
    fast, slow = group.ladders
    for metric in METRICS:
        found = on_hull(group.encodes, metric)
        assert found >= {each.place for each in slow.encodes}
        beyond = {
            each.place
            for each in fast.encodes
            if each.scores[metric] > slow.encodes[-1].scores[metric]
        }
        assert found == {each.place for each in slow.encodes} | beyond
