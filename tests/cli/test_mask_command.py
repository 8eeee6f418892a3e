"""Claims about `roi-accel mask`: files that people see, and that score as what they came from."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import planted
import pytest
from clips import P8, damaged, smooth_frames, write_raw, write_y4m
from commands import assert_one_line, command, environment, run

from roi_accel._util.files import sha256_of
from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.backends.numba.backend import NumbaSession
from roi_accel.cli import app
from roi_accel.results.summary import counted
from roi_accel.video import open_video

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import Pair

    from roi_accel.backends.protocol import ModelInput

Image = pytest.importorskip("PIL.Image")

SUFFIXES = ["mkv", "npz"]
SIZE = (96, 64)


class Main(Protocol):
    def __call__(self, *arguments: object, code: int = 0) -> tuple[str, str]: ...


@pytest.fixture
def main(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Main:
    """Run the command in this process and in an empty folder; return what it printed."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object, code: int = 0) -> tuple[str, str]:
        capsys.readouterr()
        ended = app.main(list(map(str, arguments)))
        out, err = capsys.readouterr()
        assert ended == code, err
        return out, err

    return call


@pytest.fixture(scope="module", params=[8, 10])
def clips(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[list[object], list[object]]:
    """Return arguments for the reference, and for the distorted video, of either depth."""
    pixel_format = PixelFormat("420", request.param)
    frames = smooth_frames(pixel_format, *SIZE, 6)
    folder = tmp_path_factory.mktemp("clips")
    reference = write_raw(folder / "reference.yuv", frames)
    distorted = write_raw(folder / "distorted.yuv", damaged(frames, step=30))
    geometry = ["-w", SIZE[0], "--height", SIZE[1], "--pix-fmt", pixel_format.name, "--fps", 25]
    return ["-r", reference, *geometry], ["-d", distorted]


def test_a_picture_for_people_is_refused_as_a_mask_with_what_to_write_instead(
    main: Main, clips: tuple[list[object], list[object]]
) -> None:
    reference, distorted = clips
    for name, extra in (("one.png", []), ("sheet.png", ["--sheet", "2"])):
        main("mask", *reference, "--synthetic-mask", "1", "-o", name, *extra)
        _, err = main("score", *reference, *distorted, "--mask", name, code=2)
        assert_one_line(err)
        assert "is a picture for people, drawn by roi-accel mask; write masks with" in err


def scored(main: Main, *arguments: object) -> list[dict[str, Any]]:
    """Return the frames of a score, without regions."""
    out, _ = main("score", "--quiet", *arguments)
    frames: list[dict[str, Any]] = json.loads(out)["frames"]
    return [{key: frame[key] for key in frame if key != "regions"} for frame in frames]


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    ("source", "also"),
    [
        ([], []),
        (["--saliency-size", "native"], []),
        (["--roi", "face=11,7,40,31", "--roi", "70,40,20,20"], []),
        (["--synthetic-mask", "0.35"], []),
        (["--saliency-stride", "2", "--mask-smooth", "0.1"], []),
        ([], ["--start", "0.08", "--duration", "0.12"]),
        ([], ["--frame-skip-ref", "1", "--frame-skip-dist", "1", "--frame-count", "3"]),
        ([], ["--crop", "50:34:6:12"]),
        (["--roi", "11,7,40,31"], ["--crop", "50:34:6:12"]),
        ([], ["--scale-to", "128x72"]),
    ],
    ids=lambda value: " ".join(value) or "network" if isinstance(value, list) else value,
)
def test_masks_given_back_score_the_same_to_the_last_digit(
    main: Main,
    clips: tuple[list[object], list[object]],
    tiny_network: Path,
    source: list[str],
    also: list[str],
    suffix: str,
) -> None:
    reference, distorted = clips
    if "--roi" not in source and "--synthetic-mask" not in source:
        source = [*source, "--saliency-model", str(tiny_network)]
    main("mask", *reference, *source, *also, "-o", f"masks.{suffix}", "--quiet")
    expected = scored(main, *reference, *distorted, *source, *also)
    got = scored(main, *reference, *distorted, *also, "--mask", f"masks.{suffix}")
    assert got == expected
    assert len(got) >= 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_masks_of_a_part_are_refused_for_another(
    main: Main, tiny_pair: Pair, tiny_network: Path, suffix: str
) -> None:
    main(
        *("mask", "-r", tiny_pair.reference, "--saliency-model", tiny_network),
        *("--crop", "48:32:6:12", "-o", f"masks.{suffix}", "--quiet"),
    )
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--mask", f"masks.{suffix}")
    _, err = main("score", *pair, code=2)
    assert_one_line(err)
    assert "has masks of --crop 48:32:6:12 alone, not of the whole frame" in err
    _, err = main("score", *pair, "--crop", "48:32:6:14", code=2)
    assert "not of --crop 48:32:6:14; --crop 48:32:6:12" in err


