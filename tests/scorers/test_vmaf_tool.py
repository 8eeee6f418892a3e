"""Claims about `roi_accel.scorers.vmaf_tool`: frames that the tool gets wrong go to an ffmpeg."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from clips import P8, damaged, frame_set, smooth_frames

from roi_accel.backends.frame import PixelFormat
from roi_accel.errors import InputError, ScorerError
from roi_accel.scorers import ScoringRequest, ffmpeg, parse_models
from roi_accel.scorers.vmaf_tool import VmafTool, has_odd_chroma

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import WriteFake

SAFE, WIDE, ODD = (64, 64), (72, 64), (65, 64)


def request_for(size: tuple[int, int], pixel_format: PixelFormat = P8) -> ScoringRequest:
    width, height = size
    return ScoringRequest(
        pixel_format=pixel_format,
        width=width,
        height=height,
        videos=1,
        models=parse_models(("version=vmaf_v0.6.1",)),
    )


@pytest.mark.parametrize(
    ("subsampling", "size", "odd"),
    [
        ("420", (64, 64), False),
        ("420", (65, 64), True),
        ("420", (64, 65), True),
        ("422", (64, 65), False),
        ("422", (65, 64), True),
        ("444", (65, 65), False),
    ],
)
def test_chroma_is_odd_where_it_is_subsampled(
    subsampling: str, size: tuple[int, int], odd: bool
) -> None:
    assert has_odd_chroma(request_for(size, PixelFormat(subsampling, 8))) is odd


@pytest.mark.parametrize(
    ("size", "scorer"), [(SAFE, "vmaf"), ((576, 64), "vmaf"), (WIDE, "ffmpeg"), (ODD, "ffmpeg")]
)
def test_a_tool_that_was_merely_found_is_trusted_with_widths_of_whole_vectors(
    fake_scorer: WriteFake, size: tuple[int, int], scorer: str
) -> None:
    tool = replace(fake_scorer("read_all()"), source="PATH")
    with tool.open(request_for(size)) as scoring:
        assert scoring.scorer.name == scorer
        assert not scoring.warnings


@pytest.mark.parametrize("source", ["--vmaf", "ROI_ACCEL_VMAF"])
def test_a_tool_that_was_named_scores_any_width_and_warns(
    fake_scorer: WriteFake, source: str
) -> None:
    tool = replace(fake_scorer("read_all()"), source=source)
    with tool.open(request_for(WIDE)) as scoring:
        assert scoring.scorer is tool
        (warning,) = scoring.warnings
    assert "a width of 72" in warning
    with tool.open(request_for(SAFE)) as scoring:
        assert not scoring.warnings


def test_where_there_is_no_ffmpeg_frames_of_such_a_size_are_refused(
    fake_scorer: WriteFake, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = replace(fake_scorer("read_all()"), source="PATH")
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(ffmpeg, "bundled_ffmpeg", lambda: None)
    with pytest.raises(ScorerError, match="need an ffmpeg with libvmaf"):
        tool.open(request_for(WIDE))


@pytest.mark.parametrize(
    ("subsampling", "size", "refused"),
    [
        ("420", (65, 64), True),
        ("420", (64, 65), True),
        ("422", (65, 64), True),
        ("422", (64, 65), False),
        ("444", (65, 65), False),
    ],
)
def test_the_named_tool_is_only_given_sizes_that_its_versions_agree_on(
    vmaf_tool: Path, *, subsampling: str, size: tuple[int, int], refused: bool
) -> None:
    tool = VmafTool.identify(vmaf_tool, "--vmaf")
    pixel_format = PixelFormat.from_name(f"yuv{subsampling}p")
    reference = smooth_frames(pixel_format, *size, 2)
    request = request_for(size, pixel_format)
    if refused:
        with pytest.raises(InputError, match="disagree on the chroma") as caught:
            tool.open(request)
        assert "--vmaf ffmpeg" in caught.value.remedy
        return
    with tool.open(request) as scoring:
        for pair in zip(reference, damaged(reference), strict=True):
            scoring.feed(frame_set(*pair))
        (scores,) = scoring.finish()
    assert scores.full.frame_numbers == (0, 1)
