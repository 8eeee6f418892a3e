"""Videos that cannot be scored as they are: refused by the command, and never by half."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest
from clips import P8, run_ffmpeg, smooth_frames, write_raw, write_y4m

from roi_accel.backends.frame import PixelFormat
from roi_accel.scorers.scoring import ProgramScoring
from roi_accel.video.y4m import parse_header

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair
    from refusals import Refusals

    from roi_accel.backends.frame import FrameSet


PLAIN = ("--synthetic-mask", "1", "--backend", "numpy")
HEADER = b"YUV4MPEG2 W96 H64 F25:1 Ip C420jpeg\n"
FRAME_BYTES = 96 * 64 * 3 // 2
FRAME = b"FRAME\n" + bytes([100]) * FRAME_BYTES
SECOND = len(HEADER) + len(FRAME)
WHOLE = HEADER + 3 * FRAME


def header(parameters: str) -> bytes:
    return f"YUV4MPEG2 {parameters}\n".encode() + 3 * FRAME


class Fault(NamedTuple):
    """The bytes of a Y4M file, and what must be said about them."""

    content: bytes
    words: str


BEFORE_THE_START = {
    "empty": Fault(b"", "is empty (0 bytes)"),
    "no frame": Fault(HEADER, "holds a Y4M header but no frame"),
    "width negative": Fault(header("W-96 H64"), "gives '-96' as width"),
    "height negative": Fault(header("W96 H-64"), "gives '-64' as height"),
    "width zero": Fault(header("W0 H64"), "gives '0' as width"),
    "height zero": Fault(header("W96 H0"), "gives '0' as height"),
    "width missing": Fault(header("H64"), "lacks the width (W)"),
    "height missing": Fault(header("W96"), "lacks the height (H)"),
    "width repeated": Fault(header("W96 W96 H64"), "repeats the parameter W"),
    "height repeated": Fault(header("W96 H64 H64"), "repeats the parameter H"),
    "colour repeated": Fault(header("W96 H64 C420 C420"), "repeats the parameter C"),
    "no newline": Fault(b"YUV4MPEG2 W96 H64" + b" " * 9000, "no newline in its first 4096 bytes"),
    "interlaced, top first": Fault(header("W96 H64 It"), "says interlaced (It)"),
    "interlaced, bottom first": Fault(header("W96 H64 Ib"), "says interlaced (Ib)"),
    "interlaced, mixed": Fault(header("W96 H64 Im"), "says interlaced (Im)"),
    "interlacing unknown": Fault(header("W96 H64 Ix"), "gives 'x' as interlacing"),
    "chroma 4:1:1": Fault(header("W96 H64 C411"), "names the colour space '411'"),
    "chroma with alpha": Fault(header("W96 H64 C444alpha"), "names the colour space '444alpha'"),
    "no chroma": Fault(header("W96 H64 Cmono"), "says luma only (Cmono)"),
    "huge width": Fault(header("W70000 H64"), "frames of 70000x64 yuv420p would take 0.0 GB each"),
    "huge height": Fault(header("W96 H70000"), "the largest side that is read is 16384"),
    "huge": Fault(header("W70000 H70000"), "70000x70000 yuv420p would take 7.3 GB each"),
}

UNDER_WAY = {
    "last frame truncated": Fault(
        WHOLE[:-100], f"frame 2 is truncated: 100 of its {FRAME_BYTES} bytes are missing"
    ),
    "last frame a marker": Fault(
        HEADER + FRAME + b"FRAME\n", f"{FRAME_BYTES} of its {FRAME_BYTES} bytes are missing"
    ),
    "bad marker": Fault(
        HEADER + FRAME + b"FRAMF" + FRAME[5:],
        f"frame 1 begins with b'FRAMF\\n' at byte {SECOND}",
    ),
    "marker without end": Fault(
        HEADER + FRAME + FRAME[:5] + FRAME[6:], "frame 1 begins with b'FRAMEddd"
    ),
    "interlaced marker": Fault(
        HEADER + FRAME + b"FRAME Itp" + FRAME[5:], f"at byte {SECOND} (frame 1) has the parameter"
    ),
    "sample above 10 bits": Fault(
        b"YUV4MPEG2 W96 H64 C420p10\n" + 2 * (b"FRAME\n" + bytes([100, 4]) * FRAME_BYTES),
        "frame 0 holds 1124 in plane Y at x=0, y=0; 10-bit samples end at 1023",
    ),
}


@pytest.fixture
def unstarted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every attempt to start VMAF fail as a fault of our own would."""

    def start(*_: object, **__: object) -> None:
        msg = "VMAF was started"
        raise AssertionError(msg)

    monkeypatch.setattr("roi_accel.scorers.program.ProgramScoring", start)


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the numbers of the frames that VMAF has been given."""
    numbers: list[int] = []
    feed = ProgramScoring.feed

    def counted(self: ProgramScoring, frames: FrameSet) -> None:
        numbers.append(len(numbers))
        feed(self, frames)

    monkeypatch.setattr(ProgramScoring, "feed", counted)
    return numbers


def both_ways(bad: Path, good: Path) -> list[tuple[object, ...]]:
    return [("-r", good, "-d", bad, *PLAIN), ("-r", bad, "-d", good, *PLAIN)]


@pytest.mark.usefixtures("unstarted")
@pytest.mark.parametrize("fault", BEFORE_THE_START.values(), ids=BEFORE_THE_START)
def test_a_y4m_file_that_is_none_is_refused_before_vmaf_is_started(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, fault: Fault
) -> None:
    bad = tmp_path / "bad.y4m"
    bad.write_bytes(fault.content)
    for arguments in both_ways(bad, tiny_pair.reference):
        refused(2, fault.words, *arguments)


@pytest.mark.parametrize("fault", UNDER_WAY.values(), ids=UNDER_WAY)
def test_a_y4m_file_that_is_damaged_further_on_is_refused_at_its_frame(
    refused: Refusals, tmp_path: Path, fed: list[int], fault: Fault
) -> None:
    good, bad = tmp_path / "good.y4m", tmp_path / "bad.y4m"
    deep = b"C420p10" in fault.content
    good.write_bytes(
        b"YUV4MPEG2 W96 H64 C420p10\n" + 3 * (b"FRAME\n" + bytes([100, 1]) * FRAME_BYTES)
        if deep
        else WHOLE
    )
    bad.write_bytes(fault.content)
    for arguments in both_ways(bad, good):
        fed.clear()
        refused(2, fault.words, *arguments)
        assert len(fed) <= 2  # The damaged frame is never among them.


@pytest.mark.usefixtures("unstarted")
def test_raw_video_of_no_whole_number_of_frames_is_told_what_fits(
    refused: Refusals, tmp_path: Path
) -> None:
    good = write_raw(tmp_path / "good.yuv", smooth_frames(P8, 96, 64, 4))
    (tmp_path / "cut.yuv").write_bytes(good.read_bytes()[:-1])
    geometry = ("-w", 96, "--height", 64, "--pix-fmt", "yuv420p")
    refused(2, "frame 3 lacks 1 bytes", *both_ways(tmp_path / "cut.yuv", good)[0], *geometry)
    wide = write_raw(tmp_path / "wide.yuv", smooth_frames(P8, 352, 288, 1))
    said = refused(2, "352x288 yuv420p", *both_ways(wide, wide)[0], *geometry)
    assert "the size fits" in said


@pytest.mark.usefixtures("unstarted")
@pytest.mark.parametrize("size", [(31, 64), (64, 31), (16, 16)])
def test_a_side_under_32_is_refused(
    refused: Refusals, tmp_path: Path, size: tuple[int, int]
) -> None:
    path = write_y4m(tmp_path / "small.y4m", smooth_frames(P8, *size, 2))
    words = f"{size[0]}x{size[1]} is too small to score; VMAF needs at least 32 pixels"
    refused(2, words, "-r", path, "-d", path, *PLAIN)


def test_unequal_lengths_of_which_one_is_read_at_a_wrong_depth_say_so(
    refused: Refusals, tmp_path: Path
) -> None:
    deep = write_raw(tmp_path / "deep.yuv", smooth_frames(PixelFormat("420", 10), 96, 64, 4))
    flat = write_raw(tmp_path / "flat.yuv", smooth_frames(P8, 96, 64, 4))
    geometry = ("-w", 96, "--height", 64, "--pix-fmt", "yuv420p")
    said = refused(2, "has 8 frames, the distorted", "-r", deep, "-d", flat, *geometry, *PLAIN)
    assert 0 < said.index("--shortest") < said.index("if they are, type --pix-fmt yuv420p10le")


def test_unequal_lengths_are_refused_with_both(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair
) -> None:
    short = tmp_path / "short.y4m"
    short.write_bytes(WHOLE)
    refused(2, "has 8 frames, the distorted", *both_ways(short, tiny_pair.reference)[0])
    refused(2, "has 3 frames, the distorted", *both_ways(short, tiny_pair.reference)[1])


@pytest.mark.usefixtures("unstarted")
def test_unequal_lengths_of_raw_video_are_refused_before_vmaf_is_started(
    refused: Refusals, tmp_path: Path
) -> None:
    four = write_raw(tmp_path / "four.yuv", smooth_frames(P8, 96, 64, 4))
    three = write_raw(tmp_path / "three.yuv", smooth_frames(P8, 96, 64, 3))
    geometry = ("-w", 96, "--height", 64, "--pix-fmt", "yuv420p")
    refused(2, "has 4 frames, the distorted", *both_ways(three, four)[0], *geometry)


@pytest.mark.usefixtures("unstarted")
@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ("W64 H96", "differ in size: "),
        ("W96 H64 C422", "differ in chroma subsampling: "),
        ("W96 H64 C420p10", "differ in bit depth: "),
        ("W64 H96 C444p16", "differ in size and bit depth and chroma subsampling: "),
    ],
)
def test_pairs_that_differ_are_refused_with_both_geometries(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, parameters: str, words: str
) -> None:
    bad = tmp_path / "bad.y4m"
    info, _ = parse_header(f"YUV4MPEG2 {parameters}\n".encode(), bad)
    samples = bytes(info.pixel_format.frame_bytes(info.width, info.height))
    bad.write_bytes(f"YUV4MPEG2 {parameters}\n".encode() + b"FRAME\n" + samples)
    for arguments in both_ways(bad, tiny_pair.reference):
        said = refused(2, words, *arguments)
        assert "96x64 4:2:0 8-bit" in said
        assert str(bad) in said


# What FFmpeg decodes


def container(path: Path, size: str, pixels: str = "yuv420p") -> Path:
    source = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", "-frames:v", 5)
    run_ffmpeg(*source, "-pix_fmt", pixels, "-c:v", "libx264", "-bf", 0, path)
    return path


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (("128x64", "yuv420p"), "changes from 96x64 yuv420p to 128x64 yuv420p at frame 5"),
        (("96x64", "yuv422p"), "changes from 96x64 yuv420p to 96x64 yuv422p at frame 5"),
    ],
)
def test_a_change_midway_is_refused_at_its_frame(
    refused: Refusals, tmp_path: Path, second: tuple[str, str], words: str
) -> None:
    first = container(tmp_path / "first.h264", "96x64").read_bytes()
    path = tmp_path / "joined.h264"
    path.write_bytes(first + container(tmp_path / "second.h264", *second).read_bytes())
    refused(2, words, "-r", path, "-d", path, *PLAIN)


@pytest.mark.usefixtures("unstarted")
def test_a_container_that_is_cut_off_is_refused_before_vmaf_is_started(
    refused: Refusals, tmp_path: Path
) -> None:
    path = container(tmp_path / "clip.mp4", "96x64")
    os.truncate(path, path.stat().st_size - 100)
    refused(2, "is cut off: 100 bytes are missing at its end", "-r", path, "-d", path, *PLAIN)


@pytest.mark.usefixtures("unstarted")
def test_a_container_without_a_frame_is_refused(refused: Refusals, tmp_path: Path) -> None:
    sound = container(tmp_path / "sound.mp4", "96x64")
    path = tmp_path / "clip.mp4"
    run_ffmpeg("-i", sound, "-c", "copy", "-frames:v", 0, "-movflags", "+empty_moov", path)
    refused(2, "clip.mp4: ", "-r", path, "-d", path, *PLAIN)


@pytest.mark.usefixtures("unstarted")
def test_a_huge_container_is_refused_before_vmaf_is_started(
    refused: Refusals, tmp_path: Path
) -> None:
    path = tmp_path / "huge.mkv"
    source = ("-f", "lavfi", "-i", "color=size=16400x32", "-frames:v", 1)
    run_ffmpeg(*source, "-pix_fmt", "yuv420p", "-c:v", "ffv1", path)
    words = "frames of 16400x32 yuv420p would take 0.0 GB each; the largest side"
    refused(2, words, "-r", path, "-d", path, *PLAIN)


# Odd sizes are scored


@pytest.mark.parametrize("size", [(97, 64), (96, 65), (97, 65)])
def test_odd_sizes_are_read_as_ffmpeg_reads_them(tmp_path: Path, size: tuple[int, int]) -> None:
    from roi_accel.video import open_video  # noqa: PLC0415 - the only test here without the command

    # Not a source of FFmpeg's own: those make sizes even where chroma is halved.
    raw = write_raw(tmp_path / "odd.yuv", smooth_frames(P8, 98, 66, 3))
    path = tmp_path / "odd.y4m"
    even = ("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "98x66", "-i", raw)
    run_ffmpeg(*even, "-vf", f"crop={size[0]}:{size[1]}:0:0:exact=1", path)
    run_ffmpeg("-i", path, "-f", "rawvideo", raw)
    assert f" W{size[0]} H{size[1]} ".encode() in path.read_bytes()[:100]
    planes = [plane for frame in open_video(path) for plane in frame.planes]
    assert b"".join(map(np.ndarray.tobytes, planes)) == raw.read_bytes()


# What a hostile file may take: its own process, so that only its own memory is counted

_MEASURED = """
import sys
from pathlib import Path
from roi_accel.cli.app import main
code = main(sys.argv[2:])
status = Path("/proc/self/status").read_text()
Path(sys.argv[1]).write_text(status.split("VmHWM:")[1].split()[0])
sys.exit(code)
"""

MOST_KIB = 200 * 1024


def sparse(path: Path, begin: bytes, size: int = 1 << 30) -> Path:
    with path.open("wb") as file:
        file.write(begin)
        file.truncate(size)
    return path


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="VmHWM is read from /proc")
@pytest.mark.parametrize(
    ("begin", "size", "words"),
    [
        (b"YUV4MPEG2 W70000 H70000\nFRAME\n", 1 << 30, "would take 7.3 GB each"),
        (b"YUV4MPEG2 W999999999 H999999999\nFRAME\n", 1 << 30, "GB each"),
        (b"YUV4MPEG2 W-96 H64\nFRAME\n", 1 << 30, "'-96' as width"),
        (b"YUV4MPEG2 W96 H64 ", 1 << 30, "no newline in its first 4096 bytes"),
        (HEADER + FRAME + b"FRAME", 1 << 30, "frame 1 begins with b'FRAME\\x00"),
        (HEADER + FRAME, len(HEADER) + 2 * len(FRAME) - 1, "frame 1 begins with"),
        (WHOLE, len(WHOLE) - 1, "frame 2 is truncated: 1 of its 9216 bytes"),
    ],
    ids=["70000x70000", "huge", "negative", "1 GB header", "1 GB marker", "zeros", "truncated"],
)
def test_a_hostile_y4m_file_takes_little_memory(
    tmp_path: Path, begin: bytes, size: int, words: str
) -> None:
    path = sparse(tmp_path / "hostile.y4m", begin, size)
    peak, output = tmp_path / "peak", tmp_path / "result.json"
    arguments = ["score", "-r", path, "-d", path, "-o", output, *PLAIN]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(peak), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("roi-accel: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr
    assert not output.exists()
    assert int(peak.read_text()) < MOST_KIB
