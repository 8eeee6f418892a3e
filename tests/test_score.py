"""Claims about `roi_accel.score` from end to end, on small clips with the real VMAF."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pytest
from clips import P8, damaged, run_ffmpeg, smooth_frames, write_raw, write_y4m
from results import result_schema

import roi_accel
from roi_accel.errors import BackendUnavailable, InputError, ModelError, ScorerError
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Pair

    from roi_accel import Result

LEFT_HALF = "0,0,48,64"


@pytest.fixture(autouse=True)
def only_the_bundled_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    """Score with imageio-ffmpeg's binary whatever is on PATH, so that every machine runs alike."""
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(bundled_ffmpeg()))


def without_timing(result: Result) -> dict[str, Any]:
    content = result.to_dict()
    del content["timing"]
    return content


def scores(result: Result) -> dict[str, list[float]]:
    """Return each metric per frame."""
    return {
        name: [frame.metrics[name] for frame in result.frames] for name in result.frames[0].metrics
    }


# What counts


def test_the_share_of_the_frame_that_counts_is_pooled_over_the_frames_scored(
    tiny_pair: Pair, tiny_network: Path
) -> None:
    result = roi_accel.score(
        tiny_pair.reference, tiny_pair.distorted, saliency_model=tiny_network, subsample=2
    )
    alphas = [frame.alpha_mean for frame in result.frames]
    pools = result.pooled_metrics["alpha_mean"]
    assert len(set(alphas)) > 1
    assert pools["mean"] == pytest.approx(sum(alphas) / len(alphas), rel=1e-12)
    assert (pools["min"], pools["max"]) == (min(alphas), max(alphas))


# The blend


def test_masked_score_lies_between_full_and_perfect_and_the_blend_between_both(
    tiny_pair: Pair,
) -> None:
    result = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=LEFT_HALF, weight=0.25)
    perfect = roi_accel.score(tiny_pair.reference, tiny_pair.reference, synthetic_mask=1)
    assert result.vmaf_full < perfect.vmaf_full - 3
    assert result.vmaf_masked < perfect.vmaf_full - 3
    assert result.vmaf_masked != pytest.approx(result.vmaf_full, abs=0.1)
    low, high = sorted((result.vmaf_full, result.vmaf_masked))
    assert low < result.vmaf_roi < high
    assert result.vmaf_roi == 0.75 * result.vmaf_full + 0.25 * result.vmaf_masked


def test_everything_salient_makes_the_masked_score_the_full_one(tiny_pair: Pair) -> None:
    result = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1)
    assert scores(result)["vmaf_masked"] == scores(result)["vmaf_full"]
    assert all(frame.saliency_mean == frame.alpha_mean == 1 for frame in result.frames)


def test_nothing_salient_makes_the_masked_score_that_of_the_reference(tiny_pair: Pair) -> None:
    result = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, synthetic_mask=0)
    perfect = roi_accel.score(tiny_pair.reference, tiny_pair.reference, synthetic_mask=1)
    assert scores(result)["vmaf_masked"] == scores(perfect)["vmaf_full"]
    assert result.vmaf_full < result.vmaf_masked
    assert all(frame.saliency_mean == frame.alpha_mean == 0 for frame in result.frames)


def test_masked_score_is_that_of_frames_masked_by_hand(tmp_path: Path, tiny_pair: Pair) -> None:
    reference = smooth_frames(P8, 96, 64, 8)
    by_hand = []
    for good, bad in zip(reference, damaged(reference, step=30), strict=True):
        y, u, v = (plane.copy() for plane in good.planes)
        for plane, other in zip((y, u, v), bad.planes, strict=True):
            plane[:, : plane.shape[1] // 2] = other[:, : plane.shape[1] // 2]
        by_hand.append(type(good)((y, u, v), P8))
    path = write_y4m(tmp_path / "by-hand.y4m", by_hand)
    expected = roi_accel.score(tiny_pair.reference, path, synthetic_mask=1)
    result = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=LEFT_HALF)
    assert scores(result)["vmaf_masked"] == scores(expected)["vmaf_full"]


# Several at once


