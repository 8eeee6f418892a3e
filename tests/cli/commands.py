"""Running the command, in a process of its own as users do, or in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from support import console_script

from roi_accel.cli import app

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def run_here(
    *arguments: object, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Do as `run` does, in this process, which saves half a second: for what is said and returned.

    The function is the one that the installed command calls; what a process of its own adds
    (streams, signals, exit) needs `run`.
    """
    out, err = io.StringIO(), io.StringIO()
    words = list(map(str, arguments))
    with (
        patch.dict(os.environ, environment(**(env or {})), clear=True),
        contextlib.chdir(cwd or Path.cwd()),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = app.main(words)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


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
