"""--mask with a still picture."""

from __future__ import annotations

import hashlib
import json
import shutil
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roi_accel.errors import InputError
from roi_accel.masks.files import MAX_SAMPLES, MaskFile, check_shape
from roi_accel.masks.still import PictureSource

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from roi_accel.masks import Mask

pytestmark = pytest.mark.usefixtures("no_python_warnings")

LOSSLESS_16 = [("png", "gray16be"), ("tiff", "gray16le"), ("pgm", "gray16be"), ("dpx", "gray16le")]
LOSSLESS_16 += [("png", "rgb48be"), ("sgi", "gray16be")]
LOSSLESS_8 = [
    ("png", "gray"),
    ("tiff", "gray"),
    ("pgm", "gray"),
    ("bmp", "bgr24"),
    ("png", "rgb24"),
]


def noise(dtype: Any, *, seed: int = 0, shape: tuple[int, int] = (36, 64)) -> np.ndarray[Any, Any]:
    top = int(np.iinfo(dtype).max)
    return np.random.default_rng(seed).integers(0, top, shape, dtype=dtype, endpoint=True)


def in_layout(gray: np.ndarray[Any, Any], pix_fmt: str) -> np.ndarray[Any, Any]:
    return np.repeat(gray[:, :, np.newaxis], 3, axis=2) if "gray" not in pix_fmt else gray


