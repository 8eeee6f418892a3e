"""Claims about the help: every command has groups, defaults and an example that can be typed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer
from commands import run

from roi_accel.cli import app

PAGE = {"COLUMNS": "160", "NO_COLOR": "1"}


def commands(group: Any = None, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], Any]:
    """Return every command, and group of commands, by the words that name it."""
    group = group or typer.main.get_command(app.application([]))
    found = {path: group}
    for name, command in getattr(group, "commands", {}).items():
        found |= commands(command, (*path, name))
    return found


ALL = commands()


def test_every_command_is_looked_at() -> None:
    assert len(ALL) >= 12
    assert ("parity", "compare") in ALL


@pytest.fixture(params=sorted(ALL), ids=lambda path: " ".join(path) or "roi-accel")
def path(request: pytest.FixtureRequest) -> tuple[str, ...]:
    words: tuple[str, ...] = request.param
    return words


def test_it_has_an_example_that_begins_with_its_name(path: tuple[str, ...]) -> None:
    page = run(*path, "--help", env=PAGE).stdout
    assert re.search("Examples?:", page)
    name = " ".join(("roi-accel", *path))
    assert re.search(rf"^ *│? *{name} ?", page.partition("Example")[2], re.MULTILINE)


def test_its_options_are_grouped(path: tuple[str, ...]) -> None:
    rest = {
        name
        for each in ALL[path].params
        if each.param_type_name == "option" and not getattr(each, "rich_help_panel", None)
        for name in each.opts
    }
    assert rest <= {"--help", "-h", "--version", "--install-completion", "--show-completion"}


def test_it_shows_every_default(path: tuple[str, ...]) -> None:
    page = " ".join(run(*path, "--help", env=PAGE).stdout.replace("│", " ").split())
    for each in ALL[path].params:
        shown = each.show_default if isinstance(each.show_default, str) else each.default
        if each.param_type_name == "option" and shown not in (None, False, True, ()):
            assert f"[default: {shown}]" in page.replace("(", "").replace(")", ""), each.name


def test_commands_are_grouped() -> None:
    page = run("--help", env=PAGE).stdout
    groups = re.findall(r"─ ([A-Z][\w ]+) ─", page)
    assert groups == ["Options", "Scores", "This machine", "Networks"]
