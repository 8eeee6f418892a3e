"""The gate catches each planted fault for the right reason, and changes nothing it looks at."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import jsonschema
import numpy as np
import pytest
from clips import P8, damaged, smooth_frames, write_raw
from faulty_backend import REAL, REAL_WIDTH, CudaLookalike, InferringBackend
from results import result_schema
from support import console_script

import roi_accel
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.frame import PixelFormat
from roi_accel.backends.numpy_backend import NumpyBackend, NumpySession
from roi_accel.backends.plan import ModelSize, Plan
from roi_accel.errors import BackendUnavailable, InputError, OutputError, ParityError
from roi_accel.inference.ort_session import NetworkSession
from roi_accel.parity import selftest
from roi_accel.parity.calibration import table_tolerance
from roi_accel.parity.gate import Gate, GateMode, is_checked
from roi_accel.parity.selftest import run_self_test
from roi_accel.scorers.scoring import ProgramScoring

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from conftest import Pair

    from roi_accel import Result
    from roi_accel.backends.protocol import Backend

    Plant = Callable[[str], Mapping[str, str]]

LEFT = "left=0,0,48,64"
RIGHT = "right=48,0,48,64"
EVERYWHERE = {"synthetic_mask": 1.0}


CREATE = NetworkSession._create  # noqa: SLF001 - to run on the CPU in a provider's place


@pytest.fixture
def fed(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the frames that VMAF is given."""
    frames: list[int] = []
    feed = ProgramScoring.feed

    def count(self: ProgramScoring, fed: Any) -> None:
        frames.append(len(frames))
        feed(self, fed)

    monkeypatch.setattr(ProgramScoring, "feed", count)
    return frames


def score(pair: Pair, **options: Any) -> Result:
    result: Result = roi_accel.score(
        pair.reference, pair.distorted, **{"backend": "faulty", **EVERYWHERE, **options}
    )
    return result


def scores(result: Result) -> dict[str, Any]:
    """Return everything that the gate must not change."""
    content = result.to_dict()
    del content["timing"], content["parity"], content["provenance"]["backend"]
    return content


# The self-test


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("one pixel", "substitute of 'yuv420p 33x35.*Y, y 3, x 5: wanted .* 1 of "),
        ("tail column", r"substitute of 'yuv420p 33x35.*Y, y 7, x 32: .* 28 of "),
        ("chroma", "substitute of 'yuv420p 33x35.*V, y 17, x 16: .* 1 of "),
        ("second frame", "does not reproduce .* substitute of .* frame 1': Y, y 0, x 0"),
        ("every second time", "does not reproduce .* substitute of .* frame 1': Y, y 6, x 6"),
        ("every third time", "gives another answer when asked again: substitute.*Y, y 6, x 6"),
        ("preprocess", "preprocess of 'yuv420p 33x35.*G, y 2, x 3: .* 1 of "),
        ("upsample", "upsample of 'yuv420p 33x35.*Y, y 1, x 2: "),
        ("substitute writes", "writes to its input in substitute.*distorted Y, y 0, x 0: "),
        ("preprocess writes", "writes to its input in preprocess.*reference Y, y 0, x 0: "),
        ("one buffer", "changes an answer once it computes the next: substitute"),
        ("wrong type", "substitute of 'yuv420p 33x35.*wanted uint8.*got int32"),
    ],
)
def test_device_that_fails_the_self_test_is_refused_and_the_first_fault_named(
    plant: Plant, tiny_pair: Pair, fed: list[int], fault: str, match: str
) -> None:
    plant(fault)
    with pytest.raises(BackendUnavailable, match=match) as caught:
        score(tiny_pair)
    assert "device cpu of backend faulty" in caught.value.message
    assert caught.value.exit_code == 4
    assert fed == []


@pytest.mark.parametrize("subsampling", ["420", "422", "444"])
@pytest.mark.parametrize("depth", [8, 10, 12, 16])
def test_every_backend_passes_the_self_test_in_every_format(
    backend: Backend, subsampling: Any, depth: int
) -> None:
    passed = run_self_test(backend, PixelFormat(subsampling, depth))
    assert passed.cases == 3
    assert passed.values > 200_000


