"""Claims about manifests: what a row may say, and that a bad one fails alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from roi_accel.batch.manifest import read_defaults, read_manifest
from roi_accel.batch.rows import BadRow, Pair, from_text, merge_defaults, option_names, options_of
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from typing import Any

    from roi_accel.batch.manifest import Rows


def read(folder: Path, text: str, *, name: str = "m.csv", **more: Any) -> Rows:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return read_manifest(str(path), **more)


def only(rows: Rows) -> Pair:
    (pair,) = rows
    assert isinstance(pair, Pair), pair
    return pair


def why(rows: Rows, place: int = 0) -> str:
    row = rows[place]
    assert isinstance(row, BadRow)
    return str(row.error)


def test_paths_are_relative_to_the_manifest(tmp_path: Path) -> None:
    pair = only(read(tmp_path, "reference,distorted,mask\nr.mp4,/d.mp4,m.png\n"))
    assert pair.reference == str(tmp_path / "r.mp4")
    assert pair.distorted == "/d.mp4"
    assert pair.keywords["mask"] == str(tmp_path / "m.png")


def test_a_url_is_left_as_it_is(tmp_path: Path) -> None:
    pair = only(read(tmp_path, "reference,distorted\ns3://b/r.mp4,s3://b/d.mp4\n"))
    assert pair.reference == "s3://b/r.mp4"


@pytest.mark.parametrize(
    ("key", "cell", "wanted"),
    [
        ("weight", "0.25", 0.25),
        ("threads", "3", 3),
        ("shortest", "true", True),
        ("strict_ep", "False", False),
        ("pix_fmt", "yuv420p", "yuv420p"),
        ("saliency_size", "native", "native"),
        ("roi", "1,2,3,4", "1,2,3,4"),
        ("roi", '["1,2,3,4", "a=5,6,7,8"]', ["1,2,3,4", "a=5,6,7,8"]),
        ("weight", "much", "much"),
        ("weight", "[1", "[1"),
    ],
)
def test_a_cell_is_read_as_its_option_takes_it(key: str, cell: str, wanted: object) -> None:
    assert from_text(key, cell) == wanted


def test_csv_and_json_lines_say_the_same(tmp_path: Path) -> None:
    cells = 'reference,distorted,weight,roi\nr.mp4,d.mp4,0.25,"[""1,2,3,4""]"\n'
    line = '{"reference": "r.mp4", "distorted": "d.mp4", "weight": 0.25, "roi": ["1,2,3,4"]}\n'
    one, two = only(read(tmp_path, cells)), only(read(tmp_path, line, name="m.jsonl"))
    assert one.row == two.row


def test_a_list_of_distorted_videos_is_a_pair_each(tmp_path: Path) -> None:
    rows = read(
        tmp_path, '{"reference": "r.mp4", "distorted": ["a.mp4", "b.mp4"]}\n', name="m.ndjson"
    )
    assert [Path(row.distorted or "").name for row in rows] == ["a.mp4", "b.mp4"]
    assert {row.line for row in rows} == {1}


def test_rows_win_over_defaults(tmp_path: Path) -> None:
    text = "reference,distorted,weight\nr.mp4,a.mp4,0.25\n,b.mp4,\n"
    rows = read(tmp_path, text, reference="all.mp4", defaults={"weight": 0.75, "subsample": 2})
    found = [(row.reference, row.keywords) for row in rows if isinstance(row, Pair)]
    assert found == [
        (str(tmp_path / "r.mp4"), {"weight": 0.25, "subsample": 2}),
        ("all.mp4", {"weight": 0.75, "subsample": 2}),
    ]


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        ({"roi": "0,0,8,8"}, {"weight": 0.5}),
        ({"saliency_size": 128}, {"weight": 0.5, "saliency_model": "other.onnx"}),
        ({}, {"weight": 0.5, "saliency_model": "other.onnx", "mask": "m.png"}),
        (
            {"saliency_batch": 2},  # It changes no score, so it says nothing of where people look.
            {"weight": 0.5, "saliency_model": "other.onnx", "mask": "m.png"},
        ),
    ],
)
def test_where_people_look_in_a_row_stands_in_for_what_defaults_say_of_it(
    row: dict[str, object], kept: dict[str, object]
) -> None:
    defaults = {"weight": 0.5, "saliency_model": "other.onnx", "mask": "m.png"}
    assert merge_defaults(row, defaults) == kept | row


def test_every_option_of_score_may_stand_in_a_row() -> None:
    assert {"pix_fmt", "pixel_format", "bitdepth", "saliency_model", "scale", "crop"} < set(
        option_names()
    )
    assert "progress" not in option_names()


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("r.mp4,d.mp4,x", "weight must be a number, not 'x'"),
        ("r.mp4,d.mp4,x", "not 'x'; see --weight in roi-accel score --help"),
        ('r.mp4,d.mp4,"0,3"', "weight must be a number, not '0,3'; with a point, 0.3"),
        ("r.mp4,d.mp4,7", "weight must be from 0 to 1, not 7"),
        ("r.mp4,,", "missing 'distorted'"),
        (",d.mp4,", "missing 'reference'; add it to the row, or give --reference for all"),
        ("r.mp4,d.mp4,0.5,7", "has 4 cells, but there are 3 columns"),
        (f"r.mp4,d.mp4,{'[' * 100_000}", "weight must be a number"),
    ],
)
def test_a_bad_row_fails_alone_with_its_line(tmp_path: Path, row: str, message: str) -> None:
    rows = read(tmp_path, f"reference,distorted,weight\nr.mp4,a.mp4,\n{row}\nr.mp4,b.mp4,\n")
    assert [type(each) for each in rows] == [Pair, BadRow, Pair]
    assert rows[1].line == 3
    assert message in why(rows, 1)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "is not a JSON object"),
        ("[]", "is not a JSON object: expected an object, found []"),
        ('{"reference": "r", "distorted": "d", "weight": NaN}', "NaN is not a JSON number"),
        ('{"reference": "r", "reference": "s", "distorted": "d"}', "duplicate key 'reference'"),
        ('{"reference": "r", "distorted": "d", "wieght": 1}', "did you mean weight?"),
        ('{"reference": 7, "distorted": "d"}', "reference must be a path, not 7"),
        ('{"reference": "r", "distorted": []}', "missing 'distorted'"),
        ('{"reference": "r", "distorted": "d", "ladder": 7}', "ladder must be a name, not 7"),
        ('{"reference": "r", "distorted": "d", "output": "o"}', "there is no key 'output'"),
        ('{"reference": "r", "distorted": "d", "progress": 1}', "there is no key 'progress'"),
        ("[" * 100_000, "is not a JSON object"),
    ],
)
def test_a_bad_line_of_json_fails_alone(tmp_path: Path, line: str, message: str) -> None:
    good = '{"reference": "r", "distorted": "d"}'
    rows = read(tmp_path, f"{good}\n{line}\n\n{good}\n", name="m.jsonl")
    assert [type(each) for each in rows] == [Pair, BadRow, Pair]
    assert [each.line for each in rows] == [1, 2, 4]
    assert message in why(rows, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("reference,distorted,wieght\n", "m.csv: there is no key 'wieght'; did you mean weight?"),
        (
            "reference;distorted\nr.mp4;d.mp4\n",
            "m.csv: its cells are separated by semicolons; separate them with commas, as in ref",
        ),
        ("r.mp4;d.mp4\n", "separated by semicolons"),
        ("reference\tdistorted\n", "separated by tabs"),
        (
            "r.mp4,d.mp4\n",
            "its first line is not a header: 'r.mp4,d.mp4'; begin with a line such as ",
        ),
        ("reference.mp4,d.mp4\n", "is not a header: 'reference.mp4,d.mp4'; begin with a line such"),
        ("reference,distorted,m.png\n", "there is no key 'm.png'"),
        ("refrence,distored\n", "there is no key 'refrence'; did you mean reference"),
        ("reference,distorted,distorted\n", "has two columns 'distorted'"),
        ('reference,distorted\n"r.mp4,d.mp4\n', "line 2 cannot be read, nor what follows"),
        ("reference,distorted\n", "has no rows"),
        ("", "has no rows"),
    ],
)
def test_what_spoils_the_whole_file_is_said_at_once(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, text)


def test_a_file_that_is_no_text_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"reference,distorted\n\xff\xfe,d\n")
    with pytest.raises(InputError, match="is not UTF-8 text"):
        read_manifest(str(tmp_path / "m.csv"))


@pytest.mark.parametrize("name", ["nowhere.csv", "nowhere.jsonl"])
def test_a_manifest_that_is_not_there_is_said_so(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_manifest(str(tmp_path / name))


def test_another_kind_of_file_is_no_manifest() -> None:
    with pytest.raises(InputError, match=r"unsupported kind of manifest; a manifest is a \.csv"):
        read_manifest("pairs.txt")


class TestPatterns:
    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        for name in ("a/crf20.mp4", "a/crf30.mp4", "b/crf20.mp4", "a/ref.mp4"):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        return tmp_path

    def pairs(self, folder: Path, pattern: str, reference: str) -> list[tuple[str, str]]:
        rows = read_manifest(f"{folder}/{pattern}", reference=f"{folder}/{reference}")
        return [
            (str(Path(row.reference or "").relative_to(folder)), Path(row.distorted or "").name)
            for row in rows
        ]

    def test_a_pattern_is_the_encodes_of_one_reference(self, folder: Path) -> None:
        found = self.pairs(folder, "a/*.mp4", "a/ref.mp4")
        assert found == [("a/ref.mp4", "crf20.mp4"), ("a/ref.mp4", "crf30.mp4")]

    def test_a_reference_may_be_named_after_what_matched(self, folder: Path) -> None:
        found = self.pairs(folder, "*/crf2?.mp4", "{1}/ref.mp4")
        assert found == [("a/ref.mp4", "crf20.mp4"), ("b/ref.mp4", "crf20.mp4")]

    def test_two_stars_match_folders(self, folder: Path) -> None:
        assert len(self.pairs(folder, "**/crf*.mp4", "ref{2}.mp4")) == 3

    def test_a_bracket_counts_as_a_wildcard(self, folder: Path) -> None:
        assert self.pairs(folder, "[!b]/crf20.mp4", "{1}/ref.mp4") == [("a/ref.mp4", "crf20.mp4")]

    @pytest.mark.parametrize("bracket", ["[^a]", "[\\\\a]", "[[a]", "[|a]"])
    def test_a_bracket_means_what_it_means_to_the_shell(self, folder: Path, bracket: str) -> None:
        found = self.pairs(folder, f"{bracket}/crf20.mp4", "{1}/ref.mp4")
        assert found == [("a/ref.mp4", "crf20.mp4")]

    def test_a_bracket_that_can_match_nothing_matches_nothing(self, folder: Path) -> None:
        with pytest.raises(InputError, match="matches no file"):
            self.pairs(folder, "[z-a]/*.mp4", "r.mp4")

    def test_the_command_s_reference_wins_over_that_of_defaults(self, folder: Path) -> None:
        defaults = {"reference": "other.mp4"}
        (row,) = read_manifest(f"{folder}/a/crf2*", reference="r.mp4", defaults=defaults)
        assert (type(row), row.reference) == (Pair, "r.mp4")

    def test_a_number_that_no_wildcard_has_is_refused(self, folder: Path) -> None:
        with pytest.raises(InputError, match=r"\{2\} is not a wildcard of"):
            self.pairs(folder, "a/*.mp4", "{2}.mp4")

    def test_it_needs_a_reference(self, folder: Path) -> None:
        with pytest.raises(InputError, match="need a reference; add -r"):
            read_manifest(f"{folder}/a/*.mp4")

    def test_that_nothing_matches_is_said(self, folder: Path) -> None:
        with pytest.raises(InputError, match="matches no file; quote it"):
            read_manifest(f"{folder}/*.mkv", reference="r.mp4")


def test_defaults_come_from_a_file_with_its_paths(tmp_path: Path) -> None:
    path = tmp_path / "d.json"
    path.write_text('{"weight": 0.25, "mask": "m.png", "model": "path=a.json"}')
    assert read_defaults(path) == {
        "weight": 0.25,
        "mask": str(tmp_path / "m.png"),
        "model": f"path={tmp_path}/a.json",
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", "is not a JSON object of options"),
        ("[" * 100_000, "is not a JSON object of options"),
        ('{"wieght": 1}', "did you mean weight?"),
        ('{"reference": 7}', "reference must be a path, not 7"),
    ],
)
def test_bad_defaults_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "d.json"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_defaults(path)


def test_a_number_that_is_none_is_no_fault_of_the_manifest(tmp_path: Path) -> None:
    line = '{"reference": "r", "distorted": "d", "synthetic_mask": 1e999}\n'
    assert len(read(tmp_path, line, name="m.jsonl")) == 1


def test_raw_geometry_may_stand_in_a_row() -> None:
    options = options_of({"width": 96, "height": 64, "pixel_format": 420, "bitdepth": 8})
    assert options.raw is not None
    assert options.raw.pixel_format.name == "yuv420p"
