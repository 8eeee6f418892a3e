"""Running the installed command in a process of its own, as users do."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

from support import console_script

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def command(*arguments: object) -> list[str]:
    return [console_script(), *map(str, arguments)]


def environment(**changes: str) -> dict[str, str]:
    """Return the present environment without what draws colours where there is no terminal."""
    kept = {k: v for k, v in os.environ.items() if k not in {"FORCE_COLOR", "TTY_COMPATIBLE"}}
    return kept | {"COLUMNS": "200", "PYTHONWARNINGS": "error"} | changes


def run(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env=environment(**(env or {})),
        cwd=cwd,
    )


def run_json(*arguments: object, env: Mapping[str, str] | None = None) -> Any:
    """Run a command that must succeed and print one JSON document and nothing else."""
    done = run(*arguments, env=env)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def assert_one_line(stderr: str) -> None:
    """Hold an error to its form: one line, and no traceback."""
    assert stderr.startswith("roi-accel: "), stderr
    assert stderr.count("\n") == 1, stderr
    assert "Traceback" not in stderr