def png(
    width: int, height: int, *, data: bytes = b"", depth: int = 16, palette: bytes = b""
) -> bytes:
    """A PNG, gray unless it has a palette, that claims a size whatever its data is."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, depth, 3 if palette else 0, 0, 0, 0)
    body = chunk(b"IHDR", head) + (chunk(b"PLTE", palette) if palette else b"")
    body += chunk(b"IDAT", zlib.compress(data))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


@pytest.mark.parametrize(("codec", "pix_fmt"), LOSSLESS_16)
def test_picture_of_16_bits_comes_back_identical(
    tmp_path: Path, encode: Any, open_source: Any, ask: Any, *, codec: str, pix_fmt: str
) -> None:
    gray = noise(np.uint16)
    layout = in_layout(gray, pix_fmt)
    path = tmp_path / f"mask.{codec}"
    encode(path, [layout], codec=codec, pix_fmt=pix_fmt, container="image2")
    source = open_source(mask=path)
    assert isinstance(source, PictureSource)
    (mask,) = ask(source, 0)
    np.testing.assert_array_equal(mask, gray)


@pytest.mark.parametrize(("codec", "pix_fmt"), LOSSLESS_8)
def test_picture_of_8_bits_is_spread_over_16(
    tmp_path: Path, encode: Any, open_source: Any, ask: Any, *, codec: str, pix_fmt: str
) -> None:
    gray = noise(np.uint8)
    path = tmp_path / f"mask.{codec}"
    encode(path, [in_layout(gray, pix_fmt)], codec=codec, pix_fmt=pix_fmt, container="image2")
    (mask,) = ask(open_source(mask=path), 0)
    np.testing.assert_array_equal(mask, gray.astype(np.uint16) * 257)


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(width=st.integers(1, 70), height=st.integers(1, 70), seed=st.integers(0, 2**32))
def test_any_gray16_png_round_trips(
    tmp_path: Path, encode: Any, open_source: Any, *, width: int, height: int, seed: int
) -> None:
    gray = noise(np.uint16, seed=seed, shape=(height, width))
    path = tmp_path / "mask.png"
    encode(path, [gray], codec="png", pix_fmt="gray16be", container="image2")
    (mask,) = open_source(mask=path, width=width, height=height).masks(0, None, None)
    np.testing.assert_array_equal(mask, gray)


def test_jpeg_is_read_within_its_loss(
    tmp_path: Path, encode: Any, open_source: Any, ask: Any
) -> None:
    gray = np.tile(np.linspace(0, 255, 64).round().astype(np.uint8), (36, 1))
    planes = np.concatenate([gray, np.full((18, 64), 128, np.uint8)])
    path = tmp_path / "mask.jpg"
    encode(path, [planes], codec="mjpeg", pix_fmt="yuvj420p", container="image2", qmin=1, qmax=1)
    (mask,) = ask(open_source(mask=path), 0)
    assert np.abs(mask.astype(int) - gray.astype(int) * 257).max() < 6 * 257
    assert mask.min() < 2 * 257  # full range: limited would clamp 16 codes to black


def test_every_frame_gets_the_same_object(
    tmp_path: Path, encode: Any, open_source: Any, ask: Any
) -> None:
    path = encode(
        tmp_path / "a.png", [noise(np.uint8)], codec="png", pix_fmt="gray", container="image2"
    )
    source = open_source(mask=path)
    assert ask(source, 0)[0] is ask(source, 1)[0]


def test_provenance_names_the_file_and_its_digest(
    tmp_path: Path, encode: Any, open_source: Any
) -> None:
    path = encode(
        tmp_path / "a.png", [noise(np.uint8)], codec="png", pix_fmt="gray", container="image2"
    )
    source = open_source(mask=path)
    assert source.label == f"mask:{path}"
    assert json.loads(json.dumps(source.provenance(), allow_nan=False)) == {
        "kind": "picture",
        "path": str(path),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "codec": "png",
        "width": 64,
        "height": 36,
    }


def test_file_is_closed_once_read(tmp_path: Path, encode: Any, open_source: Any) -> None:
    path = encode(
        tmp_path / "a.png", [noise(np.uint8)], codec="png", pix_fmt="gray", container="image2"
    )
    source = open_source(mask=path)
    path.unlink()
    source.finish(3, whole=True)
    source.close()


@pytest.mark.parametrize(
    "name", ["a%03d.png", "[a],b;c'd.png", "-a.png", "http:a.png", "é ü.png", "*.png", "a\nb.png"]
)
def test_any_file_name_is_only_a_file_name(
    tmp_path: Path, encode: Any, open_source: Any, ask: Any, *, name: str
) -> None:
    gray = noise(np.uint16)
    plain = encode(tmp_path / "x.png", [gray], codec="png", pix_fmt="gray16be", container="image2")
    other = noise(np.uint16, seed=1)
    # What FFmpeg would open if it took the name for a pattern.
    encode(tmp_path / "a001.png", [other], codec="png", pix_fmt="gray16be", container="image2")
    shutil.move(plain, tmp_path / name)
    (mask,) = ask(open_source(mask=tmp_path / name), 0)
    np.testing.assert_array_equal(mask, gray)


def test_relative_name_that_looks_like_a_protocol_is_a_file(
    tmp_path: Path, encode: Any, open_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pathlib import Path as AnyPath  # noqa: PLC0415

    path = encode(
        tmp_path / "x.png", [noise(np.uint8)], codec="png", pix_fmt="gray", container="image2"
    )
    monkeypatch.chdir(tmp_path)
    path.rename("concat:x.png")
    assert open_source(mask=AnyPath("concat:x.png")).size == (36, 64)


def test_colour_picture_is_refused(tmp_path: Path, encode: Any, open_source: Any) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (36, 64, 3), dtype=np.uint8)
    path = encode(tmp_path / "a.png", [pixels], codec="png", pix_fmt="rgb24", container="image2")
    with pytest.raises(InputError, match="not a gray picture"):
        open_source(mask=path)


def test_palette_is_taken_for_what_it_shows(tmp_path: Path, open_source: Any, ask: Any) -> None:
    path = tmp_path / "a.png"
    rows = (b"\0" + bytes([0, 1] * 32)) * 36
    path.write_bytes(png(64, 36, depth=8, palette=bytes([200] * 3 + [7] * 3), data=rows))
    (mask,) = ask(open_source(mask=path), 0)
    np.testing.assert_array_equal(mask, np.tile(np.uint16([200 * 257, 7 * 257]), (36, 32)))
    path.write_bytes(png(64, 36, depth=8, palette=bytes([200] * 3 + [7, 7, 8]), data=rows))
    with pytest.raises(InputError, match="differ at x=1, y=0"):
        open_source(mask=path)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_png_of_few_bits_spans_the_whole_scale(
    tmp_path: Path, open_source: Any, ask: Any, depth: int
) -> None:
    path = tmp_path / "a.png"
    row = np.arange(64) % (1 << depth)
    bits = row[:, np.newaxis] >> np.arange(depth)[::-1] & 1
    packed = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
    path.write_bytes(png(64, 36, depth=depth, data=(b"\0" + packed) * 36))
    (mask,) = ask(open_source(mask=path), 0)
    np.testing.assert_array_equal(mask, np.tile(row * 65535 // ((1 << depth) - 1), (36, 1)))


def test_transparent_picture_is_refused(tmp_path: Path, encode: Any, open_source: Any) -> None:
    pixels = np.full((36, 64, 4), 255, np.uint8)
    path = tmp_path / "a.png"
    encode(path, [pixels], codec="png", pix_fmt="rgba", container="image2")
    assert open_source(mask=path).size == (36, 64)
    pixels[3, 3, 3] = 0
    encode(path, [pixels], codec="png", pix_fmt="rgba", container="image2")
    with pytest.raises(InputError, match="transparent"):
        open_source(mask=path)


@pytest.mark.parametrize(
    ("mask", "frame"),
    [
        ((36, 64), (1080, 1920)),
        ((1080, 1920), (1080, 1920)),
        ((2160, 3840), (1080, 1920)),
        ((107, 256), (804, 1920)),  # 107.2 rows, rounded
        ((108, 256), (804, 1920)),
        ((104, 256), (804, 1920)),  # as a network's mask: sides rounded to multiples of 8
        ((248, 184), (1001, 747)),
        ((8, 256), (32, 8192)),
        ((1, 1), (1080, 1920)),
    ],
)
def test_shapes_equal_up_to_rounding_are_taken(
    mask: tuple[int, int], frame: tuple[int, int]
) -> None:
    check_shape(mask, frame, "it")


@pytest.mark.parametrize(
    ("mask", "frame"),
    [
        ((1920, 1080), (1080, 1920)),
        ((480, 640), (1080, 1920)),
        ((1072, 1920), (1080, 1920)),
        ((1088, 1920), (1080, 1920)),
        ((110, 256), (804, 1920)),
        ((105, 256), (804, 1920)),
        ((64, 64), (36, 64)),
    ],
)
def test_other_shapes_are_refused_with_both_sizes(
    mask: tuple[int, int], frame: tuple[int, int]
) -> None:
    with pytest.raises(InputError) as caught:
        check_shape(mask, frame, "it")
    for height, width in (mask, frame):
        assert f"{width}x{height}" in str(caught.value)
        assert f"{width / height:.4f}" in str(caught.value)


@given(st.integers(64, 512), st.integers(32, 4320), st.integers(32, 8192))
def test_every_network_mask_fits_its_frame(long_side: int, height: int, width: int) -> None:
    scale = long_side / max(height, width)
    sides = [max(8, int(side * scale / 8 + 0.5) * 8) for side in (height, width)]
    check_shape((sides[0], sides[1]), (height, width), "it")


def test_picture_of_another_shape_is_refused(tmp_path: Path, encode: Any, open_source: Any) -> None:
    path = encode(
        tmp_path / "a.png",
        [noise(np.uint8, shape=(64, 64))],
        codec="png",
        pix_fmt="gray",
        container="image2",
    )
    with pytest.raises(InputError, match="64x64 has another shape than the 64x36 frame"):
        open_source(mask=path)


@pytest.mark.parametrize(
    ("width", "height"), [(65535, 65535), (30000, 30000), (2**31 - 1, 2**31 - 1), (0, 36)]
)
def test_decompression_bomb_is_refused_before_decoding(
    tmp_path: Path, open_source: Any, width: int, height: int
) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png(width, height, data=b"\0" * 1_000_000))
    with pytest.raises(InputError, match="larger than any mask may be") as caught:
        open_source(mask=path, width=1920, height=1080)
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("width", "height"), [(16385, 100), (100, 16385), (16000, 16000)])
def test_picture_above_the_limits_is_refused_with_its_size(
    tmp_path: Path, open_source: Any, width: int, height: int
) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png(width, height, data=b"\0" * 1000))
    with pytest.raises(InputError, match=f"{width}x{height} is larger than a mask may be|larger"):
        open_source(mask=path, width=width, height=height)


_MEMORY_OF_A_BOMB = """
import resource, sys
from pathlib import Path
from roi_accel.errors import InputError
from roi_accel.masks import open_mask_source
import av
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    open_mask_source(mask=Path(sys.argv[1]), width=16000, height=16000)
except InputError:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_refusing_a_bomb_takes_no_memory(tmp_path: Path) -> None:
    assert MAX_SAMPLES < 16000 * 16000
    path = tmp_path / "bomb.png"
    path.write_bytes(png(16000, 16000, data=b"\0" * (1 << 20)))
    command = [sys.executable, "-c", _MEMORY_OF_A_BOMB, str(path)]
    grown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert int(grown) < 50_000  # KiB on Linux; the picture alone would be 500,000


