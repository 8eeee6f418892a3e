"""Stages at work at once score as one after the other would, and a timeline tells where."""

from __future__ import annotations

import json
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
from support import console_script

import roi_accel
from roi_accel._util.timing import Stopwatch, trace_json
from roi_accel.errors import RoiAccelError
from roi_accel.options import ScoreOptions
from roi_accel.run.score import score_all

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

    from roi_accel.results.result import Result


def scores(result: Result) -> dict[str, Any]:
    content = json.loads(result.to_json())
    del content["timing"]
    return content


@pytest.fixture
def score(tiny_pair: Pair, tiny_network: Path) -> Any:
    def run(**options: Any) -> Result:
        pair = (tiny_pair.reference, tiny_pair.distorted)
        return roi_accel.score(*pair, saliency_model=tiny_network, **options)

    return run


@pytest.mark.parametrize("depth", [1, 8])
@pytest.mark.parametrize("threads", [1, 2, 8])
@pytest.mark.parametrize("backend", ["numpy", "numba"])
def test_scores_depend_neither_on_threads_nor_on_queues(
    monkeypatch: pytest.MonkeyPatch, score: Any, depth: int, threads: int, backend: str
) -> None:
    wanted = scores(score(threads=1, backend=backend))
    monkeypatch.setattr("roi_accel.run.frame_pipeline.QUEUE_DEPTH", depth)
    assert scores(score(threads=threads, backend=backend)) == wanted


def test_no_thread_is_left_after_a_run_nor_after_a_failure(score: Any, tiny_pair: Pair) -> None:
    score()
    before = threading.active_count()
    score()
    assert threading.active_count() == before
    cut = tiny_pair.distorted.read_bytes()[:-1000]
    short = tiny_pair.distorted.with_name("cut.y4m")
    short.write_bytes(cut)
    with pytest.raises(RoiAccelError):
        roi_accel.score(tiny_pair.reference, short, synthetic_mask=1.0)
    assert threading.active_count() == before


def test_stages_of_the_leading_thread_add_up_to_the_wall_time(score: Any) -> None:
    timing = score().timing
    assert sum(timing["stages"].values()) == pytest.approx(timing["seconds"], abs=2e-5)
    assert {"prepare", "wait_for_frames", "vmaf_feed", "vmaf_finish"} <= set(timing["stages"])
    assert {"decode", "preprocess", "network", "substitute"} <= set(timing["beside"])


def test_the_devices_own_seconds_are_in_the_timing(score: Any, available: Any) -> None:
    available("opencl")
    timing = score(backend="opencl").timing
    assert {"upload", "substitute", "download"} <= set(timing["device"])
    assert all(seconds > 0 for seconds in timing["device"].values())


class TestTrace:
    @pytest.fixture
    def events(self, tiny_pair: Pair, tiny_network: Path, tmp_path: Path) -> list[dict[str, Any]]:
        path = tmp_path / "trace.json"
        command = [console_script(), "score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted]
        done = subprocess.run(
            [*command, "--saliency-model", tiny_network, "--trace", path, "--quiet"],
            capture_output=True,
            text=True,
            check=True,
        )
        self.timing = json.loads(done.stdout)["timing"]
        document = json.loads(path.read_text("utf-8"))
        assert document["displayTimeUnit"] == "ms"
        found: list[dict[str, Any]] = document["traceEvents"]
        return found

    def test_every_event_has_the_fields_of_its_phase(self, events: list[dict[str, Any]]) -> None:
        assert {event["ph"] for event in events} == {"M", "X", "C"}
        for event in events:
            assert isinstance(event["name"], str)
            assert isinstance(event["pid"], int)
            assert isinstance(event["tid"], int)
            if event["ph"] == "X":
                assert event["ts"] >= 0
                assert event["dur"] >= 0
            if event["ph"] == "C":
                assert event["ts"] >= 0
                assert all(isinstance(value, int) for value in event["args"].values())
            if event["ph"] == "M":
                assert event["name"] in {"process_name", "thread_name", "thread_sort_index"}

    def test_each_stage_has_a_span_per_frame_on_a_named_thread(
        self, events: list[dict[str, Any]], tiny_pair: Pair
    ) -> None:
        names = {
            event["tid"]: event["args"]["name"]
            for event in events
            if event["name"] == "thread_name"
        }
        for stage, thread in [
            ("network", "mask"),
            ("preprocess", "mask"),
            ("substitute", "substitute"),
            ("vmaf_feed", "MainThread"),
        ]:
            spans = [event for event in events if event["name"] == stage]
            assert [span["args"]["frame"] for span in spans] == list(range(tiny_pair.frames))
            assert {names[span["tid"]] for span in spans} == {thread}
        assert {"decode reference", "decode distorted 1"} <= set(names.values())

    def test_queues_show_their_levels(self, events: list[dict[str, Any]]) -> None:
        counters = {event["name"] for event in events if event["ph"] == "C"}
        assert counters == {
            "queue: decoded reference",
            "queue: decoded distorted 1",
            "queue: mask",
            "queue: substitute",
        }

    def test_spans_of_the_leading_thread_cover_the_wall_time(
        self, events: list[dict[str, Any]]
    ) -> None:
        (main,) = {
            event["tid"]
            for event in events
            if event["name"] == "thread_name" and event["args"]["name"] == "MainThread"
        }
        spans = sorted(
            (event["ts"], event["ts"] + event["dur"])
            for event in events
            if event["ph"] == "X" and event["tid"] == main
        )
        covered, end = 0.0, 0.0
        for start, stop in spans:
            covered += max(0.0, stop - max(start, end))
            end = max(end, stop)
        assert covered >= 0.95 * self.timing["seconds"] * 1e6

    def test_opencls_own_events_are_a_track(
        self, tiny_pair: Pair, tiny_network: Path, available: Any
    ) -> None:
        device = available("opencl").device
        stopwatch = Stopwatch(is_traced=True)
        options = ScoreOptions(saliency_model=tiny_network, backend="opencl")
        score_all(tiny_pair.reference, [tiny_pair.distorted], options, stopwatch=stopwatch)
        spans = [span for span in stopwatch.spans if span.track == device]
        assert {"upload", "substitute", "preprocess"} <= {span.name for span in spans}
        assert all(0 <= span.start <= stopwatch.seconds for span in spans)
        json.loads(trace_json(stopwatch))

    def test_device_span_that_is_seen_late_moves_no_other_past_the_end(self) -> None:
        stopwatch = Stopwatch(is_traced=True)
        for start, stop in ((0, 1_000), (900_000_000, 900_001_000)):  # the first seen 0.9 s late
            stopwatch.device_span("any", "device", start, stop)
        assert stopwatch.spans[-1].start <= stopwatch.seconds

    def test_without_one_nothing_is_remembered(self) -> None:
        stopwatch = Stopwatch()
        with stopwatch.stage("any", 1):
            pass
        assert stopwatch.spans == []
        assert stopwatch.level("queue") is None


@pytest.mark.parametrize("options", [("-o", "--csv"), ("--csv", "--trace"), ("-o", "--trace")])
def test_two_outputs_of_one_name_are_refused(
    tiny_pair: Pair, tmp_path: Path, options: tuple[str, str]
) -> None:
    same = str(tmp_path / "same")
    command = [console_script(), "score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted]
    done = subprocess.run(
        [*command, options[0], same, options[1], same], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "both name" in done.stderr
