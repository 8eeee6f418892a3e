"""Take the documentation's pictures of a report, with the installed Chromium, and of a terminal.

python -m pip install ".[cpu,test]" && python scripts/make_screenshots.py
"""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
import tempfile
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from PIL import Image
from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from roi_accel.cli.demo import make_pair

if TYPE_CHECKING:
    from playwright.sync_api import ViewportSize

IMAGES = Path(__file__).resolve().parent.parent / "docs" / "images"
COLOURS = 200
"""Of a picture's palette: text and curves lose nothing, and the file is a third as large."""

HEIGHT = 1310

SHOTS: dict[str, tuple[Literal["light", "dark"], int]] = {
    "report-light.png": ("light", 1100),
    "report-dark.png": ("dark", 1100),
    "report-narrow.png": ("light", 400),
}
"""Theme and width in pixels of each picture."""

COLUMNS = 96
"""Of the terminal: the longest fact about the demo's run takes two lines."""

ERASED = "\x1b[2K"
"""What a progress bar ends with; what comes after it stays on the screen."""


def main() -> None:
    """Write docs/images/report-*.png, of the demo's pair, and terminal.svg, of the demo."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium is on PATH; on Debian: apt-get install chromium")
    (IMAGES / "terminal.svg").write_text(_drawn("roi-accel demo > score.json", _shown_by_demo()))
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


def _program() -> str:
    return str(shutil.which("roi-accel", path=str(Path(sys.executable).parent)))


def _shown_by_demo() -> str:
    """Return what the demo leaves on a terminal's screen, with its colours."""
    screen, behind = pty.openpty()
    termios.tcsetwinsize(behind, (40, COLUMNS))
    environment = os.environ | {"TERM": "xterm-256color", "NO_COLOR": ""}
    demo = subprocess.Popen(  # noqa: S603 - our own program
        [_program(), "demo"], stdout=subprocess.DEVNULL, stderr=behind, env=environment
    )
    os.close(behind)
    said = b""
    while True:
        try:
            part = os.read(screen, 65536)
        except OSError:  # how Linux says that nobody writes there any more
            break
        if not part:
            break
        said += part
    if demo.wait() != 0:
        sys.exit(said.decode())
    return said.decode().rpartition(ERASED)[2]


def _drawn(command: str, shown: str) -> str:
    """Return a picture of a terminal, SVG that fetches nothing."""
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, highlight=False
    )
    console.print(f"[bold green]$[/] {command}")
    console.print(Text.from_ansi(shown.replace("\r\n", "\n").rstrip() + "\n"))
    own_fonts = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    svg = console.export_svg(title="roi-accel", code_format=own_fonts)
    return re.sub(r"[ \t]+$", "", svg, flags=re.MULTILINE)


def _report(folder: Path) -> Path:
    make_pair(folder)
    names = ("-r", "reference.mp4", "-d", "distorted.mp4", "-o", "scores.json", "--quiet")
    command = [_program(), "score", *names, "--html", "report.html"]
    subprocess.run(command, cwd=folder, check=True)  # noqa: S603 - our own program
    return folder / "report.html"


def write_picture(path: Path, screenshot: bytes) -> None:
    """Write a screenshot with few colours, and print its size."""
    with Image.open(io.BytesIO(screenshot)) as picture:
        palette = picture.convert("RGB").quantize(
            COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
        )
        palette.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
