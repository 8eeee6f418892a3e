"""Claims about a newcomer's path: docs/getting-started.md, top to bottom, in an empty folder."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from clips import run_ffmpeg
from support import ROOT, console_script

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Opened

pytest.importorskip("bokeh", reason="a step of the path makes a report")
pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "getting-started.md").read_text("utf-8")
SIZE, FRAMES = "640x360", 8
QUALITIES = {"dist.mp4": 42, "dist2.mp4": 34, "dist3.mp4": 26}
OWN = {"ref.mp4", "ref.yuv", "dist.yuv", *QUALITIES}


@dataclass(frozen=True)
class Walk:
    """What someone has who typed every command of the page, one after the other.

    Attributes
    ----------
    folder : Path
        Where they were typed.
    shown : dict of str to (str, str)
        By command, what it printed: stdout, stderr.
    """

    folder: Path
    shown: dict[str, tuple[str, str]]

    def read(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text("utf-8"))


def typed() -> list[str]:
    blocks = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("roi-accel")]


@pytest.fixture(scope="module")
def walk(tmp_path_factory: pytest.TempPathFactory) -> Walk:
    folder = tmp_path_factory.mktemp("newcomer")
    source = ("-f", "lavfi", "-i", f"mandelbrot=size={SIZE}:rate=24", "-frames:v", FRAMES)
    h264 = ("-pix_fmt", "yuv420p", "-c:v", "libx264", "-preset", "veryfast")
    run_ffmpeg(*source, *h264, "-qp", 0, folder / "ref.mp4")
    for name, quality in QUALITIES.items():
        run_ffmpeg("-i", folder / "ref.mp4", *h264, "-crf", quality, folder / name)
    for name in ("ref", "dist"):
        run_ffmpeg("-i", folder / f"{name}.mp4", "-pix_fmt", "yuv420p", folder / f"{name}.yuv")
    shown = {}
    for command in typed():
        words = [console_script(), *shlex.split(command)[1:]]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        shown[command] = (done.stdout, done.stderr)
    return Walk(folder, shown)


def test_it_leaves_what_was_named_and_nothing_else(walk: Walk) -> None:
    named = {
        word
        for command in walk.shown
        for option, word in zip(shlex.split(command), shlex.split(command)[1:], strict=False)
        if option in {"-o", "--csv", "--html"}
    }
    assert {"first.json", "table.csv", "look.html", "low.json", "all.json"} <= named
    assert {path.name for path in walk.folder.iterdir()} == OWN | named


def test_the_demo_shows_in_both_ways_what_the_page_s_table_says(walk: Walk) -> None:
    out, shown = walk.shown["roi-accel demo"]
    result = json.loads(out)
    rows = re.findall(r"^\| ([\w ]+) \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert [key for _, key in rows] == ["vmaf_full", "vmaf_masked", "vmaf_roi"]
    for words, key in rows:
        assert words in shown
        assert f"{result[key]:.2f}" in shown


def test_a_raw_copy_scores_as_the_file_does(walk: Walk) -> None:
    frames = [
        [frame["metrics"]["vmaf_full"] for frame in walk.read(name)["frames"]]
        for name in ("first.json", "raw.json")
    ]
    assert frames[0] == frames[1]


def test_the_threshold_does_what_the_page_says(walk: Walk) -> None:
    results = [walk.read(name) for name in ("low.json", "first.json", "high.json")]
    alphas = [sum(frame["alpha_mean"] for frame in each["frames"]) for each in results]
    masked = [each["vmaf_masked"] for each in results]
    assert alphas[0] > alphas[1] > alphas[2]
    assert masked[0] < masked[1] < masked[2]
    assert len({each["vmaf_full"] for each in results}) == 1


def test_encodes_are_compared_in_one_table_and_the_better_one_wins(walk: Walk) -> None:
    (shown,) = (err for command, (_, err) in walk.shown.items() if "-d dist3.mp4" in command)
    results = walk.read("all.json")
    assert [each["distorted"] for each in results] == list(QUALITIES)
    for each in results:
        assert re.search(rf"{each['distorted']}\b.*{each['vmaf_masked']:.2f}", shown)
    masked = [each["vmaf_masked"] for each in results]
    assert masked == sorted(masked)


def test_the_report_opens_and_has_the_scores(walk: Walk, opened: Callable[..., Opened]) -> None:
    report = opened(walk.folder / "look.html")
    assert report.complaints == []
    assert report.requests == []
    numbers = report.page.locator(".number").all_inner_texts()
    result = walk.read("look.json")
    assert numbers == [f"{result[key]:.2f}" for key in ("vmaf_full", "vmaf_masked", "vmaf_roi")]
    assert report.page.locator(".picture img").count() == 12
