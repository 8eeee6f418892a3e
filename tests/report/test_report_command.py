"""Claims about `roi-accel score --html` from end to end, with the real VMAF on real frames."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from clips import P8, run_ffmpeg, smooth_frames, write_raw
from support import console_script

from roi_accel.backends.frame import Frame
from roi_accel.options import ScoreOptions
from roi_accel.run.score import score_all
from roi_accel.scorers.ffmpeg import bundled_ffmpeg
from roi_accel.scorers.scoring import ProgramScoring

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from conftest import Pair

    from roi_accel.backends.frame import FrameSet
    from roi_accel.results.result import Result
    from roi_accel.video import VideoInfo

Image = pytest.importorskip("PIL.Image")

PICTURE = re.compile(
    r'<img src="data:image/webp;base64,([^"]+)"[^>]*alt="(\w+) frame (\d+), ([^"]+)"'
)


@pytest.fixture(autouse=True)
def only_the_bundled_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(bundled_ffmpeg()))


def score(pair: Pair, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [console_script(), "score", "-r", str(pair.reference), "-d", str(pair.distorted)]
    return subprocess.run(
        [*command, "--quiet", *options], cwd=folder, capture_output=True, text=True, check=False
    )


def test_it_writes_a_page_with_the_scores_of_the_json(tiny_pair: Pair, tmp_path: Path) -> None:
    done = score(tiny_pair, tmp_path, "--roi", "face=0,0,48,64", "--html", "r.html", "-o", "r.json")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "r.html").read_text("utf-8")
    result = json.loads((tmp_path / "r.json").read_text("utf-8"))
    for key in ("vmaf_full", "vmaf_masked", "vmaf_roi"):
        assert f'<p class="number">{result[key]:.2f}</p>' in page
    roi = [frame["metrics"]["vmaf_roi"] for frame in result["frames"]]
    kinds = {(which, int(number)) for _, which, number, _ in PICTURE.findall(page)}
    assert ("worst", roi.index(min(roi))) in kinds
    assert ("best", roi.index(max(roi))) in kinds
    assert len(PICTURE.findall(page)) == 12


def test_pictures_outside_the_mask_are_the_reference_s_and_inside_the_distorted_s(
    tiny_pair: Pair, tmp_path: Path
) -> None:
    score(tiny_pair, tmp_path, "--roi", "0,0,48,64", "--html", "r.html")
    found = PICTURE.findall((tmp_path / "r.html").read_text("utf-8"))
    seen = {
        title: np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"), np.int16)
        for data, which, _, title in found
        if which == "worst"
    }
    masked = seen["what the salient score sees"]
    assert masked.shape == (64, 96, 3)

    def unlike(other: str, columns: slice) -> float:
        return float(np.abs(masked - seen[other])[:, columns].mean())

    left, right = slice(0, 44), slice(52, 96)
    # WebP changes a little everywhere.
    assert unlike("distorted", left) < 0.5 * unlike("reference", left)
    assert unlike("reference", right) < 0.5 * unlike("distorted", right)


@pytest.mark.parametrize("taken", ["exists", "is the reference", "is --csv too"])
def test_it_counts_as_an_output(tiny_pair: Pair, tmp_path: Path, taken: str) -> None:
    page = tmp_path / "r.html"
    if taken == "exists":
        page.write_text("mine")
    name = str(tiny_pair.reference) if taken == "is the reference" else "r.html"
    others = ["--csv", "r.html"] if taken == "is --csv too" else ["-o", "r.json"]
    done = score(tiny_pair, tmp_path, "--html", name, *others)
    assert done.returncode == (2 if taken == "is --csv too" else 6)
    assert not (tmp_path / "r.json").exists()
    assert taken != "exists" or page.read_text() == "mine"


class Noted:
    """Chooses frames and keeps what it is shown of them."""

    def __init__(self, *numbers: int) -> None:
        self._numbers = numbers
        self.seen: dict[tuple[int, int], FrameSet] = {}

    def choose(self, result: Result) -> Collection[int]:
        del result
        return self._numbers

    def take(self, video: int, frames: FrameSet, info: VideoInfo) -> None:
        del info
        self.seen[video, frames.index] = frames


class Recorded:
    """A scorer's pipe that keeps what VMAF was fed, and feeds it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fed: list[list[Frame]] = []
        feed = ProgramScoring.feed
        fed = self.fed

        def noting(scoring: ProgramScoring, frames: FrameSet) -> None:
            streams = [frames.reference]
            for distorted, masked in zip(frames.distorted, frames.masked, strict=True):
                streams += [distorted, *masked]
            fed.append(streams)
            feed(scoring, frames)

        monkeypatch.setattr(ProgramScoring, "feed", noting)


