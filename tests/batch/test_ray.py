"""Claims about batches on a Ray cluster of several nodes: the scores of `score`, each pair once."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import planted
import pytest
from manifests import records, result_in, single, write_csv, write_pairs
from ray_nodes import Nodes
from support import console_script

from roi_accel.batch.ray.cluster import Cluster
from roi_accel.parity.record import read_record
from roi_accel.scorers.ffmpeg import bundled_ffmpeg

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Bench

pytest.importorskip("ray", reason="a cluster needs Ray, the extra 'ray'")

pytestmark = pytest.mark.slow

MASK = ("--synthetic-mask", "0.6")


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Return a cluster with a node for NumPy."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    nodes = Nodes(tmp_path_factory.mktemp("nodes"))
    nodes.add("numpy")
    yield nodes
    nodes.shutdown()


def start(
    nodes: Nodes | None,
    cwd: Path,
    *arguments: object,
    env: dict[str, str] | None = None,
    patch: str = "",
    records: bool = False,
) -> subprocess.Popen[str]:
    """Begin a batch on `nodes`, or on a Ray of its own; `patch` is run before it."""
    command = f"{patch}\nfrom roi_accel.cli import run\nrun()"
    program = [sys.executable, "-c", command] if patch else [console_script()]
    options = ["--engine", "ray", *(["--address", nodes.address] if nodes else [])]
    options += [] if records else ["--no-records"]
    return subprocess.Popen(
        [*program, "batch", *map(str, arguments), *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env={**os.environ, "COLUMNS": "200", **(env or {})},
    )


def run(nodes: Nodes | None, cwd: Path, *arguments: object, **more: Any) -> tuple[int, str]:
    """Return the exit code of a batch, and what it said on stderr."""
    process = start(nodes, cwd, *arguments, **more)
    out, said = process.communicate(timeout=200)
    assert out == ""
    return process.returncode, said


_KILLS_ITSELF = """
import os, signal
from roi_accel.batch import worker

score_all = worker.score_all

def deadly(reference, distorted, options, **more):
    if any({name!r} in str(path) for path in distorted):
        os.kill(os.getpid(), signal.SIGKILL)
    return score_all(reference, distorted, options, **more)