def test_fault_at_16_bits_alone_is_found_by_a_run_at_16_bits(plant: Plant) -> None:
    plant("16 bits")
    faulty = roi_accel.get_backend("faulty")
    run_self_test(faulty, PixelFormat("420", 12))
    with pytest.raises(BackendUnavailable, match=r"substitute of 'yuv420p16le.*U, y 4, x 2"):
        run_self_test(faulty, PixelFormat("420", 16))


def test_device_that_raises_in_the_self_test_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        msg = "out of ink"
        raise RuntimeError(msg)

    monkeypatch.setattr("roi_accel.backends.numpy_backend.NumpySession.upsample", fail)
    with pytest.raises(BackendUnavailable, match=r"fails in the golden self-test.*out of ink"):
        run_self_test(NumpyBackend(), PixelFormat("420", 8))


def test_session_of_a_refused_device_is_closed(
    plant: Plant, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant("one pixel")
    closed: list[int] = []
    close = NumpySession.close
    monkeypatch.setattr(
        NumpySession, "close", lambda self: (closed.append(self.plan.mask_width), close(self))
    )
    with pytest.raises(BackendUnavailable):
        score(tiny_pair)
    assert closed.count(1) == 1  # The mask of --synthetic-mask.


def test_reference_that_fails_is_named_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = selftest.golden_digests()
    for stages in digests.values():
        stages["upsample"] = "0" * 64
    monkeypatch.setattr(selftest, "golden_digests", lambda: digests)
    with pytest.raises(BackendUnavailable, match=r"reference backend itself.*upsample"):
        run_self_test(NumpyBackend(), PixelFormat("420", 8))


# Real frames


@pytest.mark.parametrize(
    ("fault", "options", "match", "frames_fed"),
    [
        ("one pixel", {}, "frame 0, Y, y 3, x 5: .* 1 of 9216 values differ, at most by 1", 0),
        ("tail column", {}, "frame 0, Y, y 7, x 95: .* 57 of 9216 values differ", 0),
        ("chroma", {}, "frame 0, V, y 31, x 47: .* 1 of 9216 values differ", 0),
        ("second frame", {}, "frame 1, Y, y 0, x 0: ", 1),
        ("every third time", {"gate": "all"}, "frame 2, Y, y 6, x 6: ", 2),
        ("substitute writes", {}, r"writes to its input: frame 0, distorted Y, y 0, x 0: ", 0),
        ("wrong type", {}, r"malformed answer: plane Y is int32\[64, 96\].*: frame 0; ", 0),
        ("nothing", {}, "malformed answer: 'NoneType' .*: frame 0; ", 0),
        ("one buffer", {"roi": [LEFT, RIGHT], "synthetic_mask": None}, "is still in: frame 0", 0),
        ("one buffer", {}, "is still in: frame 1; ", 1),
        ("three buffers", {"gate": "first"}, "is still in: frame 3; ", 3),
        ("earlier answer", {}, "once it masks later frames: frame 0, Y, y 1, x 1: ", 1),
        ("earlier answer", {"gate": "first"}, "once it masks later frames: frame 0, Y, y 1, ", 8),
    ],
)
def test_fault_on_real_frames_alone_ends_the_run_before_vmaf_sees_the_frame(
    plant: Plant,
    tiny_pair: Pair,
    fed: list[int],
    fault: str,
    options: dict[str, Any],
    match: str,
    frames_fed: int,
) -> None:
    plant(REAL + fault)
    options = {k: v for k, v in (EVERYWHERE | options).items() if v is not None}
    with pytest.raises(ParityError, match=match) as caught:
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, backend="faulty", **options)
    assert f"substitute of {tiny_pair.distorted}" in caught.value.message
    assert "backend faulty on cpu" in caught.value.message
    assert "nothing was scored" in caught.value.message
    assert caught.value.exit_code == 1
    assert fed == list(range(frames_fed))


