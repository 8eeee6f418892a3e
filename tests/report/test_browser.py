"""Claims about a report in a real browser, offline: what is drawn, read, zoomed and reached."""

from __future__ import annotations

import io
import re
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from pages import wavy_result, write_report

from roi_accel.results.summary import TITLES

Image = pytest.importorskip("PIL.Image", reason="screenshots are read with Pillow")
pdfium = pytest.importorskip("pypdfium2", reason="printed pages are read with it")
charts = pytest.importorskip("roi_accel.report.charts")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opened
    from playwright.sync_api import Browser, Page

    from roi_accel.results.result import Result

pytestmark = pytest.mark.slow

HOSTILE = "</script><img src=x onerror=\"window.hit='yes'\">' {{ 7*7 }} @frame $x & <b>"
COLOURS = {
    "light": {"vmaf_full": "#727b86", "vmaf_masked": "#c25a0c", "vmaf_roi": "#0b5cad"},
    "dark": {"vmaf_full": "#98a2ad", "vmaf_masked": "#f29b4b", "vmaf_roi": "#66abff"},
}


@pytest.fixture(scope="module")
def result() -> Result:
    return wavy_result(1_000)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory, result: Result) -> Path:
    return write_report(tmp_path_factory.mktemp("report") / "report.html", [result])


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = ["crf-23-slow.mp4", "a-very-long-name-without-any-space-in-it" * 3 + ".mp4"]
    results = [
        wavy_result(300, seed=seed, distorted=name, regions=("face", "left hand"))
        for seed, name in enumerate(names)
    ]
    return write_report(tmp_path_factory.mktemp("several") / "report.html", results)


def model(page: Page, chart: str, what: str) -> Any:
    """Return a property of a chart, such as ``x_range.start``."""
    return page.evaluate(f"Bokeh.documents[0].get_model_by_name('{chart}').{what}")


def hover(page: Page, chart: str, share: float, height: float = 0.4) -> None:
    box = page.locator(f"#chart-{chart}").bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * height)
    page.wait_for_timeout(100)


def shown_scores(page: Page, chart: str) -> dict[str, tuple[str, float]]:
    """Return what stands beside each curve of a chart: its text, and all digits."""
    values = page.locator(f".series[data-chart={chart}] .value").all()
    return {
        str(each.get_attribute("data-value-of")): (
            each.inner_text(),
            float(each.get_attribute("title") or "nan"),
        )
        for each in values
    }


def pixels_of(page: Page, chart: str, colour: str) -> int:
    """Return how many pixels of a chart have nearly a colour."""
    picture = Image.open(io.BytesIO(page.locator(f"#chart-{chart}").screenshot())).convert("RGB")
    wanted = np.array(list(bytes.fromhex(colour[1:])), np.int16)
    return int((np.abs(np.asarray(picture, np.int16) - wanted).max(axis=-1) <= 24).sum())


def test_it_opens_offline_without_a_complaint_or_a_request(
    opened: Callable[..., Opened], report: Path, several: Path
) -> None:
    for path in (report, several):
        each = opened(path)
        assert each.complaints == []
        assert each.requests == []


def test_it_could_not_fetch_anything_if_it_tried(
    opened: Callable[..., Opened], report: Path
) -> None:
    page = opened(report).page
    assert page.evaluate("fetch('data:,x').then(() => 'fetched', () => 'refused')") == "refused"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_curve_is_drawn_in_its_colour_and_goes_when_it_is_switched_off(
    opened: Callable[..., Opened], report: Path, theme: str
) -> None:
    page = opened(report, theme=theme).page
    # Where the others are away, none covers it.
    for metric, colour in COLOURS[theme].items():
        others = page.locator(f".series[data-chart=v0_curves]:not([data-column=v0_{metric}])").all()
        for other in others:
            other.click()
        page.mouse.move(0, 0)
        page.wait_for_timeout(200)
        drawn = pixels_of(page, "v0_curves", colour)
        page.locator(f".series[data-column=v0_{metric}]").click()
        page.mouse.move(0, 0)
        page.wait_for_timeout(200)
        # Axis labels, grid and marks may have a few of them.
        assert drawn > 500 + pixels_of(page, "v0_curves", colour), metric
        for each in page.locator(".series[data-chart=v0_curves]").all():
            each.click() if each.get_attribute("aria-pressed") == "false" else None


@pytest.mark.parametrize("share", [0.2, 0.5, 0.93])
def test_hovering_shows_the_scores_of_the_json(
    opened: Callable[..., Opened], report: Path, result: Result, share: float
) -> None:
    page = opened(report).page
    hover(page, "v0_curves", share)
    frame = int(page.locator(".walk output").inner_text())
    assert abs(frame - 1_000 * share) < 60
    metrics = result.to_dict()["frames"][frame]["metrics"]
    shown = shown_scores(page, "v0_curves")
    assert {name: value for name, (_, value) in shown.items()} == {
        f"v0_{name}": value for name, value in metrics.items()
    }
    for name, (text, _) in shown.items():
        assert abs(float(text) - metrics[name[3:]]) <= 0.005
    assert model(page, "v0_curves", "center.find(e => e.name == 'cursor').location") == frame


