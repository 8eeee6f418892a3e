"""What every test may need: real files where they are at hand, frames, backends."""

from __future__ import annotations

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from clips import P8, damaged, smooth_frames, write_y4m
from refusals import Refusals
from support import DATA_VARIABLE, data_folder
from tiers import (  # noqa: F401 - pytest finds hooks here
    pytest_collection_modifyitems,
    pytest_report_header,
    pytest_sessionfinish,
    pytest_terminal_summary,
    pytest_testnodedown,
)

from roi_accel.devices.dispatch import BACKENDS, get_backend
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.backends.protocol import Backend


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--all",
        action="store_true",
        help="run both tiers: the tests marked slow as well",
    )
    parser.addoption(
        "--require-data",
        action="store_true",
        help=f"fail instead of skipping where a real clip or network (${DATA_VARIABLE}) is absent",
    )
    parser.addoption(
        "--require-backend",
        action="append",
        default=[],
        metavar="NAME",
        help="fail instead of skipping where this backend is not available; repeatable",
    )
    parser.addoption(
        "--require-browser",
        action="store_true",
        help="fail instead of skipping where there is no Chromium to open reports with",
    )


def pytest_configure() -> None:
    # A shell's `pytest &` has Ctrl-C ignored, and so would have all programs that the tests
    # start, some of which they interrupt.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def real_file(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Return the path of a real clip or network such as ``clips/bigbuckbunny.mp4``, or skip."""

    def find(name: str) -> Path:
        path = data_folder() / name
        if not path.is_file():
            message = f"{path} is absent; set {DATA_VARIABLE} to the folder that has {name}"
            if request.config.getoption("--require-data"):
                pytest.fail(message)
            pytest.skip(message)
        return path

    return find


@pytest.fixture
def vmaf_tool() -> Path:
    """Return the `vmaf` command line tool, or skip: it is in no package that pip installs."""
    path = shutil.which("vmaf")
    if path is None:
        pytest.skip("the vmaf command line tool is not on PATH")
    return Path(path)


@pytest.fixture
def available(request: pytest.FixtureRequest) -> Callable[[str], Backend]:
    """Return a function from a name to the backend, which skips or fails where there is none."""

    def find(name: str) -> Backend:
        try:
            return get_backend(name)
        except BackendUnavailable as error:
            if name in request.config.getoption("--require-backend"):
                pytest.fail(str(error))
            pytest.skip(str(error))

    return find


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest, available: Callable[[str], Backend]) -> Backend:
    """Return each backend in turn, so that every claim about one is a claim about all."""
    return available(request.param)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's settings and cache out of the tests."""
    for name in ("ROI_ACCEL_BACKEND", "ROI_ACCEL_VMAF", "ROI_ACCEL_MODEL_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROI_ACCEL_CACHE", str(tmp_path / "roi-accel-cache"))


@dataclass(frozen=True)
class Pair:
    """A reference, and the same badly compressed."""

    reference: Path
    distorted: Path
    frames: int


@pytest.fixture(scope="session")
def tiny_pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Return two Y4M files of 96x64, 8 frames, which score in a tenth of a second."""
    folder = tmp_path_factory.mktemp("tiny-pair")
    frames = smooth_frames(P8, 96, 64, 8)
    return Pair(
        write_y4m(folder / "reference.y4m", frames),
        write_y4m(folder / "distorted.y4m", damaged(frames, step=30)),
        len(frames),
    )


@pytest.fixture(scope="session")
def tiny_network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an ONNX network that keeps the contract: bright is salient."""
    onnx = pytest.importorskip("networks", reason="writing a network needs onnx")
    path: Path = onnx.write_network(tmp_path_factory.mktemp("tiny-network") / "bright.onnx")
    return path


@pytest.fixture
def refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Refusals:
    """Return a function that runs `score` in this process and holds its failure to the rule."""
    return Refusals(tmp_path, capsys, monkeypatch)
