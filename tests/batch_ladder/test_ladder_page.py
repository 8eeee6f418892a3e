"""Claims about the text of a ladders' page, for which no browser is needed."""

from __future__ import annotations

import html
import json
import re
from typing import TYPE_CHECKING

import pytest
from ladders import ANCHOR, failure, record, write_results

from roi_accel.ladder.bd_rate import compare
from roi_accel.ladder.ladder import read_results

pytest.importorskip("bokeh", reason="it draws the charts")

from roi_accel.ladder.plot import MOST_CURVES, make_page

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

EMBEDDED = re.compile(r'<script type="application/json" id="charts">(.*?)</script>', re.DOTALL)


def visible(page: str) -> str:
    """Return the page's text, without scripts, styles and markup."""
    page = re.sub(r"<(script|style)\b.*?</\1>", "", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def page_of(folder: Path, records: Sequence[dict[str, Any]]) -> str:
    results = read_results(write_results(folder / "r.ndjson", records))
    return make_page(results, compare(results.references)).decode()


def two_ladders(*, first: int = 1, **changes: Any) -> list[dict[str, Any]]:
    return [
        record(first + at, rate * factor, score, ladder=name, **changes)
        for at, (name, factor, (rate, score)) in enumerate(
            (name, factor, point)
            for name, factor in (("slow", 0.5), ("fast", 1))
            for point in ANCHOR
        )
    ]


def charts_of(page: str) -> list[str]:
    (embedded,) = EMBEDDED.findall(page)
    return list(json.loads(embedded)["roots"])


def test_every_encode_and_score_and_bitrate_is_there(tmp_path: Path) -> None:
    text = visible(page_of(tmp_path, two_ladders()))
    for name, factor in (("slow", 0.5), ("fast", 1)):
        for rate, score in ANCHOR:
            assert re.search(
                rf"{name}-\d+\.mp4 {rate * factor / 1000:,.0f} {score - 2:.2f} . {score + 2:.2f} . "
                rf"{score:.2f} .",
                text,
            )


def test_hulls_are_marked_in_the_table(tmp_path: Path) -> None:
    records = [*two_ladders(), record(11, 90e3, 20, ladder="slow")]
    text = visible(page_of(tmp_path, records))
    marks = dict(re.findall(r"(\w+-\d+)\.mp4 [\d,]+ [\d.]+ . [\d.]+ . [\d.]+ (.)", text))
    assert marks == {
        **{f"slow-{line}": "\N{FISHEYE}" for line in range(1, 6)},
        **{f"fast-{line}": "\N{BLACK CIRCLE}" for line in range(6, 11)},
        "slow-11": "\N{WHITE CIRCLE}",
    }


def test_bd_rates_are_there_with_their_sign(tmp_path: Path) -> None:
    text = visible(page_of(tmp_path, two_ladders()))
    assert "BD-rate against slow" in text
    assert "fast +100.00 % +100.00 % +100.00 %" in text


def test_a_bd_rate_that_would_mean_nothing_is_a_reason_instead(tmp_path: Path) -> None:
    text = visible(page_of(tmp_path, two_ladders()[:-2]))
    assert "fast - - -" in text
    assert "fast, blended: fast has 3 encodes with a bitrate, 4 are needed" in text


def test_references_have_a_mean(tmp_path: Path) -> None:
    records = two_ladders() + two_ladders(first=20, reference="other.mp4")
    assert "fast slow +100.00 % (2) +100.00 % (2)" in visible(page_of(tmp_path, records))


def test_failures_are_told(tmp_path: Path) -> None:
    text = visible(page_of(tmp_path, [*two_ladders(), failure(11, "it was cut off")]))
    assert "line 11 of the manifest failed and is left out: it was cut off" in text


def test_raw_encodes_have_a_row_and_no_point(tmp_path: Path) -> None:
    page = page_of(tmp_path, [record(1, 1e5, 40), record(2, None, 50)])
    assert page.count("<tr tabindex") == 1
    assert re.search(r"None-2\.mp4 - 48\.00 52\.00 50\.00", visible(page))


def test_where_nothing_has_a_bitrate_there_is_no_chart(tmp_path: Path) -> None:
    page = page_of(tmp_path, [record(1, None, 40)])
    assert charts_of(page) == []
    assert 'class="chart"' not in page


def test_no_name_reaches_the_charts(tmp_path: Path) -> None:
    records = [record(1, 1e5, 40, ladder="my ladder", reference="my ref", distorted="my clip")]
    page = page_of(tmp_path, records)
    (embedded,) = EMBEDDED.findall(page)
    assert charts_of(page) == ["r0_vmaf_roi", "r0_vmaf_full"]
    assert "my " not in embedded


def test_a_name_that_is_not_utf_8_is_shown_as_the_json_has_it(tmp_path: Path) -> None:
    assert r"d\udcff.mp4" in page_of(tmp_path, [record(1, 1e5, 40, distorted="d\udcff.mp4")])


@pytest.mark.slow
def test_many_references_take_less_than_5_mb_and_the_page_says_what_is_not_drawn(
    tmp_path: Path,
) -> None:
    count = MOST_CURVES // 2 + 20
    records = [
        each
        for number in range(count)
        for each in two_ladders(first=1 + 10 * number, reference=f"{number}.mp4")
    ]
    page = page_of(tmp_path, records)
    assert len(page.encode()) < 5_000_000
    assert len(charts_of(page)) == MOST_CURVES
    text = visible(page)
    assert f"{MOST_CURVES // 2} of {count} references are drawn" in text
    assert f"fast-{10 * count}.mp4" in text


def test_one_encode_at_one_bitrate_is_drawn(tmp_path: Path) -> None:
    assert len(charts_of(page_of(tmp_path, [record(1, 1e5, 40)]))) == 2
