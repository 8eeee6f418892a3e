"""Claims about misspelt names: wherever one is looked up, the nearest that there is is offered."""

from __future__ import annotations

import pytest
from commands import assert_one_line
from commands import run_here as run

PAIR = ("score", "-r", "ref.mp4", "-d", "dist.mp4")
MASK = ("mask", "-r", "ref.mp4", "-o", "mask.png")


@pytest.fixture
def real(tiny_pair: object) -> tuple[object, ...]:
    """Return a pair that exists, for names that are looked up once the videos are open."""
    return ("score", "-r", tiny_pair.reference, "-d", tiny_pair.distorted)  # type: ignore[attr-defined]


def refused(*arguments: object) -> tuple[str, int]:
    done = run(*arguments)
    assert done.stdout == ""
    assert_one_line(done.stderr)
    return done.stderr, done.returncode


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["scor"], 2, "there is no command 'scor'; did you mean score? see roi-accel --help"),
        (["models", "fetc", "x"], 2, "no command 'fetc'; did you mean fetch? see roi-accel models"),
        (["parity", "recrod"], 2, "no command 'recrod'; did you mean record? see roi-accel parity"),
        (
            [*PAIR, "--treshold", "1"],
            2,
            "unknown option '--treshold'; did you mean --threshold? see",
        ),
        (
            [*PAIR, "--no-progres"],
            2,
            "unknown option '--no-progres'; did you mean --no-progress? see",
        ),
        (["bench", "--kernel", "x"], 2, "unknown option '--kernel'; did you mean --kernels? see"),
        (
            ["demo", "--qiet"],
            2,
            "unknown option '--qiet'; did you mean --quiet? see roi-accel demo",
        ),
        (
            [*PAIR, "--scale", "bicubc"],
            2,
            "there is no scale 'bicubc'; did you mean bicubic? there are bicubic, bilinear, lanc",
        ),
        (["batch", "a.csv", "--engine", "rya"], 2, "there is no engine 'rya'; did you mean ray?"),
        ([*PAIR, "--scale", "it's"], 2, "there are bicubic, bilinear, lanczos"),
        ([*PAIR, "--gate", "sampel"], 2, "there is no gate 'sampel'; did you mean sample?"),
        (
            [*PAIR, "-w9", "--height=9", "--pix-fmt=yuv420pp"],
            2,
            "'yuv420pp'; did you mean yuv420p?",
        ),
        (["bench", "--formats", "yuv420p10"], 2, "'yuv420p10'; did you mean yuv420p10le?"),
        (["bench", "--kernels", "upsampel"], 2, "no kernel 'upsampel'; did you mean upsample?"),
        (["bench", "--sizes", "1080"], 2, "did you mean 1080p?"),
        (["parity", "--stages", "substitut"], 2, "no stage 'substitut'; did you mean substitute?"),
        (["parity", "--formats", "yuv420pp"], 2, "pixel format 'yuv420pp'; did you mean yuv420p?"),
        (["models", "path", "student-v2"], 3, "'student-v2'; did you mean student_v2?"),
        (["parity", "--devices", "opncl:0"], 4, "'opncl:0' is not a device of"),
        (["parity", "--devices", "opncl:0"], 4, "did you mean opencl?"),
        ([*PAIR, "-w9", "-h9"], 2, "unknown option '-h'; see roi-accel score --help"),
        (["mask", "-h"], 2, "unknown option '-h'; see roi-accel mask"),
        (
            ["score", "--hlep"],
            2,
            "unknown option '--hlep'; did you mean --help? see roi-accel score",
        ),
        (
            [*MASK, "--weight", "0.5"],
            2,
            "unknown option '--weight'; it belongs to roi-accel score; see",
        ),
        ([*MASK, "--wieght", "1"], 2, "did you mean --weight of roi-accel score?"),
        ([*MASK, "--regions"], 2, "unknown option '--regions'; see roi-accel mask --help"),
        ([*MASK, "--summary"], 2, "'--summary'; it belongs to roi-accel score; see roi-accel mask"),
        ([*MASK, "--csv", "x"], 2, "unknown option '--csv'; it belongs to roi-accel score; see"),
        ([*MASK, "--masked", "x"], 2, "unknown option '--masked'; did you mean --masked-yuv? see"),
        (
            [*MASK, "--treshold", "1"],
            2,
            "unknown option '--treshold'; did you mean --threshold? see",
        ),
        ([*MASK, "--xyz", "1"], 2, "unknown option '--xyz'; see roi-accel mask --help"),
        ([*PAIR, "--sheet", "4"], 2, "unknown option '--sheet'; it belongs to roi-accel mask; see"),
        ([*PAIR, "--shard", "0/2"], 2, "'--shard'; it belongs to roi-accel batch run; see"),
        (
            ["-r", "a.mp4"],
            2,
            "options follow a command; for example roi-accel score -r ref.mp4 -d ",
        ),
        (["score"], 2, "for example roi-accel score -r ref.mp4 -d dist.mp4 -d dist2.mp4; see roi-"),
        (["score", "a.mp4", "b.mp4"], 2, "for example roi-accel score -r ref.mp4 -d dist.mp4 "),
    ],
)
def test_the_nearest_name_is_offered(arguments: list[object], code: int, said: str) -> None:
    stderr, status = refused(*arguments)
    assert said in stderr
    assert status == code


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["score", "-r"], "Option '-r' requires an argument; see roi-accel score"),
        (["batch", "merge", "-o"], "Option '-o' requires an argument; see roi-accel batch m"),
        (
            [*PAIR, "b.mp4", "c.mp4"],
            "(b.mp4 c.mp4); for example roi-accel score -r ref.mp4 -d dist.mp4 -d d",
        ),
        (
            [*PAIR, "dist.mp4"],
            "(dist.mp4); for example roi-accel score -r ref.mp4 -d dist.mp4 -d dist2",
        ),
        ([*PAIR, "--roi", "1", "2", "3"], "unexpected extra argument(s) (2 3)"),
        (
            ["score", "-ref", "a.mp4", "-d", "b.mp4"],
            "unexpected extra argument(s) (a.mp4)",
        ),
        (["batch", "a.mp4", "b.mp4", "-r", "c"], "(b.mp4); for example roi-accel batch run 'enc"),
        (
            ["batch", "run", "a.mp4", "b.mp4"],
            "for example roi-accel batch run 'encodes/*.mp4' -r ref.mp4",
        ),
        (["devices", "x"], "unexpected extra argument(s) (x); see roi-accel devices --help"),
        ([*PAIR, "-w", "0,3"], "--width must be a whole number, not '0,3'; -w is the width of"),
        ([*PAIR, "--width", "x"], "--width must be a whole number, not 'x'; -w is the width of"),
        ([*PAIR, "--weight", "²"], "--weight must be a number, not '²'; see roi-accel score --h"),
        ([*PAIR, "--weight", "0,3"], "must be a number, not '0,3'; with a point, 0.3; see roi"),
        ([*PAIR, "--frame-count", "2.5"], "--frame-count must be a whole number, not '2.5'; see r"),
        (["parity", "--frames", "x"], "--frames must be a whole number, not 'x'; see roi-accel pa"),
        (
            ["mask", "-r", "x", "--frame", "1.5"],
            "--frame must be a whole number, not '1.5'; see",
        ),
        (["batch", "a.csv", "--together", "2.5"], "--together must be a whole number, not '2.5'"),
        (["batch", "a.csv", "--threads", "x"], "--threads must be a whole number, not 'x'; see r"),
        (["batch", "ladder", "a", "--min-overlap", "a"], "--min-overlap must be a number, not 'a'"),
        (["bench", "--threads", "0"], "--threads must be at least 1, not '0'; see roi-accel bench"),
        ([*PAIR, "--mask-smooth", "-1"], "not a time in seconds; write a decimal number from 0"),
    ],
)
def test_what_was_typed_wrongly_is_told_with_what_to_type(arguments: list[str], said: str) -> None:
    stderr, code = refused(*arguments)
    assert said in stderr
    assert code == 2


