"""Masks that are none: whatever they come from, nothing is clipped, guessed or masked by half."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import P8, run_ffmpeg, write_y4m

from roi_accel.backends.frame import Frame
from roi_accel.scorers.scoring import ProgramScoring

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair
    from refusals import Refusals

    from roi_accel.backends.frame import FrameSet

networks = pytest.importorskip("networks", reason="writing a network needs onnx")

NUMPY = ("--backend", "numpy")
BLACK, GRAY, WHITE = 16, 150, 235
BAD_FRAME = 5


def flat(luma: int) -> Frame:
    y, u, v = (
        np.full(shape, code, np.uint8)
        for shape, code in zip(P8.plane_shapes(96, 64), (luma, 128, 128), strict=True)
    )
    return Frame((y, u, v), P8)


def clip(path: Path, *, then: int) -> Path:
    """Write five gray frames and three of another luma, at which a network may break."""
    return write_y4m(path, [flat(GRAY)] * BAD_FRAME + [flat(then)] * 3)


@pytest.mark.parametrize(
    ("last", "gain", "then", "words"),
    [
        ("Sqrt", 1.0, BLACK, "saliency nan at y=0, x=0 is not in [0, 1]"),
        ("Relu", 1.0, WHITE, "saliency 2.4"),
        ("Identity", 1.0, BLACK, "saliency -1.9"),
        ("Reciprocal", 0.0, GRAY, "saliency inf at y=0, x=0 is not in [0, 1]"),
    ],
    ids=["NaN", "above 1", "below 0", "infinite"],
)
def test_a_map_that_is_no_mask_is_refused_at_its_frame(
    refused: Refusals, tmp_path: Path, last: str, gain: float, then: int, words: str
) -> None:
    contract = networks.Contract(last=last, gain=gain)
    network = networks.write_network(tmp_path / "network.onnx", contract)
    path = clip(tmp_path / "clip.y4m", then=then)
    said = refused(3, words, "-r", path, "-d", path, "--saliency-model", network, *NUMPY)
    assert f"frame {0 if last == 'Reciprocal' else BAD_FRAME}: network " in said


@pytest.mark.parametrize(("beyond", "code"), [(5e-7, 0), (3e-6, 3)])
def test_a_map_may_miss_its_range_by_a_millionth_and_no_more(
    refused: Refusals,
    tmp_path: Path,
    tiny_pair: Pair,
    monkeypatch: pytest.MonkeyPatch,
    beyond: float,
    code: int,
) -> None:
    from roi_accel.cli import app  # noqa: PLC0415 - the only run here that may succeed
    from roi_accel.inference.network import SaliencyNetwork  # noqa: PLC0415

    def infer(_: SaliencyNetwork, model_input: np.ndarray) -> np.ndarray:
        return np.full(model_input.shape[2:], 1 + beyond, np.float32)

    monkeypatch.setattr(SaliencyNetwork, "infer", infer)
    arguments = ["-r", tiny_pair.reference, "-d", tiny_pair.distorted, *NUMPY, "--quiet"]
    if code:
        refused(code, "is not in [0, 1]", *arguments)
    else:
        output = tmp_path / "result.json"
        assert app.main(list(map(str, ["score", "-o", output, *arguments]))) == 0


def test_a_map_of_another_shape_is_refused(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair
) -> None:
    network = networks.write_network(tmp_path / "half.onnx", networks.Contract(stride=2))
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    words = "gave float32 (1, 1, 84, 128), expected float32 (1, 1, 168, 256)"
    refused(3, words, *pair, "--saliency-model", network, *NUMPY)


# Files


def picture(path: Path, size: str, pixels: str = "gray", *, frames: int = 1) -> Path:
    source = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=25", "-frames:v", frames)
    codec = ("-c:v", "ffv1") if path.suffix == ".mkv" else ()
    run_ffmpeg(*source, "-pix_fmt", pixels, *codec, path)
    return path


def png(width: int, height: int, data: bytes) -> bytes:
    """Return a gray PNG that says it has this size, whatever its data have."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    size = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", size)
    return start + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("name", "size", "pixels", "frames", "words"),
    [
        ("square.png", "64x64", "gray", 1, "64x64 has another shape than the 96x64 frame"),
        ("colour.png", "96x64", "rgb24", 1, "not a gray picture: red, green and blue differ"),
        ("colour.mkv", "96x64", "yuv420p", 8, "frame 0: not a gray picture: its chroma is not"),
        ("short.mkv", "96x64", "gray16le", 7, "ends after 7 frames; frame 7 has no mask"),
        ("long.mkv", "96x64", "gray16le", 9, "goes on after frame 7, the video's last"),
    ],
)
def test_a_mask_file_of_another_shape_count_or_type_is_refused(
    refused: Refusals,
    tmp_path: Path,
    tiny_pair: Pair,
    name: str,
    size: str,
    pixels: str,
    frames: int,
    words: str,
) -> None:
    mask = picture(tmp_path / name, size, pixels, frames=frames)
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    refused(2, words, *pair, "--mask", mask, *NUMPY)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture", "neither a picture nor a video that FFmpeg reads"),
        (png(96, 64, np.random.default_rng(0).bytes(97 * 64))[:-999], "damaged"),
        (png(60000, 60000, bytes(1000)), "larger than any mask may be"),
        (png(16000, 16000, bytes(1000)), "larger"),
    ],
    ids=["text", "cut off", "bomb", "large"],
)
def test_a_picture_that_is_none_is_refused(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, content: bytes, words: str
) -> None:
    (tmp_path / "mask.png").write_bytes(content)
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    refused(2, words, *pair, "--mask", tmp_path / "mask.png", *NUMPY)


