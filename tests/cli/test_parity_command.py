"""Claims about `roi-accel parity`: planted faults are found at their place, and end with 1."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import planted
import pytest
from clips import P8, damaged, smooth_frames, write_raw
from commands import assert_one_line, run

from roi_accel.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

INTEGER = "preprocess,upsample,substitute"


def parity(
    *arguments: object, formats: str = "yuv420p", stages: str = INTEGER, env: Any = None
) -> tuple[int, dict[str, Any], str]:
    """Return the exit code, the JSON report and stderr."""
    options = ["--formats", formats, "--stages", stages, "--json", "-"]
    done = run("parity", *options, *arguments, env=env)
    return done.returncode, json.loads(done.stdout), done.stderr


def cells(report: dict[str, Any], status: str) -> list[dict[str, Any]]:
    return [cell for cell in report["cells"] if cell["status"] == status]


def plant(folder: Path, fault: str, **options: str) -> tuple[int, dict[str, Any], str]:
    return parity("--backends", "numpy,planted", env=planted.install(folder, fault), **options)


def test_backends_that_agree_end_with_0_and_totals_on_stdout() -> None:
    done = run(
        "parity", "--backends", "numpy,numba", "--formats", "yuv420p,yuv444p16le",
        "--stages", INTEGER,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found = re.search(r"(\d+) cells \((\d+) OK\), (\d+) values compared", done.stdout)
    assert found
    assert found[1] == found[2] == "18"  # 3 stages, 2 formats, a pair and two repetitions
    assert int(found[3]) > 1e6
    for stage in INTEGER.split(","):
        assert f"{stage}: largest difference 0 " in done.stdout


def test_an_honest_backend_of_another_package_passes(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "none")
    assert (code, report["outcome"]) == (0, "agree")


def test_one_code_in_one_pixel_is_found_at_its_place(tmp_path: Path) -> None:
    code, report, stderr = plant(tmp_path, "one pixel")
    (cell,) = cells(report, "FAIL")
    assert code == 1
    assert (cell["stage"], cell["wanted"], cell["got"]) == ("substitute", "numpy", "planted")
    first = cell["first_difference"]
    assert (first["plane"], first["y"], first["x"], first["frame"]) == ("V", 17, 0, 0)
    assert abs(first["wanted"] - first["got"]) == 1
    assert cell["largest_difference"] == 1
    assert cell["values_differing"] == cell["cases"] * 3 - 2 * large_cases(cell)
    assert "FAIL substitute, yuv420p, numpy = planted: yuv420p 33x35 noise" in stderr
    assert "V, y 17, x 0: wanted" in stderr
    assert "roi-accel: There are differences." in stderr


def large_cases(cell: dict[str, Any]) -> int:
    """Return how many of the cell's cases have one frame instead of three."""
    assert cell["format"] == "yuv420p"
    return 1


def test_a_lost_tail_column_is_found_only_where_there_is_a_tail(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "tail column")
    (cell,) = cells(report, "FAIL")
    first = cell["first_difference"]
    assert code == 1
    assert (first["plane"], first["x"]) == ("Y", 32)
    assert "33x35" in first["case"]


def test_a_fault_at_16_bits_leaves_the_other_depths_alone(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "16 bits", formats="yuv420p,yuv422p10le,yuv420p16le")
    (cell,) = cells(report, "FAIL")
    assert code == 1
    assert cell["format"] == "yuv420p16le"
    first = cell["first_difference"]
    assert (first["plane"], first["y"], first["x"]) == ("U", 0, 0)


def test_a_fault_on_the_second_frame_is_found_on_the_second_frame(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "second frame", formats="yuv422p")
    (cell,) = cells(report, "FAIL")
    first = cell["first_difference"]
    assert code == 1
    assert (first["frame"], first["plane"], first["y"], first["x"]) == (1, "Y", 2, 3)


def test_a_backend_that_does_not_repeat_itself_fails_against_itself(tmp_path: Path) -> None:
    code, report, stderr = plant(tmp_path, "random")
    failed = {(cell["wanted"], cell["got"]) for cell in cells(report, "FAIL")}
    assert code == 1
    assert failed == {("numpy", "planted"), ("planted", "planted")}
    assert "planted twice" in stderr


