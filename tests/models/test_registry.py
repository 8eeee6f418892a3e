"""Claims about names, paths and the cache: a network is the one it claims to be, or an error."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

import roi_accel.cli.models as cli
from roi_accel.errors import ModelError
from roi_accel.inference.models import KNOWN_MODELS, KnownModel, cache_dir, resolve, survey

if TYPE_CHECKING:
    from collections.abc import Callable

CONTENT = b"a network, as far as its SHA-256 goes"
DIGEST = hashlib.sha256(CONTENT).hexdigest()
TOY = KnownModel(
    name="toy",
    summary="A toy.",
    licence="MIT",
    sha256=DIGEST,
    url="https://home.invalid/models/tiny_toy.onnx",
    aliases=("tiny_toy",),
)
REGISTRY = (TOY,)


def place(name: str, content: bytes = CONTENT) -> Path:
    cache_dir().mkdir(parents=True, exist_ok=True)
    path = cache_dir() / name
    path.write_bytes(content)
    return path


def test_cache_is_where_the_variable_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ROI_ACCEL_CACHE", str(tmp_path / "elsewhere"))
    assert cache_dir() == tmp_path / "elsewhere" / "models"


def test_cache_variable_may_be_relative_or_begin_with_a_tilde(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ROI_ACCEL_CACHE", "here")
    assert cache_dir() == tmp_path / "here" / "models"
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ROI_ACCEL_CACHE", "~/cache")
    assert cache_dir() == tmp_path / "home" / "cache" / "models"


@pytest.mark.parametrize("value", [None, ""])
def test_cache_is_the_users_own_by_default(
    monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    if value is None:
        monkeypatch.delenv("ROI_ACCEL_CACHE")
    else:
        monkeypatch.setenv("ROI_ACCEL_CACHE", value)
    assert cache_dir().is_absolute()
    assert cache_dir().name == "models"
    assert "roi-accel" in cache_dir().parts


def test_every_name_and_alias_means_one_network() -> None:
    names = [name for model in KNOWN_MODELS for name in (model.name, *model.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("model", KNOWN_MODELS, ids=lambda model: model.name)
def test_entry_is_complete(model: KnownModel) -> None:
    assert model.summary
    assert model.licence
    if model.url is not None:
        assert re.fullmatch(r"https://\S+/[0-9a-f]{40}/\S+\.onnx", model.url), "pin the commit"
        assert re.fullmatch(r"[0-9a-f]{64}", model.sha256 or "")


def test_entry_to_fetch_without_a_hash_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="needs a SHA-256"):
        KnownModel("toy", "A toy.", "MIT", None, "https://home.invalid/toy.onnx", ())


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_real_network_has_the_hash_of_the_registry(
    version: str, real_file: Callable[[str], Path]
) -> None:
    path = real_file(f"models/saliency_student_{version}.onnx")
    (model,) = (entry for entry in KNOWN_MODELS if entry.name == f"student_{version}")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == model.sha256


@pytest.mark.parametrize("name", ["center-surround", "center_surround"])
def test_embedded_network_comes_with_the_package(name: str) -> None:
    found = resolve(name)
    assert found.embedded
    assert found.name == "center-surround"
    assert found.sha256 == hashlib.sha256(found.path.read_bytes()).hexdigest()


def test_missing_embedded_network_is_an_incomplete_installation() -> None:
    lost = KnownModel("lost-one", "Lost.", "MIT", None, None)
    with pytest.raises(ModelError, match=r"incomplete: .*lost_one\.onnx is missing; pip install"):
        resolve("lost-one", registry=[lost])


@pytest.mark.parametrize("file_name", ["toy.onnx", "tiny_toy.onnx"])
@pytest.mark.parametrize("name", ["toy", "tiny_toy"])
def test_file_placed_by_hand_is_found_under_either_name(file_name: str, name: str) -> None:
    path = place(file_name)
    found = resolve(name, registry=REGISTRY)
    assert (found.name, found.path, found.sha256, found.embedded) == ("toy", path, DIGEST, False)


def test_network_that_was_not_fetched_says_how_and_where() -> None:
    with pytest.raises(ModelError, match="toy has not been fetched") as caught:
        resolve("toy", registry=REGISTRY)
    assert caught.value.exit_code == 3
    assert "`roi-accel models fetch toy`" in caught.value.remedy
    assert "https://home.invalid/models/tiny_toy.onnx" in caught.value.remedy
    assert str(cache_dir() / "toy.onnx") in caught.value.remedy
    assert "\n" not in str(caught.value)
    assert not cache_dir().exists()


def test_cached_file_is_verified_every_time() -> None:
    path = place("toy.onnx")
    resolve("toy", registry=REGISTRY)
    path.write_bytes(b"other")
    other = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(ModelError, match=f"has SHA-256 {other}, but toy has {DIGEST}") as caught:
        resolve("toy", registry=REGISTRY)
    assert "`roi-accel models fetch toy` replaces it" in caught.value.remedy
    assert "--saliency-model" in caught.value.remedy
    assert path.read_bytes() == b"other"


def test_right_file_is_used_though_a_wrong_one_lies_beside_it() -> None:
    place("toy.onnx", b"other")
    right = place("tiny_toy.onnx")
    assert resolve("toy", registry=REGISTRY).path == right


def test_known_name_goes_before_a_file_of_that_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "toy").write_bytes(b"mine")
    monkeypatch.chdir(tmp_path)
    cached = place("toy.onnx")
    assert resolve("toy", registry=REGISTRY).path == cached
    mine = hashlib.sha256(b"mine").hexdigest()
    for path in ("./toy", Path("toy")):
        found = resolve(path, registry=REGISTRY)
        assert (found.path, found.sha256) == (tmp_path / "toy", mine)


@pytest.mark.parametrize("name", ["mine.onnx", "ünï cödé.ONNX", "without suffix", "-dash.onnx"])
def test_file_is_found_by_its_path(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(CONTENT)
    monkeypatch.chdir(tmp_path)
    for spelling in (name, str(tmp_path / name), tmp_path / name):
        found = resolve(spelling)
        assert (found.name, found.path) == (str(spelling), tmp_path / name)
        assert (found.sha256, found.embedded) == (DIGEST, False)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("student-v2", "student_v2"),
        ("Student_V1", "student_v1"),
        ("centre-surround", "center-surround"),
        ("student_v2.onnx", "student_v2"),
    ],
)
def test_name_that_is_nearly_known_is_suggested(name: str, meant: str) -> None:
    with pytest.raises(ModelError, match=rf"did you mean {meant}\?") as caught:
        resolve(name)
    assert "`roi-accel models list`" in caught.value.remedy


@pytest.mark.parametrize("name", ["", "qqq", "\0", "x" * 5000], ids=["empty", "qqq", "NUL", "long"])
def test_name_like_no_other_gets_no_suggestion(name: str) -> None:
    with pytest.raises(ModelError, match="no saliency network named") as caught:
        resolve(name)
    assert "did you mean" not in str(caught.value)


@pytest.mark.parametrize("name", ["absent/net.onnx", "/absent/net", "net.onnx"])
def test_missing_file_is_said_to_be_missing(name: str) -> None:
    with pytest.raises(ModelError, match=f"there is no file '{re.escape(name)}'"):
        resolve(name)


def test_path_through_a_file_is_missing_too(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ModelError, match="there is no file"):
        resolve(tmp_path / "file" / "net.onnx")


def test_folder_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nets").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="nets is a folder, not a saliency network"):
        resolve("nets")


def test_pipe_is_refused_instead_of_read_for_ever(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "net.onnx")
    with pytest.raises(ModelError, match="is not a regular file"):
        resolve(tmp_path / "net.onnx")


@pytest.mark.parametrize("name", ["\0.onnx", "x" * 300 + ".onnx"], ids=["NUL", "too long"])
def test_impossible_path_cannot_be_read(name: str) -> None:
    with pytest.raises(ModelError, match="cannot be read"):
        resolve(name)


def test_unreadable_file_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(CONTENT)
    path.chmod(0)
    if os.geteuid() == 0:  # Root may read it all the same, so the system's answer is played.

        def refuse(*_arguments: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("roi_accel.inference.models.sha256_of", refuse)
    assert stat.S_IMODE(path.stat().st_mode) == 0
    with pytest.raises(ModelError, match="cannot be read: Permission denied; check the path and"):
        resolve(path)


def test_survey_tells_where_each_network_is_and_never_fails() -> None:
    lost = KnownModel("lost", "Lost.", "MIT", None, None)
    spoilt = KnownModel("spoilt", "Spoilt.", "MIT", DIGEST, "https://home.invalid/spoilt.onnx")
    blocked = KnownModel("blocked", "Blocked.", "MIT", DIGEST, "https://home.invalid/blocked.onnx")
    absent = KnownModel("absent", "Absent.", "MIT", DIGEST, "https://home.invalid/absent.onnx")
    path = place("toy.onnx")
    place("spoilt.onnx", b"other")
    (cache_dir() / "blocked.onnx").mkdir()
    found = survey([TOY, lost, spoilt, blocked, absent])
    assert [status.where for status in found] == [
        "cached",
        "unusable",
        "unusable",
        "unusable",
        "not fetched",
    ]
    assert (found[0].path, found[0].size, found[0].problem) == (path, len(CONTENT), "")
    assert "incomplete" in found[1].problem
    assert "fetch spoilt` replaces it" in found[2].problem
    assert "is a folder" in found[3].problem
    assert found[4].problem == ""


@pytest.fixture
def toy_cli(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Run the commands with the toy registry."""
    monkeypatch.setattr(cli, "survey", partial(survey, REGISTRY))
    monkeypatch.setattr(cli, "resolve", partial(resolve, registry=REGISTRY))
    return CliRunner()