_MEASURED = """
import sys
from pathlib import Path
from roi_accel.cli.app import main
import av
status = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
before = status()
code = main(sys.argv[2:])
Path(sys.argv[1]).write_text(str(status() - before))
sys.exit(code)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="VmHWM is read from /proc")
def test_a_decompression_bomb_is_never_decoded(tmp_path: Path) -> None:
    video = write_y4m(tmp_path / "clip.y4m", [flat(GRAY)] * 2)
    with video.open("wb") as stream:  # sparse, and whole
        header = b"YUV4MPEG2 W16000 H16000 C420\nFRAME\n"
        stream.write(header)
        stream.truncate(len(header) + 16000 * 16000 * 3 // 2)
    (tmp_path / "bomb.png").write_bytes(png(16000, 16000, bytes(16001 * 16000)))
    arguments = ["score", "-r", video, "-d", video, "--mask", tmp_path / "bomb.png", *NUMPY]
    done = subprocess.run(
        [sys.executable, "-c", _MEASURED, str(tmp_path / "grown"), *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert "larger" in done.stderr
    assert done.stderr.count("\n") == 1
    assert int((tmp_path / "grown").read_text()) < 100 * 1024  # KiB; the picture alone has 250,000


# Options


@pytest.mark.parametrize("option", ["--threshold", "--fade", "--weight"])
@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "-0.001", "1.001"])
def test_a_number_out_of_range_is_refused(
    refused: Refusals, tiny_pair: Pair, option: str, value: str
) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--synthetic-mask", 1)
    words = f"{option[2:]} must be from 0 to 1, not {value}"
    refused(2, words, *pair, f"{option}={value}", *NUMPY)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--synthetic-mask", "nan"), "must be from 0 to 1, not nan"),
        (("--synthetic-mask", "1.5"), "must be from 0 to 1, not 1.5"),
        (("--roi", "0,0,8"), "expected four whole numbers X,Y,W,H"),
        (("--roi", "0,0,0,8"), "width and height must be at least 1, not 0x8"),
        (("--roi", "96,0,8,8"), "lies outside the 96x64 frame"),
    ],
)
def test_a_mask_option_out_of_range_is_refused(
    refused: Refusals, tiny_pair: Pair, options: tuple[str, str], words: str
) -> None:
    refused(2, words, "-r", tiny_pair.reference, "-d", tiny_pair.distorted, *options, *NUMPY)


# A mask that changes


def test_a_mask_clip_that_changes_during_the_run_is_refused(
    refused: Refusals, tmp_path: Path, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    mask = picture(tmp_path / "mask.mkv", "96x64", "gray16le", frames=tiny_pair.frames)
    feed = ProgramScoring.feed

    def touch(self: ProgramScoring, frames: FrameSet) -> None:
        with mask.open("ab") as file:
            file.write(b"\0")
        feed(self, frames)

    monkeypatch.setattr(ProgramScoring, "feed", touch)
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    refused(2, "changed while it was being read", *pair, "--mask", mask, *NUMPY)
