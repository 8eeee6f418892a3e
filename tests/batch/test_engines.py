"""Claims about `--engine` that hold whether Ray is installed or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from manifests import batch

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Bench


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--address", "auto", "-o", "o"], "--address is for --engine ray"),
        (["--engine", "ray"], "--engine ray needs --output"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    bench: Bench, arguments: list[str], message: str
) -> None:
    done = batch(bench.manifest, *arguments, cwd=bench.folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_without_ray_the_command_that_installs_it_is_said(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('no such thing')\n")
    output = tmp_path / "out.ndjson"
    done = batch(
        *(bench.manifest, "-o", output, "--engine", "ray"),
        cwd=bench.folder,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert 'pip install "roi-accel[ray]"' in done.stderr
    assert not output.exists()


def test_other_commands_do_not_load_ray(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise SystemExit('Ray was imported')\n")
    done = batch(
        *(bench.manifest, "-o", tmp_path / "o", "--synthetic-mask", "0.6", "--worker", "numpy"),
        cwd=bench.folder,
        env={"PYTHONPATH": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