def test_list_shows_every_known_network() -> None:
    done = CliRunner().invoke(cli.app, ["list"], env={"COLUMNS": "200"})
    assert done.exit_code == 0
    for model in KNOWN_MODELS:
        assert model.name in done.stdout
        assert model.licence in done.stdout
        assert model.summary in done.stdout
    assert "not fetched" in done.stdout


def test_list_breaks_no_word_on_a_terminal_of_80_columns() -> None:
    done = CliRunner().invoke(cli.app, ["list"], env={"COLUMNS": "80"})
    cells = {
        word
        for line in done.stdout.splitlines()
        for cell in line.split("│")
        for word in cell.split()
    }
    for model in KNOWN_MODELS:
        assert cells.issuperset(model.summary.split())
        assert cells.issuperset(re.findall(r"\w+-\w+-\w+-|\w+-\w+$", model.licence))


def test_list_as_json_says_the_same_to_programs(toy_cli: CliRunner) -> None:
    path = place("tiny_toy.onnx")
    done = toy_cli.invoke(cli.app, ["list", "--json"])
    assert json.loads(done.stdout) == [
        {
            "name": "toy",
            "aliases": ["tiny_toy"],
            "where": "cached",
            "path": str(path),
            "size_bytes": len(CONTENT),
            "problem": None,
            "licence": "MIT",
            "sha256": DIGEST,
            "url": "https://home.invalid/models/tiny_toy.onnx",
            "summary": "A toy.",
        }
    ]


def test_list_tells_stderr_what_is_wrong_with_a_file(toy_cli: CliRunner) -> None:
    place("toy.onnx", b"other")
    done = toy_cli.invoke(cli.app, ["list"])
    assert done.exit_code == 0
    assert "unusable" in done.stdout
    assert done.stderr.startswith("toy: ")
    assert DIGEST in done.stderr


def test_path_prints_the_path_alone(toy_cli: CliRunner) -> None:
    path = place("toy.onnx")
    done = toy_cli.invoke(cli.app, ["path", "tiny_toy"])
    assert (done.exit_code, done.stdout, done.stderr) == (0, f"{path}\n", "")


def test_path_of_what_was_not_fetched_is_a_model_error(toy_cli: CliRunner) -> None:
    done = toy_cli.invoke(cli.app, ["path", "toy"])
    assert isinstance(done.exception, ModelError)
    assert done.stdout == ""


@pytest.mark.parametrize("command", [[], ["list"], ["path"], ["fetch"]])
def test_every_command_explains_itself(command: list[str]) -> None:
    done = CliRunner().invoke(cli.app, [*command, "--help"])
    assert done.exit_code == 0
    assert "Usage" in done.stdout
