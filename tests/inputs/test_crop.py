"""Black bars are found and told, and left out where it is asked for; masks stay where they were."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clips import P8, damaged, run_ffmpeg, smooth_frames, write_raw, write_y4m
from scored import metrics, score

from roi_accel.backends.frame import ColourRange, Frame, PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.plan import Plan
from roi_accel.errors import InputError
from roi_accel.masks import CroppedSource, open_mask_source
from roi_accel.video import BarFinder, Rectangle, open_video

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.protocol import Backend
    from roi_accel.video import VideoInfo

TOP, LEFT = 16, 8
RECTANGLE = "96:64:8:16"


def barred(frames: list[Frame], *, noise: int = 0) -> list[Frame]:
    """Return the frames with 16 black rows above and 20 below, 8 black columns left, 6 right."""
    rng = np.random.default_rng(0)
    result = []
    for frame in frames:
        scale = frame.pixel_format.bit_depth - 8
        planes = []
        for plane, fill, shrink in zip(frame.planes, (16, 128, 128), (1, 2, 2), strict=True):
            pads = ((TOP // shrink, 20 // shrink), (LEFT // shrink, 6 // shrink))
            out = np.pad(plane, pads, constant_values=fill << scale)
            if noise and shrink == 1:
                inside = np.zeros(out.shape, bool)
                inside[TOP:-20, LEFT:-6] = True
                grain = rng.integers(0, noise + 1, out.shape).astype(out.dtype) << scale
                out = np.where(inside, out, out + grain).astype(out.dtype)
            planes.append(out)
        result.append(Frame((planes[0], planes[1], planes[2]), frame.pixel_format))
    return result


@pytest.fixture
def inner(tmp_path: Path, good: list[Frame], bad: list[Frame]) -> tuple[Path, Path]:
    """Return a pair without bars."""
    return write_y4m(tmp_path / "ref.y4m", good), write_y4m(tmp_path / "dist.y4m", bad)


@pytest.fixture
def outer(tmp_path: Path, good: list[Frame], bad: list[Frame]) -> tuple[Path, Path]:
    """Return the same pair with bars around it."""
    return (
        write_y4m(tmp_path / "barred-ref.y4m", barred(good)),
        write_y4m(tmp_path / "barred-dist.y4m", barred(bad)),
    )


@pytest.fixture
def info(inner: tuple[Path, Path]) -> VideoInfo:
    return open_video(inner[0]).info


# What is told


def test_bars_are_told_with_their_numbers(outer: tuple[Path, Path]) -> None:
    (line,) = [line for line in score(*outer).warnings if "black bars" in line]
    assert "16 at the top, 20 at the bottom, 8 at the left, 6 at the right" in line
    assert "44% of the frame" in line
    assert "--crop auto" in line


def test_bars_change_the_score_which_is_why_they_are_told(
    inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    assert abs(score(*outer).vmaf_full - score(*inner).vmaf_full) > 1


def test_a_picture_without_bars_has_nothing_to_tell(inner: tuple[Path, Path]) -> None:
    assert not score(*inner).warnings


def looked_at(info: VideoInfo, frames: list[Frame]) -> BarFinder:
    finder = BarFinder(replace(info, width=frames[0].width, height=frames[0].height))
    for frame in frames:
        finder.look(frame)
    return finder


def test_a_title_on_black_is_no_bar_once_the_picture_fills_the_frame(
    info: VideoInfo, good: list[Frame]
) -> None:
    title = [frame.planes[0].copy() for frame in good[:3]]
    for plane in title:
        plane[:20], plane[40:] = 16, 16
    frames = [Frame((y, *good[0].planes[1:]), P8) for y in title]
    assert looked_at(info, frames).picture == Rectangle(96, 20, 0, 20)
    assert looked_at(info, [*frames, good[3]]).picture == Rectangle(96, 64, 0, 0)


def test_black_frames_say_nothing(info: VideoInfo, good: list[Frame]) -> None:
    black = Frame((np.full((64, 96), 16, np.uint8), *good[0].planes[1:]), P8)
    assert looked_at(info, [black]).picture is None
    wide = barred([black, *good, black])
    assert looked_at(info, wide).picture == Rectangle(96, 64, 8, 16)


def test_noise_in_the_bars_is_still_black(info: VideoInfo, good: list[Frame]) -> None:
    assert looked_at(info, barred(good, noise=8)).picture == Rectangle(96, 64, 8, 16)
    assert looked_at(info, barred(good, noise=40)).share == 0


@pytest.mark.parametrize("depth", [10, 12, 16])
def test_deep_video_has_the_same_bars(info: VideoInfo, depth: int) -> None:
    deep = PixelFormat("420", depth)
    frames = barred(smooth_frames(deep, 96, 64, 3), noise=8)
    finder = looked_at(replace(info, pixel_format=deep), frames)
    assert finder.picture == Rectangle(96, 64, 8, 16)


def test_black_of_full_range_is_darker(info: VideoInfo, good: list[Frame]) -> None:
    full = replace(info, colour_range=ColourRange.FULL)
    assert looked_at(full, barred(good)).share == 0


# What is left out


def test_crop_auto_scores_what_is_within_the_bars(
    inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    result = score(*outer, crop="auto")
    assert metrics(result) == metrics(score(*inner))
    assert result.provenance["parameters"]["crop"] == "auto"
    for role in ("reference", "distorted"):
        facts = result.provenance[role]
        assert facts["crop"] == {"width": 96, "height": 64, "x": 8, "y": 16}
        assert (facts["width"], facts["height"]) == (96, 64)
    assert any(f"{RECTANGLE} of 110x100 is scored" in line for line in result.warnings)
    assert not any("has black bars" in line for line in result.warnings)


def test_crop_auto_without_bars_leaves_the_frame_whole(inner: tuple[Path, Path]) -> None:
    result = score(*inner, crop="auto")
    assert result.provenance["reference"]["crop"] is None
    assert metrics(result) == metrics(score(*inner))


def test_crop_auto_looks_at_what_is_scored_alone(
    tmp_path: Path, good: list[Frame], bad: list[Frame]
) -> None:
    bright = [Frame((np.full((100, 110), 200, np.uint8), *f.planes[1:]), P8) for f in barred(good)]
    reference = write_y4m(tmp_path / "r.y4m", [*bright[:2], *barred(good)])
    distorted = write_y4m(tmp_path / "d.y4m", [*bright[:2], *barred(bad)])
    assert score(reference, distorted, crop="auto").provenance["reference"]["crop"] is None
    skipped = score(reference, distorted, crop="auto", frame_skip_ref=2, frame_skip_dist=2)
    assert skipped.provenance["reference"]["crop"] is not None


def test_crop_by_hand_scores_the_rectangle(
    inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    result = score(*outer, crop=RECTANGLE)
    assert metrics(result) == metrics(score(*inner))
    assert result.provenance["parameters"]["crop"] == RECTANGLE


def test_every_backend_scores_the_same_rectangle(
    backend: Backend, inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    options: dict[str, Any] = {"roi": "11,3,40,50", "backend": backend.name}
    cropped = score(*outer, crop=RECTANGLE, **(options | {"roi": "19,19,40,50"}))
    assert metrics(cropped) == metrics(score(*inner, **options))
    deep = score(*outer, crop="98:66:6:14", gate="all", **options)
    assert len(deep.frames) == 12


def test_cropping_follows_scaling(tmp_path: Path, outer: tuple[Path, Path]) -> None:
    half = write_y4m(tmp_path / "half.y4m", damaged(smooth_frames(P8, 55, 50, 12)))
    result = score(outer[0], half, scale="bicubic", crop=RECTANGLE)
    assert result.provenance["distorted"]["scaled_from"] == {"width": 55, "height": 50}
    assert result.provenance["distorted"]["crop"]["y"] == 16


def test_a_video_that_is_black_all_over_has_no_rectangle(tmp_path: Path) -> None:
    black = Frame((np.full((64, 96), 16, np.uint8), *[np.full((32, 48), 128, np.uint8)] * 2), P8)
    path = write_y4m(tmp_path / "black.y4m", [black] * 3)
    with pytest.raises(InputError, match="entirely black"):
        score(path, path, crop="auto")


def test_too_little_within_the_bars_is_refused(outer: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="30x40 is too small to score"):
        score(*outer, crop="30:40:8:16")


@pytest.mark.parametrize(
    "text", ["", "autos", "96:64", "96:64:8", "a:b:c:d", "0:64:0:0", "96x64+8+16", "1:2:3:4:5"]
)
def test_a_rectangle_that_is_none_is_refused(outer: tuple[Path, Path], text: str) -> None:
    with pytest.raises(InputError, match="crop: "):
        score(*outer, crop=text)


def test_a_rectangle_beyond_the_frame_is_refused(outer: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match="beyond the 110x100 frame"):
        score(*outer, crop="96:86:8:16")


@pytest.mark.parametrize(
    ("text", "instead"), [("96:64:9:16", "94:64:10:16"), ("95:63:8:17", "94:62:8:18")]
)
def test_a_rectangle_that_cuts_chroma_samples_is_refused_with_one_that_does_not(
    outer: tuple[Path, Path], text: str, instead: str
) -> None:
    with pytest.raises(InputError, match="cuts through chroma") as caught:
        score(*outer, crop=text)
    assert caught.value.remedy == f"--crop {instead}"


@pytest.mark.parametrize(
    ("subsampling", "aligned"),
    [("420", "92:60:4:2"), ("422", "92:61:4:1"), ("444", "93:61:3:1")],
)
def test_bars_are_cut_inside_on_the_grid_of_chroma(subsampling: Any, aligned: str) -> None:
    rectangle = Rectangle(93, 61, 3, 1).aligned(PixelFormat(subsampling, 8), 110, 100)
    assert str(rectangle) == aligned


def test_the_frames_own_odd_edge_is_aligned(tmp_path: Path) -> None:
    frames = smooth_frames(P8, 97, 65, 3)
    path = write_raw(tmp_path / "odd.yuv", frames)
    cropped = Rectangle(93, 61, 4, 4)
    cropped.check(P8, 97, 65)
    part = cropped.of(frames[0])
    assert [plane.shape for plane in part.planes] == [(61, 93), (31, 47), (31, 47)]
    result = score(
        path, path, width=97, height=65, pix_fmt="yuv420p", crop="93:61:4:4", roi="10,10,60,40"
    )
    assert len(result.frames) == 3


# Masks refer to the whole frame


def shifted(box: tuple[int, int, int, int]) -> str:
    x, y, w, h = box
    return f"{x + LEFT},{y + TOP},{w},{h}"


def test_boxes_refer_to_the_whole_frame(inner: tuple[Path, Path], outer: tuple[Path, Path]) -> None:
    box = (11, 3, 40, 50)
    cropped = score(*outer, crop="auto", roi=f"face={shifted(box)}")
    plain = score(*inner, roi="face=" + ",".join(map(str, box)))
    assert metrics(cropped) == metrics(plain)
    assert [frame.alpha_mean for frame in cropped.frames] == [
        frame.alpha_mean for frame in plain.frames
    ]


def test_tracks_refer_to_the_whole_frame(
    tmp_path: Path, inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    paths = {}
    for name, (dx, dy) in (("inner", (0, 0)), ("outer", (LEFT, TOP))):
        rows = [f"{n},{4 * n + dx},{2 * n + dy},30,20,b" for n in range(12)]
        paths[name] = tmp_path / f"{name}.csv"
        paths[name].write_text("\n".join(["frame,x,y,w,h,name", *rows]))
    cropped = score(*outer, crop=RECTANGLE, roi_track=paths["outer"])
    assert metrics(cropped) == metrics(score(*inner, roi_track=paths["inner"]))


def test_a_mask_picture_refers_to_the_whole_frame(
    tmp_path: Path, inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    whole = np.random.default_rng(1).integers(0, 256, (100, 110), np.uint8)
    pictures = {}
    for name, samples in (("outer", whole), ("inner", whole[TOP:-20, LEFT:-6])):
        raw, pictures[name] = tmp_path / "m.raw", tmp_path / f"{name}.png"
        raw.write_bytes(samples.tobytes())
        size = f"{samples.shape[1]}x{samples.shape[0]}"
        run_ffmpeg("-f", "rawvideo", "-pix_fmt", "gray", "-s", size, "-i", raw, pictures[name])
    cropped = score(*outer, crop=RECTANGLE, mask=pictures["outer"])
    assert metrics(cropped) == metrics(score(*inner, mask=pictures["inner"]))


def test_a_small_mask_is_enlarged_as_without_cropping(tmp_path: Path) -> None:
    small = np.random.default_rng(2).integers(0, 256, (50, 55), np.uint8)
    raw, picture = tmp_path / "m.raw", tmp_path / "small.png"
    raw.write_bytes(small.tobytes())
    run_ffmpeg("-f", "rawvideo", "-pix_fmt", "gray", "-s", "55x50", "-i", raw, picture)
    source = open_mask_source(mask=picture, width=110, height=100)
    assert source is not None
    part = Rectangle(96, 64, 8, 16)
    cropped = CroppedSource(source, width=110, height=100, rectangle=part)

    def alpha(width: int, height: int, mask: np.ndarray) -> np.ndarray:
        plan = Plan(
            pixel_format=P8,
            width=width,
            height=height,
            mask_width=mask.shape[1],
            mask_height=mask.shape[0],
            threshold=0,
            fade=1,
        )
        with NumpyBackend().open(plan) as session:
            return np.asarray(session.upsample(mask)[0])

    unused: Any = None
    (mask,) = source.masks(0, unused, unused)
    (crop,) = cropped.masks(0, unused, unused)
    whole = alpha(110, 100, mask)
    assert np.array_equal(alpha(96, 64, crop), whole[TOP:-20, LEFT:-6])
    assert cropped.masks(1, unused, unused)[0] is crop


def test_the_network_sees_what_is_scored(
    tiny_network: Path, inner: tuple[Path, Path], outer: tuple[Path, Path]
) -> None:
    cropped = score(*outer, crop="auto", saliency_model=tiny_network)
    plain = score(*inner, saliency_model=tiny_network)
    assert metrics(cropped) == metrics(plain)
