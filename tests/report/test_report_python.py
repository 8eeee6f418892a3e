"""Claims about `roi_accel.score(..., html=...)`: the command line's page, whole or not at all."""

from __future__ import annotations

import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import console_script

import roi_accel
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

pytest.importorskip("bokeh", reason="it draws the page")

EMBEDDED = re.compile(r'<script type="application/json" id="charts">.*?</script>', re.DOTALL)


@pytest.fixture(autouse=True)
def only_the_bundled_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(bundled_ffmpeg()))


def test_it_writes_the_command_line_s_page(tiny_pair: Pair, tmp_path: Path) -> None:
    pair = (str(tiny_pair.reference), str(tiny_pair.distorted))
    roi_accel.score(*pair, roi="face=0,0,48,64", html=tmp_path / "python.html")
    command = [console_script(), "score", "-r", pair[0], "-d", pair[1], "--roi", "face=0,0,48,64"]
    subprocess.run([*command, "--html", "typed.html"], cwd=tmp_path, check=True, text=True,
                   capture_output=True)  # fmt: skip
    # Bokeh numbers its objects anew in every process.
    pages = [
        EMBEDDED.sub("", (tmp_path / name).read_text("utf-8"))
        for name in ("python.html", "typed.html")
    ]
    assert pages[0] == pages[1]
    assert pages[0].count("<img src=") == 12


def test_several_videos_share_a_page(tiny_pair: Pair, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    encodes = [tiny_pair.distorted, tiny_pair.reference]
    results = roi_accel.score(tiny_pair.reference, encodes, synthetic_mask=1.0, html=page)
    text = page.read_text("utf-8")
    for result in results:
        assert f"<td>{result.vmaf_roi:.2f}</td>" in text


@pytest.mark.parametrize("taken", ["exists", "is the distorted video"])
def test_what_it_may_not_replace_is_refused_before_anything_is_scored(
    tiny_pair: Pair, tmp_path: Path, taken: str
) -> None:
    page = tmp_path / "page.html" if taken == "exists" else tiny_pair.distorted
    if taken == "exists":
        page.write_text("mine")
    before = page.read_bytes()

    def never(done: int, total: int | None) -> None:
        pytest.fail(f"{done} of {total} frames were scored")

    with pytest.raises(roi_accel.OutputError) as caught:
        roi_accel.score(
            tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1.0, html=page, progress=never
        )
    assert (
        caught.value.message
        == {
            "exists": f"output {page} exists",
            "is the distorted video": f"output {page} is also an input",
        }[taken]
    )
    assert taken != "exists" or "overwrite=True" in caught.value.remedy
    assert page.read_bytes() == before


def test_overwrite_replaces_a_page(tiny_pair: Pair, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")
    roi_accel.score(
        tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1.0, html=page, overwrite=True
    )
    assert page.read_text("utf-8").startswith("<!doctype html>")


def test_overwrite_never_replaces_an_input(tiny_pair: Pair) -> None:
    with pytest.raises(roi_accel.OutputError, match="is also an input"):
        roi_accel.score(
            tiny_pair.reference,
            tiny_pair.distorted,
            synthetic_mask=1.0,
            html=tiny_pair.reference,
            overwrite=True,
        )


def test_what_progress_raises_leaves_no_page_and_the_old_one_as_it_was(
    tiny_pair: Pair, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text("mine")

    def stop(done: int, total: int | None) -> None:
        del total
        if done == 8:
            raise StopAsyncIteration

    for path in (page, tmp_path / "other.html"):
        with pytest.raises(StopAsyncIteration):
            roi_accel.score(
                tiny_pair.reference,
                tiny_pair.distorted,
                synthetic_mask=1.0,
                html=path,
                overwrite=True,
                progress=stop,
            )
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["page.html"]
    assert page.read_text() == "mine"


def test_a_missing_library_is_named_before_anything_is_opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(roi_accel.OutputError, match="a report needs jinja2"):
        roi_accel.score("absent.mp4", "absent too.mp4", html=tmp_path / "page.html")
