"""Claims about a ladders' page in a real browser, offline: what is drawn, read and reached."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from ladders import ANCHOR, failure, record, write_results

from roi_accel.ladder.bd_rate import compare
from roi_accel.ladder.ladder import read_results
from roi_accel.ladder.plot import make_page

Image = pytest.importorskip("PIL.Image", reason="screenshots are read with Pillow")

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from conftest import Opened
    from playwright.sync_api import Page

pytestmark = pytest.mark.slow

HOSTILE = "</script><img src=x onerror=\"window.hit='yes'\">' {{ 7*7 }} @x $y & <b>"
FACTORS = {"x264": 1.0, "av1": 0.5}
COLOURS = {"light": ("#00795c", "#a63d84"), "dark": ("#35c39a", "#e58ac8")}


def records(**changes: Any) -> list[dict[str, Any]]:
    """Return two ladders, of which the first has a dent at its fourth step."""
    found = []
    for name, factor in FACTORS.items():
        for at, (rate, score) in enumerate(ANCHOR):
            dent = 11 if name == "x264" and at == 3 else 0
            line = len(found) + 1
            named = {"ladder": name} | changes
            found.append(record(line, rate * factor, score - dent, **named))
    return found


def write_page(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    results = read_results(write_results(path.with_suffix(".ndjson"), lines))
    path.write_bytes(make_page(results, compare(results.references)))
    return path


@pytest.fixture(scope="module")
def ladders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_page(tmp_path_factory.mktemp("ladders") / "ladders.html", records())


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    long = "a-very-long-name-without-any-space-in-it" * 3 + ".mp4"
    lines = records() + [
        each
        | {"batch": each["batch"] | {"id": f"other{at}", "row": f"other{at}", "line": at + 100}}
        for at, each in enumerate(records(reference=long, distorted=long))
    ]
    lines.append(failure(200, "no such file"))
    return write_page(tmp_path_factory.mktemp("several") / "ladders.html", lines)


def drawn(page: Page, chart: str, name: str, kind: str) -> list[list[tuple[float, float]]]:
    """Return the points of every line or scatter of a chart that has a name."""
    found = page.evaluate(
        f"Bokeh.documents[0].get_model_by_name('{chart}').renderers"
        f".filter(each => each.name === '{name}' && each.glyph.type === '{kind}')"
        ".map(each => ((data) => [[...data.x], [...data.y]])"
        "(each.data_source.data instanceof Map"
        " ? Object.fromEntries(each.data_source.data) : each.data_source.data))"
    )
    return [list(zip(*columns, strict=True)) for columns in found]


def pixels_of(page: Page, chart: str, colour: str) -> int:
    """Return how many pixels of a chart have nearly a colour."""
    picture = Image.open(io.BytesIO(page.locator(f"#chart-{chart}").screenshot())).convert("RGB")
    wanted = np.array(list(bytes.fromhex(colour[1:])), np.int16)
    return int((np.abs(np.asarray(picture, np.int16) - wanted).max(axis=-1) <= 24).sum())


def point_at(page: Page, chart: str, rate: float, score: float) -> None:
    """Move the mouse to a place of the data."""
    place = page.locator(f"#chart-{chart}")
    place.scroll_into_view_if_needed()
    x, y = page.evaluate(
        "([name, x, y]) => { const view = Bokeh.index.find_one("
        "Bokeh.documents[0].get_model_by_name(name));"
        "const { x: left, y: top } = view.el.getBoundingClientRect();"
        "const frame = view.frame ?? view.frame_view;"
        "return [left + frame.x_scale.compute(x),"
        "top + frame.y_scale.compute(y)]; }",
        [chart, rate, score],
    )
    page.mouse.move(x, y)
    page.wait_for_timeout(150)


def test_it_opens_offline_without_a_complaint_or_a_request(
    opened: Callable[..., Opened], ladders: Path, several: Path
) -> None:
    for path in (ladders, several):
        each = opened(path)
        assert each.complaints == []
        assert each.requests == []


@pytest.mark.parametrize("metric", ["vmaf_roi", "vmaf_full"])
def test_every_ladder_is_a_curve_with_its_hull_marked(
    opened: Callable[..., Opened], ladders: Path, metric: str
) -> None:
    page = opened(ladders).page
    shift = {"vmaf_roi": 0, "vmaf_full": -2}[metric]
    for place, factor in enumerate(FACTORS.values()):
        points = [(rate * factor / 1000, score + shift) for rate, score in ANCHOR]
        off = []
        if place == 0:
            points[3] = (points[3][0], points[3][1] - 11)
            off = [points[3]]
        on = [each for each in points if each not in off]
        chart = f"r0_{metric}"
        lines = drawn(page, chart, f"l{place}", "Line")
        assert lines == ([on, points] if off else [on])
        assert drawn(page, chart, f"l{place}", "Scatter") == ([off, on] if off else [on])
        assert drawn(page, chart, "hull", "Line")[0][0] == (50, 40 + shift)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_curves_have_their_colours_and_go_when_they_are_switched_off(
    opened: Callable[..., Opened], ladders: Path, theme: str
) -> None:
    page = opened(ladders, theme=theme).page
    for place, colour in enumerate(COLOURS[theme]):
        page.mouse.move(0, 0)
        shown = pixels_of(page, "r0_vmaf_full", colour)
        button = page.locator(f".series[data-column=l{place}]")
        button.click()
        page.mouse.move(0, 0)
        page.wait_for_timeout(200)
        assert shown > 300 + pixels_of(page, "r0_vmaf_full", colour)
        assert button.get_attribute("aria-pressed") == "false"
        button.click()


def test_pointing_at_an_encode_shows_its_name_and_numbers_and_its_row(
    opened: Callable[..., Opened], ladders: Path
) -> None:
    page = opened(ladders).page
    point_at(page, "r0_vmaf_roi", 100, 60)
    shown = page.locator(".at output").inner_text()
    assert shown == "av1-7.mp4: 100 kbit/s, full frame 58.00, salient part 62.00, blended 60.00"
    assert page.locator("tr[data-is-shown] th").all_inner_texts() == ["av1-7.mp4"]
    for metric, score in (("vmaf_roi", 60), ("vmaf_full", 58)):
        assert drawn(page, f"r0_{metric}", "at", "Scatter") == [[(100, score)]]


def test_pointing_far_from_every_encode_changes_nothing(
    opened: Callable[..., Opened], ladders: Path
) -> None:
    page = opened(ladders).page
    point_at(page, "r0_vmaf_roi", 1000, 45)
    assert page.locator(".at output").inner_text().startswith("Point at an encode")


def test_an_encode_of_a_hidden_ladder_is_not_pointed_at(
    opened: Callable[..., Opened], ladders: Path
) -> None:
    page = opened(ladders).page
    page.locator(".series[data-column=l1]").click()
    point_at(page, "r0_vmaf_roi", 100, 60)
    assert "av1" not in page.locator(".at output").inner_text()


def test_rows_are_reached_by_keyboard_and_show_their_points(
    opened: Callable[..., Opened], ladders: Path
) -> None:
    page = opened(ladders).page
    page.locator("tr[data-kbit]").nth(3).focus()
    assert page.locator(".at output").inner_text().startswith("x264-4.mp4: 800 kbit/s")
    page.keyboard.press("Tab")
    assert page.locator(".at output").inner_text().startswith("x264-5.mp4: 1,600 kbit/s")
    assert drawn(page, "r0_vmaf_roi", "at", "Scatter") == [[(1600, 90)]]


def test_references_are_pointed_at_one_by_one(opened: Callable[..., Opened], several: Path) -> None:
    page = opened(several).page
    page.locator("#r1 tr[data-kbit]").first.focus()
    assert "100 kbit/s" in page.locator("#r1 output").inner_text()
    assert page.locator("#r0 output").inner_text().startswith("Point at an encode")


def test_the_theme_follows_the_system_and_the_button_changes_it(
    opened: Callable[..., Opened], ladders: Path
) -> None:
    page = opened(ladders, theme="dark").page
    ink = "Bokeh.documents[0].get_model_by_name('r0_vmaf_roi').below[0].major_label_text_color"
    paper = "getComputedStyle(document.body).backgroundColor"
    before = page.evaluate(ink)
    assert page.evaluate(paper) == "rgb(20, 23, 27)"
    page.locator("#theme").click()
    assert page.evaluate(paper) == "rgb(255, 255, 255)"
    assert page.evaluate(ink) != before


def test_bitrates_stand_on_the_axis_in_round_numbers(
    opened: Callable[..., Opened], ladders: Path
) -> None:
    page = opened(ladders).page
    ticks = page.evaluate(
        "Bokeh.documents[0].get_model_by_name('r0_vmaf_roi').below[0].ticker.ticks"
    )
    assert ticks == [50, 100, 200, 500, 1000]


def test_400_pixels_are_wide_enough(
    opened: Callable[..., Opened], ladders: Path, several: Path
) -> None:
    for path in (ladders, several):
        page = opened(path, width=400).page
        assert page.evaluate("document.documentElement.scrollWidth") <= 400


def test_print_has_the_charts(opened: Callable[..., Opened], ladders: Path) -> None:
    page = opened(ladders, theme="dark").page
    page.emulate_media(media="print")
    assert page.locator("#chart-r0_vmaf_roi").is_visible()
    assert not page.locator("#theme").is_visible()


@pytest.mark.parametrize("policy", ["with the policy", "by escaping alone"])
def test_nothing_that_a_user_wrote_becomes_markup(
    opened: Callable[..., Opened], tmp_path: Path, policy: str
) -> None:
    lines = [
        *records(reference=HOSTILE, distorted=HOSTILE, ladder=HOSTILE),
        failure(99, HOSTILE),
    ]
    lines[-3]["batch"]["ladder"] = f"other{HOSTILE}"
    path = write_page(tmp_path / "ladders.html", lines)
    if policy == "by escaping alone":
        text = path.read_text("utf-8")
        bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
        assert len(bare) < len(text)
        path.write_text(bare, "utf-8")
    report = opened(path)
    assert report.page.evaluate("window.hit") is None
    assert report.page.locator("img, script[src]").count() == 0
    assert report.complaints == []
    assert "</script><img src=x onerror=" in report.page.locator("body").inner_text()
