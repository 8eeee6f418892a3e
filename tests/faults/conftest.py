"""An attempt that must fail, and scorers of both kinds that answer well until they misbehave."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

import pytest
from attempts import Attempt
from clips import P8, smooth_frames, write_raw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair

# It answers the questions by which a scorer is known, finds its streams and logs as either kind is
# told them, and then does what `body` says.
_FAKE = """\
#!{python} -ISE
import json, os, re, resource, signal, subprocess, sys, time

ARGUMENTS = sys.argv[1:]
if "--help" in ARGUMENTS:
    sys.exit(print("--reference --distorted --json"))
if "--version" in ARGUMENTS:
    sys.exit(print("9.9"))
if "-version" in ARGUMENTS:
    sys.exit(print("ffmpeg version 9.9"))
if "-h" in ARGUMENTS:
    sys.exit(print("  n_threads\\n  feature  <string>"))

def after(name):
    return [value for key, value in zip(ARGUMENTS, ARGUMENTS[1:]) if key == name]

IS_FFMPEG = "-filter_complex" in ARGUMENTS
if IS_FFMPEG:
    PIPES = [int(name.removeprefix("pipe:")) for name in after("-i")]
    LOGS = re.findall(r"log_path=([^:]+)", " ".join(after("-filter_complex")))
else:
    PIPES = [int(name[8:]) for name in after("--reference") + after("--distorted")]
    LOGS = after("--output")
SIZE = 96 * 64 * 3 // 2

def read(count):
    for _ in range(count):
        for pipe in PIPES:
            left = SIZE
            while left:
                got = os.read(pipe, left)
                if not got:
                    return False
                left -= len(got)
    return True

def read_all():
    count = 0
    while read(1):
        count += 1
    return count

def text_of_log(frames, score=90.0):
    entries = [{{"frameNum": n, "metrics": {{"vmaf": score}}}} for n in range(frames)]
    return json.dumps({{"version": "fake", "frames": entries}})

def write_logs(text):
    for log in LOGS:
        with open(log, "w") as file:
            file.write(text)

"""


class Misbehave(Protocol):
    def __call__(self, body: str) -> Path: ...


@pytest.fixture(params=["vmaf", "ffmpeg"])
def misbehave(request: pytest.FixtureRequest, tmp_path: Path) -> Misbehave:
    """Write a scorer of each kind that does what `body` says, and return its path."""

    def write(body: str) -> Path:
        path: Path = tmp_path / "scorers" / request.param
        path.parent.mkdir(exist_ok=True)
        path.write_text(_FAKE.format(python=sys.executable) + body)
        path.chmod(0o755)
        return path

    return write


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[..., Attempt]:
    """Return a function that prepares a run of the command in a process of its own."""

    def prepare(patch: str = "", **changes: str) -> Attempt:
        return Attempt(tmp_path, patch, changes)

    return prepare


@pytest.fixture
def pair(tiny_pair: Pair) -> list[object]:
    """Return arguments for a pair that scores in no time: 8 frames, no network, no compiler."""
    options = ("--synthetic-mask", "1", "--backend", "numpy")
    return ["-r", tiny_pair.reference, "-d", tiny_pair.distorted, *options]


@pytest.fixture(scope="session")
def endless(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Return arguments for a raw video whose score takes far longer than any test."""
    path = tmp_path_factory.mktemp("endless") / "endless.yuv"
    write_raw(path, smooth_frames(P8, 640, 360, 4) * 150)
    geometry = ("-w", 640, "--height", 360, "--pix-fmt", "yuv420p")
    options = ("--synthetic-mask", "1", "--backend", "numpy")
    return ["-r", path, "-d", path, *geometry, *options]
