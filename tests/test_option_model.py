"""Claims about the declaration of options: one field in the model, and an option is everywhere."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT

from roi_accel.batch.rows import resolve_paths
from roi_accel.errors import InputError
from roi_accel.options import FILE_OPTIONS, ScoreOptions, declared

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

DECLARATION = """\
    sharpen: Share = option(0.125, "Sharpen the mask a little.", _MASK, recorded=True)

"""
ASK = """
import contextlib, io, json
from pathlib import Path
import roi_accel
from roi_accel.batch.identity import Identifier
from roi_accel.batch.manifest import read_manifest
from roi_accel.batch.rows import Pair
from roi_accel.cli import main
from roi_accel.errors import InputError
from roi_accel.ladder.ladder import read_results

def printed(*arguments):
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
        main(list(map(str, arguments)))
    return out.getvalue()

def refused(**keywords):
    try:
        roi_accel.score("absent.y4m", "absent.y4m", **keywords)
    except InputError as error:
        return str(error)

def identity(**keywords):
    pair = Pair(line=1, reference=REFERENCE, distorted=DISTORTED, ladder=None, row="",
                keywords={"synthetic_mask": 1.0, **keywords})
    return Identifier().identify(pair)[0]

with open("pairs.csv", "w") as file:
    file.write(f"reference,distorted,sharpen\\n{REFERENCE},{DISTORTED},0.5\\n{REFERENCE},b,7\\n")
good, bad = read_manifest("pairs.csv")
fixed = {"synthetic_mask": 1.0, "backend": "numpy"}
result, other = (roi_accel.score(REFERENCE, DISTORTED, **fixed, sharpen=n) for n in (0.75, 0.5))
with open("results.ndjson", "w") as file:
    for n, each in enumerate((result, other), 1):
        file.write(json.dumps({**each.to_dict(), "batch": {"line": n, "row": str(n)}}) + "\\n")
print(json.dumps({
    "package": roi_accel.__file__,
    "help": {name: printed(*name.split(), "--help") for name in ("score", "mask", "batch run")},
    "typed": printed("score", "-r", "a", "-d", "b", "--sharpen", "7"),
    "docstrings": [roi_accel.score.__doc__, roi_accel.mask.__doc__],
    "refused": [refused(sharpen=7), refused(sharpen="much"), refused(sharpn=0.5)],
    "row": dict(good.keywords),
    "bad row": str(bad.error),
    "identities": [identity(), identity(sharpen=0.125), identity(sharpen=0.5)],
    "ladder": read_results(Path("results.ndjson")).warnings,
    "parameters": result.to_dict()["provenance"]["parameters"],
}))
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a copy of the repository with one more option, and its generated files anew."""
    copy = tmp_path_factory.mktemp("copy")
    for name in ("roi_accel", "backends", "parity", "bench", "scripts", "docs"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    model = copy / "roi_accel" / "options" / "score.py"
    before, mark, after = model.read_text("utf-8").rpartition(
        '    @model_validator(mode="after")\n'
    )
    model.write_text(f"{before}{DECLARATION}{mark}{after}", "utf-8")
    python(copy, "import runpy; runpy.run_path('scripts/write_reference.py', run_name='__main__')")
    return copy


@pytest.fixture(scope="module")
def told(copy: Path, tiny_pair: Pair) -> Any:
    """Return what the copy says of its new option."""
    names = {"REFERENCE": str(tiny_pair.reference), "DISTORTED": str(tiny_pair.distorted)}
    found = json.loads(python(copy, "".join(f"{k} = {v!r}\n" for k, v in names.items()) + ASK))
    assert found["package"].startswith(str(copy))
    return found


def python(folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("command", ["score", "mask", "batch run"])
def test_the_command_line_has_it(told: Any, command: str) -> None:
    assert "--sharpen" in told["help"][command]
    assert "Sharpen the mask a little." in told["help"][command]


def test_the_command_line_checks_its_range(told: Any) -> None:
    assert "--sharpen must be from 0 to 1, not 7; see roi-accel score --help" in told["typed"]


def test_python_has_it_and_describes_it(told: Any) -> None:
    for docstring in told["docstrings"]:
        assert "sharpen : number\n        Sharpen the mask a little. Default: 0.125." in docstring


def test_python_checks_it_in_its_own_words(told: Any) -> None:
    range_, type_, name = told["refused"]
    assert range_.startswith("sharpen must be from 0 to 1, not 7; help(roi_accel.score)")
    assert type_.startswith("sharpen must be a number, not 'much' of type str")
    assert name.startswith("there is no keyword 'sharpn'; did you mean sharpen?")


def test_type_checkers_know_it(copy: Path) -> None:
    keywords = (copy / "roi_accel" / "api" / "keywords.py").read_text("utf-8")
    assert "    sharpen: float | None\n" in keywords.partition("class ScoreKeywords")[0]


def test_a_row_of_a_manifest_may_have_it(told: Any) -> None:
    assert told["row"] == {"sharpen": 0.5}
    assert told["bad row"].startswith("sharpen must be from 0 to 1, not 7")


def test_pairs_that_differ_in_it_are_different_work(told: Any) -> None:
    left_out, default, other = told["identities"]
    assert left_out == default != other


def test_results_record_it(told: Any) -> None:
    assert told["parameters"]["sharpen"] == 0.75


def test_scores_that_differ_in_it_are_not_compared_silently(told: Any) -> None:
    assert any("sharpen 0.5 and 0.75 are not comparable" in line for line in told["ladder"])


def test_the_schema_has_it(copy: Path) -> None:
    schema = json.loads((copy / "roi_accel" / "data" / "result.schema.json").read_text("utf-8"))
    parameters = schema["properties"]["provenance"]["properties"]["parameters"]["properties"]
    assert parameters["sharpen"] == {
        "description": "Sharpen the mask a little.",
        "maximum": 1,
        "minimum": 0,
        "type": "number",
    }


def test_the_documentation_has_it(copy: Path) -> None:
    page = (copy / "docs" / "interface.md").read_text("utf-8")
    assert "| `--sharpen` `<float>` | Sharpen the mask a little. Default: 0.125. | yes |" in page
    assert "- `sharpen` (number)" in (copy / "docs" / "python.md").read_text("utf-8")


# What is declared of the options there are


@pytest.mark.parametrize("name", FILE_OPTIONS)
def test_a_file_that_an_option_names_is_no_output_and_is_found_beside_its_manifest(
    tmp_path: Path, name: str
) -> None:
    options = ScoreOptions(**{name: tmp_path / "a"})
    assert tmp_path / "a" in options.files()
    assert resolve_paths({name: "a"}, tmp_path) == {name: str(tmp_path / "a")}


def test_an_option_cannot_be_changed_behind_its_checks() -> None:
    with pytest.raises(Exception, match="frozen"):
        ScoreOptions().threshold = 7  # type: ignore[misc]


def test_defaults_keep_their_own_range() -> None:
    for option in declared(ScoreOptions).values():
        if option.least is not None and option.default is not None:
            assert option.least <= option.default <= (option.most or option.default)


@pytest.mark.parametrize("name", ["caller", "videos", "given", "typed", "raw"])
def test_what_the_model_itself_is_made_of_is_no_option(name: str) -> None:
    with pytest.raises(InputError, match=f"no keyword '{name}'"):
        ScoreOptions(**{name: None, "weight": 0.5} | {name: 1})
