"""Masks written as files: what comes back is what was written, and equal masks make equal files."""

from __future__ import annotations

import io
import json
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import av as pyav
import numpy as np
import pytest

from roi_accel.masks.origin import MaskOrigin
from roi_accel.masks.source import CROP, FIRST_FRAME, MaskPlace
from roi_accel.masks.writing import open_mask_writer
from roi_accel.video.rectangle import Rectangle

if TYPE_CHECKING:
    from pathlib import Path

SUFFIXES = [".mkv", ".npz"]
NOWHERE = MaskPlace()
ORIGIN = {
    "roi_accel": "1.2.3",
    "saliency_model": "noise",
    "mask": {"kind": "network", "sha256": "ab" * 32},
    "saliency_stride": 3,
    "smoothing": {"seconds": 0.5},
    "reference": {"path": "a/\udcff.mp4", "bytes": 7, "sha256": "cd" * 32},
}
END: dict[str, Any] = {"mask": {"kind": "noise"}}


def noise(frames: int, size: tuple[int, int]) -> np.ndarray[Any, Any]:
    return np.random.default_rng(1).integers(0, 65536, (frames, *size), dtype=np.uint16)


def write(
    path: Path,
    masks: np.ndarray[Any, Any],
    *,
    rate: Fraction | None = None,
    place: MaskPlace = NOWHERE,
    end: dict[str, Any] = END,
) -> Path:
    size = (masks.shape[1], masks.shape[2])
    with (
        path.open("wb") as file,
        open_mask_writer(path, file, size=size, rate=rate, place=place, origin=ORIGIN) as writer,
    ):
        for mask in masks:
            writer.write(mask)
        writer.finish(end)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("size", [(36, 64), (144, 256), (9, 16), (1, 1), (2, 3), (37, 65)], ids=str)
def test_every_code_of_every_mask_comes_back(
    tmp_path: Path, open_source: Any, suffix: str, size: tuple[int, int]
) -> None:
    masks = noise(4, size)
    masks[1] = 0
    masks[2] = 65535
    path = write(tmp_path / f"masks{suffix}", masks)
    source = open_source(mask=path, width=size[1], height=size[0])
    assert source.size == size
    for number, mask in enumerate(masks):
        np.testing.assert_array_equal(source.masks(number, None, None)[0], mask)
    source.finish(4, whole=True)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_views_with_gaps_are_written_as_what_they_show(
    tmp_path: Path, open_source: Any, suffix: str
) -> None:
    masks = noise(2, (72, 128))[:, ::2, ::2]
    source = open_source(mask=write(tmp_path / f"masks{suffix}", masks))
    np.testing.assert_array_equal(source.masks(0, None, None)[0], masks[0])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_place_comes_back(tmp_path: Path, open_source: Any, suffix: str) -> None:
    place = MaskPlace(first_frame=2, crop=Rectangle(64, 36, 8, 4))
    path = write(tmp_path / f"masks{suffix}", noise(3, (36, 64)), place=place)
    source = open_source(mask=path, width=640, height=480, first_frame=2)
    assert source.covers == place.crop


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_what_made_them_comes_back(tmp_path: Path, open_source: Any, suffix: str) -> None:
    source = open_source(mask=write(tmp_path / f"masks{suffix}", noise(3, (36, 64)), end={}))
    assert source.origin == MaskOrigin(
        made_by="1.2.3",
        saliency_model="noise",
        model_sha256="ab" * 32,
        stride=3,
        smoothed=0.5,
        reference=r"a/\udcff.mp4",
        reference_bytes=7,
        reference_sha256="cd" * 32,
    )
    assert source.provenance()["origin"] == source.origin.facts()


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_equal_masks_make_equal_files(tmp_path: Path, suffix: str) -> None:
    masks = noise(3, (36, 64))
    one, other = (write(tmp_path / f"{name}{suffix}", masks) for name in "ab")
    assert one.read_bytes() == other.read_bytes()


def test_the_video_is_ffv1_in_16_bits_at_the_frame_rate(tmp_path: Path) -> None:
    path = write(tmp_path / "masks.mkv", noise(5, (36, 64)), rate=Fraction(30000, 1001))
    with pyav.open(str(path)) as container:
        (stream,) = container.streams.video
        assert container.format.name.startswith("matroska")
        assert (stream.codec_context.name, stream.pix_fmt) == ("ffv1", "gray16le")
        assert stream.average_rate == Fraction(30000, 1001)
        frames = list(container.decode(stream))
    assert len(frames) == 5
    assert all(frame.key_frame for frame in frames)


@pytest.mark.parametrize("rate", [None, Fraction(10**12), Fraction(1, 10**12)], ids=str)
def test_a_rate_that_no_clock_tells_becomes_25(tmp_path: Path, rate: Fraction | None) -> None:
    path = write(tmp_path / "masks.mkv", noise(5, (36, 64)), rate=rate)
    with pyav.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 25
        assert len(list(container.decode(video=0))) == 5


def test_numpy_reads_the_archive_without_pickle(tmp_path: Path) -> None:
    masks = noise(3, (36, 64))
    place = MaskPlace(first_frame=4, crop=Rectangle(64, 36, 8, 4))
    path = write(tmp_path / "masks.npz", masks, place=place)
    with np.load(path, allow_pickle=False) as archive:
        np.testing.assert_array_equal(archive["masks"], masks)
        about = json.loads(str(archive["roi_accel"]))
    assert about == {
        "version": 1,
        FIRST_FRAME: "4",
        CROP: "64:36:8:4",
        **ORIGIN,
        "mask": {"kind": "noise"},
    }


def test_a_writer_that_is_given_up_writes_no_more(tmp_path: Path) -> None:
    for suffix in SUFFIXES:
        file = io.BytesIO()
        path = tmp_path / f"masks{suffix}"
        with open_mask_writer(
            path, file, size=(36, 64), rate=None, place=NOWHERE, origin=ORIGIN
        ) as writer:
            writer.write(noise(1, (36, 64))[0])
        writer.close()
    assert list(tmp_path.iterdir()) == []