def test_alpha_off_by_one_is_found_in_upsample_and_not_blamed_on_the_blend(tmp_path: Path) -> None:
    _, report, _ = plant(tmp_path, "alpha")
    (cell,) = cells(report, "FAIL")
    first = cell["first_difference"]
    assert (cell["stage"], first["plane"], first["y"]) == ("upsample", "U", 0)
    assert first["got"] == first["wanted"] + 1


def test_a_float_off_by_its_last_bit_is_found(tmp_path: Path) -> None:
    _, report, _ = plant(tmp_path, "input")
    (cell,) = cells(report, "FAIL")
    first = cell["first_difference"]
    assert (cell["stage"], first["plane"], first["y"], first["x"]) == ("preprocess", "G", 2, 3)
    assert 0 < cell["largest_difference"] < 1e-6


def test_nan_is_found_on_both_sides_of_a_repetition(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "nan")
    failed = cells(report, "FAIL")
    assert code == 1
    assert {(cell["wanted"], cell["got"]) for cell in failed} == {
        ("numpy", "planted"),
        ("planted", "planted"),
    }
    first = failed[0]["first_difference"]
    assert (first["plane"], first["y"], first["x"], first["got"]) == ("B", 0, 1, "nan")
    assert failed[1]["first_difference"]["wanted"] == "nan"


def test_another_shape_is_told_apart_from_another_value(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "shape")
    failed = cells(report, "FAIL")
    assert code == 1
    assert failed[0]["first_difference"] is None
    assert "plane U: wanted uint8[18, 17], got uint8[18, 16]" in failed[0]["explanation"]


@pytest.mark.parametrize(
    ("fault", "stages", "why"),
    [
        ("raises", {"substitute"}, "RuntimeError: the queue is lost"),
        ("opens not", set(INTEGER.split(",")), "MemoryError: no room"),
        ("closes not", set(INTEGER.split(",")), "OSError: device lost"),
    ],
)
def test_a_backend_that_raises_is_an_error_with_its_words_and_ends_with_2(
    tmp_path: Path, fault: str, stages: set[str], why: str
) -> None:
    code, report, stderr = plant(tmp_path, fault)
    assert code == 2
    assert {cell["stage"] for cell in cells(report, "ERROR")} == stages
    assert all(why in cell["explanation"] for cell in cells(report, "ERROR"))
    assert why in stderr
    assert "Traceback" not in stderr


def test_an_answer_in_the_memory_of_the_last_one_fails_against_itself(tmp_path: Path) -> None:
    code, report, stderr = plant(tmp_path, "same memory")
    assert code == 1
    failed = {(cell["wanted"], cell["got"]) for cell in cells(report, "FAIL")}
    assert failed == {("planted", "planted")}
    assert "frame 1: the answer is in the memory of an earlier one" in stderr


def test_a_malformed_answer_is_an_error_and_the_report_is_whole(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "nothing")
    assert code == 2
    assert {cell["stage"] for cell in cells(report, "ERROR")} == {"upsample"}
    assert {cell["stage"] for cell in cells(report, "OK")} >= {"preprocess", "substitute"}


def test_the_score_shows_a_fault_in_points(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "tail column", stages="score", formats="yuv420p")
    # The waves' width is a multiple of 8, so that this fault does not touch them.
    assert code == 0
    assert len(cells(report, "OK")) == 3
    (again := tmp_path / "again").mkdir()
    code, report, _ = plant(again, "second frame", stages="score")
    (cell,) = cells(report, "FAIL")
    assert code == 1
    assert cell["tolerance"]["value"] == 5e-5
    first = cell["first_difference"]
    assert (first["plane"], first["frame"], first["y"]) == ("score", 1, None)
    assert 5e-5 < cell["largest_difference"] < 1


def test_a_vmaf_that_was_named_and_cannot_be_used_is_an_error() -> None:
    code, report, stderr = parity(
        "--backends", "numpy,numba", "--vmaf", "/no/such/vmaf", stages="substitute,score"
    )
    assert (code, report["outcome"]) == (2, "error")
    failed = cells(report, "ERROR")
    assert {cell["stage"] for cell in failed} == {"score"}
    assert all("/no/such/vmaf" in cell["explanation"] for cell in failed)
    assert {cell["stage"] for cell in cells(report, "OK")} == {"substitute"}
    assert "/no/such/vmaf" in stderr


