"""Claims about `roi_accel.scorers.scoring` with real scorers: the scores are VMAF's own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from clips import P8, damaged, frame_set, run_ffmpeg, smooth_frames, write_raw
from support import ALL_FORMATS

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.errors import ScorerError
from roi_accel.scorers import ScoringRequest, parse_features, parse_models
from roi_accel.scorers.scoring import ProgramScoring
from roi_accel.scorers.vmaf_tool import VmafTool

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from roi_accel.scorers import ScoreLog
    from roi_accel.scorers.ffmpeg import FfmpegScorer
    from roi_accel.scorers.program import ProgramScorer

V061 = ("version=vmaf_v0.6.1",)
BOOTSTRAP = ("version=vmaf_b_v0.6.3",)


def score(
    scorer: ProgramScorer,
    reference: Sequence[Frame],
    *variants: Sequence[Frame],
    models: tuple[str, ...] = V061,
    features: tuple[str, ...] = (),
    subsample: int = 1,
    threads: int = 2,
) -> list[ScoreLog]:
    request = ScoringRequest(
        pixel_format=reference[0].pixel_format,
        width=reference[0].width,
        height=reference[0].height,
        videos=len(variants),
        models=parse_models(models),
        features=parse_features(features),
        threads=threads,
        subsample=subsample,
    )
    with ProgramScoring(scorer, request) as scoring:
        for frames in zip(reference, *variants, strict=True):
            scoring.feed(frame_set(*frames))
        return [video.full for video in scoring.finish()]


def test_identical_frames_score_higher_than_damaged_ones(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 96, 64, 3)
    same, mild, strong = score(
        scorer, reference, reference, damaged(reference, step=6), damaged(reference, step=30)
    )
    scores = zip(*(log.metrics["vmaf"] for log in (same, mild, strong)), strict=True)
    for best, good, bad in scores:
        assert best > 95
        assert best > good + 0.5
        assert good > bad + 5


@pytest.mark.parametrize("pixel_format", ALL_FORMATS, ids=lambda f: f.name)
def test_both_kinds_agree_to_six_digits(
    bundled: FfmpegScorer, vmaf_tool: Path, pixel_format: PixelFormat
) -> None:
    reference = smooth_frames(pixel_format, 96, 64, 3)
    distorted = damaged(reference)
    logs = [
        score(scorer, reference, distorted)[0]
        for scorer in (bundled, VmafTool.identify(vmaf_tool, "test"))
    ]
    assert set(logs[0].metrics) == set(logs[1].metrics)
    for name, values in logs[0].metrics.items():
        assert values == pytest.approx(logs[1].metrics[name], abs=1.01e-6)
    assert logs[0].metrics["vmaf"][0] < 95


def test_every_depth_of_one_clip_scores_nearly_alike(scorer: ProgramScorer) -> None:
    # A scorer that takes the samples of one depth for another's would be far off.
    scores = [
        score(scorer, reference, damaged(reference))[0].metrics["vmaf"]
        for depth in (8, 10, 12, 16)
        for reference in [smooth_frames(PixelFormat("420", depth), 96, 64, 2)]
    ]
    for other in scores[1:]:
        assert other == pytest.approx(scores[0], abs=1.5)


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p10le", "yuv444p16le"])
def test_each_variant_gets_its_own_scores_in_order(scorer: ProgramScorer, name: str) -> None:
    reference = smooth_frames(PixelFormat.from_name(name), 64, 64, 3)
    variants = [damaged(reference, step=step) for step in (25, 3, 12)]
    together = score(scorer, reference, *variants)
    alone = [score(scorer, reference, variant)[0] for variant in variants]
    assert together == alone
    assert len({log.metrics["vmaf"] for log in together}) == 3


@pytest.mark.parametrize("subsample", [2, 3, 7])
def test_subsample_scores_every_nth_frame(scorer: ProgramScorer, subsample: int) -> None:
    reference = smooth_frames(P8, 64, 64, 7)
    (log,) = score(scorer, reference, damaged(reference), subsample=subsample)
    assert log.frame_numbers == tuple(range(0, 7, subsample))


def test_features_are_in_the_log(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    features = ("psnr=enable_chroma=false", "float_ssim")
    (log,) = score(scorer, reference, damaged(reference), features=features)
    assert {"psnr_y", "float_ssim"} <= set(log.metrics)
    assert "psnr_cb" not in log.metrics


def test_features_of_identical_frames_are_finite(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 192, 192, 2)
    features = ("psnr", "float_ssim", "float_ms_ssim")
    (log,) = score(scorer, reference, reference, features=features)
    assert {"psnr_y", "float_ssim", "float_ms_ssim"} <= set(log.metrics)


@pytest.mark.parametrize(
    ("feature", "metric"), [("psnr_hvs", "psnr_hvs_y"), ("ciede", "ciede2000")]
)
def test_infinite_feature_is_an_error_that_names_it(
    scorer: ProgramScorer, feature: str, metric: str
) -> None:
    # libvmaf bounds PSNR but not these: of identical frames they are infinite, null in its log.
    reference = smooth_frames(P8, 64, 64, 1)
    with pytest.raises(ScorerError, match=f"{metric} of scored frame 0 is None"):
        score(scorer, reference, reference, features=(feature,))


def test_two_models_score_as_each_does_alone(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    distorted = damaged(reference)
    models = ("version=vmaf_v0.6.1neg", "version=vmaf_v0.6.1:name=classic")
    (both,) = score(scorer, reference, distorted, models=models)
    for model, name in ((models[0], "vmaf"), ("version=vmaf_v0.6.1", "classic")):
        (alone,) = score(scorer, reference, distorted, models=(model,))
        assert both.metrics[name] == alone.metrics["vmaf"]
    assert both.metrics["vmaf"] != both.metrics["classic"]


def test_model_options_reach_libvmaf(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    models = (*V061, "version=vmaf_v0.6.1:name=phone:enable_transform")
    (log,) = score(scorer, reference, damaged(reference), models=models)
    assert log.metrics["phone"][0] > log.metrics["vmaf"][0] + 1


def test_bootstrap_model_scores_with_its_confidence_through_the_vmaf_tool(
    vmaf_tool: Path,
) -> None:
    tool, reference = VmafTool.identify(vmaf_tool, "test"), smooth_frames(P8, 64, 64, 2)
    (log,) = score(tool, reference, damaged(reference), models=BOOTSTRAP)
    assert {"vmaf", "vmaf_bagging", "vmaf_stddev"} <= set(log.metrics)


def test_bootstrap_model_is_refused_by_ffmpeg_by_name(bundled: FfmpegScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    with pytest.raises(ScorerError, match=r"could not load libvmaf model.*vmaf_b_v0\.6\.3"):
        score(bundled, reference, damaged(reference), models=BOOTSTRAP)


@pytest.mark.parametrize("threads", [1, 5])
def test_threads_do_not_change_a_score(scorer: ProgramScorer, threads: int) -> None:
    reference = smooth_frames(P8, 96, 64, 5)
    variants = damaged(reference), damaged(reference, step=20)
    assert score(scorer, reference, *variants, threads=threads) == score(
        scorer, reference, *variants, threads=2
    )


@pytest.mark.parametrize("name", ["yuv420p", "yuv422p", "yuv444p", "yuv420p10le"])
@pytest.mark.parametrize(("width", "height"), [(67, 65), (67, 64), (66, 65)])
def test_odd_sizes_through_ffmpeg_score_as_the_files_themselves(
    tmp_path: Path, bundled: FfmpegScorer, name: str, width: int, height: int
) -> None:
    reference = smooth_frames(PixelFormat.from_name(name), width, height, 2)
    distorted = damaged(reference)
    files = []
    for role, frames in (("distorted", distorted), ("reference", reference)):
        path = write_raw(tmp_path / f"{role}.yuv", frames)
        files += ["-f", "rawvideo", "-pixel_format", name, "-video_size", f"{width}x{height}"]
        files += ["-i", path]
    log = tmp_path / "log.json"
    run_ffmpeg(*files, "-lavfi", f"libvmaf=log_fmt=json:log_path={log}", "-f", "null", "-")
    expected = [frame["metrics"] for frame in json.loads(log.read_text())["frames"]]
    (found,) = score(bundled, reference, distorted)
    assert len(expected) == 2
    for metric, values in found.metrics.items():
        assert list(values) == [frame[metric] for frame in expected]


def test_unknown_model_is_named_by_the_error(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    with pytest.raises(ScorerError, match="vmaf_v9") as caught:
        score(scorer, reference, reference, models=("version=vmaf_v9",))
    assert caught.value.exit_code == 5
    assert "--model" in caught.value.remedy


def test_unknown_feature_is_an_error(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    with pytest.raises(ScorerError, match="nonsense"):
        score(scorer, reference, reference, features=("nonsense",))


def test_unknown_model_fails_on_a_clip_longer_than_all_queues(scorer: ProgramScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 2) * 300
    with pytest.raises(ScorerError, match="vmaf_v9"):
        score(scorer, reference, reference, models=("version=vmaf_v9",))


def test_stream_too_few_is_a_mistake_of_the_caller(bundled: FfmpegScorer) -> None:
    reference = smooth_frames(P8, 64, 64, 1)
    request = ScoringRequest(
        pixel_format=P8, width=64, height=64, videos=2, models=parse_models(V061)
    )
    with (
        ProgramScoring(bundled, request) as scoring,
        pytest.raises(ValueError, match="3 streams are scored, 2 were fed"),
    ):
        scoring.feed(frame_set(reference[0], reference[0]))


def test_frames_with_padded_rows_score_as_packed_ones(bundled: FfmpegScorer) -> None:
    packed = smooth_frames(P8, 64, 64, 2)
    padded = []
    for frame in damaged(packed):
        y, u, v = (np.pad(p, ((0, 0), (0, 9)))[:, : p.shape[1]] for p in frame.planes)
        padded.append(Frame((y, u, v), P8))
    assert score(bundled, packed, padded) == score(bundled, packed, damaged(packed))
