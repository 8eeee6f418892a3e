"""The real scorers, one after the other, and a way to write a scorer that misbehaves."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

from roi_accel.scorers.ffmpeg import FfmpegScorer, bundled_ffmpeg
from roi_accel.scorers.vmaf_tool import VmafTool

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.scorers.program import ProgramScorer

_FAKE = """\
#!{python} -ISE
import json, os, signal, subprocess, sys, threading, time

def option(name):
    return sys.argv[sys.argv.index(name) + 1]

def write_log(frames, score=90.0):
    entries = [{{"frameNum": n, "metrics": {{"vmaf": score}}}} for n in range(frames)]
    with open(option("--output"), "w") as file:
        json.dump({{"version": "fake", "frames": entries}}, file)

def read_exactly(stream, size):
    data = stream.read(size)
    return len(data) == size

def streams():
    names = option("--reference"), option("--distorted")
    return [open(name, "rb") for name in names]

SIZE = int(option("--width")) * int(option("--height")) * 3 // 2

def read_all():
    reference, distorted = streams()
    count = 0
    while read_exactly(reference, SIZE) and read_exactly(distorted, SIZE):
        count += 1
    return count

"""


class WriteFake(Protocol):
    def __call__(self, body: str) -> VmafTool: ...


@pytest.fixture
def fake_scorer(tmp_path: Path) -> WriteFake:
    """Write a program that takes the `vmaf` tool's arguments and does what `body` says."""

    def write(body: str) -> VmafTool:
        path = tmp_path / "fake-vmaf"
        path.write_text(_FAKE.format(python=sys.executable) + body)
        path.chmod(0o755)
        return VmafTool(path, "0", "test")

    return write


@pytest.fixture
def bundled() -> FfmpegScorer:
    """Return the ffmpeg of imageio-ffmpeg."""
    path = bundled_ffmpeg()
    assert path, "the tests need imageio-ffmpeg"
    return FfmpegScorer.identify(Path(path), "test")


@pytest.fixture(params=["ffmpeg", "vmaf"])
def scorer(request: pytest.FixtureRequest) -> ProgramScorer:
    """Return each kind of real scorer in turn."""
    if request.param == "ffmpeg":
        found: FfmpegScorer = request.getfixturevalue("bundled")
        return found
    return VmafTool.identify(request.getfixturevalue("vmaf_tool"), "test")


@pytest.fixture
def executable(tmp_path: Path) -> Callable[[str, str], Path]:
    """Write a shell script with this name, in a folder of its own, and return its path."""

    def write(name: str, body: str) -> Path:
        path = tmp_path / f"folder of {name}" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\n" + body)
        path.chmod(0o755)
        return path

    return write
