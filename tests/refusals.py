"""Holding a failing command to the one rule of failures: a code, one line, and nothing left."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel.cli import app

if TYPE_CHECKING:
    import pytest


@dataclass
class Refusals:
    """Runs of ``score`` in this process, each of which must fail and leave its folders empty.

    They go through the very function that the installed command calls, so that a test can plant a
    fault where none can be caused from outside.
    """

    folder: Path
    capsys: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch

    def __call__(self, code: int, words: str, *arguments: object) -> str:
        """Run ``score -o`` with `arguments`; it must end with `code` and one line with `words`."""
        temporary, results = self.folder / "temporary", self.folder / "results"
        for each in (temporary, results):
            each.mkdir(exist_ok=True)
        self.monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        before = children()
        self.capsys.readouterr()
        outputs = ["-o", results / "result.json", "--csv", results / "frames.csv"]
        ended = app.main(list(map(str, ["score", *outputs, *arguments])))
        out, err = self.capsys.readouterr()
        assert ended == code, err
        assert out == ""
        assert err.startswith("roi-accel: "), err
        assert err.count("\n") == 1, err
        assert words in err
        assert list(results.iterdir()) == []
        assert list(temporary.iterdir()) == []
        assert children() == before
        return err


def children() -> set[str]:
    """Return the numbers of the processes whose parent this one is."""
    found = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            # The name, in parentheses, may hold anything; after it come the state and the parent.
            parent = path.read_text("latin-1").rpartition(")")[2].split()[1]
        except OSError:
            continue  # It has ended meanwhile.
        if int(parent) == os.getpid():
            found.add(path.parent.name)
    return found
