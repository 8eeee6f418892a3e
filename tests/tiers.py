"""The two tiers of the suite: which tests a run leaves for later, and how it says so.

Tests marked `slow` form the second tier. A run leaves them out unless it is given `--all`, an
expression with `-m`, or a file or test by name: whoever asks for a test gets it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

# `--hypothesis-profile full` chooses the other one; a test's own `max_examples` overrides both.
settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile("full", max_examples=200, deadline=None)
settings.load_profile("quick")

LEFT_OUT = pytest.StashKey[int]()


def leaves_out(config: pytest.Config) -> bool:
    """Return whether this run leaves slow tests out where they were not asked for by name."""
    return not (config.getoption("--all") or config.getoption("-m"))


def is_named(item: pytest.Item) -> bool:
    """Return whether the command line names the item's file or the item itself."""
    names = (arg.partition("::")[0] for arg in item.config.args)
    start = item.config.invocation_params.dir
    return item.path in {(start / Path(name)).resolve() for name in names}


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not leaves_out(config):
        return
    later = [item for item in items if item.get_closest_marker("slow") and not is_named(item)]
    if later:
        left = set(later)
        items[:] = [item for item in items if item not in left]
        config.hook.pytest_deselected(items=later)
    config.stash[LEFT_OUT] = len(later)


def pytest_sessionfinish(session: pytest.Session) -> None:
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:  # a worker of pytest-xdist, which has collected what its parent has not
        output["left_out"] = session.config.stash.get(LEFT_OUT, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    left = getattr(node, "workeroutput", {}).get("left_out", 0)
    node.config.stash[LEFT_OUT] = max(left, node.config.stash.get(LEFT_OUT, 0))


def pytest_report_header(config: pytest.Config) -> str:
    if leaves_out(config):
        return "tier: the first; slow tests are left out unless named (--all runs both tiers)"
    return "tier: both, or what -m selects"


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    if left := config.stash.get(LEFT_OUT, 0):
        terminalreporter.line(
            f"{left} slow tests were left to the second tier: run them with `pytest -m slow`,"
            " or both tiers with `pytest --all`",
            yellow=True,
        )
