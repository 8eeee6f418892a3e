"""Claims about real PQ and HLG files: what the result says of them, and how people are warned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from clips import run_ffmpeg, smooth_frames, write_raw

import roi_accel
from roi_accel.backends.frame import PixelFormat

if TYPE_CHECKING:
    from pathlib import Path

P10 = PixelFormat("420", 10)
WIDTH, HEIGHT, FRAMES = 128, 96, 4
BT2020 = ("-color_primaries", "bt2020", "-colorspace", "bt2020nc", "-color_range", "tv")
X265 = ("-c:v", "libx265", "-preset", "ultrafast")
FILES = {
    "mp4": (".mp4", *X265, "-tag:v", "hvc1"),
    "mkv": (".mkv", *X265),
    "ffv1 in mkv": (".mkv", "-c:v", "ffv1"),
}
KINDS = [("smpte2084", "PQ"), ("arib-std-b67", "HLG")]


def write(
    folder: Path, name: str, file: str, transfer: str, *, quality: int = 4, sei: int | None = None
) -> Path:
    """Write a clip of 10 bits in BT.2020 whose stream declares `transfer`."""
    raw = write_raw(folder / "frames.yuv", smooth_frames(P10, WIDTH, HEIGHT, FRAMES))
    suffix, *codec = FILES[file]
    tags = [*BT2020, "-color_trc", transfer]
    shape = ["-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", f"{WIDTH}x{HEIGHT}", "-r", "24"]
    path = folder / f"{name}{suffix}"
    if "libx265" in codec:
        said = f"log-level=error:qp={quality}" + (f":atc-sei={sei}" if sei else "")
        codec += ["-x265-params", said]
    # FFmpeg hands an encoder the tags of the frames, which a filter sets.
    filters = f"setparams=color_primaries=bt2020:color_trc={transfer}:colorspace=bt2020nc:range=tv"
    run_ffmpeg(*shape, "-i", raw, "-vf", filters, *codec, *tags, path)
    return path


def scored(reference: Path, distorted: Path) -> dict[str, Any]:
    return roi_accel.score(reference, distorted).to_dict()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize(("transfer", "kind"), KINDS)
def test_it_is_scored_and_the_result_says_what_it_is(
    tmp_path: Path, transfer: str, kind: str, file: str
) -> None:
    reference = write(tmp_path, "reference", file, transfer)
    distorted = write(tmp_path, "distorted", "mp4", transfer, quality=44)
    result = scored(reference, distorted)
    for each in ("reference", "distorted"):
        video = result["provenance"][each]
        assert video["pixel_format"] == "yuv420p10le"
        assert (video["colour_matrix"], video["colour_matrix_source"]) == ("bt2020", "stream")
        assert (video["transfer"], video["hdr"]) == (transfer, kind)
    (warning,) = [line for line in result["warnings"] if "HDR" in line]
    assert warning.startswith(f"the transfer is {kind} ({transfer}), which is HDR: ")
    assert len(result["frames"]) == FRAMES
    assert 0 < result["vmaf_full"] < result["vmaf_masked"] < 100


def test_bt2020_without_such_a_transfer_is_no_hdr(tmp_path: Path) -> None:
    reference = write(tmp_path, "reference", "mkv", "bt2020-10")
    distorted = write(tmp_path, "distorted", "mp4", "bt2020-10", quality=44)
    result = scored(reference, distorted)
    assert result["provenance"]["reference"]["transfer"] == "bt2020-10"
    assert result["provenance"]["reference"]["hdr"] is None
    assert not [line for line in result["warnings"] if "HDR" in line]


def test_a_pair_of_which_one_is_hdr_is_told_so_and_that_they_differ(tmp_path: Path) -> None:
    reference = write(tmp_path, "reference", "mp4", "smpte2084")
    distorted = write(tmp_path, "distorted", "mkv", "bt2020-10", quality=44)
    result = scored(reference, distorted)
    hdr = [result["provenance"][each]["hdr"] for each in ("reference", "distorted")]
    assert hdr == ["PQ", None]
    said = "\n".join(result["warnings"])
    assert "transfer differs: the reference's is smpte2084, that of" in said
    assert "the transfer is PQ (smpte2084), which is HDR" in said


@pytest.mark.parametrize("file", ["mp4", "mkv"])
def test_hlg_that_calls_itself_sdr_for_old_players_is_hlg(tmp_path: Path, file: str) -> None:
    """ITU-T H.265 has a message (alternative transfer characteristics) for that; DVB uses it."""
    reference = write(tmp_path, "reference", file, "bt2020-10", sei=18)
    result = scored(reference, write(tmp_path, "distorted", file, "bt2020-10", quality=44, sei=18))
    assert result["provenance"]["reference"]["hdr"] == "HLG"
