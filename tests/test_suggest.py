"""Claims about `_util.suggest`: one rule that guesses what a misspelt name was meant to be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT

from roi_accel._util.suggest import did_you_mean, no_such
from roi_accel.errors import BackendUnavailable, InputError

NAMES = ("numpy", "numba", "opencl", "cuda", "CoreML")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("nubma", "numba"), ("openlc", "opencl"), ("CUDA", "cuda"), ("coreml", "CoreML")],
)
def test_the_nearest_name_is_guessed_in_its_own_spelling(name: str, meant: str) -> None:
    assert did_you_mean(name, NAMES) == f"did you mean {meant}? "


def test_dashes_are_no_likeness() -> None:
    assert did_you_mean("--csv", ["--fps", "--frame"]) == ""
    assert did_you_mean("--fpz", ["--fps", "--frame"]) == "did you mean --fps? "


@pytest.mark.parametrize("name", ["", "abacus", "\0", "x" * 5000])
def test_a_name_like_no_other_gets_no_guess(name: str) -> None:
    assert did_you_mean(name, NAMES) == ""


def test_the_error_says_what_was_looked_for_the_guess_and_what_there_is() -> None:
    error = no_such("nubma", NAMES, what="backend", error=BackendUnavailable)
    expected = "there is no backend 'nubma'; did you mean numba? there are " + ", ".join(NAMES)
    assert str(error) == expected
    assert type(error) is BackendUnavailable
    assert type(no_such("blur", (), what="kernel")) is InputError


def test_the_error_can_say_where_the_name_stands_and_something_else_to_do() -> None:
    error = no_such("qqq", NAMES, what="backend", said_by="ROI_ACCEL_BACKEND", otherwise="say auto")
    assert str(error) == "there is no backend 'qqq' (ROI_ACCEL_BACKEND); say auto"


@given(st.text(), st.lists(st.text()))
def test_whatever_the_names_a_guess_is_one_of_them(name: str, known: list[str]) -> None:
    guess = did_you_mean(name, known)
    assert guess == "" or guess.removeprefix("did you mean ").removesuffix("? ") in known


def test_no_other_module_guesses_by_a_rule_of_its_own() -> None:
    folders = [ROOT / name for name in ("roi_accel", "backends", "parity", "bench")]
    modules = [path for folder in folders for path in folder.rglob("*.py")]
    assert len(modules) > 100
    guessing = [path.name for path in modules if re.search(r"\bdifflib\b", path.read_text("utf-8"))]
    assert guessing == ["suggest.py"]
