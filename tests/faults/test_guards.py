"""The list of guards is true of the code: each row is there, each guard and each test exists."""

from __future__ import annotations

import importlib.util
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from support import ROOT

if TYPE_CHECKING:
    from types import ModuleType


def script() -> ModuleType:
    """Return scripts/mutate_guards.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "mutate_guards", ROOT / "scripts/mutate_guards.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


GUARDS: list[Any] = script().read_guards()
ROWS = 49


def test_every_row_has_a_guard() -> None:
    assert {guard.row for guard in GUARDS} == set(range(1, ROWS + 1))


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard.row}: {guard.fault}")
def test_guard_and_tests_are_where_the_list_says(guard: Any) -> None:
    assert (ROOT / guard.file).read_text("utf-8").count(guard.old) == 1
    assert guard.new != guard.old
    assert guard.tests
    for test in guard.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text("utf-8")
        for name in names:
            assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), test


def test_the_page_has_every_guard_and_none_that_nobody_notices() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \| ([a-z ]+) \|$", page, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [guard.row for guard in GUARDS]
    assert {outcome for _, _, outcome in rows} <= {"noticed", "skipped here"}
    for (_, text, _), guard in zip(rows, GUARDS, strict=True):
        assert text.startswith(guard.fault)