@pytest.fixture
def network_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Collect the shape of every input that a network is run on."""
    runs: list[tuple[int, ...]] = []
    real = SaliencyNetwork.infer

    def infer(self: SaliencyNetwork, model_input: Any) -> Any:
        runs.append(model_input.shape)
        return real(self, model_input)

    monkeypatch.setattr(SaliencyNetwork, "infer", infer)
    return runs


def test_several_distorted_videos_equal_separate_runs_with_one_pass_of_the_network(
    tmp_path: Path, tiny_pair: Pair, tiny_network: Path, network_runs: list[tuple[int, ...]]
) -> None:
    mild = write_y4m(tmp_path / "mild.y4m", damaged(smooth_frames(P8, 96, 64, 8), step=10))
    distorted = [tiny_pair.distorted, mild, tiny_pair.reference]
    together = roi_accel.score(tiny_pair.reference, distorted, saliency_model=tiny_network)
    assert network_runs == [(1, 3, 168, 256)] * tiny_pair.frames
    alone = [
        roi_accel.score(tiny_pair.reference, path, saliency_model=tiny_network)
        for path in distorted
    ]
    assert [without_timing(result) for result in together] == [
        without_timing(result) for result in alone
    ]
    assert len({result.vmaf_masked for result in together}) == 3


def test_single_video_gives_a_result_and_a_list_gives_a_list(tiny_pair: Pair) -> None:
    one = roi_accel.score(str(tiny_pair.reference), str(tiny_pair.distorted), synthetic_mask=1)
    (other,) = roi_accel.score(tiny_pair.reference, [tiny_pair.distorted], synthetic_mask=1)
    assert without_timing(one) == without_timing(other)


def test_no_distorted_video_is_an_error(tiny_pair: Pair) -> None:
    with pytest.raises(InputError, match="distorted is empty"):
        roi_accel.score(tiny_pair.reference, [])


def test_named_regions_are_scored_as_if_each_were_alone(tiny_pair: Pair) -> None:
    boxes = {"left": "0,0,32,64", "right": "70,10,20,20"}
    together = roi_accel.score(
        tiny_pair.reference,
        tiny_pair.distorted,
        roi=[f"{name}={box}" for name, box in boxes.items()],
    )
    assert set(together.regions) == set(boxes)
    for name, box in boxes.items():
        alone = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=box)
        assert together.regions[name]["vmaf_masked"] == alone.vmaf_masked
        assert together.regions[name]["vmaf_roi"] == alone.vmaf_roi
        assert [frame.regions[name]["vmaf_masked"] for frame in together.frames] == scores(alone)[
            "vmaf_masked"
        ]
    assert together.vmaf_masked < min(r["vmaf_masked"] for r in together.regions.values())


def test_mask_picture_of_a_box_scores_as_the_box(tmp_path: Path, tiny_pair: Pair) -> None:
    samples = np.zeros((64, 96), np.uint8)
    samples[:, :48] = 255
    raw = tmp_path / "mask.raw"
    raw.write_bytes(samples.tobytes())
    picture = tmp_path / "mask.png"
    run_ffmpeg("-f", "rawvideo", "-pix_fmt", "gray", "-s", "96x64", "-i", raw, picture)
    from_picture = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, mask=picture)
    from_box = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=LEFT_HALF)
    assert scores(from_picture) == scores(from_box)


def test_further_models_and_features_are_reported_beside_the_first(tiny_pair: Pair) -> None:
    result = roi_accel.score(
        tiny_pair.reference,
        tiny_pair.distorted,
        synthetic_mask=0,
        model=["version=vmaf_v0.6.1", "version=vmaf_v0.6.1neg"],
        feature="psnr",
    )
    assert result.model == "vmaf_v0.6.1"
    assert {"vmaf_v0.6.1neg_full", "vmaf_v0.6.1neg_roi", "psnr_y_full", "psnr_y_masked"} <= set(
        result.pooled_metrics
    )
    assert result.pooled_metrics["psnr_y_full"]["mean"] < 40
    assert result.pooled_metrics["psnr_y_masked"]["mean"] >= 60


# Lengths and sizes


@pytest.fixture
def short(tmp_path: Path) -> Path:
    return write_y4m(tmp_path / "short.y4m", damaged(smooth_frames(P8, 96, 64, 5), step=30))


def test_unequal_lengths_are_an_error_that_prints_both(tiny_pair: Pair, short: Path) -> None:
    match = r"reference\.y4m has 8 frames, the distorted .*short\.y4m has 5"
    with pytest.raises(InputError, match=match) as caught:
        roi_accel.score(tiny_pair.reference, short, synthetic_mask=1)
    assert "--shortest" in caught.value.remedy
    with pytest.raises(InputError, match=r"short\.y4m has 5 frames, .* has 8"):
        roi_accel.score(short, [short, tiny_pair.reference], synthetic_mask=1)


def test_unequal_raw_lengths_are_an_error_before_anything_is_scored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frames = smooth_frames(P8, 96, 64, 8)
    one, other = (write_raw(tmp_path / f"{n}.yuv", frames[:n]) for n in (8, 5))
    monkeypatch.setattr("roi_accel.scorers.program.ProgramScoring", None)
    with pytest.raises(InputError, match=r"has 8 frames, the distorted .* has 5"):
        roi_accel.score(one, other, synthetic_mask=1, width=96, height=64, pix_fmt="yuv420p")


def test_unequal_lengths_of_unequal_rates_are_told_so(tiny_pair: Pair, tmp_path: Path) -> None:
    video = tmp_path / "50.mp4"
    run_ffmpeg("-i", tiny_pair.distorted, "-r", "50", "-c:v", "libx264", video)
    match = r"has 8 frames, the distorted .*50\.mp4 has 16, at 25 and 50 frames per second"
    with pytest.raises(InputError, match=match) as caught:
        roi_accel.score(tiny_pair.reference, video, synthetic_mask=1)
    # The common part would pair frames of different moments.
    assert "--shortest" not in caught.value.remedy
    assert "rate" in caught.value.remedy


def test_shortest_scores_the_common_part_and_says_so(tiny_pair: Pair, short: Path) -> None:
    result = roi_accel.score(tiny_pair.reference, short, synthetic_mask=1, shortest=True)
    assert [frame.frame_number for frame in result.frames] == [0, 1, 2, 3, 4]
    assert result.provenance["parameters"]["shortest"] is True


def test_frame_count_scores_the_beginning_alone(tiny_pair: Pair, short: Path) -> None:
    first = roi_accel.score(tiny_pair.reference, short, synthetic_mask=1, frame_count=3)
    whole = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1)
    assert first.frames == whole.frames[:3]
    assert first.provenance["parameters"]["frame_count"] == 3


def test_frame_count_beyond_the_end_of_one_video_is_still_an_error(
    tiny_pair: Pair, short: Path
) -> None:
    with pytest.raises(InputError, match="has 8 frames"):
        roi_accel.score(tiny_pair.reference, short, synthetic_mask=1, frame_count=6)


def test_subsample_scores_every_nth_frame_as_the_whole_does(tiny_pair: Pair) -> None:
    part = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=LEFT_HALF, subsample=3)
    assert [frame.frame_number for frame in part.frames] == [0, 3, 6]
    assert [frame.alpha_mean for frame in part.frames] == [0.5] * 3


def test_pair_of_different_sizes_is_an_error_with_both(tmp_path: Path, tiny_pair: Pair) -> None:
    other = write_y4m(tmp_path / "other.y4m", smooth_frames(P8, 96, 66, 8))
    with pytest.raises(InputError, match=r"96x64 .* 96x66"):
        roi_accel.score(tiny_pair.reference, other, synthetic_mask=1)


@pytest.mark.parametrize(
    "option",
    [
        {"threshold": 1.5},
        {"fade": -0.1},
        {"weight": float("nan")},
        {"threads": 0},
        {"subsample": 0},
        {"frame_count": 0},
        {"saliency_size": 3},
        {"model": []},
    ],
)
def test_option_out_of_range_is_an_error_that_names_it(
    tiny_pair: Pair, option: dict[str, Any]
) -> None:
    (name,) = option
    match = {"model": "no VMAF model"}.get(name, name)
    with pytest.raises(InputError, match=match):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, **option)


def test_two_sources_of_masks_are_an_error(tiny_pair: Pair) -> None:
    with pytest.raises(InputError, match="roi and synthetic_mask"):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=LEFT_HALF, synthetic_mask=1.0)


# The same whatever the way


def test_mp4_and_its_raw_yuv_give_the_same_scores(tmp_path: Path, tiny_network: Path) -> None:
    frames = smooth_frames(P8, 96, 64, 8)
    paths = {}
    for role, quality in (("reference", 5), ("distorted", 44)):
        raw = write_raw(tmp_path / "made.yuv", frames)
        paths[role] = tmp_path / f"{role}.mp4", tmp_path / f"{role}.yuv"
        run_ffmpeg(
            *("-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", "96x64", "-i", raw),
            *("-c:v", "libx264", "-preset", "ultrafast", "-qp", quality, paths[role][0]),
        )
        run_ffmpeg("-i", paths[role][0], "-f", "rawvideo", "-pix_fmt", "yuv420p", paths[role][1])
    compressed, raw_pair = zip(*paths.values(), strict=True)
    one = roi_accel.score(*compressed, saliency_model=tiny_network)
    other = roi_accel.score(
        *raw_pair, saliency_model=tiny_network, width=96, height=64, pix_fmt="yuv420p"
    )
    assert one.frames == other.frames
    assert len(one.frames) == 8


@pytest.mark.parametrize("threads", [1, 7])
def test_result_does_not_depend_on_the_number_of_threads(
    tiny_pair: Pair, tiny_network: Path, threads: int
) -> None:
    results = [
        roi_accel.score(
            tiny_pair.reference, tiny_pair.distorted, saliency_model=tiny_network, threads=each
        )
        for each in (threads, 2)
    ]
    assert without_timing(results[0]) == without_timing(results[1])


def test_python_and_command_line_results_are_valid_and_complete(
    tiny_pair: Pair, tiny_network: Path
) -> None:
    for options in ({"saliency_model": tiny_network}, {"roi": ["a=0,0,9,9", "b=3,3,30,30"]}):
        result = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, **options)  # type: ignore[call-overload]
        jsonschema.Draft202012Validator(result_schema()).validate(json.loads(result.to_json()))


def test_progress_counts_every_frame_to_the_end(tiny_pair: Pair) -> None:
    calls: list[tuple[int, int | None]] = []
    roi_accel.score(
        tiny_pair.reference,
        tiny_pair.distorted,
        synthetic_mask=1,
        progress=lambda done, total: calls.append((done, total)),
    )
    assert [done for done, _ in calls] == list(range(1, tiny_pair.frames + 1))


def test_broken_network_leaves_no_process(tmp_path: Path, tiny_pair: Pair) -> None:
    networks = pytest.importorskip("networks")
    path = networks.write_network_of_nan(tmp_path / "nan.onnx")
    with pytest.raises(ModelError, match=r"frame 0: .*nan\.onnx"):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, saliency_model=path)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="processes are read from /proc")
def test_backend_that_cannot_be_used_leaves_no_vmaf(
    tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = set(children())  # Other tests may keep a process, such as a browser's driver.
    started: set[int] = set()

    def refuse(*_: object, **__: object) -> None:
        started.update(set(children()) - before)
        msg = "nothing computes"
        raise BackendUnavailable(msg)

    monkeypatch.setattr("roi_accel.run.setup.choose_backend", refuse)
    with pytest.raises(BackendUnavailable, match="nothing computes"):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1)
    assert started, "VMAF was to start while the backend loads"
    assert not started & set(children())


def children() -> list[int]:
    text = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text()
    return [int(number) for number in text.split()]


def test_file_name_that_is_no_utf8_works(tmp_path: Path, tiny_pair: Pair) -> None:
    awkward = tmp_path / os.fsdecode(b"it's [a]: \xff,;.y4m")
    awkward.write_bytes(tiny_pair.distorted.read_bytes())
    result = roi_accel.score(tiny_pair.reference, awkward, synthetic_mask=1)
    assert result.vmaf_full == pytest.approx(
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1).vmaf_full
    )
    result.to_json().encode("utf-8")


# Bounded memory, nothing on disk

# Not getrusage: its peak begins at that of the process that starts the new one.
MEASURED_RUN = r"""
import json, os, re, sys
from pathlib import Path
import roi_accel

