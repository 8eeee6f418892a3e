"""Videos of another size are scaled as ffmpeg scales them, where it is asked for."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clips import P8, damaged, raw_bytes, run_ffmpeg, smooth_frames, write_raw, write_y4m
from scored import metrics, score

import roi_accel
from roi_accel.backends.frame import PixelFormat
from roi_accel.errors import InputError
from roi_accel.scorers.ffmpeg import bundled_ffmpeg
from roi_accel.video import RawGeometry, ScaledReader, open_video
from roi_accel.video.scaling import KERNELS, TargetSize, flags_of

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.frame import Frame

FORMATS = [PixelFormat(s, b) for s, b in (("420", 8), ("420", 10), ("422", 12), ("444", 16))]
FLAGS = "bicubic+accurate_rnd+full_chroma_int+bitexact"


@pytest.fixture
def reference(tmp_path: Path, good: list[Frame]) -> Path:
    return write_y4m(tmp_path / "reference.y4m", good)


@pytest.fixture
def smaller(tmp_path: Path) -> Path:
    """Return a distorted video of two thirds of the reference's size."""
    return write_y4m(tmp_path / "smaller.y4m", damaged(smooth_frames(P8, 64, 42, 12), step=20))


def ffmpeg_scaled(path: Path, pixel_format: PixelFormat, size: str, scaled: str) -> bytes:
    """Return the bytes that the real ffmpeg makes of a raw file."""
    out = path.with_suffix(".scaled")
    run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", pixel_format.name, "-s", size, "-i", path),
        *("-vf", f"scale={scaled}", "-f", "rawvideo", "-pix_fmt", pixel_format.name, out),
    )
    return out.read_bytes()


@pytest.mark.parametrize("pixel_format", FORMATS, ids=lambda f: f.name)
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("size", [(160, 90), (63, 37)], ids=["up", "down-to-odd"])
def test_scaled_frames_are_the_bytes_that_the_real_ffmpeg_makes(
    tmp_path: Path, pixel_format: PixelFormat, kernel: Any, size: tuple[int, int]
) -> None:
    path = write_raw(tmp_path / "clip.yuv", smooth_frames(pixel_format, 98, 66, 3))
    width, height = size
    expected = ffmpeg_scaled(
        path, pixel_format, "98x66", f"{width}:{height}:flags={flags_of(kernel)}"
    )
    reader = open_video(path, raw=RawGeometry(98, 66, pixel_format))
    with ScaledReader(reader, width=width, height=height, kernel=kernel) as scaled:
        frames = list(scaled)
    assert (scaled.info.width, scaled.info.height, scaled.info.scaled_from) == (*size, (98, 66))
    assert raw_bytes(frames) == expected


def test_kernels_differ(tmp_path: Path) -> None:
    path = write_y4m(tmp_path / "clip.y4m", smooth_frames(P8, 96, 64, 1))
    made = {
        raw_bytes(list(ScaledReader(open_video(path), width=160, height=90, kernel=kernel)))
        for kernel in KERNELS
    }
    assert len(made) == len(KERNELS)


def test_flags_are_those_that_the_documents_name() -> None:
    assert flags_of("bicubic") == FLAGS


def test_scaled_frames_outlive_their_reader(tmp_path: Path) -> None:
    path = write_y4m(tmp_path / "clip.y4m", smooth_frames(P8, 96, 64, 5))
    with ScaledReader(open_video(path), width=128, height=80, kernel="bicubic") as reader:
        kept = list(reader)
        copies = [frame.planes[0].copy() for frame in reader]
    assert all(
        np.array_equal(frame.planes[0], copy) for frame, copy in zip(kept, copies, strict=True)
    )


def test_scores_are_those_of_ffmpeg_run_by_hand_to_the_last_digit(
    tmp_path: Path, reference: Path, smaller: Path
) -> None:
    program = bundled_ffmpeg()
    assert program
    graph = f"[0:v]scale=96:64:flags={FLAGS}[d];[d][1:v]libvmaf=log_fmt=json:log_path=log.json"
    command = [program, "-nostdin", "-loglevel", "error", "-i", smaller, "-i", reference]
    command += ["-lavfi", graph, "-f", "null", "-"]
    subprocess.run(command, cwd=tmp_path, check=True)
    by_hand = json.loads((tmp_path / "log.json").read_text())["frames"]
    result = score(reference, smaller, scale="bicubic")
    assert [frame.metrics["vmaf_full"] for frame in result.frames] == [
        frame["metrics"]["vmaf"] for frame in by_hand
    ]
    assert len(by_hand) == 12


def test_sizes_that_differ_are_an_error_whose_remedy_scales(reference: Path, smaller: Path) -> None:
    with pytest.raises(InputError, match="differ in size") as caught:
        score(reference, smaller)
    assert "--scale bicubic" in caught.value.remedy