worker.score_all = deadly
"""


def poison(folder: Path, name: str) -> dict[str, str]:
    """Return the environment in which whoever scores video `name` is killed."""
    patch = _KILLS_ITSELF.format(name=name)
    hook = f"import sys\nif 'default_worker' in ' '.join(sys.orig_argv):\n    exec({patch!r})\n"
    (folder / "sitecustomize.py").write_text(hook)
    return {"PYTHONPATH": str(folder)}


IMPATIENT = """
from roi_accel.batch.ray.engine import RayEngine
RayEngine.__init__.__kwdefaults__["patience"] = 1.0
"""


def wait_until_hung(nodes: Nodes, process: subprocess.Popen[str], before: int) -> None:
    deadline = time.monotonic() + 150
    while nodes.hung == before:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)


def assert_equal_to_single_scores(folder: Path, lines: list[dict[str, Any]]) -> None:
    for each in lines:
        worker = each["batch"]["worker"]
        where = {name: worker[name] for name in ("backend", "device") if worker[name] != "cpu"}
        wanted = single(folder, each["reference"], each["distorted"], synthetic_mask=0.6, **where)
        assert result_in(each) == wanted


def test_forty_pairs_survive_a_node_that_dies_in_the_middle(
    nodes: Nodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pairs = write_pairs(tmp_path, references=4, encodes=10)
    write_csv(tmp_path / "pairs.csv", pairs)
    output = tmp_path / "out.ndjson"
    with (
        nodes.having("numba", hangs=4) as dying,
        nodes.having("opencl", "opencl_cpu"),
        nodes.waiting(),
    ):
        process = start(nodes, tmp_path, "pairs.csv", "-o", output, *MASK, "--together", 1)
        wait_until_hung(nodes, process, 0)
        nodes.kill(dying)
        _, said = process.communicate(timeout=200)
    assert process.returncode == 0, said
    lines = records(output)
    assert sorted((each["reference"], each["distorted"]) for each in lines) == sorted(pairs)
    # None was scored twice, and the one that was begun twice came to its end once.
    assert nodes.completions == len(pairs)
    assert {each["batch"]["worker"]["backend"] for each in lines} >= {"numba", "opencl"}
    monkeypatch.setenv("ROI_ACCEL_VMAF", str(bundled_ffmpeg()))
    assert_equal_to_single_scores(tmp_path, lines)


def test_a_node_whose_backend_is_wrong_by_one_code_is_excluded_and_named(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "planted"
    folder.mkdir()
    output = tmp_path / "out.ndjson"
    arguments = (bench.manifest, "-o", output, *MASK, "--together", 1, "--summary")
    with nodes.having("planted", slots=2, env=planted.install(folder, "one pixel")):
        code, said = run(nodes, bench.folder, *arguments)
    assert code == 0, said
    assert re.search(
        r"device planted on \S+/\w+ is excluded: device cpu of backend planted does not repr", said
    )
    assert "EXCLUDED" in said
    lines = records(output)
    assert len(lines) == len(bench.pairs)
    assert {each["batch"]["worker"]["backend"] for each in lines} == {"numpy"}


def test_a_device_that_fails_in_the_middle_has_its_pairs_go_elsewhere(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "planted"
    folder.mkdir()
    output = tmp_path / "out.ndjson"
    arguments = (bench.manifest, "-o", output, *MASK, "--together", 1)
    with nodes.having("planted", slots=2, env=planted.install(folder, "raises midway")):
        code, said = run(nodes, bench.folder, *arguments)
    assert code == 0, said
    assert "goes to another device: " in said
    assert {each["batch"]["worker"]["backend"] for each in records(output)} == {"numpy"}


def test_a_row_whose_backend_no_node_has_fails_alone(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    rows = [(*bench.pairs[0], ""), (*bench.pairs[1], "cuda")]
    manifest = write_csv(bench.folder / "absent.csv", rows, "backend")
    output = tmp_path / "out.ndjson"
    code, said = run(nodes, bench.folder, manifest.name, "-o", output, *MASK, patch=IMPATIENT)
    assert code == 4, said
    (scored, failed) = sorted(records(output), key=lambda each: "error" in each)
    assert scored["distorted"] == bench.pairs[0][1]
    assert "no node of the cluster offers roi_cuda" in failed["error"]["message"]


def test_where_every_node_dies_what_is_written_stays(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    output = tmp_path / "out.ndjson"
    arguments = (bench.manifest, "-o", output, *MASK, "--together", 1, "--worker", "numba")
    hung = nodes.hung
    with nodes.having("numba", hangs=2) as dying:
        process = start(nodes, bench.folder, *arguments, patch=IMPATIENT)
        wait_until_hung(nodes, process, hung)
        nodes.kill(dying)
        _, said = process.communicate(timeout=200)
    assert process.returncode == 4, said
    assert "no worker is left for 3 pairs" in said
    assert len(records(output)) == 1
    code, said = run(nodes, bench.folder, *arguments[:-2])
    assert code == 0, said
    assert len(records(output)) == len(bench.pairs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_batch_says_how_to_go_on(
    nodes: Nodes, bench: Bench, tmp_path: Path, number: signal.Signals
) -> None:
    hung = nodes.hung
    with nodes.having("numba", hangs=1) as dying:
        arguments = (bench.manifest, "-o", tmp_path / "o", *MASK, "--worker", "numba")
        process = start(nodes, bench.folder, *arguments)
        wait_until_hung(nodes, process, hung)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
        nodes.kill(dying)
    assert process.returncode == 128 + number
    # Ray may have told of an earlier test's nodes before.
    told = "interrupted; 0 of 4 pairs are done; the same command goes on from there"
    assert said.splitlines()[-1] == f"roi-accel: {told}"
    assert "Traceback" not in said


def test_where_every_device_is_excluded_the_batch_says_so(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "planted"
    folder.mkdir()
    output = tmp_path / "out.ndjson"
    env = planted.install(folder, "one pixel")
    arguments = (bench.manifest, "-o", output, *MASK, "--worker", "planted")
    with nodes.having("planted", env=env):
        code, said = run(nodes, bench.folder, *arguments, env=env)
    assert code == 4
    assert "no worker is left for 4 pairs" in said
    assert output.read_bytes() == b""


def test_a_pair_that_kills_its_workers_fails_alone(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    folder = tmp_path / "poison"
    folder.mkdir()
    output = tmp_path / "out.ndjson"
    arguments = (bench.manifest, "-o", output, *MASK, "--worker", "numba")
    with nodes.having("numba", env=poison(folder, bench.pairs[1][1])):
        code, said = run(nodes, bench.folder, *arguments)
    assert "died 3 times over dist0-0.y4m and 1 more" in said
    assert code == 4
    lines = records(output)
    assert len(lines) == len(bench.pairs)
    (failed,) = [each for each in lines if "error" in each]
    assert failed["distorted"] == bench.pairs[1][1]
    assert "3 workers died over it" in failed["error"]["message"]


def test_what_one_pair_does_wrong_is_final(nodes: Nodes, bench: Bench, tmp_path: Path) -> None:
    rows = [*bench.pairs[:1], (bench.pairs[0][0], "none.y4m")]
    (tmp_path / "short.y4m").write_bytes((bench.folder / bench.pairs[0][1]).read_bytes()[:-9])
    manifest = write_csv(bench.folder / "bad.csv", [*rows, (rows[0][0], f"{tmp_path}/short.y4m")])
    output, before = tmp_path / "out.ndjson", nodes.completions
    code, said = run(nodes, bench.folder, manifest.name, "-o", output, *MASK)
    assert code == 2, said
    assert sorted("error" in each for each in records(output)) == [False, True, True]
    assert nodes.completions - before == 1


def test_reproducible_scores_are_the_same_on_every_node(
    nodes: Nodes, bench: Bench, tmp_path: Path, tiny_network: Path
) -> None:
    found = []
    with nodes.having("numba"), nodes.having("opencl", "opencl_cpu"):
        for name in ("numpy", "numba", "opencl"):
            output = tmp_path / f"{name}.ndjson"
            options = ("--worker", name, "--reproducible", "--saliency-model", tiny_network)
            code, said = run(nodes, bench.folder, bench.manifest, "-o", output, *options)
            assert code == 0, said
            by_pair = {each["distorted"]: each for each in records(output)}
            for each in by_pair.values():
                assert each["batch"]["worker"]["backend"] == name
                assert each["provenance"]["mask"]["provider_requested"] == "CPUExecutionProvider"
            found.append({key: (a["frames"], a["pooled_metrics"]) for key, a in by_pair.items()})
    assert found[0] == found[1] == found[2]


def test_a_pair_gets_the_backend_that_it_names(nodes: Nodes, bench: Bench, tmp_path: Path) -> None:
    rows = [(*pair, name) for pair, name in zip(bench.pairs, ("numpy", "numba") * 2, strict=True)]
    manifest = write_csv(bench.folder / "named.csv", rows, "backend")
    output = tmp_path / "out.ndjson"
    with nodes.having("numba"):
        code, said = run(nodes, bench.folder, manifest.name, "-o", output, *MASK)
    assert code == 0, said
    for each in records(output):
        wanted = {row[1]: row[2] for row in rows}[each["distorted"]]
        assert each["batch"]["worker"]["backend"] == wanted
        assert each["provenance"]["backend"]["name"] == wanted


def test_every_device_files_one_record_here(nodes: Nodes, bench: Bench, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    code, said = run(nodes, bench.folder, bench.manifest, "-o", output, *MASK, records=True)
    assert code == 0, said
    (record,) = (tmp_path / "parity-records").iterdir()
    assert record.name.split("-")[-2] == "numpy"
    assert read_record(record, name=record.name).entries
    for each in records(output):
        assert each["batch"]["worker"]["record"] == str(record)


def test_a_node_with_another_version_gets_nothing(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    patch = "import roi_accel.batch.ray.engine as engine\nengine.__version__ = '9.9'\n"
    code, said = run(nodes, bench.folder, bench.manifest, "-o", tmp_path / "o", *MASK, patch=patch)
    assert code == 4
    assert "every device on" in said
    assert "is installed there, but the batch is of 9.9" in said


def test_videos_and_masks_may_be_urls(nodes: Nodes, bench: Bench, tmp_path: Path) -> None:
    pytest.importorskip("fsspec", reason="URLs need fsspec, the extra 'remote'")
    urls = [tuple(f"file://{bench.folder / each}" for each in pair) for pair in bench.pairs[:1]]
    manifest = write_csv(tmp_path / "urls.csv", urls)
    output = tmp_path / "out.ndjson"
    code, said = run(nodes, tmp_path, manifest.name, "-o", output, *MASK)
    assert code == 0, said
    (line,) = records(output)
    assert (line["reference"], line["distorted"]) == urls[0]
    assert (
        line["vmaf_full"] == single(bench.folder, *bench.pairs[0], synthetic_mask=0.6)["vmaf_full"]
    )


def test_without_an_address_ray_runs_on_this_machine(bench: Bench, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    # Without a token Ray would write one into the home folder.
    env = {"RAY_AUTH_TOKEN": "0" * 64}
    arguments = (bench.manifest, "-o", output, *MASK, "--workers", 2)
    code, said = run(None, bench.folder, *arguments, env=env)
    assert (code, said) == (0, "")
    assert len(records(output)) == len(bench.pairs)


def test_what_the_cluster_does_not_offer_is_said_at_once(
    nodes: Nodes, bench: Bench, tmp_path: Path
) -> None:
    arguments = (bench.manifest, "-o", tmp_path / "o", *MASK, "--worker", "cuda")
    code, said = run(nodes, bench.folder, *arguments)
    assert code == 4
    assert "no node of the Ray cluster offers roi_cuda" in said


def test_a_node_that_leaves_is_told(nodes: Nodes) -> None:
    with nodes.connected():
        with nodes.having("numba"):
            cluster = Cluster(nodes.address)
            cluster.connect()
            assert len(cluster.nodes) == 2
        deadline = time.monotonic() + 60
        while not (gone := cluster.refresh()):
            assert time.monotonic() < deadline
            time.sleep(0.1)
    assert [node.resources["roi_numba"] for node in gone] == [1]