def test_a_vmaf_that_fails_is_an_error_of_the_score(tmp_path: Path) -> None:
    broken = tmp_path / "vmaf"
    broken.write_text(
        '#!/bin/sh\ncase "$1" in --help) echo "--reference --distorted --json";; '
        '--version) echo 3.0.0;; *) echo "no memory" >&2; exit 9;; esac\n'
    )
    broken.chmod(0o755)
    code, report, stderr = parity("--backends", "numpy,numba", "--vmaf", broken, stages="score")
    assert code == 2
    assert {cell["status"] for cell in report["cells"]} == {"ERROR"}
    assert "no memory" in stderr


def test_a_backend_whose_frames_do_not_fit_is_an_error_of_the_score_alone(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "shape", stages="score")
    status = {(cell["wanted"], cell["got"]): cell["status"] for cell in report["cells"]}
    assert code == 2
    assert status["numpy", "numpy"] == "OK"
    assert status["numpy", "planted"] == "ERROR"


def test_one_backend_alone_compares_nothing_and_ends_with_2() -> None:
    code, report, stderr = parity("--backends", "numpy")
    assert (code, report["outcome"]) == (2, "nothing compared")
    assert "it takes two participants" in stderr


def test_an_absent_backend_is_skipped_with_its_reason_and_remedy(tmp_path: Path) -> None:
    env = planted.install(tmp_path, "absent")
    code, report, _ = parity("--backends", "numpy,numba,planted", env=env)
    assert code == 0
    why = {cell["explanation"] for cell in cells(report, "SKIP")}
    assert why == {"planted: no device, no such card; buy one"}


def test_an_absent_backend_alone_beside_another_is_nothing_to_compare(tmp_path: Path) -> None:
    code, report, _ = plant(tmp_path, "absent")
    assert (code, report["outcome"]) == (2, "nothing compared")


def test_a_required_backend_that_is_absent_is_an_error(tmp_path: Path) -> None:
    env = planted.install(tmp_path, "absent")
    code, report, stderr = parity(
        "--backends", "numpy,numba", "--require-backend", "planted", env=env
    )
    assert (code, report["outcome"]) == (2, "error")
    assert {cell["explanation"] for cell in cells(report, "ERROR")} == {
        "planted: no device, no such card; buy one"
    }
    first = stderr.splitlines()[0]
    assert first.startswith("warning: planted is required and absent, so this ends with an error:")
    assert "buy one" in first


def test_every_device_of_a_backend_takes_part_when_asked() -> None:
    code, report, _ = parity("--backends", "numpy,numba", "--devices", "all")
    assert code == 0
    assert [each["name"] for each in report["participants"]] == ["numpy", "numba"]
    assert all(each["facts"]["device"] for each in report["participants"])


@pytest.mark.parametrize("also", ["", ",all"])
def test_a_device_that_was_named_and_is_not_there_is_an_error(also: str) -> None:
    code, report, stderr = parity("--backends", "numpy,numba", "--devices", f"numba:9{also}")
    absent = {each["name"] for each in report["participants"] if not each["present"]}
    assert (code, report["outcome"], absent) == (2, "error", {"numba:9"})
    assert "numba:9" in stderr


def test_a_device_that_was_named_of_a_backend_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    env = planted.install(tmp_path, "absent")
    code, report, _ = parity("--backends", "numpy,numba,planted", "--devices", "planted:0", env=env)
    assert (code, report["outcome"]) == (2, "error")
    assert {cell["explanation"] for cell in cells(report, "ERROR")} == {
        "planted:0: no device, no such card; buy one"
    }


@pytest.mark.parametrize("devices", [[], ["--devices", "all"]])
def test_a_backend_that_says_it_is_ready_and_cannot_be_opened_is_an_error(
    tmp_path: Path, devices: list[str]
) -> None:
    env = planted.install(tmp_path, "starts not")
    code, report, stderr = parity("--backends", "numpy,numba,planted", *devices, env=env)
    assert (code, report["outcome"]) == (2, "error")
    why = {cell["explanation"] for cell in cells(report, "ERROR")}
    assert len(why) == 1
    assert "the planted backend cannot be opened: RuntimeError: no driver" in why.pop()
    assert "no driver" in stderr