def test_the_archive_says_what_made_it(main: Main, tiny_pair: Pair, tiny_network: Path) -> None:
    main("mask", "-r", tiny_pair.reference, "--saliency-model", tiny_network, "-o", "masks.npz")
    with np.load("masks.npz", allow_pickle=False) as archive:
        assert archive["masks"].dtype == np.uint16
        assert archive["masks"].shape == (tiny_pair.frames, 168, 256)
        about = json.loads(str(archive["roi_accel"]))
    out, _ = main(
        *("score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--quiet"),
        *("--saliency-model", tiny_network),
    )
    result = json.loads(out)
    assert about["mask"] == result["provenance"]["mask"]
    assert about["saliency_model"] == result["saliency_model"]
    assert about["reference"]["path"] == str(tiny_pair.reference)
    assert about["reference"]["sha256"] == sha256_of(tiny_pair.reference)
    assert len(about["mask"]["sha256"]) == 64


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_masks_of_another_reference_are_used_with_a_warning(
    main: Main, tmp_path: Path, tiny_pair: Pair, suffix: str
) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted)
    main("mask", *pair[:2], "--saliency-size", "64", "-o", f"masks.{suffix}", "--quiet")
    out, err = main("score", *pair, "--mask", f"masks.{suffix}")
    assert "another reference" not in out + err
    content = tiny_pair.reference.read_bytes()
    header, frames = content.split(b"\n", 1)
    others = {
        "as_long.y4m": content[:-1] + bytes([content[-1] ^ 1]),
        "longer.y4m": header + b" Xlonger\n" + frames,
    }
    for name, data in others.items():
        other = tmp_path / name
        other.write_bytes(data)
        out, err = main("score", "-r", other, *pair[2:], "--mask", f"masks.{suffix}")
        told = f"mask:masks.{suffix} was made from another reference, {tiny_pair.reference}, not"
        assert told in err
        assert told in json.loads(out)["warnings"][0]
        _, err = main("mask", "-r", other, "--mask", f"masks.{suffix}", "-o", f"{name}.png")
        assert told in err


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_masks_are_not_smoothed_twice(main: Main, tiny_pair: Pair, suffix: str) -> None:
    reference = ("-r", tiny_pair.reference)
    smooth = ("--mask-smooth", "0.25")
    main("mask", *reference, *smooth, "-o", f"one.{suffix}", "--quiet")
    main("mask", *reference, "--mask", f"one.{suffix}", "-o", f"copy.{suffix}", "--quiet")
    for name in ("one", "copy"):
        given = ("--mask", f"{name}.{suffix}")
        _, err = main("score", *reference, "-d", tiny_pair.distorted, *given, *smooth, code=2)
        assert_one_line(err)
        assert "was smoothed when it was made, with --mask-smooth 0.25" in err
        assert err.rstrip().endswith("leave --mask-smooth out")
        main("mask", *reference, *given, *smooth, "-o", "two.mkv", code=2)
    out, _ = main("score", *reference, "-d", tiny_pair.distorted, "--mask", f"one.{suffix}")
    origin = json.loads(out)["provenance"]["mask"]["origin"]
    assert (origin["mask_smooth"], origin["saliency_model"]) == (0.25, "center-surround")
    assert origin["reference_sha256"] == sha256_of(tiny_pair.reference)


def test_neither_threshold_nor_fade_is_in_the_masks(main: Main, tiny_pair: Pair) -> None:
    reference = ("-r", tiny_pair.reference, "--quiet")
    main("mask", *reference, "-o", "one.npz")
    main("mask", *reference, "-o", "other.npz", "--threshold", "0.9", "--fade", "0")
    assert Path("one.npz").read_bytes() == Path("other.npz").read_bytes()


