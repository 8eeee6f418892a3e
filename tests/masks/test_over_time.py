"""--saliency-stride and --mask-smooth: which frames are looked at, what is made of their masks."""

from __future__ import annotations

import json
import math
import weakref
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pytest
from clips import P8, damaged, smooth_frames, write_raw, write_y4m
from results import result_schema

import roi_accel
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.arithmetic import smoothing_weight
from roi_accel.backends.frame import Frame, FrameSet
from roi_accel.backends.numpy_backend import NumpyBackend, NumpySession
from roi_accel.errors import InputError, ModelError
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.masks.over_time import OverTime, Smoother, Smoothing, masks_over_time
from roi_accel.masks.source import MaskSource
from roi_accel.options import ScoreOptions
from roi_accel.parity.gate import Gate
from roi_accel.run.score import score_all

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from conftest import Pair
    from refusals import Refusals

    from roi_accel.backends.protocol import Session
    from roi_accel.results.result import Result

RAW = {"width": 96, "height": 64, "pix_fmt": "yuv420p"}
HALF_SECOND = smoothing_weight(Fraction(25, 2))


def scores(result: Result) -> dict[str, Any]:
    """Return all of a result but how long it took and by what it was computed."""
    content: dict[str, Any] = json.loads(result.to_json())
    del content["timing"], content["parity"], content["provenance"]["backend"]
    for key in ("batch", "batch_requested", "batch_reason", "provider_reason"):
        content["provenance"]["mask"].pop(key, None)
    return content


@pytest.fixture
def score(tiny_pair: Pair) -> Callable[..., Result]:
    def run(**options: Any) -> Result:
        pair = (tiny_pair.reference, tiny_pair.distorted)
        return roi_accel.score(*pair, **({"backend": "numpy"} | options))

    return run


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> list[np.ndarray]:
    """Return the masks that frames were masked with so far; the gate's self-test has some, too."""
    seen: list[np.ndarray] = []
    real = NumpySession.substitute

    def substitute(
        self: NumpySession, reference: Frame, distorted: Frame, mask: np.ndarray
    ) -> Frame:
        seen.append(mask.copy())
        return real(self, reference, distorted, mask)

    monkeypatch.setattr(NumpySession, "substitute", substitute)
    return seen


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many frames each run of a network had so far."""
    sizes: list[int] = []
    real = SaliencyNetwork.infer_batch

    def infer_batch(self: SaliencyNetwork, inputs: np.ndarray) -> np.ndarray:
        sizes.append(len(inputs))
        return real(self, inputs)

    monkeypatch.setattr(SaliencyNetwork, "infer_batch", infer_batch)
    return sizes


# Plainly, with fractions


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2))


def plainly(masks: list[np.ndarray], stride: int, weight: int | None) -> list[list[int]]:
    """Return the samples of each frame's mask, given those of every frame."""
    last = len(masks) - 1
    flat = [[int(code) for code in mask.ravel()] for mask in masks]
    found = []
    for index in range(len(flat)):
        low = index // stride * stride
        high = index if index == low else min(low + stride, last)
        share = Fraction(index - low, high - low) if high > low else Fraction(0)
        pairs = zip(flat[low], flat[high], strict=True)
        found.append([half_up(a + (b - a) * share) for a, b in pairs])
    if weight is None:
        return found
    share, states = Fraction(weight, 2**30), [code * 65536 for code in found[0]]
    for index, codes in enumerate(found[1:], 1):
        states = [s + half_up((c * 65536 - s) * share) for s, c in zip(states, codes, strict=True)]
        found[index] = [half_up(Fraction(state, 65536)) for state in states]
    return found


@pytest.mark.parametrize(
    ("stride", "seconds"), [(1, 0.5), (2, None), (3, None), (7, None), (8, None), (3, 0.5)]
)
def test_frames_are_masked_with_what_fractions_give(
    score: Callable[..., Result], used: list[np.ndarray], stride: int, seconds: float | None
) -> None:
    small = {"saliency_size": 64, "threads": 1, "gate": "off"}
    score(**small)
    wanted = plainly(used.copy(), stride, HALF_SECOND if seconds else None)
    used.clear()
    score(**small, saliency_stride=stride, mask_smooth=seconds)
    assert [mask.ravel().tolist() for mask in used] == wanted


