"""A real browser, which opens reports as people do and writes down what goes wrong meanwhile."""

from __future__ import annotations

import os
import shutil
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
NEEDED = "no Chromium is on PATH; on Debian: apt-get install chromium"


@dataclass
class Opened:
    """A report in the browser.

    Attributes
    ----------
    page : Page
    complaints : list of str
        Errors and warnings on the console, and exceptions.
    requests : list of str
        URLs that were asked for, but those inside the page itself.
    """

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def launched(request: pytest.FixtureRequest) -> Iterator[Callable[..., Browser]]:
    """Return a function from Chromium's flags to a browser."""
    found = next(filter(None, map(shutil.which, CHROMIUMS)), None)
    if found is None:
        if request.config.getoption("--require-browser"):
            pytest.fail(NEEDED)
        pytest.skip(NEEDED)
    sync_api = pytest.importorskip("playwright.sync_api", reason="it drives the browser")
    # Chromium's sandbox refuses to work for root, as whom CI runs.
    needed = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_api.sync_playwright() as playwright, ExitStack() as browsers:

        def launch(*flags: str) -> Browser:
            browser = playwright.chromium.launch(executable_path=found, args=[*needed, *flags])
            browsers.callback(browser.close)
            return browser

        yield launch


@pytest.fixture(scope="session")
def chromium(launched: Callable[..., Browser]) -> Browser:
    return launched()


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Opened]]:
    """Return a function that opens a report, offline, and waits until it is drawn."""
    contexts = []

    def open_report(path: Path, *, width: int = 1200, theme: str = "light") -> Opened:
        context = chromium.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, offline=True
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(30_000)
        report = Opened(page)
        page.on("pageerror", lambda error: report.complaints.append(str(error)))
        page.on(
            "console",
            lambda message: (
                report.complaints.append(f"{message.type}: {message.text}")
                if message.type in {"error", "warning"}
                else None
            ),
        )
        url = path.as_uri()
        page.on(
            "request",
            lambda request: (
                None
                if request.url == url or request.url.startswith(("data:", "blob:"))
                else report.requests.append(request.url)
            ),
        )
        page.goto(url)
        page.wait_for_selector("html[data-ready]")
        # BokehJS paints in the frames that follow.
        page.wait_for_function("Bokeh.documents[0].is_idle")
        page.wait_for_timeout(300)
        return report

    yield open_report
    for context in contexts:
        context.close()