@pytest.mark.parametrize("name", ["masked.yuv", "masked.y4m"])
def test_the_masked_video_scores_in_full_what_the_pair_scores_masked(
    main: Main, clips: tuple[list[object], list[object]], tiny_network: Path, name: str
) -> None:
    reference, distorted = clips
    how = ("--saliency-model", tiny_network, "--threshold", "0.5", "--fade", "0.2")
    main("mask", *reference, *distorted, *how, "--masked-yuv", name, "--quiet")
    expected = scored(main, *reference, *distorted, *how)
    got = scored(main, *reference, "-d", name, "--synthetic-mask", "1")
    masked = [frame["metrics"]["vmaf_masked"] for frame in expected]
    assert [frame["metrics"]["vmaf_full"] for frame in got] == masked
    assert masked != [frame["metrics"]["vmaf_full"] for frame in expected]


def test_masks_and_masked_video_are_written_in_one_run(main: Main, tiny_pair: Pair) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--roi", "0,0,48,64")
    _, err = main("mask", *pair, "-o", "m.mkv", "--masked-yuv", "m.y4m")
    assert "m.mkv: 8 masks of 96x64, roi" in err
    assert "m.y4m: 8 masked frames of 96x64 yuv420p" in err
    assert "counts at --threshold 0.3 --fade 0.1: 50% of the frame\n" in err
    with open_video(Path("m.y4m")) as reader, open_video(tiny_pair.distorted) as distorted:
        for masked, frame in zip(reader, distorted, strict=True):
            np.testing.assert_array_equal(masked.planes[0][:, :48], frame.planes[0][:, :48])


def test_it_says_how_much_counts_of_the_frames_that_are_shown(
    main: Main, tiny_pair: Pair, tiny_network: Path
) -> None:
    how = ("--saliency-model", tiny_network, "--threshold", "0.2")
    reference, distorted = ("-r", tiny_pair.reference), ("-d", tiny_pair.distorted)
    frames = scored(main, *reference, *distorted, *how)
    _, err = main("mask", *reference, *how, "-o", "frame.png", "--frame", "5")
    said = counted([frames[5]["alpha_mean"]])
    assert f"counts at --threshold 0.2 --fade 0.1: {said}\n" in err
    _, err = main("mask", *reference, *how, "-o", "all.npz")
    assert f": {counted([frame['alpha_mean'] for frame in frames])}\n" in err


def test_a_picture_and_the_masked_video_are_written_in_one_run(main: Main, tiny_pair: Pair) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--roi", "0,0,48,64")
    main("mask", *pair, "-o", "m.png", "--masked-yuv", "m.yuv", "--frame", "7")
    assert Path("m.yuv").stat().st_size == 8 * 96 * 64 * 3 // 2
    _, err = main("mask", *pair, "-o", "n.png", "--masked-yuv", "n.yuv", "--frame", "8", code=2)
    assert "has 8 frames, 0 to 7, but no frame 8" in err
    assert sorted(path.name for path in Path().iterdir()) == ["m.png", "m.yuv"]


def test_the_picture_is_of_the_middle_frame(main: Main, tiny_pair: Pair) -> None:
    source = ("-r", tiny_pair.reference, "--roi", "0,0,48,64", "--quiet")
    main("mask", *source, "-o", "middle.png")
    main("mask", *source, "-o", "fourth.png", "--frame", "4")
    main("mask", *source, "-o", "fifth.png", "--frame", "5")
    assert Path("middle.png").read_bytes() == Path("fourth.png").read_bytes()
    assert Path("middle.png").read_bytes() != Path("fifth.png").read_bytes()


def test_a_frame_looks_the_same_alone_as_among_all(main: Main, tiny_pair: Pair) -> None:
    pair = ("-r", tiny_pair.reference, "-d", tiny_pair.distorted, "--frame", "5", "--quiet")
    main("mask", *pair[:2], *pair[4:], "-o", "alone.png")
    main("mask", *pair, "-o", "among.png", "--masked-yuv", "m.yuv")
    assert Path("alone.png").read_bytes() == Path("among.png").read_bytes()


