"""Take the documentation's pictures of a report, with the Chromium that is installed.

python -m pip install ".[cpu,test]" && python scripts/make_screenshots.py
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from playwright.sync_api import sync_playwright

from roi_accel.demo import make_pair

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
COLOURS = 200
"""Of a picture's palette: text and curves lose nothing, and the file is a third as large."""

HEIGHT = 1290

SHOTS: dict[str, tuple[Literal["light", "dark"], int]] = {
    "report-light.png": ("light", 1100),
    "report-dark.png": ("dark", 1100),
    "report-narrow.png": ("light", 400),
}
"""Theme and width in pixels of each picture."""


def main() -> None:
    """Write docs/images/report-*.png, of the demo's pair."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium is on PATH; on Debian: apt-get install chromium")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        report = _report(Path(folder))
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        for name, (theme, width) in SHOTS.items():
            size: ViewportSize = {"width": width, "height": HEIGHT}
            page = browser.new_page(viewport=size, color_scheme=theme)
            page.goto(report.as_uri())
            page.wait_for_selector("html[data-ready]")
            page.wait_for_timeout(1000)
            write_picture(IMAGES / name, page.screenshot())
        browser.close()


def _report(folder: Path) -> Path:
    make_pair(folder)
    program = shutil.which("roi-accel", path=str(Path(sys.executable).parent))
    names = ("-r", "reference.mp4", "-d", "distorted.mp4", "-o", "scores.json", "--quiet")
    command = [str(program), "score", *names, "--html", "report.html"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - our own program
    return folder / "report.html"


def write_picture(path: Path, screenshot: bytes) -> None:
    """Write a screenshot with few colours, and print its size."""
    with Image.open(io.BytesIO(screenshot)) as picture:
        palette = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
        palette.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
