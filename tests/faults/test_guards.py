"""The list of guards agrees with the code: each row, each guard and each test exists."""

from __future__ import annotations

import ast
import builtins
import importlib.util
import re
import symtable
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


SCRIPT: Any = script()
GUARDS: list[Any] = SCRIPT.read_guards()
MARKERS: list[tuple[str, Any]] = SCRIPT.find_markers()
ROWS = 49


def unknown_names(code: str) -> set[str]:
    """Return the names that `code` reads and neither it nor Python defines."""
    module = symtable.symtable(code, "code", "exec")
    tables = [module]
    for table in tables:
        tables += table.get_children()
    read = {s.get_name() for table in tables for s in table.get_symbols() if s.is_global()}
    set_here = {s.get_name() for s in module.get_symbols() if s.is_assigned() or s.is_imported()}
    return read - set_here - set(dir(builtins))


def marked(line: str, *, below: str = "") -> Any:
    """Return the place of the only marker in a small function."""
    text = f"def f(a, b):\n    {line}\n{below}"
    number = next(n for n, each in enumerate(text.splitlines(), 1) if "# guard:" in each)
    return SCRIPT.Marked(ROOT, text, number, is_alone=line.startswith("#"))


def test_every_row_has_a_guard() -> None:
    assert {guard.row for guard in GUARDS} == set(range(1, ROWS + 1))


def test_every_guard_is_marked_once_and_every_marker_is_in_the_list() -> None:
    assert sorted(each for each, _ in MARKERS) == sorted(guard.id for guard in GUARDS)
    assert len({guard.id for guard in GUARDS}) == len(GUARDS)


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.id)
def test_guard_can_be_removed_and_its_tests_exist(guard: Any) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", guard.id)
    place = dict(MARKERS)[guard.id]
    changed = SCRIPT.mutated(place, guard.mutate)
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(place.text))
    # The tests would notice a NameError, whatever they are worth.
    assert unknown_names(changed) <= unknown_names(place.text)
    assert guard.tests
    for test in guard.tests:
        file, *names = test.split("::")
        text = (ROOT / file).read_text("utf-8")
        for name in names:
            assert re.search(rf"^ *(def|class) {name}\b", text, re.MULTILINE), test


@pytest.mark.parametrize(
    ("mutate", "line", "changed"),
    [
        ({"condition": False}, "if a:  # guard: x", "if False:  # guard: x"),
        ({"condition": "not _"}, "c = 1 if a + b else 2  # guard: x", "not (a + b) else"),
        ({"without": "first"}, "if a or b:  # guard: x", "if b:"),
        ({"without": "last"}, "return a and b and 1  # guard: x", "return a and b  #"),
        ({"value": "_ + 1"}, "é = 'é', f(a)  # guard: x", "é = ('é', f(a)) + 1  #"),
        ({"value": "b"}, "with a:  # guard: x", "with b:"),
        ({"argument": "b"}, "a = f(g(a), 2)  # guard: x", "f(b, 2)"),
        ({"statement": "pass"}, "f(\n        a\n    )  # guard: x", "    pass  # guard: x"),
        ({"statement": "raise"}, "# guard: x\n    # why\n    a = b", "    raise\n"),
        ({"replace": ["1", "2"]}, "if a == 1:  # guard: x", "if a == 2:  # guard: x"),
    ],
    ids=str,
)
def test_mutation_changes_the_marked_statement_alone(
    mutate: dict[str, Any], line: str, changed: str
) -> None:
    below = "        return 1\n" if line.startswith(("if", "with")) else "    return 1\n"
    found = SCRIPT.mutated(marked(line, below=below), mutate)
    assert changed in found
    assert found.startswith("def f(a, b):\n    ")
    assert found.endswith(below)


@pytest.mark.parametrize(
    ("mutate", "line"),
    [
        ({"condition": False}, "return a  # guard: x"),
        ({"without": "first"}, "return a and (b or 1)  # guard: x"),
        ({"replace": ["a", "b"]}, "return a + a  # guard: x"),
        ({"misspelt": True}, "return a  # guard: x"),
        ({"statement": "pass"}, "f(\n        # guard: x\n        a\n    )"),
    ],
    ids=str,
)
def test_mutation_that_fits_no_or_several_parts_is_refused(
    mutate: dict[str, Any], line: str
) -> None:
    place = marked(line)
    alone = SCRIPT.Marked(place.path, place.text, place.line, is_alone="\n" in line)
    with pytest.raises(ValueError, match=r"fit instead of one|times in"):
        SCRIPT.mutated(alone, mutate)


def test_the_page_has_every_guard_and_none_that_nobody_notices() -> None:
    page = (ROOT / "docs" / "reliability.md").read_text("utf-8")
    rows = re.findall(r"^\| (\d+) \| (.*) \| ([a-z ]+) \|$", page, re.MULTILINE)
    assert [int(number) for number, _, _ in rows] == [guard.row for guard in GUARDS]
    assert {outcome for _, _, outcome in rows} <= {"noticed", "skipped here"}
    for (_, text, _), guard in zip(rows, GUARDS, strict=True):
        assert text.startswith(guard.fault)