@pytest.mark.parametrize("content", [b"hello", bytes(range(256)) * 64, b"\0" * 100_000])
def test_what_is_neither_picture_nor_video_is_refused_and_raw_gray_is_named(
    tmp_path: Path, open_source: Any, content: bytes
) -> None:
    path = tmp_path / "mask.gray"
    path.write_bytes(content)
    with pytest.raises(InputError, match="raw gray samples") as caught:
        open_source(mask=path)
    assert "ffmpeg -f rawvideo" in caught.value.remedy


def test_an_empty_file_is_refused(tmp_path: Path, open_source: Any) -> None:
    (tmp_path / "mask.png").touch()
    with pytest.raises(InputError, match=r"--mask .*mask\.png: is empty"):
        open_source(mask=tmp_path / "mask.png")


def test_playlists_open_no_other_file(
    tmp_path: Path, encode: Any, open_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where FFmpeg, which does not know the playlist's name, looks
    encode(tmp_path / "a.mkv", [noise(np.uint8)], codec="ffv1", pix_fmt="gray")
    path = tmp_path / "list.ffconcat"
    path.write_text("ffconcat version 1.0\nfile 'a.mkv'\n")
    with pytest.raises(InputError, match="neither a picture nor a video"):
        open_source(mask=path)


@pytest.mark.parametrize(
    ("codec", "pix_fmt"), [("png", "gray16be"), ("tiff", "gray16le"), ("pgm", "gray16be")]
)
def test_truncated_picture_is_refused(
    tmp_path: Path, encode: Any, open_source: Any, codec: str, pix_fmt: str
) -> None:
    path = tmp_path / f"a.{codec}"
    encode(path, [noise(np.uint16)], codec=codec, pix_fmt=pix_fmt, container="image2")
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match="damaged"):
        open_source(mask=path)


