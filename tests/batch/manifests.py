"""Manifests of small pairs, and what single scores of their rows are."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

from clips import P8, damaged, smooth_frames, write_y4m
from support import console_script

import roi_accel

KEYS_OF_ITS_OWN = ("timing", "batch")
"""What tells runs apart that are equal."""


def write_pairs(folder: Path, *, references: int = 2, encodes: int = 2) -> list[tuple[str, str]]:
    """Write small videos, each distorted in its own way; return the names of the pairs."""
    pairs = []
    for number in range(references):
        frames = smooth_frames(P8, 96, 64, 6, seed=number)
        write_y4m(folder / f"ref{number}.y4m", frames)
        for encode in range(encodes):
            name = f"dist{number}-{encode}.y4m"
            write_y4m(folder / name, damaged(frames, step=20 + 7 * encode + number))
            pairs.append((f"ref{number}.y4m", name))
    return pairs


def write_csv(path: Path, rows: list[tuple[str, ...]], *more: str) -> Path:
    header = ",".join(("reference", "distorted", *more))
    path.write_text("\n".join((header, *map(",".join, rows))) + "\n")
    return path


def batch(
    *arguments: object, cwd: Path, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end, with no parity records unless they are asked for."""
    quick = [] if {"--records", "merge"} & set(arguments) else ["--no-records"]
    return subprocess.run(
        [console_script(), "batch", *map(str, arguments), *quick],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", "PYTHONWARNINGS": "error", **(env or {})},
    )


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def result_in(record: dict[str, Any]) -> dict[str, Any]:
    """Return what a line shares with every other run of the same pair."""
    return {name: value for name, value in record.items() if name not in KEYS_OF_ITS_OWN}


def single(folder: Path, reference: str, distorted: str, **options: Any) -> dict[str, Any]:
    """Return the result of `score` for one pair, its files named as in a manifest of `folder`."""
    result = roi_accel.score(folder / reference, folder / distorted, **options).to_dict()
    found: dict[str, Any] = json.loads(json.dumps(result))
    found["reference"], found["distorted"] = reference, distorted
    return result_in(found)


def totals(stderr: str) -> dict[str, str]:
    """Return the numbers that a summary ends with, by what they count."""
    rows = re.findall(r"^([a-z ]+?) {2,}(.+?) *$", stderr, re.MULTILINE)
    return dict(rows)


def processes_under(pid: int) -> list[int]:
    """Return the numbers of the workers that process `pid` has started."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            line = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == pid and b"spawn_main" in line:
            found.append(int(folder.name))
    return found
