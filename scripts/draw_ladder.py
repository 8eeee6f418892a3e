"""Take the documentation's picture of a ladders' page: the demo's clip, encoded by two presets.

python -m pip install ".[cpu,test]" && python scripts/draw_ladder.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from make_screenshots import IMAGES, write_picture
from playwright.sync_api import sync_playwright

import roi_accel
from roi_accel.cli.demo import make_pair
from roi_accel.ladder.bd_rate import compare
from roi_accel.ladder.ladder import METRICS, Encode, Ladder, ReferenceLadders, Results
from roi_accel.ladder.plot import make_page
from roi_accel.scorers.ffmpeg import bundled_ffmpeg
from roi_accel.video.opening import bitrate_of

PRESETS = ("ultrafast", "slow")
QUALITIES = (40, 36, 32, 28, 24)


def main() -> None:
    """Write docs/images/ladders.png."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        sys.exit("no Chromium is on PATH; on Debian: apt-get install chromium")
    flags = ["--no-sandbox"] if os.geteuid() == 0 else []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        reference, _ = make_pair(Path(folder))
        ladders = tuple(_ladder(reference, preset) for preset in PRESETS)
        group = ReferenceLadders(reference.name, ladders)
        path = Path(folder) / "ladders.html"
        path.write_bytes(make_page(Results((group,), (), ()), compare([group])))
        browser = playwright.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": 1100, "height": 1290})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]")
        page.locator("tr[data-kbit]").nth(2).hover()
        page.wait_for_timeout(1000)
        write_picture(IMAGES / "ladders.png", page.screenshot())
        browser.close()


def _ladder(reference: Path, preset: str) -> Ladder:
    encodes = []
    for line, quality in enumerate(QUALITIES, 1 + len(QUALITIES) * PRESETS.index(preset)):
        path = reference.with_name(f"{preset}-{quality}.mp4")
        codec = ("-c:v", "libx264", "-preset", preset, "-crf", str(quality))
        command = [str(bundled_ffmpeg()), "-loglevel", "error", "-i", str(reference), *codec]
        subprocess.run([*command, str(path)], check=True)  # noqa: S603 - a list, no shell
        result = roi_accel.score(reference, path)
        scores = {metric: getattr(result, metric) for metric in METRICS}
        encodes.append(Encode(line, path.name, bitrate_of(path), scores))
    return Ladder(f"x264 {preset}", tuple(encodes))


if __name__ == "__main__":
    main()
