"""Claims about a report's text, for which no browser is needed."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys

import pytest
from pages import thumbnails, wavy_result

from roi_accel.errors import OutputError
from roi_accel.report.page import make_page
from roi_accel.report.run import require_report

EMBEDDED = re.compile(r'<script type="application/json" id="charts">(.*?)</script>', re.DOTALL)


def visible(page: str) -> str:
    """Return the page's text, without scripts, styles and markup."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def page_of(*results: object) -> str:
    return make_page(results, thumbnails(results)).decode()  # type: ignore[arg-type]


def test_the_three_scores_are_there() -> None:
    result = wavy_result(50)
    text = visible(page_of(result))
    for score in (result.vmaf_full, result.vmaf_masked, result.vmaf_roi):
        assert f"{score:.2f}" in text


def test_how_much_of_the_frame_counts_is_there() -> None:
    assert "counts: 12% of the frame" in visible(page_of(wavy_result(50)))


def test_the_gate_s_verdict_is_there_and_honest() -> None:
    result = wavy_result(50)
    checked = "gate: self-test passed, 2 of 50 frames checked (substitute), no difference"
    assert checked in visible(page_of(result))
    off = wavy_result(50, parity=dict(result.parity) | {"gate": "off", "stages": []})
    page = page_of(off)
    assert "gate off: nothing was checked" in visible(page)
    assert 'class="verdict unknown"' in page


def test_every_value_of_the_provenance_is_there() -> None:
    result = wavy_result(10)
    text = visible(page_of(result))

    def leaves(content: object) -> list[str]:
        if isinstance(content, dict | list) and content:
            items = content.values() if isinstance(content, dict) else content
            return [leaf for item in items for leaf in leaves(item)]
        return [content if isinstance(content, str) else json.dumps(content)]

    for leaf in leaves(dict(result.provenance)):
        assert leaf in text


@pytest.mark.parametrize("frames", [1, 3, 9])
def test_the_spread_of_a_very_short_clip_speaks_of_no_tenth(frames: int) -> None:
    text = visible(page_of(wavy_result(frames)))
    assert "tenth" not in text
    assert f"{'One frame, of' if frames == 1 else f'{frames} frames, from'} " in text


def test_the_spread_is_told_in_a_sentence() -> None:
    result = wavy_result(50)
    roi = sorted(frame.metrics["vmaf_roi"] for frame in result.frames)
    found = re.search(
        r"A tenth of the frames has ([\d.]+) or less, half ([\d.]+) or less, "
        r"a tenth ([\d.]+) or more",
        visible(page_of(result)),
    )
    assert found
    low, middle, high = map(float, found.groups())
    assert sum(score <= low + 0.005 for score in roi) >= 5
    assert sum(score <= middle + 0.005 for score in roi) >= 25
    assert sum(score >= high - 0.005 for score in roi) >= 5


def test_the_title_names_two_videos_and_counts_the_others() -> None:
    def title(count: int) -> str:
        page = page_of(*(wavy_result(4, distorted=f"{number}.mp4") for number in range(count)))
        return re.findall(r"<h1><bdi>(.*?)</bdi>", page)[0]

    assert [title(count) for count in (1, 2, 4)] == [
        "0.mp4",
        "0.mp4 and 1.mp4",
        "0.mp4, 1.mp4 and 2 more",
    ]


def test_warnings_are_told_once() -> None:
    results = [wavy_result(4, warnings=("mind the gap",), distorted=name) for name in "ab"]
    assert visible(page_of(*results)).count("mind the gap") == 1


def test_scores_are_embedded_once() -> None:
    page = page_of(wavy_result(1_000))
    short = page_of(wavy_result(10))
    # Three columns of float64 and one of frame numbers, in base 64.
    assert len(page) - len(short) < 1.1 * 1_000 * 8 * 4 * 4 / 3 + 500


def test_a_thousand_frames_take_less_than_5_mb() -> None:
    results = [wavy_result(1_000)]
    assert len(make_page(results, thumbnails(results, width=1920, height=1080))) < 5_000_000


@pytest.mark.slow
def test_a_very_long_clip_takes_less_than_5_mb_and_says_what_is_left_out() -> None:
    results = [wavy_result(200_000)]
    page = make_page(results, thumbnails(results))
    assert len(page) < 5_000_000
    assert re.search(r"\d,\d{3} of 200,000 frames are drawn", visible(page.decode()))


@pytest.mark.slow
def test_ten_videos_take_less_than_5_mb() -> None:
    results = [
        wavy_result(5_000, seed=seed, distorted=f"{seed}.mp4", regions=("face", "hand"))
        for seed in range(10)
    ]
    assert len(make_page(results, thumbnails(results, width=640, height=360))) < 5_000_000


def test_files_of_one_name_are_told_apart_by_their_folders() -> None:
    text = visible(
        page_of(wavy_result(4, distorted="a/x.mp4"), wavy_result(4, distorted="b/x.mp4"))
    )
    assert "a/x.mp4" in text
    assert "b/x.mp4" in text


def test_a_name_that_is_not_utf_8_is_shown_as_the_json_has_it() -> None:
    assert r"d\udcff.mp4" in page_of(wavy_result(4, distorted="d\udcff.mp4"))


def test_no_name_reaches_the_charts() -> None:
    result = wavy_result(4, regions=("my face",), distorted="my clip.mp4", reference="my ref.mp4")
    (embedded,) = EMBEDDED.findall(page_of(result))
    assert json.loads(embedded)["roots"].keys() == {"v0_curves", "v0_regions", "v0_histogram"}
    assert "my " not in embedded


def test_a_missing_library_is_named_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bokeh", None)
    with pytest.raises(OutputError, match="a report needs bokeh") as caught:
        require_report()
    assert caught.value.remedy == 'pip install "roi-accel[report]"'
    assert caught.value.exit_code == 6


def test_scoring_without_a_report_imports_none_of_its_libraries() -> None:
    code = (
        "import sys, roi_accel, roi_accel.run.score, roi_accel.cli.score;"
        "print({'bokeh', 'jinja2', 'PIL', 'roi_accel.report.page'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
