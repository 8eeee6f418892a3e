"""A file's name changes no score: whatever it is made of, it names that file and nothing else."""

from __future__ import annotations

import csv
import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from clips import run_ffmpeg
from test_paths import NAMES

from roi_accel.cli import app

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

pytestmark = pytest.mark.slow

LONGEST = 255
"""Bytes in a name, on the file systems that most people have."""

ALL_NAMES = {
    **NAMES,
    "not UTF-8": os.fsdecode(b"\xff\xfea"),
    "255 bytes": "ü" * ((LONGEST - 4) // 2) + "x",
}
NUMPY = ("--backend", "numpy", "--quiet")


def mask_clip(path: Path, frames: int) -> Path:
    """Write a clip of masks under a plain name, and give it its own."""
    plain = path.with_name("plain.mkv")
    source = ("-f", "lavfi", "-i", "testsrc2=size=96x64", "-frames:v", frames)
    run_ffmpeg(*source, "-pix_fmt", "gray", "-c:v", "ffv1", plain)
    return plain.rename(path)


def scores(*arguments: object, output: str, table: str) -> Any:
    """Run ``score`` and return its numbers, once in the result and once in the table."""
    options = ["-o", output, "--csv", table, *NUMPY]
    assert app.main(list(map(str, ["score", *arguments, *options]))) == 0
    with open(output, encoding="utf-8") as file:  # noqa: PTH123 - a name as it is typed
        result = json.load(file)
    with open(table, encoding="utf-8", newline="") as file:  # noqa: PTH123
        rows = [row for row in csv.DictReader(file) if row.pop("distorted")]
    assert len(rows) == len(result["frames"])
    label = result["saliency_model"]
    if label.startswith("mask:"):
        assert label.isprintable()  # On one line, whatever the name is made of.
    numbers = {key: value for key, value in result.items() if isinstance(value, int | float)}
    assert len(numbers) > 3
    return numbers, result["frames"], rows


def stem(name: str, ending: str) -> str:
    """Return a name of at most 255 bytes that begins like `name` and has this ending."""
    while len(os.fsencode(name + ending)) > LONGEST:
        name = name[:-1]
    return name + ending


@pytest.mark.parametrize("name", ALL_NAMES.values(), ids=ALL_NAMES)
@pytest.mark.parametrize("source", ["mask", "network"])
def test_scores_are_those_of_plain_names(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    tiny_pair: Pair,
    tiny_network: Path,
    source: str,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for ending, file in (("r.y4m", tiny_pair.reference), ("d.y4m", tiny_pair.distorted)):
        shutil.copy(file, tmp_path / stem(name, ending))
        shutil.copy(file, tmp_path / f"plain{ending}")
    option, ending = ("--mask", ".mkv") if source == "mask" else ("--saliency-model", ".onnx")
    if source == "mask":
        mask_clip(tmp_path / stem(name, ending), tiny_pair.frames)
    else:
        shutil.copy(tiny_network, tmp_path / stem(name, ending))
    shutil.copy(tmp_path / stem(name, ending), tmp_path / f"other{ending}")
    plain = scores(
        *("-r", "plainr.y4m", "-d", "plaind.y4m", option, f"other{ending}"),
        output="plain.json",
        table="plain.csv",
    )
    named = scores(
        *("-r", stem(name, "r.y4m"), "-d", stem(name, "d.y4m"), option, stem(name, ending)),
        output=stem(name, ".json"),
        table=stem(name, ".csv"),
    )
    assert named == plain


def test_scores_through_links_are_those_of_the_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_pair: Pair, tiny_network: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, file in (
        ("r.y4m", tiny_pair.reference),
        ("d.y4m", tiny_pair.distorted),
        ("network.onnx", tiny_network),
    ):
        (tmp_path / f"first {name}").symlink_to(file)
        (tmp_path / name).symlink_to(f"first {name}")
    plain = scores(
        *("-r", tiny_pair.reference, "-d", tiny_pair.distorted),
        *("--saliency-model", tiny_network),
        output="plain.json",
        table="plain.csv",
    )
    linked = scores(
        *("-r", "r.y4m", "-d", "d.y4m", "--saliency-model", "network.onnx"),
        output="linked.json",
        table="linked.csv",
    )
    assert linked == plain
