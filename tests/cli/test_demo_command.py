"""Claims about `roi-accel demo`: it works with nothing given, and harms nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from commands import assert_one_line, run, run_json

from roi_accel.cli.demo import FRAMES, HEIGHT, WIDTH

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_demo_scores_a_pair_of_its_own_and_leaves_nothing(tmp_path: Path) -> None:
    done = run("demo", env={"TMPDIR": str(tmp_path)})
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert len(result["frames"]) == FRAMES
    video = result["provenance"]["reference"]
    assert (video["width"], video["height"]) == (WIDTH, HEIGHT)
    assert result["vmaf_full"] < 80
    assert abs(result["vmaf_masked"] - result["vmaf_full"]) > 0.5
    assert "roi-accel score" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_kept_pair_can_be_scored_again_with_the_same_result(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    first = run_json("demo", "--keep", folder, "--quiet")
    assert sorted(entry.name for entry in folder.iterdir()) == ["distorted.mp4", "reference.mp4"]
    again = run_json("score", "-r", folder / "reference.mp4", "-d", folder / "distorted.mp4")
    assert again["frames"] == first["frames"]


@pytest.mark.parametrize("name", ["reference.mp4", "distorted.mp4"])
def test_demo_never_replaces_a_video_of_yours(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    done = run("demo", "--keep", tmp_path)
    assert done.returncode == 6
    assert_one_line(done.stderr)
    assert name in done.stderr
    assert "name another folder with --keep" in done.stderr
    assert "--overwrite" not in done.stderr  # which demo does not have
    assert [(entry.name, entry.read_text()) for entry in tmp_path.iterdir()] == [(name, "mine")]


def test_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("demo", "--keep", tmp_path / "file" / "folder")
    assert done.returncode == 6
    assert_one_line(done.stderr)