def test_the_worst_frames_are_marked_and_can_be_gone_to(
    opened: Callable[..., Opened], report: Path, result: Result
) -> None:
    page = opened(report).page
    roi = [frame.metrics["vmaf_roi"] for frame in result.frames]
    buttons = page.locator(".worst button")
    frames = [int(each.get_attribute("data-frame") or -1) for each in buttons.all()]
    assert frames[0] == roi.index(min(roi))
    marks = page.evaluate(
        "(() => { const data = Bokeh.documents[0].get_model_by_name('v0_worst').data_source.data;"
        "return [[...data.x], [...data.y]]; })()"
    )
    assert dict(zip(*marks, strict=True)) == {frame: roi[frame] for frame in frames}
    buttons.nth(3).click()
    assert page.locator(".walk output").inner_text() == str(frames[3])


def test_dragging_and_the_buttons_zoom(opened: Callable[..., Opened], report: Path) -> None:
    page = opened(report).page

    def view() -> tuple[float, float]:
        page.wait_for_timeout(150)
        start = model(page, "v0_curves", "x_range.start")
        return start, model(page, "v0_curves", "x_range.end")

    whole = view()
    hover(page, "v0_curves", 0.4)
    page.mouse.down()
    hover(page, "v0_curves", 0.5)
    hover(page, "v0_curves", 0.6)
    page.mouse.up()
    start, end = view()
    assert 330 < start < 450
    assert 530 < end < 650
    page.locator("[data-zoom=in]").click()
    closer = view()
    assert closer[1] - closer[0] == pytest.approx((end - start) / 2)
    page.locator("[data-zoom=out]").click()
    assert view()[1] - view()[0] == pytest.approx(end - start)
    page.locator("[data-zoom=reset]").click()
    assert view() == whole


def test_charts_of_several_videos_are_zoomed_and_read_together(
    opened: Callable[..., Opened], several: Path
) -> None:
    page = opened(several).page
    hover(page, "compare", 0.5)
    frames = {each.inner_text() for each in page.locator(".walk output").all()}
    assert len(frames) == 1
    page.locator("[data-zoom=in]").first.click()
    starts = {
        model(page, chart, "x_range.start")
        for chart in ("compare", "v0_curves", "v1_curves", "v1_regions")
    }
    assert len(starts) == 1
    assert starts.pop() > 0


def test_several_videos_are_compared_in_a_table_and_in_curves(
    opened: Callable[..., Opened], several: Path
) -> None:
    page = opened(several).page
    assert page.locator("table.compare tbody tr").count() == 2
    names = page.evaluate(
        "Bokeh.documents[0].get_model_by_name('compare').renderers.map(each => each.name)"
    )
    assert names == ["v0_vmaf_roi", "v1_vmaf_roi"]
    for colour in ("#00795c", "#a63d84"):
        assert pixels_of(page, "compare", colour) > 300
    assert "left hand" in page.locator("#v1").inner_text()


def test_the_histogram_counts_all_frames(
    opened: Callable[..., Opened], report: Path, result: Result
) -> None:
    page = opened(report).page
    counts = page.evaluate("[...Bokeh.documents[0].get_model_by_name('v0_bins').data.count]")
    assert sum(counts) == len(result.frames)
    page.locator("#chart-v0_histogram").scroll_into_view_if_needed()
    hover(page, "v0_histogram", 0.5)
    text = page.locator(".bin").inner_text()
    found = re.fullmatch(r"(\d+) of 1000 frames from ([\d.]+) to ([\d.]+)", text)
    assert found, text
    count, low, high = int(found[1]), float(found[2]), float(found[3])
    roi = [frame.metrics["vmaf_roi"] for frame in result.frames]
    assert count == sum(low <= score < high for score in roi)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_both_themes_follow_the_system_and_the_button_changes_them(
    opened: Callable[..., Opened], report: Path, theme: str
) -> None:
    page = opened(report, theme=theme).page
    paper = "getComputedStyle(document.body).backgroundColor"
    axis = "below[0].major_label_text_color"
    before, ink = page.evaluate(paper), model(page, "v0_curves", axis)
    assert before == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 27)"}[theme]
    page.locator("#theme").click()
    assert page.evaluate(paper) != before
    assert model(page, "v0_curves", axis) != ink
    page.locator("#theme").click()
    assert page.evaluate(paper) == before
    assert model(page, "v0_curves", axis) == ink


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_curves_stand_out_from_the_paper(
    opened: Callable[..., Opened], report: Path, theme: str
) -> None:
    """As WCAG 2.2 asks: 4.5 for text, 3 for what is drawn."""
    page = opened(report, theme=theme).page

    def contrast(variable: str) -> float:
        both = page.evaluate(
            "(variable) => [variable, '--paper'].map((name) => {"
            "probe.style.color = `var(${name})`;"
            "return getComputedStyle(probe).color.match(/\\d+/g).map(Number); })",
            variable,
        )
        levels = np.array(both) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        light, dark = sorted((linear @ [0.2126, 0.7152, 0.0722]).tolist(), reverse=True)
        return float((light + 0.05) / (dark + 0.05))

    for name in ("--ink", "--soft", "--good", "--care"):
        assert contrast(name) >= 4.5, name
    series = [f"--series-{number}" for number in range(charts.SERIES_COLOURS)]
    for name in ("--vmaf_full", "--vmaf_masked", "--vmaf_roi", "--mark", *series):
        assert contrast(name) >= 3, name


