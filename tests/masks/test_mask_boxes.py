"""--roi."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roi_accel.errors import InputError
from roi_accel.masks.still import MAX_REGIONS, Box, BoxesSource, parse_box

pytestmark = pytest.mark.usefixtures("no_python_warnings")


def test_pixels_inside_are_full_and_outside_zero(open_source: Any, ask: Any) -> None:
    (mask,) = ask(open_source(roi=["3,5,7,2"]), 0)
    expected = np.zeros((36, 64), np.uint16)
    expected[5:7, 3:10] = 65535
    np.testing.assert_array_equal(mask, expected)


def test_union_holds_all_boxes_named_or_not(open_source: Any, ask: Any) -> None:
    source = open_source(roi=["0,0,4,4", "face=10,10,4,4", "ball=20,20,4,4"])
    union, face, ball = ask(source, 0)
    assert source.region_names == ("face", "ball")
    assert np.count_nonzero(union) == 48
    assert np.count_nonzero(face) == 16
    assert face[10, 10] == 65535
    assert ball[20, 20] == 65535
    assert ball[10, 10] == 0


def test_boxes_of_one_name_form_one_region(open_source: Any, ask: Any) -> None:
    source = open_source(roi=["face=0,0,4,4", "ball=8,8,2,2", "face=10,10,4,4"])
    _, face, ball = ask(source, 0)
    assert source.region_names == ("face", "ball")
    assert np.count_nonzero(face) == 32
    assert np.count_nonzero(ball) == 4


def test_single_name_is_still_reported_and_shares_the_unions_mask(
    open_source: Any, ask: Any
) -> None:
    source = open_source(roi=["face=0,0,4,4", "face=10,10,4,4"])
    union, face = ask(source, 0)
    assert source.region_names == ("face",)
    assert face is union


def test_every_frame_gets_the_same_objects(open_source: Any, ask: Any) -> None:
    source = open_source(roi=["a=0,0,4,4", "b=10,10,4,4"])
    assert all(one is two for one, two in zip(ask(source, 0), ask(source, 1), strict=True))


@pytest.mark.parametrize(
    ("text", "used"),
    [
        ("-2,-3,10,10", (0, 0, 8, 7)),
        ("60,30,100,100", (60, 30, 4, 6)),
        ("-5,-5,999999999,999999999", (0, 0, 64, 36)),
    ],
)
def test_box_partly_outside_is_clipped_and_said_so(
    open_source: Any, ask: Any, text: str, used: tuple[int, int, int, int]
) -> None:
    source = open_source(roi=[text])
    (warning,) = source.warnings
    assert text in warning
    x, y, w, h = used
    assert source.provenance()["boxes"] == [{"x": x, "y": y, "w": w, "h": h}]
    (mask,) = ask(source, 0)
    assert np.count_nonzero(mask) == w * h
    assert np.all(mask[y : y + h, x : x + w] == 65535)


def test_box_inside_gives_no_warning(open_source: Any) -> None:
    assert open_source(roi=["0,0,64,36"]).warnings == ()


@pytest.mark.parametrize("text", ["64,0,4,4", "0,36,4,4", "-4,0,4,4", "0,-4,4,4"])
def test_box_wholly_outside_is_refused(open_source: Any, text: str) -> None:
    with pytest.raises(InputError, match="outside the 64x36 frame"):
        open_source(roi=[text])


@pytest.mark.parametrize("text", ["0,0,0,4", "0,0,4,0", "0,0,-1,4"])
def test_sides_below_1_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="at least 1"):
        parse_box(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "1,2,3", "1,2,3,4,5", "1 2 3 4", "a,b,c,d", "1.5,2,3,4", "1e3,2,3,4", "1_0,2,3,4"),
        *("nan,0,1,1", "0,0,1,٣", "9999999999,0,1,1", "9" * 5000 + ",0,1,1"),
    ],
    ids=lambda text: repr(text)[:40],
)
def test_anything_but_four_whole_numbers_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="four whole numbers") as caught:
        parse_box(text)
    assert "NAME=X,Y,W,H" in caught.value.remedy


@pytest.mark.parametrize(
    "name", ["", " ", "a" * 65, "a\nb", "a\x00b", "a,b", "a=b", "\ud800", "\u202e"]
)
def test_names_that_cannot_be_keys_are_refused(name: str) -> None:
    with pytest.raises(InputError, match="name"):
        parse_box(f"{name}=0,0,4,4")


def test_spaces_around_numbers_and_names_do_not_count() -> None:
    assert parse_box(" Straße 1 = 1 , -2,+3, 4 ") == Box(1, -2, 3, 4, "Straße 1")


def test_more_regions_than_anyone_scores_are_refused() -> None:
    texts = [f"n{number}=0,0,4,4" for number in range(MAX_REGIONS + 1)]
    assert len(BoxesSource(texts[:-1], width=64, height=36).region_names) == MAX_REGIONS
    with pytest.raises(InputError, match="65 region names"):
        BoxesSource(texts, width=64, height=36)


def test_no_boxes_are_refused() -> None:
    with pytest.raises(InputError, match="no --roi"):
        BoxesSource([], width=64, height=36)


def test_provenance_is_strict_json(open_source: Any) -> None:
    source = open_source(roi=["1,2,3,4", "face=5,6,7,8"])
    assert source.label == "roi"
    assert json.loads(json.dumps(source.provenance(), allow_nan=False)) == {
        "kind": "boxes",
        "boxes": [
            {"x": 1, "y": 2, "w": 3, "h": 4},
            {"name": "face", "x": 5, "y": 6, "w": 7, "h": 8},
        ],
    }


_NUMBER = st.integers(-200, 200).map(str)
_NEARLY = st.lists(_NUMBER | st.text(max_size=4), min_size=2, max_size=6).map(",".join)


@given(st.text() | _NEARLY | st.tuples(st.text(max_size=4), _NEARLY).map("=".join))
def test_only_input_errors_escape_and_they_stay_short(text: str) -> None:
    try:
        source = BoxesSource([text], width=64, height=36)
    except InputError as error:
        message = str(error)
    else:
        message = "fine"
        (mask, *_) = source.masks(0, None, None)  # type: ignore[arg-type]
        assert np.count_nonzero(mask) > 0
        assert set(np.unique(mask)) <= {0, 65535}
    assert len(message) < 1000
    assert "\n" not in message


@given(st.integers(-100, 100), st.integers(-100, 100), st.integers(1, 200), st.integers(1, 200))
def test_mask_is_the_boxs_intersection_with_the_frame(x: int, y: int, w: int, h: int) -> None:
    columns = [x <= at < x + w for at in range(64)]
    rows = [y <= at < y + h for at in range(36)]
    expected = np.outer(rows, columns)
    if not expected.any():
        with pytest.raises(InputError):
            BoxesSource([f"{x},{y},{w},{h}"], width=64, height=36)
        return
    (mask,) = BoxesSource([f"{x},{y},{w},{h}"], width=64, height=36).masks(0, None, None)  # type: ignore[arg-type]
    np.testing.assert_array_equal(mask == 65535, expected)