def test_two_devices_of_one_backend_are_a_pair_when_asked() -> None:
    two = {"POCL_DEVICES": "pthread basic"}
    _, report, _ = parity("--backends", "opencl", "--devices", "all", env=two)
    names = [each["name"] for each in report["participants"] if each["present"]]
    if len(names) < 2:
        pytest.skip(f"PoCL, which can be told to show two devices, is not here: {names}")
    pairs = {(cell["wanted"], cell["got"]): cell["status"] for cell in report["cells"]}
    one, other = names[:2]
    assert pairs[one, other] == "OK"
    assert report["exit_code"] == 0
    _, report, _ = parity("--backends", "numpy,opencl", "--devices", other, env=two)
    assert [each["name"] for each in report["participants"]] == ["numpy", other]
    assert report["exit_code"] == 0


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        (["--stages", "substitut"], "no stage 'substitut'; did you mean substitute?"),
        (["--formats", "yuv420p10"], "did you mean yuv420p10le?"),
        (["--eps", "cuda,CUDAExecutionProvider", "--stages", "saliency"], "the same provider"),
        (["--backends", "numpy,,numba"], "has an empty name"),
        (["-r", "ref.mp4"], "takes both --reference and --distorted"),
        (["-r", "/no/ref.mp4", "-d", "/no/dist.mp4"], "no such file"),
        (["--require-ep", "cuda", "--stages", "score"], "--require-ep needs the stage saliency"),
        (["--require-backend", "numpy", "--stages", "saliency"], "needs a stage that backends"),
        (["--calibration", "/no/such.toml"], "/no/such.toml: no such file"),
        (["--json", "a.x", "--junit", "a.x"], "--json and --junit both name a.x"),
        (["--json", "a.x", "compare", "b.x"], "--json stands before compare"),
        (["--fp16", "record", "-o", "b.x"], "--fp16 stands before record"),
    ],
)
def test_usage_errors_end_with_2_and_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    match: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["parity", *arguments]) == 2
    shown = capsys.readouterr()
    assert_one_line(shown.err)
    assert match in shown.err
    assert shown.out == ""
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == []


def test_reports_are_written_whole_and_replace_nothing_unasked(tmp_path: Path) -> None:
    files = [f"--{kind}={tmp_path / kind}" for kind in ("json", "markdown", "junit")]
    options = ["--backends", "numpy,numba", "--formats", "yuv420p", "--stages", "upsample"]
    first = run("parity", *options, *files)
    assert first.returncode == 0, first.stderr
    assert json.loads((tmp_path / "json").read_text())["exit_code"] == 0
    assert "numpy = numba" in (tmp_path / "markdown").read_text()
    assert "<testsuites" in (tmp_path / "junit").read_text()
    again = run("parity", *options, *files)
    assert again.returncode == 6
    assert_one_line(again.stderr)
    assert run("parity", *options, *files, "--overwrite").returncode == 0


