"""The table of guards names what there is: otherwise removing them would prove nothing."""

from __future__ import annotations

import re
import tomllib

import pytest
from support import ROOT

GUARDS = tomllib.loads((ROOT / "scripts" / "guards.toml").read_text("utf-8"))["guard"]
ROWS = (ROOT / "docs" / "reliability.md").read_text("utf-8")


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: f"{guard['row']} {guard['find'][:30]}")
def test_a_guard_stands_once_where_the_table_says(guard: dict[str, str]) -> None:
    assert (ROOT / guard["file"]).read_text("utf-8").count(guard["find"]) == 1
    assert guard["put"] != guard["find"]


@pytest.mark.parametrize("test", sorted({guard["test"].partition("[")[0] for guard in GUARDS}))
def test_a_guards_test_exists(test: str) -> None:
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("row", sorted({guard["row"] for guard in GUARDS}, key=int))
def test_a_guards_row_is_in_the_documentation(row: str) -> None:
    assert re.search(rf"^\| {row} \|", ROWS, re.MULTILINE)
