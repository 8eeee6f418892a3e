"""Claims about `_util.files`: an output is whole or untouched, with nothing left beside it."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from roi_accel._util.files import check_output, sha256_of, write_atomically, write_together
from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator

NOBODY = 65534


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "out"
    made.mkdir()
    return made


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
@pytest.mark.parametrize("overwrite", [False, True])
def test_new_file_holds_all_of_the_data_and_stands_alone(
    folder: Path, size: int, overwrite: bool
) -> None:
    data = os.urandom(size)
    write_atomically(folder / "result.json", data, overwrite=overwrite)
    assert (folder / "result.json").read_bytes() == data
    assert names(folder) == ["result.json"]


def test_existing_file_is_kept_and_overwrite_is_named_as_the_remedy(folder: Path) -> None:
    path = folder / "result.json"
    path.write_bytes(b"old")
    with pytest.raises(OutputError, match=r"result\.json exists; add --overwrite") as caught:
        write_atomically(path, b"new", overwrite=False)
    assert caught.value.exit_code == 6
    assert path.read_bytes() == b"old"
    assert names(folder) == ["result.json"]


def test_overwrite_replaces_the_file_in_one_step(folder: Path) -> None:
    path = folder / "result.json"
    path.write_bytes(b"old")
    with path.open("rb") as reader:
        write_atomically(path, b"new", overwrite=True)
        assert reader.read() == b"old"  # A reader of the old file is never shown a mixture.
    assert path.read_bytes() == b"new"
    assert names(folder) == ["result.json"]


@pytest.mark.parametrize("has_hard_links", [True, False])
def test_file_that_appears_after_the_check_is_not_replaced(
    folder: Path, monkeypatch: pytest.MonkeyPatch, has_hard_links: bool
) -> None:
    path = folder / "result.json"
    sync, link = os.fsync, os.link

    def sync_and_lose_the_race(descriptor: int) -> None:
        sync(descriptor)
        path.write_bytes(b"theirs")

    def link_if_supported(*arguments: object, **keywords: object) -> None:
        if not has_hard_links:
            raise PermissionError(1, "Operation not permitted")  # What FAT answers.
        link(*arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "fsync", sync_and_lose_the_race)
    monkeypatch.setattr(os, "link", link_if_supported)
    with pytest.raises(OutputError, match="exists"):
        write_atomically(path, b"ours", overwrite=False)
    assert path.read_bytes() == b"theirs"
    assert names(folder) == ["result.json"]


def test_file_system_without_hard_links_still_works(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object, **_keywords: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_atomically(folder / "result.json", b"data", overwrite=False)
    assert (folder / "result.json").read_bytes() == b"data"
    assert names(folder) == ["result.json"]


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("dangling", [False, True])
def test_symbolic_link_is_refused(folder: Path, overwrite: bool, dangling: bool) -> None:
    target = folder / "target"
    if not dangling:
        target.write_bytes(b"old")
    path = folder / "link"
    path.symlink_to(target)
    with pytest.raises(OutputError, match="is a symbolic link"):
        write_atomically(path, b"new", overwrite=overwrite)
    assert path.is_symlink()
    assert target.exists() != dangling


def test_input_is_never_replaced_however_it_is_spelled(folder: Path) -> None:
    path = folder / "ref.yuv"
    path.write_bytes(b"video")
    (folder / "hard").hardlink_to(path)
    for spelling in (path, folder / ".." / "out" / "ref.yuv", folder / "hard"):
        with pytest.raises(OutputError, match="is also an input"):
            write_atomically(spelling, b"new", overwrite=True, inputs=[folder / "absent", path])
    assert path.read_bytes() == b"video"


def test_folder_is_refused(folder: Path) -> None:
    with pytest.raises(OutputError, match="is a folder; name a file inside it"):
        write_atomically(folder, b"", overwrite=True)


def test_pipe_is_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(OutputError, match="is not a regular file"):
        write_atomically(folder / "pipe", b"", overwrite=True)
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


def test_missing_folder_is_named(folder: Path) -> None:
    with pytest.raises(OutputError, match=r"there is no folder .*absent; create the folder first"):
        write_atomically(folder / "absent" / "result.json", b"", overwrite=False)


def test_folder_that_is_a_file_is_named(folder: Path) -> None:
    (folder / "file").touch()
    with pytest.raises(OutputError, match="file is not a folder"):
        write_atomically(folder / "file" / "result.json", b"", overwrite=False)


@pytest.mark.parametrize("name", ["\0", "x" * 300], ids=["NUL", "300 characters"])
def test_impossible_name_is_an_output_error(folder: Path, name: str) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        write_atomically(folder / name, b"", overwrite=False)


def test_longest_name_that_the_file_system_takes_works(folder: Path) -> None:
    write_atomically(folder / ("x" * 255), b"data", overwrite=False)
    assert names(folder) == ["x" * 255]


@pytest.fixture
def locked_folder() -> Iterator[Path]:
    """Give a folder that the current user cannot write to, even where the tests run as root."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "old").write_bytes(b"old")
        folder.chmod(0o555)
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield folder
        finally:
            os.seteuid(user)
            folder.chmod(0o755)