def peak(process):
    status = Path("/proc", process, "status").read_text()
    return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1)) * 1024

def measure(done, total):
    if done == int(frames):
        (scorer,) = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        peaks.append(peak(scorer))

reference, distorted, network, frames = sys.argv[1:]
peaks = []
result = roi_accel.score(reference, distorted, saliency_model=network, saliency_size=64, width=480,
    height=270, pix_fmt="yuv420p", frame_count=int(frames), subsample=10, threads=2,
    progress=measure)
assert len(result.frames) == int(frames) // 10
peaks.append(peak("self"))
print(json.dumps(peaks))
"""


@pytest.fixture(scope="module")
def long_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return 400 frames of 480x270."""
    path = tmp_path_factory.mktemp("long") / "long.yuv"
    write_raw(path, smooth_frames(P8, 480, 270, 10) * 40)
    return path


def test_memory_does_not_grow_with_length_and_only_vmafs_logs_are_on_disk(
    tmp_path: Path, long_raw: Path, tiny_network: Path
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            # os.walk passes over a folder that is removed meanwhile; rglob raises.
            for folder, *names in os.walk(temporary):
                inside = Path(folder).relative_to(temporary)
                seen.update(str(inside / name) for each in names for name in each)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        few, many = (
            json.loads(
                subprocess.run(
                    [sys.executable, "-c", MEASURED_RUN, long_raw, long_raw, tiny_network, frames],
                    env=os.environ | {"TMPDIR": str(temporary)},
                    check=True,
                    stdout=subprocess.PIPE,
                ).stdout
            )
            for frames in ("50", "400")
        )
    finally:
        ended.set()
        watcher.join()
    # One of the four streams kept would be 350 frames more.
    frame_bytes = P8.frame_bytes(480, 270)
    for before, after in zip(few, many, strict=True):
        assert after - before < 50 * frame_bytes
    assert any(name.startswith("roi-accel-") for name in seen)
    # Python's tempfile tries the folder with an empty file of eight random characters.
    expected = re.compile(r"roi-accel-\w+(/variant[12]\.json)?|[a-z0-9_]{8}")
    assert [name for name in seen if not expected.fullmatch(name)] == []
    assert list(temporary.iterdir()) == []


# Real clips


def golden(real_file: Callable[[str], Path], depth: int, **options: Any) -> Result:
    reference, distorted = (
        real_file(f"clips/src01_hrc{number}_576x324.yuv420p{depth}le.yuv")
        for number in ("00", "01")
    )
    return roi_accel.score(
        reference,
        distorted,
        **{"width": 576, "height": 324, "pix_fmt": f"yuv420p{depth}le", **options},
    )


@pytest.mark.parametrize("depth", [10, 12, 16])
def test_src01_scores_what_the_vmaf_tool_scores(
    real_file: Callable[[str], Path], depth: int
) -> None:
    result = golden(real_file, depth, synthetic_mask=1)
    assert result.vmaf_full == pytest.approx(82.564227, abs=1e-4)
    assert result.vmaf_masked == pytest.approx(82.564227, abs=1e-4)


def test_src01_with_nothing_salient_scores_as_its_reference(
    real_file: Callable[[str], Path],
) -> None:
    result = golden(real_file, 10, synthetic_mask=0)
    reference = real_file("clips/src01_hrc00_576x324.yuv420p10le.yuv")
    perfect = roi_accel.score(
        reference, reference, synthetic_mask=1, width=576, height=324, pix_fmt="yuv420p10le"
    )
    assert scores(result)["vmaf_masked"] == scores(perfect)["vmaf_full"]


def test_src01_with_a_version_1_model(real_file: Callable[[str], Path]) -> None:
    result = golden(real_file, 10, synthetic_mask=1, model="version=vmaf_v1.0.16_3d0h")
    assert result.vmaf_full == pytest.approx(88.913599, abs=1e-4)


@pytest.mark.parametrize("student", ["v1", "v2"])
@pytest.mark.parametrize("size", ["256", "native"])
def test_student_networks_see_src01_alike_through_both_kinds_of_scorer(
    real_file: Callable[[str], Path], vmaf_tool: Path, student: str, size: str
) -> None:
    network = real_file(f"models/saliency_student_{student}.onnx")
    one, other = (
        golden(real_file, 10, saliency_model=network, saliency_size=size, vmaf=vmaf)
        for vmaf in (str(vmaf_tool), bundled_ffmpeg())
    )
    for name, values in scores(one).items():
        assert values == pytest.approx(scores(other)[name], abs=2e-6)
    assert [frame.alpha_mean for frame in one.frames] == [f.alpha_mean for f in other.frames]
    assert one.vmaf_masked != pytest.approx(one.vmaf_full, abs=0.01)


@pytest.mark.parametrize(("student", "expected"), [("v1", 45.292831), ("v2", 46.003983)])
def test_carphone_at_native_size_scores_near_vmaf_roi_score(
    real_file: Callable[[str], Path], student: str, expected: float
) -> None:
    result = roi_accel.score(
        real_file("clips/carphone_pristine.mp4"),
        real_file("clips/carphone_distorted.mp4"),
        saliency_model=real_file(f"models/saliency_student_{student}.onnx"),
        saliency_size="native",
    )
    assert len(result.frames) == 120
    assert result.vmaf_full == pytest.approx(34.685719, abs=1e-4)
    assert result.vmaf_masked == pytest.approx(expected, abs=0.5)


def test_a_model_that_refuses_the_frames_says_so_in_its_own_words(tiny_pair: Pair) -> None:
    # vmaf_v1 needs more than 96x64; ffmpeg then ends with status 0 and without a log.
    with pytest.raises(ScorerError, match="libvmaf") as caught:
        roi_accel.score(
            tiny_pair.reference,
            tiny_pair.distorted,
            synthetic_mask=1.0,
            model="version=vmaf_v1.0.16_3d0h",
            vmaf=bundled_ffmpeg(),
        )
    assert "larger frames" in caught.value.remedy