def test_a_score_has_one_name_and_one_colour_which_nothing_else_has(
    opened: Callable[..., Opened], several: Path
) -> None:
    page = opened(several).page
    chips = page.evaluate(
        "[...document.querySelectorAll('.chip')].map((chip) => ["
        "chip.parentElement.textContent.replace(/[-\\u20130-9.\\s]+$/, '').trim(),"
        "chip.getAttribute('style').match(/--[a-z][a-z_0-9-]+/)[0]])"
    )
    of_scores = {name: colour for name, colour in chips if colour.startswith("--vmaf")}
    assert of_scores == {title: f"--{metric}" for metric, title in TITLES.items()}
    others = {colour for name, colour in chips if name not in of_scores}
    assert others == {"--series-0", "--series-1"}
    drawn = page.evaluate(
        "(names) => names.map((name) => "
        "getComputedStyle(document.documentElement).getPropertyValue(name).trim())",
        [*of_scores.values(), *(f"--series-{number}" for number in range(charts.SERIES_COLOURS))],
    )
    assert len(set(drawn)) == len(TITLES) + charts.SERIES_COLOURS
    assert (
        page.evaluate("Bokeh.documents[0].get_model_by_name('v0_histogram').below[0].axis_label")
        == f"VMAF, {TITLES['vmaf_roi']}"
    )
    assert "ROI" not in page.inner_text("body")


def test_400_pixels_are_wide_enough(
    opened: Callable[..., Opened], report: Path, several: Path
) -> None:
    for path in (report, several):
        page = opened(path, width=400).page
        page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        chart = page.locator("#chart-v0_curves").bounding_box()
        assert chart
        assert 340 < chart["width"] <= 400


def test_every_control_is_reached_and_used_by_keyboard(
    opened: Callable[..., Opened], report: Path
) -> None:
    page = opened(report).page
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(
            page.evaluate(
                "(e => e.id || e.dataset.zoom || e.dataset.column || e.dataset.frame"
                " || e.className || e.type || e.localName)(document.activeElement)"
            )
        )
    curves = {"v0_vmaf_full", "v0_vmaf_masked", "v0_vmaf_roi"}
    assert {"theme", "in", "out", "reset", "range", "picture", "summary"} | curves <= reached
    frames = {each.get_attribute("data-frame") for each in page.locator(".worst button").all()}
    assert frames <= reached

    page.locator(".walk input").focus()
    before = int(page.locator(".walk output").inner_text())
    page.keyboard.press("ArrowRight")
    assert int(page.locator(".walk output").inner_text()) == before + 1
    page.locator(".series").first.focus()
    page.keyboard.press("Space")
    assert page.locator(".series").first.get_attribute("aria-pressed") == "false"
    assert model(page, "v0_curves", "renderers[0].visible") is False


def test_pictures_enlarge_and_the_arrows_go_on(opened: Callable[..., Opened], report: Path) -> None:
    page = opened(report).page
    pictures = page.locator(".picture img")
    assert pictures.count() == 12
    assert all(page.evaluate("[...document.images].map(e => e.id || e.naturalWidth)")[:12])
    page.locator(".picture").first.focus()
    page.keyboard.press("Enter")
    shown = page.locator("dialog img")
    assert shown.get_attribute("src") == pictures.nth(0).get_attribute("src")
    page.keyboard.press("ArrowRight")
    assert shown.get_attribute("src") == pictures.nth(1).get_attribute("src")
    page.keyboard.press("Escape")
    assert not page.locator("dialog").is_visible()


