"""Claims about installing and importing: neither runs anything that a user did not ask for."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
from support import ROOT

HEAVY = ("av", "cupy", "numba", "onnxruntime", "pooch", "pyopencl", "requests", "urllib3")

WATCH = """
import sys
forbidden = ("socket.", "subprocess.", "os.system", "os.exec", "os.fork", "os.posix_spawn",
             "os.startfile", "urllib.", "http.", "ftplib.", "smtplib.")
def watch(event, arguments):
    if event.startswith(forbidden):
        print(event, arguments, file=sys.stderr)
        raise SystemExit(3)
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        print("opened for writing:", arguments[0], file=sys.stderr)
        raise SystemExit(4)
sys.addaudithook(watch)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-B", "-c", WATCH + code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("module", ["roi_accel", "roi_accel.cli", "roi_accel.parity"])
def test_importing_opens_no_socket_starts_no_process_and_writes_nothing(module: str) -> None:
    done = run(f"import {module}")
    assert done.returncode == 0, done.stderr


def test_importing_brings_in_nothing_heavy() -> None:
    done = run(f"import roi_accel; print([m for m in {HEAVY} if m in sys.modules])")
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("import socket; socket.socket()", 3),
        ("import subprocess; subprocess.run(['true'])", 3),
        ("import os; os.system('true')", 3),
        ("open('/dev/null', 'w')", 4),
    ],
)
def test_the_watch_sees_what_it_watches_for(code: str, ending: int) -> None:
    assert run(code).returncode == ending


def test_the_package_is_described_by_data_alone() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["build-system"]["build-backend"] == "setuptools.build_meta"
    assert "backend-path" not in project["build-system"]
    assert "cmdclass" not in project["tool"]["setuptools"]
    assert not [name for name in ("setup.py", "setup.cfg", "MANIFEST.in") if (ROOT / name).exists()]


def test_every_dependency_has_a_lower_bound() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    requirements = [*project["dependencies"], *(each for extra in extras for each in extra)]
    own = [each for each in requirements if not each.startswith("roi-accel[")]
    assert [each for each in own if ">=" not in each] == []