def test_truncated_jpeg_is_refused(tmp_path: Path, encode: Any, open_source: Any) -> None:
    planes = np.concatenate([noise(np.uint8), np.full((18, 64), 128, np.uint8)])
    path = tmp_path / "a.jpg"
    encode(path, [planes], codec="mjpeg", pix_fmt="yuvj420p", container="image2")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match="cannot be decoded"):
        open_source(mask=path)


def test_two_pictures_in_one_file_are_refused(
    tmp_path: Path, encode: Any, open_source: Any
) -> None:
    path = encode(
        tmp_path / "a.png", [noise(np.uint8)], codec="png", pix_fmt="gray", container="image2"
    )
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(InputError, match="more than one picture"):
        open_source(mask=path)


def test_avif_is_a_picture_although_its_container_is_a_videos(
    tmp_path: Path, ffmpeg: str, open_source: Any, ask: Any
) -> None:
    lavfi = "color=0x404040:size=64x36"
    command = f"{ffmpeg} -v error -f lavfi -i {lavfi} -c:v libaom-av1 -still-picture 1 -frames:v 1"
    subprocess.run([*command.split(), "a.avif"], check=True, cwd=tmp_path)
    source = open_source(mask=tmp_path / "a.avif")
    assert isinstance(source, PictureSource)
    assert np.abs(ask(source, 5)[0].astype(int) - 0x4040).max() <= 257


def test_format_without_a_decoder_is_refused(tmp_path: Path, open_source: Any) -> None:
    path = tmp_path / "a.jxl"
    path.write_bytes(b"\xff\x0aQ\x07\x00\x13\x88\x02\x00M\x15\xb5\x9f \x00\x00")
    # An FFmpeg that has one finds these bytes too few.
    with pytest.raises(InputError, match=r"no decoder|damaged"):
        open_source(mask=path)


def test_file_that_decodes_to_nothing_is_refused(tmp_path: Path) -> None:
    class Nothing(MaskFile):
        codec = "png"

        def _examine(self) -> None:
            self.size = (36, 64)

        def masks(self) -> Generator[Mask]:
            yield from ()

    path = tmp_path / "a.png"
    path.write_bytes(b"x")
    file = Nothing(path, width=64, height=36)
    with pytest.raises(InputError, match="does not hold a picture"):
        PictureSource(file)
    assert file._file.closed  # noqa: SLF001


def test_sound_without_picture_is_refused(tmp_path: Path, av: Any, open_source: Any) -> None:
    path = tmp_path / "a.wav"
    with av.open(str(path), "w") as output:
        stream = output.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        output.mux(stream.encode(frame))
        output.mux(stream.encode())
    with pytest.raises(InputError, match="has 0 video streams"):
        open_source(mask=path)


def test_missing_file_and_folder_are_refused(tmp_path: Path, open_source: Any) -> None:
    with pytest.raises(InputError, match=r"--mask .*none\.png: no such file"):
        open_source(mask=tmp_path / "none.png")
    with pytest.raises(InputError, match="not a regular file"):
        open_source(mask=tmp_path)


def test_missing_pyav_is_an_input_error_with_the_remedy(
    tmp_path: Path, open_source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(64, 36))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(InputError) as caught:
        open_source(mask=path)
    assert caught.value.remedy == 'pip install "roi-accel[cpu]"'


def test_importing_masks_imports_no_pyav() -> None:
    code = "import sys, roi_accel.masks; sys.exit('av' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(
    max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(st.data())
def test_damaged_pictures_give_only_input_errors(
    tmp_path: Path, open_source: Any, opened: list[Any], data: st.DataObject
) -> None:
    rows = b"".join(b"\0" + bytes(128) for _ in range(36))
    content = bytearray(png(64, 36, data=rows))
    for _ in range(data.draw(st.integers(0, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a.png"
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    message = ""
    try:
        open_source(mask=path)
    except InputError as error:
        message = str(error)
    assert "\n" not in message
    opened.clear()