def test_one_picture_lets_the_network_look_at_one_frame(
    main: Main, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roi_accel.inference.network import SaliencyNetwork  # noqa: PLC0415 (beside the claim)

    looked = []
    infer = SaliencyNetwork.infer

    def counting(self: SaliencyNetwork, model_input: Any) -> Any:
        looked.append(model_input)
        return infer(self, model_input)

    monkeypatch.setattr(SaliencyNetwork, "infer", counting)
    main("mask", "-r", tiny_pair.reference, "-o", "one.png", "--frame", "6", "--quiet")
    assert len(looked) == 1
    main("mask", "-r", tiny_pair.reference, "-o", "two.png", "--sheet", "2", "--quiet")
    assert len(looked) == 3


@pytest.mark.parametrize(("sheet", "frames"), [("2x3", "0, 2, 3, 4, 6, 7"), ("1", "4")])
def test_a_sheet_spreads_its_frames_over_time(
    main: Main, tiny_pair: Pair, sheet: str, frames: str
) -> None:
    _, err = main("mask", "-r", tiny_pair.reference, "-o", "sheet.png", "--sheet", sheet)
    assert frames in err
    with Image.open("sheet.png") as picture:
        assert picture.format == "PNG"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 2, "no output requested; name a file with -o (.png, .mkv, .npz)"),
        (["-o", "mask.gif"], 2, "has the suffix '.gif', which says what is written; known are"),
        (["-o", "mask"], 2, "has no suffix, which says what is written; known are .png, .mkv"),
        (["--masked-yuv", "m.mp4", "-d", "x"], 2, "known are .yuv, .y4m"),
        (["--masked-yuv", "m.yuv"], 2, "--masked-yuv was given without -d"),
        (["-o", "m.mkv", "-d", "x"], 2, "-d was given without --masked-yuv"),
        (["--masked-yuv", "m.yuv", "-d", "x", "-d", "y"], 2, "-d was given 2 times"),
        (["-o", "m.png", "--frame", "8"], 2, "has 8 frames, 0 to 7, but no frame 8; --frame 4"),
        (["-o", "m.png", "--frame", "-1"], 2, "--frame must be at least 0"),
        (["-o", "m.png", "--frame", "1", "--sheet", "4"], 2, "--frame and --sheet were given"),
        (["-o", "m.mkv", "--frame", "1"], 2, "--frame is for pictures"),
        (["-o", "m.npz", "--sheet", "4"], 2, "--sheet is for pictures"),
        (["-o", "m.png", "--sheet", "9"], 2, "--sheet asks for 9 frames, and there are 8"),
        (["-o", "m.png", "--sheet", "0x4"], 2, "neither a number of frames nor ROWSxCOLUMNS"),
        (["-o", "m.png", "--sheet", "101"], 2, "from 1 to 100 frames"),
        (["-o", "old.mkv"], 6, "output old.mkv exists; add --overwrite"),
        (["-o", "no/folder.mkv"], 6, "there is no folder no"),
        (["-o", "m.yuv", "--masked-yuv", "m.yuv", "-d", "x"], 2, "-o m.yuv"),
        (["-o", "m.mkv", "--roi", "200,0,8,8"], 2, "lies outside the 96x64 frame"),
        (["-o", "m.mkv", "--saliency-model", "no.onnx"], 3, "no.onnx"),
        (["-o", "m.mkv", "--backend", "abacus"], 4, "there is no backend 'abacus'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_failure_is_one_line_and_leaves_nothing(
    main: Main, tiny_pair: Pair, arguments: list[str], code: int, words: str
) -> None:
    Path("old.mkv").write_text("old")
    _, err = main("mask", "-r", tiny_pair.reference, *arguments, code=code)
    assert_one_line(err)
    assert words in err
    assert [path.name for path in Path().iterdir()] == ["old.mkv"]
    assert Path("old.mkv").read_text() == "old"


def test_the_reference_is_never_replaced(main: Main, tmp_path: Path, tiny_pair: Pair) -> None:
    video = tmp_path / "video.y4m"
    video.write_bytes(tiny_pair.reference.read_bytes())
    pair = ("-r", tiny_pair.reference, "-d", video, "--masked-yuv", video, "--overwrite")
    _, err = main("mask", *pair, code=6)
    assert "is also an input" in err
    assert video.read_bytes() == tiny_pair.reference.read_bytes()


def test_an_old_file_is_replaced_where_that_was_asked_for(main: Main, tiny_pair: Pair) -> None:
    Path("old.npz").write_text("old")
    main("mask", "-r", tiny_pair.reference, "-o", "old.npz", "--overwrite", "--quiet")
    with np.load("old.npz") as archive:
        assert len(archive["masks"]) == 8