def test_a_mask_that_is_written_to_is_noticed_before_the_next_video_is_masked_from_it(
    plant: Plant, tiny_pair: Pair, tmp_path: Path
) -> None:
    plant(REAL + "mask toggles")  # The second video's masking writes it back as it was.
    again = tmp_path / "again.y4m"
    again.write_bytes(tiny_pair.distorted.read_bytes())
    with pytest.raises(ParityError, match="writes to its input: frame 0, mask") as caught:
        roi_accel.score(tiny_pair.reference, [tiny_pair.distorted, again], backend="faulty")
    assert f"substitute of {tiny_pair.distorted}" in caught.value.message


def test_memory_that_runs_out_is_an_unavailable_backend_and_names_frame_and_device(
    plant: Plant, tiny_pair: Pair
) -> None:
    plant(REAL + "out of memory")
    with pytest.raises(BackendUnavailable, match=r"frame 0.*faulty.*memory ran out \(no room\)"):
        score(tiny_pair)


@pytest.mark.parametrize(
    ("fault", "match"),
    [
        ("preprocess", "^preprocess: .*frame 0, G, y 2, x 3: .* 1 of "),
        ("preprocess writes", "^preprocess: .*writes to its input: frame 0, reference Y, y 0, x 0"),
    ],
)
def test_fault_in_the_networks_input_is_found_before_the_network_runs(
    plant: Plant, tiny_pair: Pair, tiny_network: Path, fed: list[int], fault: str, match: str
) -> None:
    plant(REAL + fault)
    with pytest.raises(ParityError, match=match):
        roi_accel.score(
            tiny_pair.reference, tiny_pair.distorted, backend="faulty", saliency_model=tiny_network
        )
    assert fed == []


def test_fault_at_16_bits_alone_is_found_on_real_frames(plant: Plant, tmp_path: Path) -> None:
    plant(REAL + "16 bits")
    for depth in (12, 16):
        frames = smooth_frames(PixelFormat("420", depth), 96, 64, 3)
        pair = [
            write_raw(tmp_path / f"{name}{depth}.yuv", which)
            for name, which in (("reference", frames), ("distorted", damaged(frames)))
        ]
        options = {"width": 96, "height": 64, "pix_fmt": f"yuv420p{depth}le", "backend": "faulty"}
        if depth == 12:
            assert roi_accel.score(*pair, **EVERYWHERE, **options).frames
        else:
            with pytest.raises(ParityError, match="frame 0, U, y 4, x 2"):
                roi_accel.score(*pair, **EVERYWHERE, **options)


def test_message_names_the_video_and_the_region(plant: Plant, tiny_pair: Pair) -> None:
    plant(REAL + "every third time")
    videos = [tiny_pair.reference, tiny_pair.distorted]
    with pytest.raises(ParityError, match=f"substitute of {tiny_pair.reference}, region right: "):
        roi_accel.score(tiny_pair.reference, videos, backend="faulty", roi=[LEFT, RIGHT])
    with pytest.raises(ParityError, match=f"substitute of {tiny_pair.distorted}: backend"):
        roi_accel.score(tiny_pair.reference, videos, backend="faulty", roi=[LEFT])


def test_device_that_fails_on_the_way_is_named_with_its_frame(
    plant: Plant, tiny_pair: Pair
) -> None:
    plant(REAL + "raises")
    with pytest.raises(BackendUnavailable, match=r"frame 0: backend faulty .*queue lost") as caught:
        score(tiny_pair)
    assert caught.value.exit_code == 4


def test_fault_that_shows_on_the_last_frame_alone_is_in_the_sample(
    plant: Plant, tiny_pair: Pair
) -> None:
    plant(REAL + f"call {tiny_pair.frames}")
    with pytest.raises(ParityError, match=f"frame {tiny_pair.frames - 1}, Y, y 2, x 2"):
        score(tiny_pair, gate="sample")


