"""--roi-track."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roi_accel.errors import InputError
from roi_accel.masks import track
from roi_accel.masks.track import TrackSource, parse_track

pytestmark = pytest.mark.usefixtures("no_python_warnings")

HEADER = "frame,x,y,w,h\n"


@pytest.fixture
def track_of(tmp_path: Path) -> Any:
    def write(content: str | bytes, *, width: int = 64, height: int = 36) -> TrackSource:
        path = tmp_path / "boxes.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return TrackSource(path, width=width, height=height)

    return write


def test_each_frame_gets_its_own_boxes(track_of: Any, ask: Any) -> None:
    source = track_of(HEADER + "1,10,10,2,2\n0,0,0,4,4\n0,20,20,1,1\n")
    assert np.count_nonzero(ask(source, 0)[0]) == 17
    (mask,) = ask(source, 1)
    assert np.count_nonzero(mask) == 4
    assert mask[10, 10] == 65535


@pytest.mark.parametrize(
    "content",
    [
        "frame,x,y,w,h,name\n0,1,2,3,4,face\n2,5,6,7,8,\n",
        "name,h,w,y,x,frame\nface,4,3,2,1,0\n,8,7,6,5,2\n",
        '\ufeffFrame, X , y,w,h,name\r\n0,1.0,2,3,4," face "\r\n\r\n2.0,5,6,7,8,\r\n',
        json.dumps(
            [
                {"frame": 0, "x": 1, "y": 2, "w": 3, "h": 4, "name": "face"},
                {"frame": 2, "x": 5, "y": 6, "w": 7, "h": 8},
            ]
        ),
        json.dumps(
            {
                "boxes": [
                    {"name": None, "frame": 2, "x": 5.0, "y": 6, "w": 7, "h": 8},
                    {"frame": 0, "x": 1, "y": 2, "w": 3, "h": 4, "name": "face"},
                ]
            }
        ),
    ],
)
def test_every_way_of_writing_a_track_means_the_same(track_of: Any, ask: Any, content: str) -> None:
    source = track_of(content)
    assert source.region_names == ("face",)
    union, face = ask(source, 0)
    expected = np.zeros((36, 64), np.uint16)
    expected[2:6, 1:4] = 65535
    np.testing.assert_array_equal(union, expected)
    np.testing.assert_array_equal(face, expected)
    assert not ask(source, 1)[0].any()
    union, face = ask(source, 2)
    assert union[6, 5] == 65535
    assert np.count_nonzero(union) == 56
    assert not face.any()


def test_frame_without_boxes_is_empty_counted_and_warned_of(track_of: Any, ask: Any) -> None:
    source = track_of(HEADER + "1,0,0,4,4\n")
    assert not ask(source, 0)[0].any()
    assert ask(source, 1)[0].any()
    assert not ask(source, 2)[0].any()
    assert source.provenance()["empty_frames"] == 2
    source.finish(3, whole=True)
    assert "2 of 3 frames have no box" in source.warnings[0]


def test_boxes_after_the_last_frame_are_warned_of(track_of: Any, ask: Any) -> None:
    source = track_of(HEADER + "0,0,0,4,4\n1,0,0,4,4\n2,0,0,4,4\n2,9,9,4,4\n")
    ask(source, 0)
    assert source.unused_boxes(1) == 3
    assert source.unused_boxes(2) == 2
    assert source.unused_boxes(3) == 0
    source.finish(2, whole=True)
    assert source.warnings == (
        f"{source._source}: 2 boxes belong to frame 2, after the last one, 1",  # noqa: SLF001
    )


def test_frames_of_boxes_after_the_end_are_named(track_of: Any) -> None:
    source = track_of(HEADER + "0,0,0,4,4\n500,0,0,4,4\n620,0,0,4,4\n")
    source.finish(48, whole=True)
    assert "2 boxes belong to frames 500 to 620, after the last one, 47" in source.warnings[-1]


def test_region_that_is_never_in_view_is_warned_of_also_in_a_run_cut_short(track_of: Any) -> None:
    source = track_of("frame,x,y,w,h,name\n0,0,0,4,4,car\n1,0,0,4,4,\n9,0,0,4,4,face\n")
    source.finish(2, whole=False)
    (warning,) = source.warnings
    assert "region 'face' has no box in any frame" in warning


def test_track_that_counts_from_1_is_told_so(track_of: Any) -> None:
    source = track_of(HEADER + "1,0,0,4,4\n2,0,0,4,4\n")
    source.finish(2, whole=True)
    assert "frames count from 0" in source.warnings[-1]


def test_run_cut_short_on_purpose_gives_no_warning_of_leftover_boxes(track_of: Any) -> None:
    source = track_of(HEADER + "0,0,0,4,4\n9,0,0,4,4\n")
    source.finish(1, whole=False)
    assert source.warnings == ()


def test_masks_stay_the_same_objects_while_the_boxes_do(track_of: Any, ask: Any) -> None:
    source = track_of(HEADER + "0,0,0,4,4\n1,0,0,4,4\n2,1,0,4,4\n")
    first = ask(source, 0)[0]
    assert ask(source, 1)[0] is first
    assert ask(source, 2)[0] is not first
    assert ask(source, 3)[0] is ask(source, 4)[0]


def test_duplicate_boxes_are_fine(track_of: Any, ask: Any) -> None:
    source = track_of(HEADER + "0,0,0,4,4\n0,0,0,4,4\n")
    assert np.count_nonzero(ask(source, 0)[0]) == 16


@pytest.mark.parametrize(
    ("row", "columns"),
    [
        ("0,1.2,0,2.2,1", (1, 4)),  # 1.2..3.4 touches pixels 1, 2 and 3
        ("0,1.1000000238,0,2.9000000954,1", (1, 4)),  # 1.1 and 2.9 as float32 has them
        ("0,2.5,0,0.1,1", (2, 3)),
        ("0,0.9999999,0,1,1", (1, 2)),  # less than a millionth of pixel 0 is no touch
        ("0,5.9999999,0,0.0000001,1", (6, 7)),  # too thin for that rule, but never nothing
    ],
)
def test_decimals_cover_every_pixel_they_touch(
    track_of: Any, ask: Any, row: str, columns: tuple[int, int]
) -> None:
    (mask,) = ask(track_of(HEADER + row + "\n"), 0)
    assert np.flatnonzero(mask[0]).tolist() == list(range(*columns))


def test_boxes_beyond_the_edges_are_clipped_and_counted(track_of: Any, ask: Any) -> None:
    source = track_of(HEADER + "0,-2,-2,4,4\n3,60,30,9,9\n4,100,0,5,5\n")
    assert np.count_nonzero(ask(source, 0)[0]) == 4
    reach, outside = source.warnings
    assert "2 of 3 boxes reach beyond the 64x36 frame, the first in frame 0" in reach
    assert "1 of 3 boxes lie wholly outside the 64x36 frame, the first in frame 4" in outside


def test_track_for_another_video_size_is_refused(track_of: Any) -> None:
    with pytest.raises(InputError, match="every box lies outside"):
        track_of(HEADER + "0,100,0,5,5\n1,0,36,5,5\n")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty (0 bytes)"),
        (" \r\n\n", "line 1: the columns are"),
        (HEADER, "holds no boxes"),
        ("[]", "holds no boxes"),
        ('{"boxes": []}', "holds no boxes"),
        (b"\x89PNG\r\n\x1a\n\0\0\0", "not text in UTF-8"),
        (b"\0\1\2\3", "line 1: the columns are"),
        ("0,1,2,3,4\n", "line 1: the columns are '0,1,2,3,4'"),
        ("frame;x;y;w;h\n", "line 1: the columns are 'frame;x;y;w;h'"),
        ("frame,x,y,w,h,label\n", "line 1: the columns are 'frame,x,y,w,h,label'"),
        ("frame,x,y,w\n", "line 1: the columns are 'frame,x,y,w'"),
        ("frame,x,y,w,h,h\n", "line 1: the columns are 'frame,x,y,w,h,h'"),
        (HEADER + "0,1,2,3\n", "line 2: 4 values for 5 columns"),
        (HEADER + "0,1,2,3,4\n\n0,1,2,3,4,5\n", "line 4: 6 values for 5 columns"),
        (HEADER + "0,1,2,3,four\n", "line 2: 'h' is 'four'; expected a valid number"),
        (HEADER + "0,,2,3,4\n", "line 2: 'x' is ''; expected a valid number"),
        (HEADER + "0,1_0,2,3,4\n", "line 2: 'x' is '1_0'; expected a valid number"),
        (HEADER + "0,1,٣,3,4\n", "line 2: 'y' is '٣'; expected a valid number"),
        (HEADER + "0,1,2,3,4\n0,nan,2,3,4\n", "line 3: 'x' is nan; expected a finite number"),
        (HEADER + "0,1,inf,3,4\n", "line 2: 'y' is inf; expected a finite number"),
        (HEADER + "0,1,2,3,1e999\n", "line 2: 'h' is inf; expected a finite number"),
        (HEADER + "-1,1,2,3,4\n", "line 2: 'frame' is -1.0; expected greater than or equal to 0"),
        (HEADER + "0.5,1,2,3,4\n", "line 2: 'frame' is 0.5; expected a multiple of 1"),
        (
            HEADER + "1e15,1,2,3,4\n",
            "line 2: 'frame' is 1000000000000000.0; expected less than or equal to 100000000",
        ),
        (HEADER + "0,1,2,0,4\n", "line 2: 'w' is 0.0; expected greater than 0"),
        (HEADER + "0,1,2,3,-4\n", "line 2: 'h' is -4.0; expected greater than 0"),
        (
            HEADER + "0,1,2,3,1e7\n",
            "line 2: 'h' is 10000000.0; expected less than or equal to 1000000",
        ),
        (
            HEADER + "0,-1e7,2,3,4\n",
            "line 2: 'x' is -10000000.0; expected greater than or equal to -1000000",
        ),
        (HEADER + '0,1,2,3,"4\n', "line 2: not CSV"),
        (HEADER + "0,1,2,3," + "9" * 200_000 + "\n", "not CSV: field larger"),
        ("frame,x,y,w,h,name\n0,1,2,3,4,a=b\n", "line 2, name: a region's name"),
        ("frame,x,y,w,h,name\n0,1,2,3,4,a\tb\n", "line 2, name: a region's name"),
        ("[", "line 1, column 2: not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"boxes": [], "version": 1}', "expected a list of boxes"),
        ('{"boxes": 3}', "expected a list of boxes"),
        ("[3]", "boxes[0]: expected a valid dictionary"),
        ('[{"frame": 0}]', "boxes[0]: 'x' is missing"),
        ('[{"frame":0,"x":1,"y":2,"w":3,"h":4,"id":5}]', "boxes[0]: unknown key 'id'"),
        ('[{"frame":0,"frame":0,"x":1,"y":2,"w":3,"h":4}]', "duplicate key"),
        (
            '[{"frame":0,"x":"1","y":2,"w":3,"h":4}]',
            "boxes[0]: 'x' is '1'; expected a valid number",
        ),
        ('[{"frame":true,"x":1,"y":2,"w":3,"h":4}]', "'frame' is True; expected a valid number"),
        ('[{"frame":0,"x":NaN,"y":2,"w":3,"h":4}]', "NaN is not a JSON number"),
        ('[{"frame":0,"x":1,"y":2,"w":3,"h":4,"name":5}]', "'name' is 5; expected a valid string"),
        (
            '[{"frame":0,"x":1,"y":2,"w":3,"h":4,"name":"\\ud800"}]',
            "boxes[0], name: a region's name",
        ),
        ('[{"frame":0,"x":1' + "0" * 400 + ',"y":2,"w":3,"h":4}]', "boxes[0]: 'x' is 1000"),
        ('[{"frame":0,"x":1' + "0" * 5000 + ',"y":2,"w":3,"h":4}]', "boxes.csv: "),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_is_no_track_is_refused_with_its_place(
    track_of: Any, content: str | bytes, message: str
) -> None:
    with pytest.raises(InputError, match=r"boxes\.csv") as caught:
        track_of(content)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1000


def test_first_fault_in_the_file_is_the_one_reported(track_of: Any) -> None:
    with pytest.raises(InputError, match="line 3: 'w' is"):
        track_of(HEADER + "0,1,2,3,4\n0,1,2,-3,4\n-1,nan,2,3,4\n")


def test_large_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(track, "MAX_BYTES", 1 << 20)
    path = tmp_path / "boxes.csv"
    with path.open("wb") as file:
        file.truncate((1 << 20) + 1)
    with pytest.raises(InputError, match="larger than 1 MiB"):
        TrackSource(path, width=64, height=36)


def test_frame_crowded_with_boxes_is_refused(track_of: Any) -> None:
    rows = "7,0,0,4,4\n" * (track.MAX_BOXES_PER_FRAME + 1)
    with pytest.raises(InputError, match="frame 7 has 4097 boxes"):
        track_of(HEADER + rows)


def test_more_regions_than_anyone_scores_are_refused(track_of: Any) -> None:
    rows = "".join(f"0,0,0,4,4,n{number}\n" for number in range(65))
    with pytest.raises(InputError, match="65 region names"):
        track_of("frame,x,y,w,h,name\n" + rows)


def test_error_stays_on_one_line_whatever_the_file_is_called(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        TrackSource(tmp_path / "a\nb\udcff.csv", width=64, height=36)
    assert r"a\nb\udcff.csv" in str(caught.value)
    str(caught.value).encode("utf-8")


def test_missing_file_folder_and_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        TrackSource(tmp_path / "none.csv", width=64, height=36)
    with pytest.raises(InputError, match="not a regular file"):
        TrackSource(tmp_path, width=64, height=36)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="not a regular file"):
        TrackSource(tmp_path / "pipe", width=64, height=36)
    with pytest.raises(InputError, match="not a possible file name"):
        TrackSource(Path("a\0b"), width=64, height=36)


def test_provenance_is_strict_json(track_of: Any, ask: Any) -> None:
    source = track_of("frame,x,y,w,h,name\n3,0,0,4,4,face\n9,0,0,4,4,\n")
    ask(source, 0)
    facts = json.loads(json.dumps(source.provenance(), allow_nan=False))
    assert source.label.startswith("roi-track:")
    assert source.label.endswith("boxes.csv")
    assert len(facts.pop("sha256")) == 64
    assert facts.pop("path").endswith("boxes.csv")
    assert facts == {
        "kind": "track",
        "boxes": 2,
        "first_frame": 3,
        "last_frame": 9,
        "regions": ["face"],
        "empty_frames": 1,
    }


@pytest.mark.slow
def test_a_million_rows_take_seconds(track_of: Any, ask: Any) -> None:
    count = 1_000_000
    rows = [f"{number >> 2},{number % 50}.5,{number % 30},4,4" for number in range(count)]
    started = time.monotonic()
    source = track_of(HEADER + "\n".join(rows))
    assert time.monotonic() - started < 30  # 4 s on a laptop; a busy machine may take longer
    assert ask(source, (count >> 2) - 1)[0].any()
    assert source.unused_boxes(0) == count


_CELL = st.one_of(
    st.integers(-5, 200).map(str),
    st.floats().map(str),
    st.text(max_size=5),
    st.sampled_from(["1e400", '"', '"a', "1_0", "\0", "9" * 400]),
)
_CSV = st.builds(
    lambda header, rows: "\n".join([",".join(header), *(",".join(row) for row in rows)]),
    st.permutations(["frame", "x", "y", "w", "h"]) | st.lists(_CELL, max_size=6),
    st.lists(st.lists(_CELL, min_size=4, max_size=6), max_size=4),
)
_VALUE = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
_BOX = st.dictionaries(st.sampled_from(["frame", "x", "y", "w", "h", "name", "z"]), _VALUE)
_JSON = (
    st.lists(_BOX | _VALUE, max_size=3)
    | st.dictionaries(st.sampled_from(["boxes", "b"]), st.lists(_BOX, max_size=3))
).map(json.dumps)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.binary() | (st.text() | _CSV | _JSON).map(lambda it: it.encode("utf-8", "replace")))
def test_only_input_errors_escape_and_they_stay_short(data: bytes) -> None:
    try:
        table = parse_track(data, "boxes.csv")
    except InputError as error:
        message = str(error)
    else:
        message = "boxes.csv is fine"
        assert len(table.frame) == len(table.boxes) == len(table.name) > 0
        assert table.frame.min() >= 0
        assert np.isfinite(table.boxes).all()
        assert (table.boxes[:, 2:] > 0).all()
    assert message.startswith("boxes.csv")
    assert len(message) < 1000
    assert "\n" not in message


_SIDE = st.floats(0.01, 300).map(lambda it: round(it, 3))
_PLACE = st.floats(-50, 50).map(lambda it: round(it, 3))


@given(st.lists(st.tuples(st.integers(0, 3), _PLACE, _PLACE, _SIDE, _SIDE), min_size=1, max_size=8))
def test_csv_and_json_of_any_boxes_give_equal_tables(rows: list[tuple[float, ...]]) -> None:
    columns = ("frame", "x", "y", "w", "h")
    as_csv = HEADER + "".join(",".join(map(str, row)) + "\n" for row in rows)
    as_json = json.dumps([dict(zip(columns, row, strict=True)) for row in rows])
    one, two = parse_track(as_csv.encode(), "a"), parse_track(as_json.encode(), "b")
    np.testing.assert_array_equal(one.frame, two.frame)
    np.testing.assert_array_equal(one.boxes, two.boxes)
    np.testing.assert_array_equal(one.boxes, np.array(rows)[:, 1:])