def test_depth_that_differs_stays_an_error_with_scaling(tmp_path: Path, reference: Path) -> None:
    ten = write_raw(tmp_path / "ten.yuv", smooth_frames(PixelFormat("420", 10), 64, 42, 12))
    deep = tmp_path / "ten.mkv"
    run_ffmpeg(
        *("-f", "rawvideo", "-pix_fmt", "yuv420p10le", "-s", "64x42", "-i", ten),
        *("-c:v", "ffv1", deep),
    )
    with pytest.raises(InputError, match="differ in bit depth"):
        score(reference, deep, scale="bicubic")


def test_scale_to_scales_both(tmp_path: Path, reference: Path, smaller: Path) -> None:
    made = {}
    for path, size in ((reference, "96x64"), (smaller, "64x42")):
        raw = tmp_path / "plain.yuv"
        run_ffmpeg("-i", path, "-f", "rawvideo", "-pix_fmt", "yuv420p", raw)
        made[path] = tmp_path / f"{path.stem}-scaled.yuv"
        made[path].write_bytes(ffmpeg_scaled(raw, P8, size, f"128:72:flags=lanczos+{FLAGS[8:]}"))
    geometry = {"width": 128, "height": 72, "pix_fmt": "yuv420p"}
    expected = score(made[reference], made[smaller], **geometry)
    result = score(reference, smaller, scale="lanczos", scale_to="128x72")
    assert metrics(result) == metrics(expected)


def test_scaling_is_in_the_provenance(reference: Path, smaller: Path) -> None:
    facts = score(reference, smaller, scale="bicubic").provenance
    assert facts["parameters"]["scale"] == "bicubic"
    assert facts["scaling"]["flags"] == FLAGS
    assert facts["scaling"]["libswscale"].count(".") == 2
    assert facts["reference"]["scaled_from"] is None
    assert facts["distorted"]["scaled_from"] == {"width": 64, "height": 42}
    assert (facts["distorted"]["width"], facts["distorted"]["height"]) == (96, 64)


def test_scaling_equal_sizes_changes_nothing(reference: Path) -> None:
    result = score(reference, reference, scale="bicubic")
    assert result.provenance["scaling"] is None
    assert metrics(result) == metrics(score(reference, reference))


def test_every_distorted_video_is_scaled_from_its_own_size(
    reference: Path, smaller: Path, tmp_path: Path
) -> None:
    larger = write_y4m(tmp_path / "larger.y4m", damaged(smooth_frames(P8, 144, 96, 12), step=20))
    together = roi_accel.score(reference, [smaller, larger], synthetic_mask=1, scale="bilinear")
    alone = [score(reference, path, scale="bilinear") for path in (smaller, larger)]
    assert [metrics(result) for result in together] == [metrics(result) for result in alone]


def test_boxes_are_in_pixels_of_the_references_file(reference: Path, smaller: Path) -> None:
    box = score(reference, smaller, scale_to="192x128", roi="0,0,48,64")
    half = score(reference, smaller, scale_to="192x128", roi="0,0,96,64")
    assert [frame.alpha_mean for frame in box.frames] == [0.5] * 12
    assert [frame.alpha_mean for frame in half.frames] == [1.0] * 12


def test_a_picture_that_is_stretched_is_told(reference: Path, tmp_path: Path) -> None:
    wide = write_y4m(tmp_path / "wide.y4m", smooth_frames(P8, 96, 40, 12))
    said = [line for line in score(reference, wide, scale="bicubic").warnings if "stretch" in line]
    assert len(said) == 1
    assert "96x40" in said[0]
    assert "96x64" in said[0]


def test_a_picture_that_keeps_its_shape_is_not_told(reference: Path, smaller: Path) -> None:
    result = score(reference, smaller, scale="bicubic")
    assert not [line for line in result.warnings if "stretch" in line]


@pytest.mark.parametrize(
    ("text", "frame", "size"),
    [
        ("1080p", (3840, 2160), (1920, 1080)),
        ("1080p", (1280, 720), (1920, 1080)),
        ("1080P", (3840, 1600), (1920, 800)),
        ("1080p", (1440, 1080), (1440, 1080)),
        ("1080p", (2160, 3840), (1080, 1920)),
        ("480p", (1920, 1080), (854, 480)),
        ("4k", (1920, 1080), (3840, 2160)),
        ("640x640", (1920, 1080), (640, 640)),
    ],
)
def test_a_name_keeps_the_shape_and_a_size_is_taken_literally(
    text: str, frame: tuple[int, int], size: tuple[int, int]
) -> None:
    assert TargetSize.parse(text).for_frame(*frame) == size


@pytest.mark.parametrize("text", ["", "1080", "0x64", "64x0", "99999x64", "64x64x64", "-64x64"])
def test_a_size_that_is_none_is_refused(reference: Path, text: str) -> None:
    with pytest.raises(InputError, match="scale_to: "):
        score(reference, reference, scale_to=text)


def test_an_unknown_kernel_is_refused(reference: Path) -> None:
    with pytest.raises(InputError, match="bicubic, bilinear, lanczos"):
        score(reference, reference, scale="area")