def test_each_region_is_smoothed_on_its_own(
    score: Callable[..., Result], used: list[np.ndarray], tmp_path: Path
) -> None:
    rows = [f"{n},{8 * n},8,24,24,one\n{n},8,{4 * n},16,16,two\n" for n in range(8)]
    track = tmp_path / "boxes.csv"
    track.write_text("frame,x,y,w,h,name\n" + "".join(rows))
    options: dict[str, Any] = {"roi_track": track, "threads": 1, "gate": "off"}
    score(**options)
    plain = used.copy()
    used.clear()
    score(**options, mask_smooth=0.5)
    for line in range(3):
        wanted = plainly(plain[line::3], 1, HALF_SECOND)
        assert [mask.ravel().tolist() for mask in used[line::3]] == wanted
    assert {len({mask.tobytes() for mask in used[line::3]}) for line in range(3)} == {8}


# Nothing changes where nothing is asked for


@pytest.mark.parametrize(
    "off", [{"saliency_stride": 1}, {"mask_smooth": 0}, {"mask_smooth": "0.0"}]
)
def test_a_stride_of_1_and_a_time_of_0_change_nothing(
    score: Callable[..., Result], off: dict[str, Any]
) -> None:
    wanted, found = scores(score()), scores(score(**off))
    if "mask_smooth" in off:
        assert found["provenance"]["parameters"].pop("mask_smooth") == 0
        assert wanted["provenance"]["parameters"].pop("mask_smooth") is None
    assert found == wanted


@pytest.mark.parametrize(
    "given", [{"synthetic_mask": 0.37}, {"roi": ("face=8,8,40,40", "0,0,9,9")}]
)
def test_a_constant_mask_stays_exactly_as_it_is(
    score: Callable[..., Result], given: dict[str, Any]
) -> None:
    assert score(**given, mask_smooth=0.5).frames == score(**given).frames


def test_smoothing_gives_back_the_very_mask_while_it_does_not_change() -> None:
    smoother, mask = Smoother(HALF_SECOND), np.full((2, 3), 9000, np.uint16)
    assert all(smoother.next((mask, mask)) == (mask, mask) for _ in range(3))
    dark = np.zeros((2, 3), np.uint16)
    found = [smoother.next((mask, dark)) for _ in range(500)]
    assert all(first is mask for first, _ in found)
    assert found[-1][1] is found[-2][1]
    assert not found[-1][1].any()


def test_masks_are_not_to_be_written_to() -> None:
    first, second = np.zeros((2, 3), np.uint16), np.full((2, 3), 9000, np.uint16)
    smoother = Smoother(HALF_SECOND)
    smoother.next((first,))
    (smoothed,) = smoother.next((second,))
    assert not smoothed.flags.writeable


# Every backend, batches, threads and queues give the same


