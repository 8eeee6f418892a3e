"""Outputs that cannot be written: code 6, the old file intact, and all of a run's files or none."""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from attempts import Attempt, assert_failed

from roi_accel._util.files import write_together
from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Misbehave, Pair

    Prepare = Callable[..., Attempt]

QUICK = "write_logs(text_of_log(read_all()))"


def little_room() -> None:
    """Let this process write no file larger than VMAF's log, but smaller than the result."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))


@pytest.mark.parametrize("option", ["-o", "--csv", "--trace"])
def test_full_disk_leaves_no_new_file(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], tmp_path: Path, option: str
) -> None:
    path = tmp_path / "new"
    # The table's rows are short, so its limit is too.
    limit = 300 if option == "--csv" else 1500

    def room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

    # The scorer shall have room for its log, or it would be the one that fails.
    body = "h = resource.RLIM_INFINITY; resource.setrlimit(resource.RLIMIT_FSIZE, (h, h)); " + QUICK
    scorer = misbehave(body)
    done = attempt().run("score", *pair, "--vmaf", scorer, option, path, preexec=room)
    assert done.returncode == 6, done.stderr
    assert "File too large" in done.stderr
    assert not path.exists()


def test_full_disk_leaves_the_old_file(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "old.json"
    path.write_text("old")
    arguments = ["score", *pair, "--vmaf", misbehave(QUICK), "-o", path, "--overwrite"]
    assert_failed(attempt().run(*arguments, preexec=little_room), 6, "File too large")
    assert path.read_text() == "old"
    assert attempt().run(*arguments).returncode == 0
    assert json.loads(path.read_text())["vmaf_full"] == 90.0


@pytest.mark.slow
@pytest.mark.parametrize("name", ["m.mkv", "m.npz", "m.png", "m.yuv", "m.y4m"])
def test_full_disk_leaves_no_new_file_and_the_old_one_of_the_mask_command(
    attempt: Prepare, tiny_pair: Pair, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    video = name.endswith(("yuv", "y4m"))
    output = ["-d", tiny_pair.distorted, "--masked-yuv", path] if video else ["-o", path]
    arguments = ["mask", "-r", tiny_pair.reference, *output, "--backend", "numpy", "--quiet"]
    assert_failed(attempt().run(*arguments, preexec=little_room), 6, f"cannot write {path}: File")
    assert not path.exists()
    path.write_text("old")
    arguments.append("--overwrite")
    assert_failed(attempt().run(*arguments, preexec=little_room), 6, f"cannot write {path}: File")
    assert path.read_text() == "old"
    assert attempt().run(*arguments).returncode == 0
    assert path.stat().st_size > 1500


def test_where_one_of_several_files_cannot_be_written_none_is(
    attempt: Prepare, misbehave: Misbehave, pair: list[object], tmp_path: Path
) -> None:
    result, table = tmp_path / "result.json", tmp_path / "table.csv"
    arguments = ["score", *pair, "--vmaf", misbehave(QUICK), "-o", result, "--csv", table]
    assert_failed(attempt().run(*arguments, preexec=little_room), 6, "result.json")
    assert not table.exists()
    assert not result.exists()


def test_name_that_is_taken_at_the_last_moment_undoes_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    link = Path.hardlink_to

    def taken(self: Path, target: Path) -> None:
        if self == second:
            self.write_text("another's")
        link(self, target)

    monkeypatch.setattr(Path, "hardlink_to", taken)
    with pytest.raises(OutputError, match="second exists"):
        write_together({first: b"1", second: b"2"}, overwrite=False)
    assert not first.exists()
    assert second.read_text() == "another's"
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["second"]


def test_existing_output_is_kept_without_overwrite(
    attempt: Prepare, pair: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "old.json"
    path.write_text("old")
    assert_failed(attempt().run("score", *pair, "-o", path), 6, "--overwrite")
    assert path.read_text() == "old"


@pytest.mark.parametrize("target", ["absent", "old.json"])
def test_output_through_a_symbolic_link_is_refused(
    attempt: Prepare, pair: list[object], tmp_path: Path, target: str
) -> None:
    (tmp_path / "old.json").write_text("old")
    link = tmp_path / "link.json"
    link.symlink_to(target)
    done = attempt().run("score", *pair, "-o", link, "--overwrite")
    assert_failed(done, 6, "is a symbolic link")
    assert link.is_symlink()
    assert (tmp_path / "old.json").read_text() == "old"


@pytest.mark.parametrize(
    ("how", "option"),
    [
        ("itself", "-o"),
        ("itself", "--csv"),
        ("hard link", "--trace"),
        ("other spelling", "-o"),
        ("through a folder link", "-o"),
    ],
)
def test_output_that_is_an_input_is_refused(
    attempt: Prepare, tiny_pair: Pair, tmp_path: Path, how: str, option: str
) -> None:
    video = tmp_path / "folder" / "video.y4m"
    video.parent.mkdir()
    content = tiny_pair.reference.read_bytes()
    video.write_bytes(content)
    path = {
        "itself": video,
        "hard link": tmp_path / "same.json",
        "other spelling": video.parent / ".." / "folder" / "video.y4m",
        "through a folder link": tmp_path / "link" / "video.y4m",
    }[how]
    (tmp_path / "link").symlink_to(video.parent)
    os.link(video, tmp_path / "same.json")
    arguments = ("-r", tiny_pair.reference, "-d", video, "--synthetic-mask", "1")
    done = attempt().run("score", *arguments, option, path, "--overwrite")
    assert_failed(done, 6, "is also an input")
    assert video.read_bytes() == content


def test_read_only_working_folder_is_no_hindrance(attempt: Prepare, pair: list[object]) -> None:
    # Nobody can make a file in /proc, whoever they are.
    one = attempt()
    done = one.run("score", *pair, "-o", one.output, cwd=Path("/proc"))
    assert done.returncode == 0, done.stderr
    assert json.loads(one.output.read_text())["vmaf_full"] > 0


def test_output_in_a_read_only_folder_is_refused(attempt: Prepare, pair: list[object]) -> None:
    done = attempt().run("score", *pair, "-o", "result.json", cwd=Path("/proc"))
    assert_failed(done, 6, "cannot write result.json")


def test_temporary_folder_that_is_not_there_is_named(attempt: Prepare, pair: list[object]) -> None:
    patch = "import tempfile; tempfile.tempdir = '/no/such/folder'"
    attempt(patch).fail(6, "TMPDIR", *pair)
