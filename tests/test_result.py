"""Claims about `roi_accel.results.result`: strict JSON and CSV that say what the result says."""

from __future__ import annotations

import csv
import io
import json
import os
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from results import make_result

from roi_accel.results.result import to_csv, to_json

NINE_KEYS = [
    "schema_version",
    "vmaf_full",
    "vmaf_masked",
    "weight",
    "vmaf_roi",
    "model",
    "saliency_model",
    "reference",
    "distorted",
]
TRAPS = [
    '"frames": []',
    '\\"frames\\": []',
    '", "frames": [], "x": "',
    "frames",
    'C:\\dir\\"frames": []',
    "line\nbreak\ttab\x00\x1b[31m",
    "\u2028 é 日本 😀",
    "",
    "\\1 \\g<0>",
]


def strict(text: str) -> Any:
    def refuse(constant: str) -> None:
        pytest.fail(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("indent", [None, 0, 1, 2, 4])
@pytest.mark.parametrize("regions", [(), ("face", "hand")])
def test_json_says_exactly_what_the_result_says(
    indent: int | None, regions: tuple[str, ...]
) -> None:
    result = make_result(regions=regions)
    text = result.to_json(indent=indent)
    assert strict(text) == result.to_dict()
    assert list(strict(text)) == list(result.to_dict())
    assert text.endswith("}\n")


def test_vmaf_roi_scores_nine_keys_come_first() -> None:
    assert list(strict(make_result().to_json()))[:9] == NINE_KEYS


def test_each_frame_is_one_line() -> None:
    lines = make_result(frames=50).to_json().splitlines()
    frames = [strict(line.rstrip(",")) for line in lines if '"frameNum"' in line]
    assert [frame["frameNum"] for frame in frames] == list(range(50))


def test_without_an_indent_the_result_is_one_line() -> None:
    assert make_result().to_json(indent=None).count("\n") == 1


@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("indent", [None, 2])
def test_no_string_disturbs_the_json(trap: str, indent: int | None) -> None:
    result = make_result(
        model=trap,
        saliency_model=trap,
        reference=trap,
        distorted=trap,
        warnings=(trap,),
        regions=("a" + trap,),
        provenance={trap: [trap, {"frames": []}]},
    )
    assert strict(result.to_json(indent=indent)) == result.to_dict()


@given(st.text(), st.text(min_size=1))
def test_any_text_survives_the_json(name: str, region: str) -> None:
    result = make_result(reference=name, regions=(region,))
    expected, found = result.to_dict(), strict(result.to_json())
    assert found == expected


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("where", ["vmaf_full", "pooled_metrics", "provenance", "timing"])
def test_number_that_is_not_finite_is_never_written(bad: float, where: str) -> None:
    value: Any = bad if where == "vmaf_full" else {"x": {"mean": bad}}
    with pytest.raises(ValueError, match="not JSON compliant"):
        make_result(**{where: value}).to_json()


def test_file_name_that_is_no_utf8_is_shown_as_ascii_shows_it() -> None:
    name = os.fsdecode(b"ref-\xff-\xe9.yuv")
    result = make_result(reference=name, distorted=name)
    for text in (result.to_json(), result.to_json(indent=None), to_csv([result])):
        text.encode("utf-8")
    assert strict(result.to_json())["reference"] == "ref-\\udcff-\\udce9.yuv"
    assert "ref-\\udcff-\\udce9.yuv," in to_csv([result])


def test_several_results_are_an_array() -> None:
    results = [make_result(distorted=name) for name in ("a", "b", "c")]
    assert strict(to_json(results)) == [result.to_dict() for result in results]
    assert strict(to_json(results, indent=None)) == [result.to_dict() for result in results]


def test_scores_keep_every_digit() -> None:
    value = 0.1 + 0.2
    assert strict(make_result(vmaf_full=value).to_json())["vmaf_full"] == value


def test_csv_has_a_row_per_video_and_frame_with_the_same_numbers() -> None:
    results = [make_result(distorted=name, regions=("face",)) for name in ("a,b.mp4", 'q"\n.mp4')]
    rows = list(csv.DictReader(io.StringIO(to_csv(results), newline="")))
    assert list(rows[0]) == [
        "distorted",
        "frame",
        "vmaf_full",
        "vmaf_masked",
        "vmaf_roi",
        "saliency_mean",
        "alpha_mean",
        "face.vmaf_masked",
        "face.vmaf_roi",
    ]
    assert [(row["distorted"], row["frame"]) for row in rows] == [
        (name, str(number)) for name in ("a,b.mp4", 'q"\n.mp4') for number in range(3)
    ]
    for row, frame in zip(rows, results[0].frames + results[1].frames, strict=True):
        assert float(row["vmaf_roi"]) == frame.metrics["vmaf_roi"]
        assert float(row["saliency_mean"]) == frame.saliency_mean
        assert float(row["face.vmaf_masked"]) == frame.regions["face"]["vmaf_masked"]


def test_a_result_shows_itself_in_one_short_line() -> None:
    result = make_result(frames=50, distorted="encodes/dist.mp4", warnings=("dark",))
    assert repr(result) == (
        "<Result of 'dist.mp4' against 'ref.mp4': vmaf_full 84.50, vmaf_masked 105.00, "
        "vmaf_roi 94.75; 50 frames, 1 warning>"
    )
    assert repr(make_result(frames=1)).endswith("; 1 frame>")
