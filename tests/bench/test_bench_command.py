"""Claims about `roi-accel bench`: all are shown, all is written, a regression is found."""

from __future__ import annotations

import copy
import importlib.util
import json
import re
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import ROOT

from roi_accel.backends.frame import PixelFormat
from roi_accel.bench.contender import Contender, Effort, time_contenders
from roi_accel.bench.goals import GOALS
from roi_accel.bench.gpu import DEVICE_PEERS, zoom_and_blend
from roi_accel.bench.inputs import (
    KERNELS,
    BenchCase,
    bytes_to_move,
    last_level_cache_bytes,
    make_inputs,
)
from roi_accel.bench.ours import our_contender
from roi_accel.bench.peers import FLOAT_NUMPY, OPENCV, PEERS, enlarged
from roi_accel.bench.regression import Change, Report, parse_share
from roi_accel.bench.regression import compare_reports as compare
from roi_accel.bench.run import BenchOptions, differences, measure_case
from roi_accel.cli import main
from roi_accel.devices.dispatch import BACKENDS
from roi_accel.errors import InputError
from roi_accel.parity.cases import digest

if TYPE_CHECKING:
    from pathlib import Path

ROW_KEYS = {
    "name", "role", "threads", "facts", "seconds_per_frame", "frames_per_second",
    "gigabytes_per_second",
}  # fmt: skip
CASE = BenchCase("substitute", PixelFormat("420", 8), 160, 90, "blobs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the JSON of a quick run of everything; beside it, report.txt has what it printed."""
    folder = tmp_path_factory.mktemp("bench")
    path = folder / "report.json"
    with pytest.MonkeyPatch.context() as patch, (folder / "report.txt").open("w+") as stdout:
        patch.setattr("sys.stdout", stdout)
        assert main(["bench", "--quick", "--formats", "yuv420p", "--json", str(path)]) == 0
    return path


@pytest.fixture(scope="module")
def report(made: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(made.read_text())
    return found


def compare_reports(old: dict[str, Any], new: dict[str, Any]) -> list[Change]:
    return compare(Report.of(old), Report.of(new))


def test_opencv_is_timed_on_as_many_threads_as_are_told() -> None:
    cv2 = pytest.importorskip("cv2")
    options = BenchOptions(
        backends=["numpy"], cases=[], kernels=["substitute"], threads=2, quick=True
    )
    case = BenchCase("substitute", PixelFormat("420", 8), 64, 48, "blobs")
    (row,) = (row for row in measure_case(case, options)["rows"] if row["name"] == OPENCV)
    assert row["threads"] == cv2.getNumThreads() == 2


def test_every_backend_and_peer_is_printed(made: Path) -> None:
    text = " ".join((made.parent / "report.txt").read_text().split())
    for name in BACKENDS:
        assert f" {name} " in text
    for peer in (*PEERS, *DEVICE_PEERS):
        assert peer.split(" +")[0] in text


def test_whoever_is_absent_says_why(report: dict[str, Any]) -> None:
    for case in report["cases"]:
        present = {row["name"] for row in case["rows"]}
        absent = {each["name"]: each["reason"] for each in case["not_measured"]}
        wanted = {"cuda"} if case["kernel"] == "substitute on the device" else set(BACKENDS)
        assert wanted <= present | absent.keys()
        assert not present & absent.keys()
        assert all(absent.values())


def test_the_json_says_when_where_and_what(report: dict[str, Any]) -> None:
    assert report["schema_version"] == 1
    assert {"roi_accel", "date", "machine", "settings", "devices", "cases", "goals"} <= set(report)
    assert {"processor", "cores", "system", "python", "load_before"} <= set(report["machine"])
    for case in report["cases"]:
        assert {"bytes_per_frame", "copies", "alpha_shares", "frames", "mask"} <= set(case)
        for row in case["rows"]:
            assert set(row) >= ROW_KEYS
            assert {"median", "min", "max"} == set(row["seconds_per_frame"])
            if row["role"] == "backend":
                assert {"share_of_copy", "seconds_at_copy_bandwidth", "ratios"} <= set(row)
                assert {"device", "description", "driver"} <= set(row["facts"])


def test_every_backends_output_is_the_reference_backends(report: dict[str, Any]) -> None:
    seen = set()
    for case in report["cases"]:
        ours = [row for row in case["rows"] if row["role"] == "backend"]
        assert len({row["digest"] for row in ours}) <= 1
        assert all(row["exact"] for row in ours)
        seen |= {row["name"] for row in ours}
    assert {"numpy", "numba"} <= seen


def test_each_peer_tells_how_its_output_differs(report: dict[str, Any]) -> None:
    for case in report["cases"]:
        for row in case["rows"]:
            if row["role"] == "peer":
                found = row["difference"]
                assert found["why"]
                assert 0 <= found["share_off"] <= 1
                assert row["exact"] == (found["share_off"] == 0)
                assert "share_off" in found["with_alpha_from_the_mask_itself"]


def test_a_backend_has_a_ratio_to_every_peer_beside_it(report: dict[str, Any]) -> None:
    for case in report["cases"]:
        peers = {row["name"] for row in case["rows"] if row["role"] == "peer"}
        for row in case["rows"]:
            if row["role"] == "backend":
                assert set(row["ratios"]) >= peers
    assert peers == set()  # the last case, preprocess, has none
    first = report["cases"][0]
    assert FLOAT_NUMPY in {row["name"] for row in first["rows"]}


def test_no_goal_is_judged_without_its_measurement(report: dict[str, Any]) -> None:
    assert {goal["what"] for goal in report["goals"]} == {goal.what for goal in GOALS}
    for goal in report["goals"]:  # the quick run has none of their sizes
        assert goal["met"] is None
        assert goal["measured"] is None
        assert goal["reason"].startswith("not measured: ")


def slowed(report: dict[str, Any], backend: str, factor: float) -> dict[str, Any]:
    """Return `report` as if `backend` had been so many times as fast."""
    edited = copy.deepcopy(report)
    for case in edited["cases"]:
        for row in case["rows"]:
            if row["name"] == backend:
                row["share_of_copy"] *= factor
                for spread in row["ratios"].values():
                    spread["median"] /= factor
    return edited


def test_a_report_has_not_changed_against_itself(report: dict[str, Any]) -> None:
    changes = compare_reports(report, report)
    assert {each.backend for each in changes} >= {"numpy", "numba"}
    assert all(each.change == 0 for each in changes)


def test_a_planted_regression_is_found_at_its_backend(report: dict[str, Any]) -> None:
    changes = compare_reports(slowed(report, "numba", 1.5), report)
    assert {each.backend for each in changes if each.change > 0.1} == {"numba"}
    assert all(each.change == pytest.approx(0.5) for each in changes if each.backend == "numba")


def test_one_peer_that_changed_by_itself_is_no_regression(report: dict[str, Any]) -> None:
    old = copy.deepcopy(report)
    row = next(row for row in old["cases"][0]["rows"] if row["name"] == "numba")
    row["ratios"] |= {f"other {i}": {"median": 1.0} for i in range(2)}
    new = copy.deepcopy(old)
    new_row = next(row for row in new["cases"][0]["rows"] if row["name"] == "numba")
    new_row["ratios"]["other 0"]["median"] = 9.0
    assert all(each.change == 0 for each in compare_reports(old, new))


def run_compared(old: dict[str, Any], folder: Path, *more: str) -> int:
    path = folder / "old.json"
    path.write_text(json.dumps(old))
    options = ["--quick", "--formats", "yuv420p", "--kernels", "substitute"]
    backends = ["--backends", "numpy,numba", "--compare", str(path)]
    return main(["bench", *options, *backends, *more])


def test_a_regression_past_what_is_allowed_ends_with_1(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # A thousand times as fast before: beyond any noise of a quick run.
    assert run_compared(slowed(report, "numba", 1000), tmp_path) == 1
    assert "numba got" in capsys.readouterr().err


def test_without_one_it_ends_with_0(report: dict[str, Any], tmp_path: Path) -> None:
    # A thousand times as slow before, both that are compared: now they are faster.
    assert run_compared(slowed(slowed(report, "numba", 0.001), "numpy", 0.001), tmp_path) == 0


def test_a_kernel_without_peers_is_compared_by_its_share_of_the_copy(
    report: dict[str, Any],
) -> None:
    old = copy.deepcopy(report)
    for case in old["cases"]:
        for row in case["rows"]:
            if case["kernel"] == "preprocess" and row["name"] == "numba":
                row["share_of_copy"] *= 2
    changes = compare_reports(old, report)
    assert {each.case.split(",")[0] for each in changes} >= {"upsample", "preprocess"}
    (slower,) = (each for each in changes if each.change > 0.1)
    assert (slower.backend, slower.change) == ("numba", pytest.approx(1))
    assert slower.case.startswith("preprocess")


def test_a_report_of_another_machine_is_pointed_out(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = slowed(slowed(report, "numba", 0.001), "numpy", 0.001)
    old["machine"]["processor"] = "Z80"
    assert run_compared(old, tmp_path) == 0
    assert "another machine: Z80" in " ".join(capsys.readouterr().err.split())


def test_a_damaged_report_is_refused_before_anything_is_measured(
    report: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measuring(*_: object, **__: object) -> None:
        pytest.fail("measured")

    monkeypatch.setattr("roi_accel.bench.run.run_bench", measuring)
    old = copy.deepcopy(report)
    old["cases"][0]["rows"] = None
    assert run_compared(old, tmp_path) == 2
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--sizes", "huge"], "--sizes 'huge'"),
        (["--sizes", ""], "--sizes '' has an empty name"),
        (["--formats", ""], "--formats '' has an empty name"),
        (["--sizes", "99999x99999"], "a side above 16384"),
        (
            ["--kernels", "substitute on the device", "--backends", "numba"],
            "none of numba works on frames in a device's memory",
        ),
        (["--formats", "rgb24"], "unknown pixel format 'rgb24'"),
        (["--kernels", "blur"], "no kernel 'blur'"),
        (["--regression", "much"], "--regression 'much'"),
        (["--compare", "absent.json"], "absent.json: no such file"),
        (["--backends", "numpy,"], "has an empty name"),
    ],
)
def test_a_wrong_option_ends_with_2_before_anything_is_measured(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", *options]) == 2
    stderr = capsys.readouterr().err
    assert said in " ".join(stderr.split())
    assert "Traceback" not in stderr


def test_reports_of_other_threads_are_not_compared(
    report: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_compared(report, tmp_path, "--threads", "7") == 2
    assert "threads" in capsys.readouterr().err


@pytest.mark.parametrize(("text", "share"), [("10%", 0.1), ("0.25", 0.25), (" 0 ", 0.0)])
def test_a_share_is_a_percentage_or_a_number(text: str, share: float) -> None:
    assert parse_share(text) == pytest.approx(share)


@pytest.mark.parametrize("text", ["-1", "10%%", "nan", "inf", ""])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_share(text)


def test_every_contender_takes_its_turn_in_every_round() -> None:
    turns: list[str] = []

    def noting(name: str) -> Contender:
        return Contender(name, "peer", lambda _: turns.append(name), frames=1)

    seconds = time_contenders([noting("a"), noting("b")], Effort(rounds=4, turn_seconds=0))
    assert "".join(turns[12:]) == "abbaabba"
    assert {name: len(values) for name, values in seconds.items()} == {"a": 4, "b": 4}


def test_each_last_level_cache_counts_once(tmp_path: Path) -> None:
    for cpu in range(4):
        caches = ((1, f"{cpu}", "32K"), (3, f"{cpu // 2 * 2}-{cpu // 2 * 2 + 1}", "16384K"))
        for index, (level, shared, size) in enumerate(caches):
            folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            for name, text in (("level", level), ("shared_cpu_list", shared), ("size", size)):
                (folder / name).write_text(f"{text}\n")
    assert last_level_cache_bytes(tmp_path) == 2 * 16384 * 1024
    assert last_level_cache_bytes(tmp_path / "absent") == 32 << 20


def test_the_kernel_on_the_device_is_measured_for_cuda_alone() -> None:
    options = BenchOptions(backends=["numba"], cases=[], threads=1)
    assert set(KERNELS) - set(options.measurable_kernels) == {"substitute on the device"}
    assert replace(options, backends=["numba", "cuda"]).measurable_kernels == KERNELS


def test_bytes_count_both_inputs_only_where_they_are_mixed() -> None:
    plan = make_inputs(CASE, frames=1).plan
    frame = plan.pixel_format.frame_bytes(plan.width, plan.height)
    mask = plan.mask_width * plan.mask_height * 2

    def alpha(value: int) -> Any:
        return tuple(np.full(shape, value, np.uint32) for shape in plan.plane_shapes)

    def lines(shape: tuple[int, int]) -> int:
        return shape[0] * -(-shape[1] // 64) * 64

    read = sum(map(lines, plan.plane_shapes))
    assert bytes_to_move("substitute", plan, [alpha(0)]) == mask + frame + read
    assert bytes_to_move("substitute", plan, [alpha(65536)]) == mask + frame + read
    assert bytes_to_move("substitute", plan, [alpha(1)]) == mask + frame + 2 * read


def test_float_numpy_is_one_code_off_at_most_at_8_bits() -> None:
    inputs = make_inputs(CASE, frames=1)
    with ExitStack() as stack:
        exact = our_contender("numpy", "substitute", inputs, 1, stack)
        peer = PEERS[FLOAT_NUMPY](inputs, 1)
        assert isinstance(exact, Contender)
        found = differences(exact.planes(0), peer.planes(0))
    assert found["largest"] <= 1
    assert found["share_off"] < 0.01


def test_the_formula_for_cupy_is_the_float_formula() -> None:
    inputs = make_inputs(CASE, frames=1)

    def zoom(mask: np.ndarray, factors: tuple[float, float], **options: object) -> np.ndarray:
        assert options == {"order": 1, "mode": "nearest", "grid_mode": True}
        height, width = (round(n * f) for n, f in zip(mask.shape, factors, strict=True))
        return enlarged(mask, height, width)

    mask = (inputs.masks[0] / 65535).astype(np.float32)
    frames = inputs.references[0], inputs.distorted[0], mask
    planes = zoom_and_blend(np, zoom, frames, inputs.plan.threshold, inputs.plan.fade)
    peer = PEERS[FLOAT_NUMPY](inputs, 1)
    assert differences(peer.planes(0), planes)["largest"] <= 1


def test_a_digest_depends_on_every_value_and_on_the_shape() -> None:
    plane = np.zeros((2, 3), np.uint8)
    other = plane.copy()
    other[1, 2] = 1
    assert len({digest(plane), digest(other), digest(plane.T)}) == 3


def test_committed_results_are_of_whole_runs() -> None:
    paths = sorted((ROOT / "bench" / "results").glob("*.json"))
    assert paths
    for path in paths:
        found = json.loads(path.read_text())
        assert not found["settings"].get("quick"), path
        assert {"date", "roi_accel", "machine", "settings", "goals"} <= set(found), path


def test_the_pages_tables_are_those_of_the_committed_results() -> None:
    page = (ROOT / "docs" / "performance.md").read_text("utf-8")
    spec = importlib.util.spec_from_file_location("write", ROOT / "scripts/write_performance.py")
    assert spec
    assert spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    names = re.findall(r"results/([^)]+[.]json)", page)
    assert names
    for name in names:
        found = json.loads((ROOT / "bench" / "results" / name).read_text())
        assert script.with_tables(page, found, name) == page
