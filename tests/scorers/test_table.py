"""Claims about `roi_accel.scorers.table`: who is asked first, and what is named is what is used."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from roi_accel.errors import ScorerError
from roi_accel.scorers import ffmpeg as ffmpeg_module
from roi_accel.scorers import program as program_module
from roi_accel.scorers import table
from roi_accel.scorers.ffmpeg import bundled_ffmpeg
from roi_accel.scorers.program import ProgramScorer
from roi_accel.scorers.table import installed_programs

if TYPE_CHECKING:
    from collections.abc import Callable

    MakeExecutable = Callable[[str, str], Path]

VMAF = """case "$1" in
--version) echo 3.9.9 >&2 ;;
*) echo "unrecognized option; --reference/-r --distorted/-d --json" >&2; exit 1 ;;
esac
"""
FFMPEG = """case "$*" in
*-version*) echo "ffmpeg version 9.8.7 Copyright" ;;
*filter=libvmaf*) printf 'libvmaf AVOptions:\\n   n_threads  <int>\\n   feature  <string>\\n' ;;
esac
"""
FFMPEG_WITHOUT_LIBVMAF = """case "$*" in
*-version*) echo "ffmpeg version 4.0 Copyright" ;;
*) echo "Unknown filter 'libvmaf'." ;;
esac
"""
OLD_FFMPEG = """case "$*" in
*-version*) echo "ffmpeg version 4.4 Copyright" ;;
*filter=libvmaf*) printf 'libvmaf AVOptions:\\n   model_path  <string>\\n   n_threads  <int>\\n' ;;
esac
"""


def find_scorer(requested: str | None = None) -> ProgramScorer:
    found = table.find_scorer(requested)
    assert isinstance(found, ProgramScorer)
    return found


@pytest.fixture
def on_path(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Make the folders of these executables the whole PATH."""

    def put(*programs: Path) -> None:
        folders = [str(program.parent) for program in programs]
        monkeypatch.setenv("PATH", os.pathsep.join(folders))

    put()
    return put


def test_vmaf_on_path_comes_before_ffmpeg(
    on_path: Callable[..., None], executable: MakeExecutable
) -> None:
    vmaf, ffmpeg = executable("vmaf", VMAF), executable("ffmpeg", FFMPEG)
    on_path(ffmpeg, vmaf)
    found = find_scorer()
    assert (found.name, found.path, found.version, found.source) == ("vmaf", vmaf, "3.9.9", "PATH")


def test_ffmpeg_on_path_comes_before_the_bundled_one(
    on_path: Callable[..., None], executable: MakeExecutable
) -> None:
    ffmpeg = executable("ffmpeg", FFMPEG)
    on_path(ffmpeg)
    found = find_scorer()
    assert (found.name, found.path, found.version, found.source) == (
        "ffmpeg",
        ffmpeg,
        "9.8.7",
        "PATH",
    )


@pytest.mark.usefixtures("on_path")
def test_bundled_ffmpeg_is_the_last_resort_and_has_libvmaf() -> None:
    found = find_scorer()
    assert (found.name, found.source) == ("ffmpeg", "imageio-ffmpeg")
    assert str(found.path) == bundled_ffmpeg()


@pytest.mark.parametrize("script", [FFMPEG_WITHOUT_LIBVMAF, OLD_FFMPEG, "exit 1\n"])
def test_unusable_ffmpeg_on_path_is_passed_over(
    on_path: Callable[..., None], executable: MakeExecutable, script: str
) -> None:
    on_path(executable("ffmpeg", script))
    assert find_scorer().source == "imageio-ffmpeg"


def test_all_scorers_are_listed_in_the_order_of_preference(
    on_path: Callable[..., None], executable: MakeExecutable
) -> None:
    on_path(executable("ffmpeg", FFMPEG), executable("vmaf", VMAF))
    assert [(s.name, s.source) for s in installed_programs()] == [
        ("vmaf", "PATH"),
        ("ffmpeg", "PATH"),
        ("ffmpeg", "imageio-ffmpeg"),
    ]


def test_variable_comes_before_path(
    on_path: Callable[..., None], executable: MakeExecutable, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(executable("vmaf", VMAF))
    ffmpeg = executable("ffmpeg-of-mine", FFMPEG)
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(ffmpeg))
    found = find_scorer()
    assert (found.path, found.source) == (ffmpeg, "ROI_ACCEL_VMAF")