@pytest.mark.parametrize("name", ["old", "new"])
def test_read_only_folder_says_so(locked_folder: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"cannot write .*: Permission denied"):
        write_atomically(locked_folder / name, b"data", overwrite=True)
    assert names(locked_folder) == ["old"]
    assert (locked_folder / "old").read_bytes() == b"old"


FULL_DISK = """
import resource, sys
from pathlib import Path
from roi_accel.errors import OutputError
from roi_accel._util.files import write_atomically
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    write_atomically(Path(sys.argv[1]), b"x" * int(sys.argv[2]), overwrite=True)
except OutputError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("old", [None, b"old"])
def test_full_disk_leaves_the_old_file_and_no_temporary(folder: Path, old: bytes | None) -> None:
    path = folder / "result.json"
    if old is not None:
        path.write_bytes(old)
    command = [sys.executable, "-c", FULL_DISK, str(path)]
    done = subprocess.run([*command, "100001"], capture_output=True, text=True, check=False)
    assert done.returncode == 6, done.stderr
    assert f"cannot write {path}: File too large; nothing was changed there" in done.stdout
    assert names(folder) == ([] if old is None else ["result.json"])
    assert old is None or path.read_bytes() == old
    # One byte less fits: the limit is what failed above.
    subprocess.run([*command, "100000"], check=True)
    assert path.stat().st_size == 100_000


def test_interruption_leaves_the_old_file_and_no_temporary(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "result.json"
    path.write_bytes(b"old")

    def interrupt(_descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(path, b"new", overwrite=True)
    assert path.read_bytes() == b"old"
    assert names(folder) == ["result.json"]


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
@pytest.mark.parametrize("overwrite", [False, True])
def test_permissions_follow_the_umask(folder: Path, umask: int, mode: int, overwrite: bool) -> None:
    before = os.umask(umask)
    try:
        write_atomically(folder / "result.json", b"data", overwrite=overwrite)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "result.json").stat().st_mode) == mode


def test_check_refuses_before_any_work_what_the_write_would_refuse(folder: Path) -> None:
    path = folder / "result.json"
    check_output(path, overwrite=False)
    assert names(folder) == []
    path.touch()
    check_output(path, overwrite=True)
    with pytest.raises(OutputError, match="exists"):
        check_output(path, overwrite=False)


def test_sha256_is_that_of_the_whole_file(tmp_path: Path) -> None:
    data = os.urandom(2_500_000)
    (tmp_path / "file").write_bytes(data)
    assert sha256_of(tmp_path / "file") == hashlib.sha256(data).hexdigest()


def test_several_files_are_written_whole_and_leave_no_temporary(tmp_path: Path) -> None:
    contents = {tmp_path / "a": b"1" * 5000, tmp_path / "b": b""}
    write_together(contents, overwrite=False)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == contents
