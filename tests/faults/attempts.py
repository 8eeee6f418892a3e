"""Running the command where it must fail, and looking for what it may have left behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

MARK = "ROI_ACCEL_TEST_MARK"
"""A variable that every process of an attempt inherits, by which it is found again."""

_PATCHED = """
import sys
{patch}
import roi_accel.cli.app as the_command
the_command.run()
"""

SHORT_STALL = """
from roi_accel.scorers.scoring import ProgramScoring
ProgramScoring.__init__.__kwdefaults__["stall_seconds"] = 1.0
"""
"""A patch that takes a scorer for hung after a second, where five minutes are allowed."""


@dataclass
class Attempt:
    """One run of the command in a temporary folder of its own, which it must leave empty.

    `patch` is Python that runs before the command in the same process, to make something in it fail
    that cannot be made to fail from outside.
    """

    folder: Path
    patch: str = ""
    changes: dict[str, str] = field(default_factory=dict)
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.temporary = self.folder / f"temporary {self.mark[:8]}"
        self.temporary.mkdir()
        self.output = self.folder / f"result {self.mark[:8]}.json"

    def start(
        self,
        *arguments: object,
        cwd: Path | None = None,
        preexec: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        drop = {"FORCE_COLOR", "TTY_COMPATIBLE"}
        inherited = {key: value for key, value in os.environ.items() if key not in drop}
        settings = {"COLUMNS": "200", MARK: self.mark, "TMPDIR": str(self.temporary)}
        return subprocess.Popen(
            [sys.executable, "-c", _PATCHED.format(patch=self.patch), *map(str, arguments)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=cwd,
            env=inherited | settings | self.changes,
            preexec_fn=preexec,  # noqa: PLW1509 - limits of memory and file size, no locks
        )

    def run(
        self,
        *arguments: object,
        cwd: Path | None = None,
        preexec: Callable[[], None] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        with self.start(*arguments, cwd=cwd, preexec=preexec) as process:
            return self.finish(process)

    def finish(self, process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        """Wait for the end and hold it to leaving nothing: no process, no temporary file."""
        try:
            stdout, stderr = process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
        self.assert_nothing_left()
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)

    def assert_nothing_left(self) -> None:
        deadline = time.monotonic() + 2
        while (left := processes(self.mark)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert left == {}
        assert list(self.temporary.iterdir()) == []
        assert list(self.folder.glob(".roi-accel-*")) == []

    def fail(
        self,
        code: int,
        match: str,
        *arguments: object,
        preexec: Callable[[], None] | None = None,
    ) -> str:
        """Run `score -o` with `arguments`; it must fail with `code`, saying `match` on one line."""
        done = self.run("score", "-o", self.output, *arguments, preexec=preexec)
        assert_failed(done, code, match)
        assert not self.output.exists()
        return done.stderr


def assert_failed(done: subprocess.CompletedProcess[str], code: int, match: str) -> None:
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert done.stderr.startswith("roi-accel: "), done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "; " in done.stderr, f"no remedy: {done.stderr}"
    assert match in done.stderr, done.stderr


def processes(mark: str) -> dict[int, str]:
    """Return the living processes of an attempt: number and command line."""
    found = {}
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[int(folder.name)] = line
        except OSError:
            continue  # It has ended meanwhile, or is another user's.
    return found


def await_process(mark: str, words: Sequence[str]) -> int:
    """Return the number of the attempt's process whose command line has all of `words`."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        for number, line in processes(mark).items():
            if all(word in line for word in words):
                return number
        time.sleep(0.02)
    msg = f"no process with {words}"
    raise AssertionError(msg)