OPTIONS = [
    {"saliency_stride": 3},
    {"mask_smooth": 0.1},
    {"saliency_stride": 3, "mask_smooth": 0.1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=["stride", "smooth", "both"])
@pytest.mark.parametrize("name", ["numba", "opencl", "cuda"])
def test_every_backend_gives_the_same_json(
    score: Callable[..., Result],
    available: Callable[[str], object],
    name: str,
    options: dict[str, Any],
) -> None:
    available(name)
    assert scores(score(backend=name, **options)) == scores(score(**options))


@pytest.mark.parametrize("options", OPTIONS, ids=["stride", "smooth", "both"])
@pytest.mark.parametrize("batch", [2, 3, 8, 21])
def test_batches_change_nothing(
    score: Callable[..., Result], options: dict[str, Any], batch: int
) -> None:
    wanted = scores(score(**options))
    assert scores(score(**options, saliency_batch=batch, backend="numba")) == wanted


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("threads", [1, 8])
def test_threads_and_queues_change_nothing(
    monkeypatch: pytest.MonkeyPatch, score: Callable[..., Result], threads: int, depth: int
) -> None:
    options = {"saliency_stride": 3, "mask_smooth": 0.1, "backend": "numba"}
    wanted = scores(score(**options, threads=1))
    monkeypatch.setattr("roi_accel.run.frame_pipeline.QUEUE_DEPTH", depth)
    assert scores(score(**options, threads=threads)) == wanted


def test_several_videos_share_the_looks(tmp_path: Path, runs: list[int]) -> None:
    frames = smooth_frames(P8, 96, 64, 7)
    reference = write_y4m(tmp_path / "r.y4m", frames)
    videos = [write_y4m(tmp_path / f"{s}.y4m", damaged(frames, step=s)) for s in (10, 30)]
    options: dict[str, Any] = {"saliency_stride": 3, "mask_smooth": 0.1}
    found = roi_accel.score(reference, [*videos], **options)
    assert runs == [1] * 3
    assert [scores(each) for each in found] == [
        scores(roi_accel.score(reference, video, **options)) for video in videos
    ]


# How often the network looks


@pytest.mark.parametrize(
    ("stride", "frame_count", "looks"),
    [
        *((1, 8, 8), (2, 8, 5), (2, 7, 4), (3, 8, 4), (4, 8, 3)),
        *((7, 8, 2), (8, 8, 2), (32, 8, 2), (32, 1, 1), (32, 2, 2)),
    ],
)
def test_the_network_looks_at_every_nth_frame_and_at_the_last(
    score: Callable[..., Result], runs: list[int], stride: int, frame_count: int, looks: int
) -> None:
    result = score(saliency_stride=stride, frame_count=frame_count)
    assert len(runs) == looks == math.ceil((frame_count - 1) / stride) + 1
    assert len(result.frames) == frame_count


@pytest.mark.parametrize(
    ("batch", "stride", "wanted"),
    [(2, 3, [2, 2]), (3, 3, [3, 1]), (2, 2, [2, 2, 1]), (8, 3, [1] * 4)],
)
def test_frames_that_are_looked_at_fill_batches(
    score: Callable[..., Result], runs: list[int], batch: int, stride: int, wanted: list[int]
) -> None:
    score(saliency_stride=stride, saliency_batch=batch)
    assert runs == [batch, *[1] * batch, *wanted]  # those before are the batch that is tried


def test_a_batch_is_cut_where_too_many_frames_would_wait(score: Callable[..., Result]) -> None:
    result = score(saliency_stride=32, saliency_batch=8)
    assert result.provenance["mask"]["batch"] == 2
    assert result.warnings == (
        "--saliency-batch 8 became 2: with --saliency-stride 32, 64 frames wait for it already",
    )


def test_the_timeline_tells_what_was_looked_at_and_what_was_made_of_it(tiny_pair: Pair) -> None:
    stopwatch = Stopwatch(is_traced=True)
    options = ScoreOptions(saliency_stride=3, mask_smooth=Fraction(1, 10))
    done: list[tuple[int, int | None]] = []
    score_all(
        tiny_pair.reference,
        [tiny_pair.distorted],
        options,
        stopwatch=stopwatch,
        progress=lambda *seen: done.append(seen),
    )
    frames = {
        name: [span.frame for span in stopwatch.spans if span.name == name]
        for name in ("preprocess", "network", "interpolate", "smooth")
    }
    assert frames == {
        "preprocess": [0, 3, 6, 7],
        "network": [0, 3, 6, 7],
        "interpolate": [1, 2, 4, 5],
        "smooth": list(range(8)),
    }
    assert [count for count, _ in done] == list(range(1, 9))


# Memory


class Ramp(MaskSource):
    """Masks that grow by 640 a frame."""

    label, size, region_names = "ramp", (1, 1), ()

    def masks(self, index: int, reference: Frame, session: Session) -> tuple[np.ndarray, ...]:
        del reference, session
        return (np.full(self.size, 640 * index, np.uint16),)

    def provenance(self) -> dict[str, object]:
        return {}


def ramp(frames: int, stride: int, batch: int) -> tuple[list[int], int]:
    """Return the masks that come out, and the largest number of frames that were there at once."""
    plane = np.zeros((2, 2), np.uint8)
    alive = [0]

    def counted() -> Frame:
        frame = Frame((plane, plane, plane), P8)
        alive[0] += 1
        alive.append(alive[0])
        weakref.finalize(frame, lambda: alive.__setitem__(0, alive[0] - 1))
        return frame

    def numbered() -> Iterator[FrameSet]:
        for index in range(frames):
            is_last = index == frames - 1
            yield FrameSet(index=index, is_last=is_last, reference=counted(), distorted=())

    found = masks_over_time(
        numbered(),
        Ramp(),
        cast("Session", None),
        OverTime(stride=stride),
        gate=Gate("off", NumpyBackend()),
        stopwatch=Stopwatch(),
        batch=batch,
    )
    return [int(frames.masks[0][0, 0]) for frames in found], max(alive[1:])


@pytest.mark.parametrize(("stride", "batch"), [*product((1, 2, 5, 32), (1, 2)), (1, 64)])
def test_no_more_frames_wait_than_stride_times_batch(stride: int, batch: int) -> None:
    masks, most = ramp(101, stride, batch)
    assert masks == [640 * index for index in range(101)]
    # Besides those that wait there is the one in use and the one that is being read.
    assert most <= stride * batch + 2


# What the result says


def test_the_result_says_what_was_done(score: Callable[..., Result]) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    result = score(saliency_stride=3, mask_smooth="0.5")
    parameters = result.provenance["parameters"]
    assert (parameters["saliency_stride"], parameters["mask_smooth"]) == (3, 0.5)
    assert result.provenance["smoothing"] == {
        "seconds": 0.5,
        "frame_rate": "25",
        "weight": HALF_SECOND,
        "weight_bits": 30,
    }
    validator = jsonschema.Draft202012Validator(result_schema())
    validator.validate(json.loads(result.to_json()))
    plain = score()
    assert plain.provenance["parameters"]["saliency_stride"] == 1
    assert plain.provenance["smoothing"] is None


def test_raw_video_takes_its_rate_from_the_option(tmp_path: Path, tiny_pair: Pair) -> None:
    frames = smooth_frames(P8, 96, 64, 8)
    reference = write_raw(tmp_path / "r.yuv", frames)
    distorted = write_raw(tmp_path / "d.yuv", damaged(frames, step=30))
    options: dict[str, Any] = {"mask_smooth": 0.1, "saliency_size": 64}
    found = roi_accel.score(reference, distorted, fps=25, **RAW, **options)
    wanted = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, **options)
    assert found.frames == wanted.frames
    faster = roi_accel.score(reference, distorted, fps=50, **RAW, **options)
    assert faster.frames != wanted.frames