def test_a_pair_of_videos_of_the_users_own_takes_part(tiny_pair: Pair) -> None:
    code, with_clip, _ = parity(
        "--backends", "numpy,numba", "-r", tiny_pair.reference, "-d", tiny_pair.distorted,
        "--frames", "2", stages="substitute,score",
    )  # fmt: skip
    _, without, _ = parity("--backends", "numpy,numba", stages="substitute,score")
    assert code == 0

    def compared(report: dict[str, Any], stage: str) -> int:
        return sum(c["values_compared"] for c in report["cells"] if c["stage"] == stage)

    more = compared(with_clip, "substitute") - compared(without, "substitute")
    assert more == 3 * 2 * (96 * 64 * 3 // 2)
    assert compared(with_clip, "score") - compared(without, "score") == 3 * 2


def test_raw_video_is_read_with_its_geometry(tmp_path: Path) -> None:
    frames = smooth_frames(P8, 50, 34, 2)
    one = write_raw(tmp_path / "ref.yuv", frames)
    other = write_raw(tmp_path / "dist.yuv", damaged(frames))
    code, report, _ = parity(
        "--backends", "numpy,numba", "-r", one, "-d", other,
        "-w", "50", "--height", "34", "--pix-fmt", "yuv420p", stages="upsample",
    )  # fmt: skip
    assert code == 0
    assert cells(report, "OK")[0]["cases"] > 10
    done = run("parity", "-r", one, "-d", other, "--formats", "yuv420p")
    assert done.returncode == 2
    assert "raw" in done.stderr


def test_a_fault_in_the_users_clip_names_the_clip(tmp_path: Path, tiny_pair: Pair) -> None:
    env = planted.install(tmp_path, "second frame")
    code, report, _ = parity(
        "--backends", "numpy,planted", "-r", tiny_pair.reference, "-d", tiny_pair.distorted,
        formats="yuv420p", stages="score", env=env,
    )  # fmt: skip
    (cell,) = cells(report, "FAIL")
    assert code == 1
    assert cell["cases"] == 2
    assert cell["values_differing"] == 2


@pytest.mark.slow
def test_records_of_two_backends_agree_and_a_flipped_digit_is_named(tmp_path: Path) -> None:
    for backend in ("numpy", "numba"):
        done = run("parity", "record", "--backend", backend, "-o", tmp_path / f"{backend}.json")
        assert done.returncode == 0, done.stderr
        assert done.stdout == ""
        assert f"recorded {backend}" in done.stderr
    files = [tmp_path / "numpy.json", tmp_path / "numba.json"]
    good = run("parity", "compare", *files)
    assert good.returncode == 0, good.stderr
    assert "numpy: numpy = numba: numba" in good.stdout
    content = files[1].read_text()
    place = content.index('"substitute": "') + len('"substitute": "')
    digit = "0" if content[place] != "0" else "1"
    files[1].write_text(content[:place] + digit + content[place + 1 :])
    bad = run("parity", "compare", *files, "--junit", tmp_path / "junit.xml")
    assert bad.returncode == 1
    assert "FAIL substitute, yuv420p, golden = numba: numba: yuv420p 33x35 noise" in bad.stderr
    assert "numba: the file is not what was written" in bad.stderr
    assert 'failures="2"' in (tmp_path / "junit.xml").read_text()


@pytest.mark.slow
def test_what_looks_like_an_emoji_is_shown_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / ":zzz:.json"
    done = run("parity", "record", "--backend", "numpy", "--eps", "cpu", "-o", path)
    assert done.returncode == 0, done.stderr
    assert ":zzz:: numpy" in run("parity", "compare", path).stdout
    path.write_text("{}")
    assert ":zzz:.json is not a parity record" in run("parity", "compare", path).stderr


@pytest.mark.slow
def test_a_record_whose_name_is_not_utf_8_is_compared_and_reported(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"b\xff.json")
    done = run("parity", "record", "--backend", "numpy", "--eps", "cpu", "-o", path)
    assert done.returncode == 0, done.stderr
    done = run("parity", "compare", path, "--json", "-")
    assert done.returncode == 0, done.stderr
    names = [each["name"] for each in json.loads(done.stdout)["participants"]]
    assert r"b\udcff: numpy" in names


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (b"{}", "is not a parity record"),
        (b'{"kind": "roi-accel parity record", "schema_version": 9}', "schema version 9"),
        (b"\x00\x01", "is not the JSON of a parity record"),
    ],
)
def test_a_foreign_or_newer_file_ends_with_2_and_its_reason(
    tmp_path: Path, content: bytes, match: str
) -> None:
    path = tmp_path / "node.json"
    path.write_bytes(content)
    done = run("parity", "compare", path)
    assert done.returncode == 2
    assert_one_line(done.stderr)
    assert match in done.stderr


def test_a_record_replaces_nothing_unasked_and_an_absent_backend_is_not_recorded(
    tmp_path: Path,
) -> None:
    path = tmp_path / "node.json"
    path.write_text("precious")
    done = run("parity", "record", "--backend", "numpy", "-o", path)
    assert (done.returncode, path.read_text()) == (6, "precious")
    env = planted.install(tmp_path, "absent")
    done = run("parity", "record", "--backend", "planted", "-o", tmp_path / "new.json", env=env)
    assert done.returncode == 4
    assert "no such card" in done.stderr
    assert not (tmp_path / "new.json").exists()