def test_argument_comes_before_the_variable(
    executable: MakeExecutable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(executable("ffmpeg", FFMPEG)))
    vmaf = executable("vmaf", VMAF)
    found = find_scorer(str(vmaf))
    assert (found.path, found.source) == (vmaf, "--vmaf")


def test_empty_variable_counts_as_none(
    on_path: Callable[..., None], executable: MakeExecutable, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_path(executable("vmaf", VMAF))
    monkeypatch.setenv("ROI_ACCEL_VMAF", "")
    assert find_scorer().source == "PATH"


def test_bare_name_is_looked_up_on_path(
    on_path: Callable[..., None], executable: MakeExecutable
) -> None:
    program = executable("vmaf-nightly", VMAF)
    on_path(program)
    assert find_scorer("vmaf-nightly").path == program


def test_relative_paths_become_absolute_because_scorers_run_elsewhere(
    on_path: Callable[..., None], executable: MakeExecutable, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = executable("vmaf", VMAF)
    monkeypatch.chdir(program.parent)
    on_path(Path("vmaf"))
    assert find_scorer().path == program
    assert find_scorer("./vmaf").path == program


def test_version_may_be_a_bare_commit_hash(executable: MakeExecutable) -> None:
    found = find_scorer(str(executable("vmaf", VMAF.replace("3.9.9", "b9ac69e6"))))
    assert found.version == "b9ac69e6"


@pytest.mark.parametrize("name", ["absent", "folder", "plain", ""])
def test_named_scorer_that_is_no_executable_is_an_error_and_never_replaced(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "plain").write_text(VMAF)
    if not name:
        monkeypatch.setenv("ROI_ACCEL_VMAF", "/no/such/vmaf")
    text = str(tmp_path / name) if name else None
    with pytest.raises(ScorerError, match="not an executable file") as caught:
        find_scorer(text)
    assert caught.value.exit_code == 5
    assert (text or "/no/such/vmaf") in caught.value.message
    assert "pip install" in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "script", "match"),
    [
        ("ffmpeg", FFMPEG_WITHOUT_LIBVMAF, r"ffmpeg 4\.0\) was built without libvmaf"),
        ("ffmpeg", OLD_FFMPEG, r"ffmpeg 4\.4\) has a libvmaf filter older than"),
        ("ffmpeg", "exit 1\n", "does not answer like ffmpeg"),
        ("vmaf", "echo vmaf 3.2\n", "does not answer like vmaf"),
        ("vmaf", "exit 0\n", "does not answer like vmaf"),
        ("some-tool", 'echo "some-tool 1.2.3"\n', "does not answer like vmaf"),
    ],
)
def test_named_program_without_vmaf_is_an_error_and_never_replaced(
    executable: MakeExecutable, name: str, script: str, match: str
) -> None:
    with pytest.raises(ScorerError, match=match) as caught:
        find_scorer(str(executable(name, script)))
    assert caught.value.exit_code == 5


def test_program_that_the_system_cannot_start_is_an_error(tmp_path: Path) -> None:
    program = tmp_path / "vmaf"
    program.write_bytes(b"\x7fELF nonsense")
    program.chmod(0o755)
    with pytest.raises(ScorerError, match="cannot be run"):
        find_scorer(str(program))


def test_program_that_never_answers_is_an_error(
    executable: MakeExecutable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(program_module, "_ANSWER_SECONDS", 0.2)
    with pytest.raises(ScorerError, match=r"cannot be run.*timed out"):
        find_scorer(str(executable("vmaf", "exec sleep 60\n")))


@pytest.mark.usefixtures("on_path")
def test_nothing_found_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ffmpeg_module, "bundled_ffmpeg", lambda: None)
    with pytest.raises(ScorerError, match="no VMAF found") as caught:
        find_scorer()
    assert "pip install" in caught.value.remedy


def test_bundled_ffmpeg_is_never_replaced_by_imageios_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", "/somewhere/else/ffmpeg")
    path = bundled_ffmpeg()
    assert path
    assert "imageio_ffmpeg" in path
    assert os.access(path, os.X_OK)


def test_real_vmaf_tool_is_recognised(vmaf_tool: Path) -> None:
    found = find_scorer(str(vmaf_tool))
    assert found.name == "vmaf"
    assert found.version[0].isdigit()
