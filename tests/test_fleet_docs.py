"""Every script, manifest and figure of docs/fleet.md holds."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from clips import P8, damaged, smooth_frames, write_y4m
from support import ROOT, console_script

yaml = pytest.importorskip("yaml", reason="reading the manifests needs PyYAML")

pytestmark = pytest.mark.slow

PAGE = (ROOT / "docs" / "fleet.md").read_text("utf-8")
FIGURES = ROOT / "bench" / "results" / "2026-11-24-epyc-2-cores-whole-runs.json"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with a manifest of four references."""
    rows = ["reference,distorted"]
    for number in range(4):
        frames = smooth_frames(P8, 96, 64, 3, seed=number)
        write_y4m(tmp_path / f"ref{number}.y4m", frames)
        write_y4m(tmp_path / f"dist{number}.y4m", damaged(frames))
        rows.append(f"ref{number}.y4m,dist{number}.y4m")
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def shell(script: str, cwd: Path, **variables: str) -> str:
    """Run a script with bash, our command on PATH; return what it printed."""
    path = f"{Path(console_script()).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["/bin/bash", "-euc", script],
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **variables},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_of(path: Path) -> list[str]:
    return [json.loads(line)["distorted"] for line in path.read_text().splitlines()]


def test_the_array_of_slurm_scores_every_pair_once(folder: Path) -> None:
    script, merge = blocks("slurm")
    (last,) = re.findall(r"--array=0-(\d+)", script)
    count = int(last) + 1
    for number in range(count):
        variables = {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_COUNT": str(count)}
        shell(script, folder, **variables)
    shell(merge, folder)
    assert lines_of(folder / "all.ndjson") == [f"dist{number}.y4m" for number in range(4)]


def manifest(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each for text in blocks("yaml") if (each := yaml.safe_load(text))["kind"] == kind
    )
    return found


def test_the_indexed_job_of_kubernetes_scores_every_pair_once(folder: Path) -> None:
    spec = manifest("Job")["spec"]
    assert spec["completionMode"] == "Indexed"
    (container,) = spec["template"]["spec"]["containers"]
    assert container["command"] == ["bash", "-c"]
    (script,) = container["args"]
    found = []
    for number in range(spec["completions"]):
        shell(script, folder, JOB_COMPLETION_INDEX=str(number))
        found += lines_of(folder / f"part-{number}.ndjson")
    assert sorted(found) == [f"dist{number}.y4m" for number in range(4)]


def test_the_nodes_of_kuberay_offer_what_ray_start_can_read(tmp_path: Path) -> None:
    spec = manifest("RayJob")["spec"]
    for group in spec["rayClusterSpec"]["workerGroupSpecs"]:
        # KubeRay writes the value into a line of shell as it is.
        resources = shell(f"printf %s {group['rayStartParams']['resources']}", tmp_path)
        offered = json.loads(resources)
        assert offered["roi"] >= 1
        assert all(re.fullmatch(r"roi(_\w+)?", name) for name in offered)


def test_the_costs_are_those_that_were_measured() -> None:
    figures = json.loads(FIGURES.read_text("utf-8"))
    case = {"size": "1080p", "bit_depth": 8, "input": "H.264", "frames": 90}

    def seconds(kind: str, name: str, network: str) -> float:
        (found,) = (
            each["seconds"][name]
            for each in figures[kind]
            if {**each, **case, "network": network} == each
        )
        return median(found)

    one = seconds("ratio", "whole run", "center-surround")
    four = seconds("shared", "together", "center-surround")
    student = seconds("ratio", "whole run", "student_v2")
    cores, frames = figures["machine"]["cores"], 1000 * 60 * 24
    assert f"took {one:.2f} s for one encode, and {four:.2f} s for four" in PAGE
    for text, per_frame in (
        ("one by one", one * cores / 90),
        ("four encodes together, per 1,000 minutes of an encode", four * cores / 360),
        ("with `student_v2`, one by one", student * cores / 90),
    ):
        hours = per_frame * frames / 3600
        assert f"| {text} | {hours:.1f} | {hours * 0.04:.2f} USD |" in PAGE
    needed = 1e6 * 360 * four * cores / 360 / 86400
    assert f"that is {needed:.0f} cores. At 70% use {needed / 0.7:.0f}" in PAGE