# Errors


@pytest.mark.parametrize("stride", [0, -1, 33])
def test_a_stride_that_is_none_is_refused(stride: int) -> None:
    with pytest.raises(InputError, match=f"saliency_stride must be from 1 to 32, not {stride}"):
        ScoreOptions(saliency_stride=stride)


@pytest.mark.parametrize(
    ("network", "said_of_it"),
    [("saliency-stride", "2"), ("saliency-size", "128"), ("saliency-model", "other.onnx")],
)
@pytest.mark.parametrize(
    ("option", "value"),
    [("mask", "m.png"), ("roi", "0,0,8,8"), ("roi-track", "b.csv"), ("synthetic-mask", "0.5")],
)
def test_what_shapes_a_network_s_mask_is_refused_without_a_network(
    refused: Refusals, tiny_pair: Pair, network: str, said_of_it: str, option: str, value: str
) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    typed = (f"--{network}", said_of_it, f"--{option}", value)
    said = refused(2, f"--{network} is for a network", *pair, *typed)
    assert f"leave out --{network} or --{option}" in said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        ("-1", "--mask-smooth: '-1' is not a time in seconds"),
        ("soon", "--mask-smooth: 'soon' is not a time in seconds"),
        ("nan", "--mask-smooth: 'nan' is not a time in seconds"),
        ("60.5", "--mask-smooth: at most 60 seconds are allowed, not 60.5"),
    ],
)
def test_a_time_that_is_none_is_refused(
    refused: Refusals, tiny_pair: Pair, seconds: str, said: str
) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    refused(2, said, *pair, f"--mask-smooth={seconds}")


def test_raw_video_needs_its_rate_for_smoothing(refused: Refusals, tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "clip.yuv", smooth_frames(P8, 96, 64, 2))
    shape = ("-w", 96, "--height", 64, "--pix-fmt", "yuv420p")
    said = refused(
        2,
        "does not declare its frame rate, which --mask-smooth needs",
        *("-r", raw, "-d", raw, *shape, "--mask-smooth", 0.5),
    )
    assert "--fps 25" in said


def test_a_rate_that_the_file_denies_is_refused(tiny_pair: Pair) -> None:
    with pytest.raises(InputError, match="declares 25 fps, but --fps is 30"):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, fps=30, mask_smooth=0.5)


BLACK_AT_5 = [128, 140, 150, 160, 170, 16, 180, 190, 200, 210]


@pytest.mark.parametrize(("stride", "batch"), [(5, 1), (5, 2), (1, 4)])
def test_a_network_that_fails_names_the_frame_that_it_looked_at(
    tmp_path: Path, stride: int, batch: int
) -> None:
    networks = pytest.importorskip("networks", reason="writing a network needs onnx")
    network = networks.write_network_that_fails_on_black(tmp_path / "network.onnx")
    chroma = np.full((32, 48), 128, np.uint8)
    frames = [Frame((np.full((64, 96), y, np.uint8), chroma, chroma), P8) for y in BLACK_AT_5]
    pair = [write_y4m(tmp_path / f"{name}.y4m", frames) for name in "rd"]
    options: dict[str, Any] = {"saliency_model": network, "saliency_batch": batch}
    with pytest.raises(ModelError, match=r"^frame 5: network"):
        roi_accel.score(*pair, saliency_stride=stride, **options)
    assert len(roi_accel.score(*pair, saliency_stride=4, **options).frames) == 10


def test_smoothing_knows_its_weight() -> None:
    assert Smoothing(Fraction(1, 2), Fraction(25)).weight == HALF_SECOND