def test_a_failure_midway_leaves_the_old_file(main: Main, tmp_path: Path) -> None:
    frames = smooth_frames(P8, *SIZE, 6)
    path = write_y4m(tmp_path / "in.y4m", frames)
    content = path.read_bytes()
    at = content.rindex(b"FRAME")
    path.write_bytes(content[:at] + b"FRAMF" + content[at + 5 :])
    Path("old.mkv").write_text("old")
    _, err = main("mask", "-r", path, "-o", "old.mkv", "--overwrite", "--quiet", code=2)
    assert "frame 5 begins with" in err
    assert Path("old.mkv").read_text() == "old"
    assert sorted(each.name for each in Path().iterdir()) == ["in.y4m", "old.mkv"]


def test_unequal_lengths_are_refused_unless_the_common_part_will_do(
    main: Main, tmp_path: Path, tiny_pair: Pair
) -> None:
    short = write_y4m(tmp_path / "short.y4m", smooth_frames(P8, *SIZE, 5))
    pair = ("-r", tiny_pair.reference, "-d", short, "--masked-yuv", "m.yuv", "--quiet")
    _, err = main("mask", *pair, code=2)
    assert "has 8 frames" in err
    main("mask", *pair, "--shortest")
    assert Path("m.yuv").stat().st_size == 5 * 96 * 64 * 3 // 2


@pytest.mark.parametrize("missing", ["PIL", "av"])
def test_a_missing_library_is_named_with_its_command(
    main: Main, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(__import__("sys").modules, missing, None)
    name = {"PIL": "m.png", "av": "m.mkv"}[missing]
    _, err = main("mask", "-r", tiny_pair.reference, "--roi", "0,0,9,9", "-o", name, code=6)
    assert_one_line(err)
    assert 'pip install "roi-accel[' in err
    assert list(Path().iterdir()) == []


def test_a_device_that_fails_its_self_test_writes_no_mask(tmp_path: Path, tiny_pair: Pair) -> None:
    found = planted.install(tmp_path, "input")
    output = tmp_path / "m.mkv"
    arguments = ("-r", tiny_pair.reference, "-o", output, "--backend", "planted")
    done = run("mask", *arguments, env=found)
    assert done.returncode == 4, done.stderr
    assert "self-test" in done.stderr
    assert not output.exists()


@pytest.mark.parametrize("output", ["m.mkv", "m.png"])
def test_the_gate_watches_over_masks(
    main: Main, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch, output: str
) -> None:
    preprocess = NumbaSession.preprocess

    def wrong(self: NumbaSession, reference: Frame) -> ModelInput:
        found = preprocess(self, reference)
        if self.plan.model is not None and self.plan.model.width == 256:  # no self-test's
            found[0, 0, 0, 0] += 1
        return found

    monkeypatch.setattr(NumbaSession, "preprocess", wrong)
    arguments = ("-r", tiny_pair.reference, "-o", output, "--backend", "numba")
    _, err = main("mask", *arguments, code=1)
    assert "preprocess" in err
    assert list(Path().iterdir()) == []
    main("mask", *arguments, "--gate", "off", "--quiet")
    assert Path(output).exists()


@pytest.fixture
def heed_ctrl_c() -> Iterator[None]:
    """Heed SIGINT where a shell's `&` told us to ignore it, which children inherit."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.slow
@pytest.mark.usefixtures("heed_ctrl_c")
@pytest.mark.parametrize("name", ["m.mkv", "m.npz", "m.y4m"])
def test_ctrl_c_leaves_nothing(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "results"
    folder.mkdir()
    video = write_raw(tmp_path / "long.yuv", smooth_frames(P8, 640, 360, 4) * 150)
    geometry = ("-w", 640, "--height", 360, "--pix-fmt", "yuv420p", "--backend", "numpy")
    output = ["-d", video, "--masked-yuv", name] if name == "m.y4m" else ["-o", name]
    with subprocess.Popen(
        command("mask", "-r", video, *geometry, *output, "--saliency-size", "native"),
        cwd=folder,
        env=environment(TMPDIR=str(folder)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while not list(folder.iterdir()) and process.poll() is None:
            time.sleep(0.01)
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    assert process.returncode == 130, err
    assert out == ""
    assert "interrupted; nothing was written" in err
    assert list(folder.iterdir()) == []


def test_a_bar_counts_the_frames(main: Main, tiny_pair: Pair) -> None:
    _, err = main("mask", "-r", tiny_pair.reference, "-o", "m.mkv", "--progress")
    assert "looking" in err
    assert "8/8" in err


def test_data_never_goes_to_stdout(main: Main, tiny_pair: Pair) -> None:
    out, err = main("mask", "-r", tiny_pair.reference, "-o", "m.mkv", "--quiet")
    assert (out, err) == ("", "")