def test_self_test_is_in_the_runs_own_format(plant: Plant, tmp_path: Path) -> None:
    plant("16 bits")
    frames = smooth_frames(PixelFormat("420", 16), 96, 64, 2)
    pair = [
        write_raw(tmp_path / f"{name}.yuv", which)
        for name, which in (("reference", frames), ("distorted", damaged(frames)))
    ]
    options = {"width": 96, "height": 64, "pix_fmt": "yuv420p16le", "backend": "faulty"}
    with pytest.raises(BackendUnavailable, match="golden self-test: substitute of 'yuv420p16le"):
        roi_accel.score(*pair, **EVERYWHERE, **options)


def test_arrays_of_a_failed_self_test_are_saved(
    plant: Plant, tiny_pair: Pair, tmp_path: Path
) -> None:
    plant("one pixel")
    with pytest.raises(BackendUnavailable, match="the arrays are in") as caught:
        score(tiny_pair, dump=tmp_path / "evidence")
    assert caught.value.exit_code == 4
    (path,) = (tmp_path / "evidence").iterdir()
    with np.load(path) as arrays:
        assert (arrays["wanted_Y"] != arrays["got_Y"]).sum() == 1
        assert "mask" in arrays


# Which frames


def test_sample_is_the_first_two_frames_every_31st_and_the_last() -> None:
    assert [index for index in range(100) if is_checked("sample", index)] == [0, 1, 31, 62, 93]
    assert is_checked("sample", 40, is_last=True)
    assert not is_checked("first", 40, is_last=True)
    assert [index for index in range(100) if is_checked("first", index)] == [0]
    assert all(is_checked("all", index) for index in range(100))
    assert not any(is_checked("off", index) for index in range(100))


def test_first_does_not_look_at_the_second_frame_and_sample_does(
    plant: Plant, tiny_pair: Pair
) -> None:
    plant(REAL + "second frame")
    assert score(tiny_pair, gate="first").parity["frames_checked"] == 1
    with pytest.raises(ParityError):
        score(tiny_pair, gate="sample")


def test_sample_passes_over_what_all_finds(plant: Plant, tiny_pair: Pair) -> None:
    plant(REAL + "every third time")
    assert score(tiny_pair, gate="sample").parity["frames_checked"] == 3
    with pytest.raises(ParityError):
        score(tiny_pair, gate="all")


# What it says, and what it leaves alone


