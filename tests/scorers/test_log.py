"""Claims about `roi_accel.scorers.protocol`: a log that is not whole is never believed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roi_accel.errors import ScorerError
from roi_accel.scorers import ScoreLog
from roi_accel.scorers.protocol import read_log

if TYPE_CHECKING:
    from pathlib import Path


def content(frames: int = 3, step: int = 1) -> dict[str, Any]:
    return {
        "version": "3.2.0",
        "frames": [
            {"frameNum": number, "metrics": {"vmaf": 90.0 + number, "psnr_y": 40.0}}
            for number in range(0, frames, step)
        ],
    }


def read(path: Path, text: str, *, fed: int = 3, subsample: int = 1) -> ScoreLog:
    path.write_text(text)
    return read_log(path, frames_fed=fed, subsample=subsample, scores=("vmaf",))


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "variant1.json"


def test_whole_log_is_read(log: Path) -> None:
    found = read(log, json.dumps(content()))
    assert found == ScoreLog(
        "3.2.0", (0, 1, 2), {"vmaf": (90.0, 91.0, 92.0), "psnr_y": (40.0, 40.0, 40.0)}
    )


@pytest.mark.parametrize(("fed", "step", "numbers"), [(7, 3, (0, 3, 6)), (6, 3, (0, 3))])
def test_subsampled_log_has_every_nth_frame(
    log: Path, fed: int, step: int, numbers: tuple[int, ...]
) -> None:
    found = read(log, json.dumps(content(fed, step)), fed=fed, subsample=step)
    assert found.frame_numbers == numbers


def test_absent_log_is_refused(log: Path) -> None:
    with pytest.raises(ScorerError, match="no usable log"):
        read_log(log, frames_fed=3, subsample=1, scores=("vmaf",))


@pytest.mark.parametrize("keep", [0, 1, 20, 60, -1, -2, -3])
def test_log_cut_off_anywhere_is_refused(log: Path, keep: int) -> None:
    with pytest.raises(ScorerError, match="no usable log"):
        read(log, json.dumps(content())[:keep])


@pytest.mark.parametrize("frames", [0, 1, 2, 4])
def test_other_frame_count_than_was_fed_is_refused_with_both_counts(log: Path, frames: int) -> None:
    match = rf"scored {frames} frames where 3 were expected \(3 frames fed"
    with pytest.raises(ScorerError, match=match):
        read(log, json.dumps(content(frames)))


@pytest.mark.parametrize("numbers", [(0, 2, 1), (0, 0, 1), (1, 2, 3)])
def test_frames_out_of_order_repeated_or_shifted_are_refused(
    log: Path, numbers: tuple[int, ...]
) -> None:
    broken = content()
    for frame, number in zip(broken["frames"], numbers, strict=True):
        frame["frameNum"] = number
    with pytest.raises(ScorerError, match="were expected"):
        read(log, json.dumps(broken))


def test_frames_that_should_have_been_skipped_are_refused(log: Path) -> None:
    with pytest.raises(ScorerError, match="scored 3 frames where 2 were expected"):
        read(log, json.dumps(content()), subsample=2)


@pytest.mark.parametrize(
    "value", ["NaN", "Infinity", "-Infinity", "null", '"90"', "true", "[90]", "{}", "1" + "0" * 400]
)
@pytest.mark.parametrize("metric", ["vmaf", "psnr_y"])
def test_value_that_is_no_finite_number_is_refused_with_its_frame(
    log: Path, value: str, metric: str
) -> None:
    broken = content()
    broken["frames"][1]["metrics"][metric] = "HERE"
    with pytest.raises(ScorerError, match=f"{metric} of scored frame 1 is"):
        read(log, json.dumps(broken).replace('"HERE"', value))


def test_log_without_the_models_score_says_what_it_has(log: Path) -> None:
    text = json.dumps(content()).replace('"vmaf"', '"other"')
    with pytest.raises(ScorerError, match=r"no score 'vmaf'; it has other, psnr_y"):
        read(log, text)


def test_score_missing_in_a_later_frame_is_refused(log: Path) -> None:
    broken = content()
    del broken["frames"][2]["metrics"]["vmaf"]
    with pytest.raises(ScorerError, match="no usable log"):
        read(log, json.dumps(broken))


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        "1",
        "null",
        '"text"',
        "{}",
        '{"version": "3", "frames": 1}',
        "[" * 100000,
        '{"frames": []}',
        '{"version": "3", "frames": [1]}',
        '{"version": "3", "frames": {"a": 1}}',
    ],
)
def test_json_of_another_form_is_refused(log: Path, text: str) -> None:
    with pytest.raises(ScorerError):
        read(log, text)


def test_bytes_that_are_no_text_are_refused(log: Path) -> None:
    log.write_bytes(b'{"version": "\xff"}')
    with pytest.raises(ScorerError, match="no usable log"):
        read_log(log, frames_fed=3, subsample=1, scores=("vmaf",))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3)
JSON = (
    LEAVES | st.lists(LEAVES, max_size=3) | st.dictionaries(st.text(max_size=3), LEAVES, max_size=3)
)
PLACES: list[tuple[str | int, ...]] = [
    ("frames",),
    ("frames", 1),
    ("frames", 0, "frameNum"),
    ("frames", 1, "metrics"),
    ("frames", 0, "metrics"),
    ("frames", 2, "metrics", "vmaf"),
]


@given(place=st.sampled_from(PLACES), value=JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_anything_anywhere_in_a_log_is_either_scores_or_a_scorer_error(
    log: Path, place: tuple[str | int, ...], value: object
) -> None:
    changed: Any = content()
    inner = changed
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        found = read(log, json.dumps(changed))
    except ScorerError:
        return
    assert found.frame_numbers == (0, 1, 2)
    assert len(found.metrics["vmaf"]) == 3


def test_a_name_that_stands_twice_is_refused(log: Path) -> None:
    # A model called psnr_y beside --feature psnr: one value would hide the other.
    log.write_text(
        '{"version": "3", "frames": [{"frameNum": 0, "metrics": {"vmaf": 90.0, "vmaf": 30.0}}]}'
    )
    with pytest.raises(ScorerError, match="duplicate key 'vmaf'; a model and a feature share it"):
        read_log(log, frames_fed=1, subsample=1, scores=("vmaf",))


@pytest.mark.parametrize("number", [True, 1.0])
def test_frame_number_that_merely_equals_the_right_one_is_refused(
    log: Path, number: object
) -> None:
    whole = content()
    whole["frames"][1]["frameNum"] = number
    with pytest.raises(ScorerError, match="were expected"):
        read(log, json.dumps(whole))


def test_message_about_an_unprintable_metric_can_be_printed(log: Path) -> None:
    whole = content()
    for frame in whole["frames"]:
        frame["metrics"]["\ud800"] = None
    with pytest.raises(ScorerError, match="of scored frame 0 is None") as caught:
        read(log, json.dumps(whole))
    str(caught.value).encode()
