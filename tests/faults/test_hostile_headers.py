"""Headers that promise too much: code 2 before memory is taken, and never more than 200 MB."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from attempts import Attempt, assert_failed
from clips import P8, smooth_frames, write_y4m

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair

    Prepare = Callable[..., Attempt]

LIMIT = 200e6

HEADERS = {
    "huge": (b"YUV4MPEG2 W70000 H70000 F25:1 Ip C420jpeg\nFRAME\n", "70000x70000"),
    "negative": (b"YUV4MPEG2 W-96 H64 F25:1 Ip C420jpeg\nFRAME\n", "'-96' as width"),
    "zero": (b"YUV4MPEG2 W96 H0 F25:1 Ip C420jpeg\nFRAME\n", "'0' as height"),
    "no height": (b"YUV4MPEG2 W96 F25:1 Ip C420jpeg\nFRAME\n", "lacks the height"),
    "two widths": (b"YUV4MPEG2 W96 W96 H64 F25:1\nFRAME\n", "repeats the parameter W"),
    "many digits": (b"YUV4MPEG2 W" + b"9" * 4000 + b" H64\nFRAME\n", "as width"),
    "just too wide": (b"YUV4MPEG2 W16385 H64 F25:1 Ip C444p16\nFRAME\n", "16385x64"),
}

# Not ru_maxrss, which a process inherits from the one that starts it: these tests.
_MEASURED = """
import re, sys
from roi_accel.cli.app import main
code = main()
peak = re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())
open({note!r}, "w").write(peak[1])
sys.exit(code)
"""


def refuse(folder: Path, match: str, *arguments: object) -> None:
    """Score; it must be refused with 2, saying `match`, within the memory that is allowed."""
    note = folder / "peak"
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED.format(note=str(note)), "score", *map(str, arguments)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert_failed(done, 2, match)
    assert int(note.read_text()) * 1024 < LIMIT


@pytest.mark.parametrize(("content", "match"), HEADERS.values(), ids=HEADERS)
def test_impossible_size_is_refused(
    tmp_path: Path, tiny_pair: Pair, content: bytes, match: str
) -> None:
    bad = tmp_path / "bad.y4m"
    bad.write_bytes(content)
    with bad.open("ab") as file:
        file.truncate(1 << 34)
    refuse(tmp_path, match, "-r", tiny_pair.reference, "-d", bad)


def test_impossible_size_of_the_reference_is_refused_too(tmp_path: Path, tiny_pair: Pair) -> None:
    bad = tmp_path / "bad.y4m"
    content, match = HEADERS["huge"]
    bad.write_bytes(content)
    refuse(tmp_path, match, "-r", bad, "-d", tiny_pair.distorted)


@pytest.mark.parametrize("head", [b"YUV4MPEG2 ", b"YUV4MPEG2 W96 H64\nFRAME X"])
def test_a_gigabyte_without_a_newline_is_refused(
    tmp_path: Path, tiny_pair: Pair, head: bytes
) -> None:
    bad = tmp_path / "endless.y4m"
    bad.write_bytes(head)
    with bad.open("ab") as file:
        file.truncate(1 << 30)
    match = "no newline" if b"FRAME" not in head else "frame 0 begins with"
    options = ("--synthetic-mask", 1, "--backend", "numpy")
    if b"FRAME" in head:  # It shows at the first frame, when VMAF and the kernels are there.
        one = Attempt(tmp_path)
        assert_failed(one.run("score", "-r", bad, "-d", bad, *options), 2, match)
    else:
        refuse(tmp_path, match, "-r", tiny_pair.reference, "-d", bad, *options)


@pytest.mark.parametrize("missing", [1, 4000, 96 * 64 * 3 // 2 - 1])
def test_a_truncated_last_frame_is_refused_with_its_missing_bytes(
    attempt: Prepare, tiny_pair: Pair, tmp_path: Path, missing: int
) -> None:
    cut = tmp_path / "cut.y4m"
    cut.write_bytes(tiny_pair.distorted.read_bytes()[:-missing])
    options = ("--synthetic-mask", 1, "--backend", "numpy")
    said = attempt().fail(2, "frame 7 is truncated", "-r", tiny_pair.reference, "-d", cut, *options)
    assert f"{missing} of its 9216 bytes are missing" in said


def test_a_raw_video_of_impossible_size_is_refused(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yuv"
    with bad.open("wb") as file:
        file.truncate(1 << 30)
    geometry = ("-w", 70000, "--height", 70000, "--pix-fmt", "yuv444p16le")
    refuse(tmp_path, "70000x70000", "-r", bad, "-d", bad, *geometry)


def test_these_headers_are_refused_for_their_size_alone(attempt: Prepare, tmp_path: Path) -> None:
    good = write_y4m(tmp_path / "good.y4m", smooth_frames(P8, 96, 64, 1))
    options = ("--synthetic-mask", 1, "--backend", "numpy", "--quiet")
    assert attempt().run("score", "-r", good, "-d", good, *options).returncode == 0