@pytest.mark.parametrize("name", ["numba", "opencl"])
def test_gate_changes_no_score(
    tiny_pair: Pair, tiny_network: Path, name: str, request: pytest.FixtureRequest
) -> None:
    try:
        roi_accel.get_backend(name)
    except BackendUnavailable as error:
        if name in request.config.getoption("--require-backend"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    results = [
        roi_accel.score(
            tiny_pair.reference,
            tiny_pair.distorted,
            backend=name,
            saliency_model=tiny_network,
            gate=mode,
        )
        for mode in get_args(GateMode)
    ]
    assert all(scores(result) == scores(results[0]) for result in results)
    checked = [result.parity["frames_checked"] for result in results]
    assert checked == [1, 3, tiny_pair.frames, 0]


def test_result_says_what_was_compared(plant: Plant, tiny_pair: Pair, tiny_network: Path) -> None:
    plant("")
    result = roi_accel.score(
        tiny_pair.reference, tiny_pair.distorted, backend="faulty", saliency_model=tiny_network
    )
    jsonschema.Draft202012Validator(result_schema()).validate(json.loads(result.to_json()))
    parity = result.parity
    assert parity["gate"] == "sample"
    assert parity["self_test"]["cases"] == 3
    assert parity["reference"] == "numpy"
    assert parity["frames_checked"] == 3
    values = {stage["stage"]: stage["values"] for stage in parity["stages"]}
    assert values == {"preprocess": 3 * 3 * 168 * 256, "substitute": 3 * 96 * 64 * 3 // 2}
    assert all(stage["tolerance"] == 0 for stage in parity["stages"])
    assert all(stage["largest_difference"] == 0 for stage in parity["stages"])
    assert "CPUExecutionProvider" in parity["notes"][0]
    assert result.timing["stages"]["gate"] > 0


def test_each_video_has_its_own_count(plant: Plant, tiny_pair: Pair) -> None:
    plant("")
    together = roi_accel.score(
        tiny_pair.reference, [tiny_pair.distorted] * 2, backend="faulty", roi=[LEFT]
    )
    alone = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, backend="faulty", roi=[LEFT])
    assert [result.parity for result in together] == [alone.parity] * 2


def test_reference_backend_itself_is_held_to_the_self_test_only(tiny_pair: Pair) -> None:
    parity = score(tiny_pair, backend="numpy").parity
    assert parity["self_test"]["cases"] == 3
    assert parity["reference"] is None
    assert parity["frames_checked"] == 0
    assert parity["stages"] == []
    assert "only the self-test" in parity["notes"][0]


def test_gate_off_checks_nothing_and_says_so(plant: Plant, tiny_pair: Pair) -> None:
    plant("one pixel")
    result = score(tiny_pair, gate="off")
    assert result.parity == {
        "gate": "off",
        "self_test": None,
        "reference": None,
        "frames": "none",
        "frames_checked": 0,
        "stages": [],
        "notes": ["nothing was checked"],
    }
    assert "gate" not in result.timing["stages"]


def test_time_in_the_gate_is_counted_once() -> None:
    stopwatch = Stopwatch()
    with stopwatch.stage("outer"), stopwatch.stage("inner"):
        spent = sum(range(200_000))
    assert spent > 0
    report: Any = stopwatch.report(1)
    assert sum(report["stages"].values()) == pytest.approx(report["seconds"], abs=1e-5)
    assert report["stages"]["outer"] < report["stages"]["inner"]
    assert report["stages"]["other"] >= 0


# The network's map


class ShiftedSession(CudaLookalike):
    """One whose map is off in one place."""

    def __init__(self, session: Any, offset: float) -> None:
        super().__init__(session)
        self._offset = offset

    def run(self, *arguments: Any) -> list[Any]:
        (saliency,) = self._session.run(*arguments)
        changed = saliency.copy()
        changed[0, 0, 2, 3] += np.float32(self._offset)
        return [changed]


@pytest.fixture
def shift(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Return a function after which ``--ep cuda`` runs the network on the CPU, off by so much."""

    def shift(offset: float) -> None:
        def create(self: Any, content: bytes, plan: Any, threads: int) -> Any:
            session = CREATE(self, content, None, threads)
            on_cpu = plan.provider == "CPUExecutionProvider"
            return session if on_cpu else ShiftedSession(session, offset)

        monkeypatch.setattr(NetworkSession, "_create", create)
        monkeypatch.setattr("roi_accel.inference.ort_session._not_in_this_build", lambda *_: "")

    return shift


def score_on_cuda(pair: Pair, network: Path, **options: Any) -> Result:
    result: Result = roi_accel.score(
        pair.reference, pair.distorted, saliency_model=network, ep="cuda", **options
    )
    return result


@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_map_off_by_6e_5_ends_the_run(
    tiny_pair: Pair,
    tiny_network: Path,
    shift: Callable[[float], None],
    fed: list[int],
    backend: str,
) -> None:
    shift(6e-5)
    with pytest.raises(
        ParityError, match=r"frame 0, mask, y 2, x 3: wanted 0.* 1 of 43008"
    ) as info:
        score_on_cuda(tiny_pair, tiny_network, backend=backend)
    assert info.value.message.startswith("saliency: the network's map differs from CPUExecution")
    assert "tolerance 5e-05 saliency" in info.value.message
    assert fed == []


def test_map_off_by_4e_5_passes_and_the_result_says_by_how_much(
    tiny_pair: Pair, tiny_network: Path, shift: Callable[[float], None]
) -> None:
    shift(4e-5)
    parity = score_on_cuda(tiny_pair, tiny_network, backend="numpy").parity
    (stage,) = parity["stages"]
    assert stage["stage"] == "saliency"
    assert stage["compared_with"] == "CPUExecutionProvider"
    assert stage["values"] == 3 * 168 * 256
    assert stage["largest_difference"] == pytest.approx(4e-5, rel=0.01)
    assert (stage["tolerance"], stage["tolerance_source"]) == (5e-5, "built-in table")
    assert parity["frames_checked"] == 3


@pytest.mark.parametrize(("limit", "passes"), [("1e-4", True), ("5.5e-5", False)])
def test_calibration_sets_the_tolerance_of_the_map(
    tmp_path: Path,
    tiny_pair: Pair,
    tiny_network: Path,
    shift: Callable[[float], None],
    *,
    limit: str,
    passes: bool,
) -> None:
    shift(6e-5)
    file = tmp_path / "devices.toml"
    file.write_text(
        f'[[rule]]\ndevice = "CUDA*"\nstage = "saliency"\ntolerance = {limit}\nreason = "tried"\n'
    )
    if passes:
        parity = score_on_cuda(tiny_pair, tiny_network, backend="numpy", calibration=file).parity
        assert parity["stages"][0]["tolerance"] == 1e-4
        assert str(file) in parity["stages"][0]["tolerance_source"]
    else:
        with pytest.raises(ParityError, match=r"tolerance 5.5e-05"):
            score_on_cuda(tiny_pair, tiny_network, backend="numpy", calibration=file)


def test_calibration_that_cannot_be_read_is_an_input_error(tiny_pair: Pair) -> None:
    with pytest.raises(InputError, match=r"/no/such.toml: no such file"):
        score(tiny_pair, backend="numpy", calibration="/no/such.toml")


def test_map_of_nan_is_a_model_error_before_the_gate_sees_it(
    tmp_path: Path, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks = pytest.importorskip("networks")
    path = networks.write_network_of_nan(tmp_path / "nan.onnx")
    seen: list[object] = []
    monkeypatch.setattr(Gate, "check_map", lambda *_: seen.append(1))
    with pytest.raises(roi_accel.ModelError, match="frame 0"):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, saliency_model=path)
    assert seen == []


def test_the_network_s_input_and_map_are_given_to_the_gate_with_their_frame(
    tiny_pair: Pair, tiny_network: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, tuple[int, ...], tuple[int, ...]]] = []
    real = Gate.check_map

    def check_map(self: Gate, index: int, model_input: Any, saliency: Any) -> None:
        seen.append((index, model_input.shape, saliency.shape))
        real(self, index, model_input, saliency)

    monkeypatch.setattr(Gate, "check_map", check_map)
    roi_accel.score(tiny_pair.reference, tiny_pair.distorted, saliency_model=tiny_network)
    assert seen == [(index, (1, 3, 168, 256), (168, 256)) for index in range(tiny_pair.frames)]


# A network that runs in the device's memory


def as_array(tensor: Any) -> np.ndarray:
    count = int(np.prod(tensor.shape))
    words = ctypes.cast(tensor.pointer, ctypes.POINTER(ctypes.c_float))
    return np.ctypeslib.as_array(words, (count,)).reshape(tensor.shape)


def mean(model_input: np.ndarray) -> np.ndarray:
    """Return a map in [0, 1], float32[height, width]: the network of these tests."""
    return np.clip(model_input[0].mean(axis=0) / 6 + 0.5, 0, 1).astype(np.float32)


def infer_in_memory(offset: float) -> dict[str, Any]:
    """Run one frame's network in the "device's" memory, off by `offset`; return the report."""
    plan = Plan(
        pixel_format=P8,
        width=REAL_WIDTH,
        height=64,
        mask_width=46,
        mask_height=31,
        model=ModelSize(46, 31, 48, 32),
    )
    backend = InferringBackend()
    gate = Gate("all", backend)
    gate.compare_network(mean, "CPUExecutionProvider", table_tolerance("saliency"))
    (reference,) = smooth_frames(P8, REAL_WIDTH, 64, 1)

    def run(model_input: Any, output: Any) -> None:
        as_array(output)[0, 0] = mean(as_array(model_input)) + np.float32(offset)

    with backend.open(plan) as session:
        gate.start(plan, videos=["video"], regions=[])
        gate.announce_network(0, turn=0, is_last=False)
        expected = gate.expect_input(0, reference)
        assert expected is not None
        model_input = session.preprocess(reference)
        gate.check_input(expected, model_input)
        mask = session.infer(reference, run)
        gate.check_mask(expected, model_input, mask)
    return gate.report(0)


def test_mask_made_on_the_device_is_held_against_the_reference_map(plant: Plant) -> None:
    plant("")
    preprocess, saliency = infer_in_memory(4e-5)["stages"]
    assert (preprocess["stage"], saliency["stage"]) == ("preprocess", "saliency")
    assert saliency["values"] == 46 * 31
    assert saliency["largest_difference"] == pytest.approx(4e-5, abs=0.51 / 65535)
    assert saliency["tolerance"] == 5e-5 + 0.5 / 65535
    assert saliency["tolerance_source"] == "built-in table, and half a code of 16 bits"


@pytest.mark.parametrize(
    ("fault", "offset", "match"),
    [
        ("", 7e-5, "saliency: the device's mask differs.*frame 0, mask, y 0, x 0: "),
        ("mask", 0.0, "saliency: the device's mask differs.*frame 0, mask, y 4, x 5: .* 1 of 1426"),
        ("preprocess", 0.0, "preprocess: .*frame 0, G, y 2, x 3: .* 1 of "),
    ],
)
def test_fault_beside_a_network_on_the_device_is_found(
    plant: Plant, fault: str, offset: float, match: str
) -> None:
    plant(REAL + fault)
    with pytest.raises(ParityError, match=match):
        infer_in_memory(offset)


# The dump


def dumped(error: ParityError) -> Path:
    return Path(error.remedy.rpartition("the arrays are in ")[2])


def test_dump_holds_both_answers_and_what_they_came_from(
    plant: Plant, tiny_pair: Pair, tmp_path: Path
) -> None:
    plant(REAL + "chroma")
    with pytest.raises(ParityError) as caught:
        score(tiny_pair, dump=tmp_path / "evidence")
    path = dumped(caught.value)
    assert path.parent == tmp_path / "evidence"
    with np.load(path) as content:
        names = {
            f"{role}_{p}" for role in ("wanted", "got", "reference", "distorted") for p in "YUV"
        }
        assert set(content) == names | {"mask"}
        assert np.array_equal(content["wanted_Y"], content["got_Y"])
        assert np.argwhere(content["wanted_V"] != content["got_V"]).tolist() == [[31, 47]]
        assert np.array_equal(content["wanted_V"], content["distorted_V"])
        assert content["mask"].tolist() == [[65535]]


def test_dump_of_the_map_has_the_networks_input(
    tiny_pair: Pair, tiny_network: Path, tmp_path: Path, shift: Callable[[float], None]
) -> None:
    shift(6e-5)
    with pytest.raises(ParityError) as caught:
        score_on_cuda(tiny_pair, tiny_network, backend="numpy", dump=tmp_path)
    with np.load(dumped(caught.value)) as content:
        assert set(content) == {"wanted_mask", "got_mask", "R", "G", "B"}
        assert content["R"].shape == content["got_mask"].shape == (168, 256)


def test_dump_never_replaces_an_older_one(plant: Plant, tiny_pair: Pair, tmp_path: Path) -> None:
    plant(REAL + "chroma")
    with pytest.raises(ParityError) as caught:
        score(tiny_pair, dump=tmp_path / "evidence")
    path = dumped(caught.value)
    before = path.read_bytes()
    plant(REAL + "one pixel")
    with pytest.raises(ParityError, match="Y, y 3, x 5") as caught:
        score(tiny_pair, dump=tmp_path / "evidence")
    assert f"could not be saved: output {path} exists" in caught.value.remedy
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_nothing_is_made_where_nothing_differs(
    plant: Plant, tiny_pair: Pair, tmp_path: Path
) -> None:
    plant("")
    score(tiny_pair, dump=tmp_path / "evidence")
    assert not (tmp_path / "evidence").exists()


def test_dump_that_cannot_be_a_folder_is_an_output_error_before_any_work(
    tiny_pair: Pair, tmp_path: Path, fed: list[int]
) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "absent" / "evidence"):
        with pytest.raises(OutputError, match=str(path)):
            score(tiny_pair, backend="numpy", dump=path)
    assert fed == []


# The command line


def run(
    pair: Pair, *options: object, env: Mapping[str, str], temporary: Path
) -> subprocess.CompletedProcess[str]:
    temporary.mkdir(exist_ok=True)
    command = [console_script(), "score", "-r", pair.reference, "-d", pair.distorted]
    command += ["--backend", "faulty", "--synthetic-mask", "1", *options]
    settings = {**os.environ, **env, "TMPDIR": str(temporary), "COLUMNS": "200"}
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, env=settings
    )


