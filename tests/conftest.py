"""What every test may need: real files where they are at hand, frames, backends."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support import ROOT

from roi_accel.dispatch import BACKENDS, get_backend

if TYPE_CHECKING:
    from collections.abc import Callable

    from roi_accel.backends.protocol import Backend

DATA_VARIABLE = "ROI_ACCEL_TEST_DATA"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--require-data",
        action="store_true",
        help=f"fail instead of skipping where a real clip or network (${DATA_VARIABLE}) is absent",
    )


@pytest.fixture
def real_file(request: pytest.FixtureRequest) -> Callable[[str], Path]:
    """Return the path of a real clip or network such as ``clips/bigbuckbunny.mp4``, or skip."""
    folder = Path(os.environ.get(DATA_VARIABLE, ROOT.parent / "shared"))

    def find(name: str) -> Path:
        path = folder / name
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


@pytest.fixture(params=sorted(BACKENDS))
def backend(request: pytest.FixtureRequest) -> Backend:
    """Return each backend in turn, so that every claim about one is a claim about all."""
    return get_backend(request.param)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep the user's settings and cache out of the tests."""
    for name in ("ROI_ACCEL_BACKEND", "ROI_ACCEL_VMAF", "ROI_ACCEL_MODEL_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ROI_ACCEL_CACHE", str(tmp_path / "roi-accel-cache"))