@pytest.mark.parametrize(
    ("option", "code", "said"),
    [
        (["--saliency-model", "centre-surround"], 3, "did you mean center-surround?"),
        (["--device", "nubma:0"], 4, "did you mean numba?"),
        (["--ep", "opnvino:GPU"], 4, "did you mean openvino?"),
        (["-m", "version=vmaf_v0.6.1ng"], 5, "did you mean vmaf_v0.6.1neg?"),
        (["-m", "version=vmaf_4k_v061"], 5, "did you mean vmaf_4k_v0.6.1?"),
        (["--feature", "psnr_hsv"], 5, "did you mean psnr_hvs?"),
    ],
)
def test_names_that_are_looked_up_beside_the_videos_too(
    real: tuple[object, ...], option: list[str], code: int, said: str
) -> None:
    stderr, status = refused(*real, *option)
    assert said in stderr
    assert status == code


def test_a_feature_that_is_right_is_not_guessed_at(real: tuple[object, ...]) -> None:
    # libvmaf refuses the one that is misspelt; the other is none of its business.
    stderr, _ = refused(*real, "--feature", "psnr", "--feature", "qqqqqq")
    assert "did you mean" not in stderr


def test_an_unknown_backend_is_the_same_error_everywhere(real: tuple[object, ...]) -> None:
    places = (
        refused(*real, "--backend", "nubma"),
        refused("parity", "--backends", "numpy,nubma"),
        refused("parity", "record", "--backends", "nubma", "-o", "absent.json"),
        refused("bench", "--backends", "nubma"),
    )
    assert len(set(places)) == 1
    said, code = places[0]
    expected = "there is no backend 'nubma'; did you mean numba? there are numpy, numba, opencl,"
    assert expected in said
    assert code == 4


def test_a_backend_that_is_required_and_unknown_is_that_error_too() -> None:
    stderr, code = refused("parity", "--require-backend", "nubma")
    assert "no backend 'nubma' (--require-backend); did you mean numba?" in stderr
    assert code == 4