def test_print_has_the_charts_and_leaves_the_controls_out(
    opened: Callable[..., Opened], report: Path
) -> None:
    page = opened(report, theme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    for control in ("#theme", ".zoom", ".walk input"):
        assert not page.locator(control).first.is_visible()
    assert page.locator("#chart-v0_curves").is_visible()
    # Values stand beside the names, so which frame's they are must stand there, too.
    assert page.locator(".walk output").is_visible()


ONLY_CHARTS = (
    "@media print { body * { visibility: hidden }"
    " .curves .chart, .curves .chart * { visibility: visible } }"
)


def printed_ink(page: Page) -> np.ndarray:
    """Return the contrast with paper of each coloured pixel of the charts on A4, from the PDF."""
    page.add_style_tag(content=ONLY_CHARTS)
    with closing(pdfium.PdfDocument(page.pdf(format="A4"))) as document:
        sheets = [np.asarray(each.render(scale=2).to_pil().convert("RGB")) for each in document]
    colours = np.concatenate([sheet.reshape(-1, 3) for sheet in sheets]) / 255
    coloured = colours[colours.max(axis=1) - colours.min(axis=1) > 0.25]
    linear = np.where(coloured <= 0.04045, coloured / 12.92, ((coloured + 0.055) / 1.055) ** 2.4)
    return np.asarray(1.05 / (linear @ [0.2126, 0.7152, 0.0722] + 0.05))


@pytest.mark.parametrize("dark", ["by the button", "by the system"])
def test_charts_are_dark_on_paper_from_the_dark_theme_too(
    launched: Callable[..., Browser], report: Path, dark: str
) -> None:
    """A dark system calls itself light while a page is printed, which that page is told."""
    by_system = dark == "by the system"
    flags = ["--blink-settings=preferredColorScheme=0"] if by_system else []
    page = launched(*flags).new_page(color_scheme="null" if by_system else "light")
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-ready]")
    if not by_system:
        page.locator("#theme").click()
    page.wait_for_timeout(500)
    assert page.evaluate("document.documentElement.className") == "dark"
    ink = printed_ink(page)
    assert len(ink) > 2_000
    # Edges of lines are lighter; the dark theme's own curves reach 2.4.
    assert np.quantile(ink, 0.9) >= 4.5
    assert page.evaluate("document.documentElement.className") == "dark"


def test_printing_does_not_take_back_what_the_button_chose(
    launched: Callable[..., Browser], report: Path
) -> None:
    page = launched("--blink-settings=preferredColorScheme=0").new_page(color_scheme="null")
    page.goto(report.as_uri())
    page.wait_for_selector("html[data-ready]")
    page.locator("#theme").click()
    page.pdf()
    page.wait_for_timeout(300)
    assert page.evaluate("document.documentElement.className") == "light"


@pytest.mark.parametrize(("chart", "side"), [("curves", "below"), ("histogram", "left")])
def test_no_axis_has_half_a_frame(
    opened: Callable[..., Opened], tmp_path: Path, chart: str, side: str
) -> None:
    page = opened(write_report(tmp_path / "short.html", [wavy_result(3)])).page
    ticks = page.evaluate(
        f"(() => {{ const chart = Bokeh.documents[0].get_model_by_name('v0_{chart}');"
        f"const axis = Bokeh.index.find_one(chart).views.find_one(chart.{side}[0]);"
        "return axis.tick_coords.major[axis.dimension]; })()"
    )
    assert len(ticks) >= 2
    assert all(tick == round(tick) for tick in ticks), ticks


def without_policy(path: Path) -> None:
    """Take the content security policy away, so that only the escaping is left."""
    text = path.read_text("utf-8")
    bare = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    assert len(bare) < len(text)
    path.write_text(bare, "utf-8")


@pytest.mark.parametrize("policy", ["with the policy", "by escaping alone"])
def test_nothing_that_a_user_wrote_becomes_markup(
    opened: Callable[..., Opened], tmp_path: Path, policy: str
) -> None:
    provenance = dict(wavy_result(1).provenance) | {HOSTILE: {HOSTILE: HOSTILE}}
    results = [
        wavy_result(
            20,
            seed=seed,
            reference=HOSTILE,
            distorted=f"{seed}{HOSTILE}",
            regions=(HOSTILE,),
            model=HOSTILE,
            saliency_model=HOSTILE,
            warnings=(HOSTILE,),
            provenance=provenance,
        )
        for seed in (0, 1)
    ]
    path = write_report(tmp_path / "report.html", results)
    if policy == "by escaping alone":
        without_policy(path)
    report = opened(path)
    assert report.page.evaluate("window.hit") is None
    assert report.page.locator("img").count() == 25  # 12 a video, and the viewer's
    assert report.page.locator("b, script[src]").all_inner_texts() == ["Note"]
    assert report.complaints == []
    shown = report.page.locator("body").inner_text()
    assert "</script><img src=x onerror=" in shown
    assert "{{ 7*7 }} @frame" in shown
