"""Names of files are names and nothing else, in every place where one is given."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING

import pytest
from attempts import Attempt, assert_failed
from clips import run_ffmpeg

from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair

    Prepare = Callable[..., Attempt]

NAMES = {
    "leading dash": "-r",
    "leading dashes": "--output=x",
    "spaces": " a  b ",
    "double quote": 'a"b',
    "single quote": "a'b",
    "colon": "a:b",
    "protocol": "concat:a|b",
    "comma": "a,b",
    "backslash": "a\\b",
    "brackets": "[a][b]",
    "semicolon": "a;touch b;",
    "percent": "%03d%s%%",
    "dollar": "$(touch a)`touch b`$HOME",
    "newline": "a\nb",
    "tab and bell": "a\tb\x07",
    "escape": "\x1b[2Ja",
    "non-ASCII": "Übergröße 影片 🎬",
    "right to left": "\u202egnp.a",
    "glob": "*?a",
    "tilde": "~root",
    "equals": "path=a=b",
    "ampersand": "a&b|c>d",
}
CALIBRATION = """
[[rule]]
device = "nobody's"
stage = "saliency"
tolerance = 1e-6
"""
ALL = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)


def write_gray(path: Path, *, frames: int = 1) -> None:
    """Write a picture or a clip under a name that ffmpeg would not take as it is."""
    plain = path.with_name(f"plain{path.suffix}")
    source = ("-f", "lavfi", "-i", "testsrc2=size=96x64", "-frames:v", frames)
    pixels = "gray" if frames == 1 else "yuv420p"
    run_ffmpeg(*source, "-pix_fmt", pixels, *(("-c:v", "ffv1") if frames > 1 else ()), plain)
    plain.rename(path)


def score(one: Attempt, *arguments: object, cwd: Path) -> None:
    done = one.run(
        "score", *arguments, "--backend", "numpy", "--overwrite", "-o", one.output, cwd=cwd
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(one.output.read_text())
    assert result["vmaf_full"] > 0
    assert "\x1b" not in done.stderr


@ALL
def test_every_file_and_folder_of_a_run_may_have_any_name(
    attempt: Prepare, tiny_pair: Pair, tmp_path: Path, name: str
) -> None:
    program = bundled_ffmpeg()
    assert program
    folder = tmp_path / name
    one = attempt(TMPDIR=str(folder / name))
    one.temporary = folder / name
    one.temporary.mkdir(parents=True)
    shutil.copy(tiny_pair.reference, folder / f"{name}r.y4m")
    shutil.copy(tiny_pair.distorted, folder / f"{name}d.y4m")
    (folder / f"{name}.toml").write_text(CALIBRATION)
    write_gray(folder / f"{name}.png")
    (folder / f"{name}ffmpeg").symlink_to(program)
    score(
        one,
        *("-r", f"{name}r.y4m", "-d", f"{name}d.y4m", "--mask", f"{name}.png"),
        *("--calibration", f"{name}.toml", "--vmaf", f"{folder}/{name}ffmpeg"),
        *("--csv", f"{name}.csv", "--trace", f"{name}.trace"),
        cwd=folder,
    )
    written = {path.name for path in folder.iterdir()} - {name}
    endings = ("r.y4m", "d.y4m", ".toml", ".png", "ffmpeg", ".csv", ".trace")
    assert written == {f"{name}{ending}" for ending in endings}


@ALL
def test_a_container_and_an_output_may_have_any_name(
    attempt: Prepare, tmp_path: Path, name: str
) -> None:
    video = tmp_path / f"{name}.mkv"
    write_gray(video, frames=4)
    one = attempt()
    one.output = tmp_path / f"{name}.out"
    arguments = ["-r", video.name, "-d", video.name, "--roi", "0,0,32,32"]
    score(one, *arguments, cwd=tmp_path)


@pytest.mark.parametrize("name", ["-r", "a\nb", "\x1b[2J\x07", "%03d", "http://a/b", "Übergröße"])
def test_an_absent_file_is_named_on_one_line(attempt: Prepare, tmp_path: Path, name: str) -> None:
    done = attempt().run("score", "-r", f"{name}.mp4", "-d", f"{name}.mp4", cwd=tmp_path)
    assert_failed(done, 2, "no such file")
    assert not {"\x1b", "\x07"}.intersection(done.stderr)


def test_names_of_255_bytes_work_and_longer_ones_are_refused(
    attempt: Prepare, tiny_pair: Pair, tmp_path: Path
) -> None:
    long = "ü" * 125
    reference = shutil.copy(tiny_pair.reference, tmp_path / f"{long}.y4m ")
    assert len(os.fsencode(reference.name)) == 255
    one = attempt()
    one.output = tmp_path / f"{long}.json"
    pair = ["-r", reference.name, "-d", tiny_pair.distorted, "--synthetic-mask", "1"]
    score(one, *pair, cwd=tmp_path)
    done = one.run("score", *pair, "-o", f"{long}12.json", cwd=tmp_path)
    assert_failed(done, 6, "File name too long")
    done = one.run("score", "-r", f"{long}12.y4m", *pair[2:], cwd=tmp_path)
    assert_failed(done, 2, "file name too long")


def test_inputs_through_links_are_read(attempt: Prepare, tiny_pair: Pair, tmp_path: Path) -> None:
    (tmp_path / "r.y4m").symlink_to(tiny_pair.reference)
    (tmp_path / "d.y4m").hardlink_to(tiny_pair.distorted)
    score(attempt(), "-r", "r.y4m", "-d", "d.y4m", "--synthetic-mask", "1", cwd=tmp_path)


@pytest.mark.parametrize("target", ["loop.y4m", "absent.y4m"])
def test_a_link_that_leads_nowhere_is_refused(
    attempt: Prepare, tmp_path: Path, target: str
) -> None:
    (tmp_path / "loop.y4m").symlink_to(target)
    done = attempt().run("score", "-r", "loop.y4m", "-d", "loop.y4m", cwd=tmp_path)
    assert_failed(done, 2, "loop.y4m: ")


def test_no_name_reaches_the_scorers_command_line(
    attempt: Prepare, tmp_path: Path, tiny_pair: Pair
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    for which, source in (("r", tiny_pair.reference), ("d", tiny_pair.distorted)):
        shutil.copy(source, secret / f"secret-{which}.y4m")
    patch = (
        "import subprocess\n"
        "start = subprocess.Popen.__init__\n"
        "def noted(self, command, *rest, **keywords):\n"
        "    assert isinstance(command, list), 'a command in one string'\n"
        "    assert not keywords.get('shell'), 'a shell'\n"
        "    assert not any('secret' in str(word) for word in command), command\n"
        "    start(self, command, *rest, **keywords)\n"
        "subprocess.Popen.__init__ = noted\n"
    )
    pair = ["-r", secret / "secret-r.y4m", "-d", secret / "secret-d.y4m"]
    write_gray(secret / "secret.png")
    score(attempt(patch), *pair, "--mask", secret / "secret.png", cwd=secret)