def sources(tmp_path: Path, network: Path) -> dict[str, dict[str, object]]:
    """Return the options of each kind of mask, of which those in files must be read in order."""
    masks = [Frame((np.full((64, 96), 30 * number, np.uint8),) * 3, P8) for number in range(8)]
    gray = tmp_path / "masks.gray"
    gray.write_bytes(b"".join(mask.planes[0].tobytes() for mask in masks))
    clip = tmp_path / "masks.mkv"
    shape = ("-f", "rawvideo", "-pixel_format", "gray", "-video_size", "96x64")
    run_ffmpeg(*shape, "-i", gray, "-c:v", "ffv1", clip)
    smooth = Fraction(1, 10)
    track = tmp_path / "boxes.csv"
    track.write_text("frame,x,y,w,h\n" + "".join(f"{n},{8 * n},8,24,24\n" for n in range(8)))
    return {
        "network": {"saliency_model": network},
        "network in batches": {"saliency_model": network, "saliency_batch": 3},
        "network at every 3rd frame": {"saliency_model": network, "saliency_stride": 3},
        "the same in batches": {
            "saliency_model": network,
            "saliency_stride": 3,
            "saliency_batch": 2,
        },
        "network smoothed": {"saliency_model": network, "mask_smooth": smooth},
        "network both": {
            "saliency_model": network,
            "saliency_stride": 3,
            "mask_smooth": smooth,
        },
        "clip": {"mask": clip},
        "clip smoothed": {"mask": clip, "mask_smooth": smooth},
        "track": {"roi_track": track},
        "boxes": {"roi": ("0,0,48,64",)},
    }


@pytest.mark.parametrize(
    "kind",
    [
        *("network", "network in batches", "network at every 3rd frame", "the same in batches"),
        *("network smoothed", "network both", "clip", "clip smoothed", "track", "boxes"),
    ],
)
@pytest.mark.parametrize("frames", [(2, 5), (3,), (7,)])
def test_frames_seen_again_are_those_that_vmaf_saw(
    tiny_pair: Pair,
    tiny_network: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    frames: tuple[int, ...],
) -> None:
    recorded = Recorded(monkeypatch)
    noted = Noted(*frames)
    options = ScoreOptions(backend="numpy", **sources(tmp_path, tiny_network)[kind])  # type: ignore[arg-type]
    score_all(tiny_pair.reference, [tiny_pair.distorted] * 2, options, revisit=noted)
    assert sorted(noted.seen) == [(video, index) for video in (0, 1) for index in frames]
    for (video, index), shown in noted.seen.items():
        reference, *streams = recorded.fed[index]
        wanted = [reference, *streams[2 * video : 2 * video + 2]]
        seen = (shown.reference, shown.distorted[video], shown.masked[video][0])
        for one, other in zip(wanted, seen, strict=True):
            assert all(map(np.array_equal, one.planes, other.planes))


def test_a_file_that_changes_before_it_is_seen_again_is_an_error_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    reference = write_raw(tmp_path / "r.yuv", smooth_frames(P8, 96, 64, 4))

    class Changing(Noted):
        def choose(self, result: Result) -> Collection[int]:
            reference.write_bytes(reference.read_bytes()[::-1])
            return super().choose(result)

    from roi_accel.errors import InputError  # noqa: PLC0415

    other = write_raw(tmp_path / "d.yuv", smooth_frames(P8, 96, 64, 4, seed=1))
    size: dict[str, Any] = {"width": 96, "height": 64, "pix_fmt": "yuv420p"}
    options = ScoreOptions(**size, backend="numpy", synthetic_mask=1.0)
    with pytest.raises(InputError, match="changed while it was being read"):
        score_all(reference, [other], options, revisit=Changing(1))