def processes_with(mark: str) -> list[str]:
    """Return the processes that have `mark` in their environment, as VMAF's inherit it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="processes are read from /proc")
@pytest.mark.parametrize(
    ("fault", "match"),
    [("second frame", "frame 1, Y, y 0, x 0"), ("one pixel", "frame 0, Y, y 3, x 5")],
)
def test_failed_gate_prints_no_score_and_leaves_nothing(
    plant: Plant, tiny_pair: Pair, tmp_path: Path, fault: str, match: str
) -> None:
    env, mark = plant(REAL + fault), uuid.uuid4().hex
    output, temporary = tmp_path / "result.json", tmp_path / "temporary"
    done = run(
        *(tiny_pair, "-o", output, "--csv", tmp_path / "frames.csv"),
        env={**env, "ROI_ACCEL_TEST_MARK": mark},
        temporary=temporary,
    )
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("roi-accel: substitute of ")
    assert done.stderr.count("\n") == 1
    assert match in done.stderr
    assert not output.exists()
    assert not (tmp_path / "frames.csv").exists()
    assert list(temporary.iterdir()) == []
    assert processes_with(mark) == []


def test_device_that_fails_the_self_test_ends_the_command_with_4(
    plant: Plant, tiny_pair: Pair, tmp_path: Path
) -> None:
    env = plant("tail column")
    done = run(tiny_pair, env=env, temporary=tmp_path / "temporary")
    assert (done.returncode, done.stdout) == (4, "")
    assert "does not reproduce the golden self-test: substitute" in done.stderr


def test_summary_says_what_the_gate_did(plant: Plant, tiny_pair: Pair, tmp_path: Path) -> None:
    env = plant(REAL + "one pixel")
    off = run(tiny_pair, "--summary", "--gate", "off", env=env, temporary=tmp_path / "temporary")
    assert off.returncode == 0, off.stderr
    assert "off: nothing was checked" in off.stderr
    assert json.loads(off.stdout)["parity"]["gate"] == "off"
    env = plant("")
    on = run(tiny_pair, "--summary", "--gate", "all", env=env, temporary=tmp_path / "temporary")
    assert "self-test passed, 8 of 8 frames checked (substitute), no difference" in on.stderr


@pytest.mark.parametrize(
    ("options", "match"),
    [
        (("--gate", "none"), "there is no gate 'none'"),
        (("--gate", "off", "--dump", "x"), "leave out --dump or --gate off"),
        (("--gate", "off", "--calibration", "x"), "leave out --calibration or --gate off"),
    ],
)
def test_options_that_make_no_sense_are_usage_errors(
    plant: Plant, tiny_pair: Pair, tmp_path: Path, options: tuple[str, ...], match: str
) -> None:
    done = run(tiny_pair, *options, env=plant(""), temporary=tmp_path / "temporary")
    assert (done.returncode, done.stdout) == (2, "")
    assert match in done.stderr


def test_unknown_gate_is_an_input_error_in_python(tiny_pair: Pair) -> None:
    with pytest.raises(InputError, match="there is no gate 'some'"):
        score(tiny_pair, gate="some")
