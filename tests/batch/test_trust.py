"""Claims about devices that cannot be trusted: they are named, left out, and others score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import planted
import pytest
from manifests import batch, records, result_in, single

from roi_accel.batch.identity import Contents
from roi_accel.batch.jobs import Job, Task
from roi_accel.batch.local import LocalEngine, make_slots
from roi_accel.batch.rows import Pair
from roi_accel.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Bench

    from roi_accel.backends.protocol import Backend

MASK = ("--synthetic-mask", "0.6")


@pytest.fixture
def plant(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    def install(fault: str) -> dict[str, str]:
        folder = tmp_path / "planted"
        folder.mkdir()
        return planted.install(folder, fault)

    return install


def assert_all_are_numpys(bench: Bench, output: Path) -> None:
    found = records(output)
    assert sorted((each["reference"], each["distorted"]) for each in found) == sorted(bench.pairs)
    for each in found:
        assert each["batch"]["worker"]["backend"] == "numpy"
        wanted = single(
            bench.folder,
            each["reference"],
            each["distorted"],
            synthetic_mask=0.6,
            backend="numpy",
        )
        wanted["provenance"]["backend"] = each["provenance"]["backend"]
        assert result_in(each) == wanted


def test_a_device_wrong_by_one_code_is_excluded_and_its_pairs_go_elsewhere(
    bench: Bench, tmp_path: Path, plant: Callable[[str], dict[str, str]]
) -> None:
    output = tmp_path / "out.ndjson"
    workers = ("--worker", "planted", "--worker", "numpy", "--together", 1, "--summary")
    done = batch(
        *(bench.manifest, "-o", output, *MASK, *workers),
        cwd=bench.folder,
        env=plant("one pixel"),
    )
    assert done.returncode == 0, done.stderr
    assert "device planted is excluded: device cpu of backend planted does not repr" in done.stderr
    assert "EXCLUDED" in done.stderr
    assert_all_are_numpys(bench, output)


def test_a_device_that_fails_in_the_middle_has_its_pairs_go_elsewhere(
    bench: Bench, tmp_path: Path, plant: Callable[[str], dict[str, str]]
) -> None:
    output = tmp_path / "out.ndjson"
    workers = ("--worker", "planted", "--worker", "numpy", "--together", 1)
    done = batch(
        *(bench.manifest, "-o", output, *MASK, *workers),
        cwd=bench.folder,
        env=plant("raises midway"),
    )
    assert done.returncode == 0, done.stderr
    assert "goes to another device" in done.stderr
    assert_all_are_numpys(bench, output)


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="needs Linux's /proc")
def test_a_folder_that_takes_no_records_ends_the_batch_before_it_begins(
    bench: Bench, tmp_path: Path
) -> None:
    output = tmp_path / "out.ndjson"
    # Where not even root can write.
    done = batch(bench.manifest, "-o", output, *MASK, "--records", "/proc", cwd=bench.folder)
    assert done.returncode == 6
    assert done.stderr.count("\n") == 1
    assert "--records /proc: cannot be written to: " in done.stderr
    assert "--no-records" in done.stderr
    assert not output.exists()


def test_a_record_that_cannot_be_written_ends_the_batch_and_excludes_no_device(
    tmp_path: Path,
) -> None:
    pair = Pair(line=1, reference="/no", distorted="/no", ladder=None, row="r", keywords={})
    job = Job((Task(pair, "0" * 64, Contents(())),))
    gone = tmp_path / "gone"
    engine = LocalEngine(make_slots(["numpy"], 1), records=gone)
    try:
        with pytest.raises(OutputError, match=f"cannot write {gone}: No such file"):
            list(engine.run(iter([lambda: job])))
    finally:
        engine.close()


def test_where_no_device_is_left_the_batch_says_so(
    bench: Bench, tmp_path: Path, plant: Callable[[str], dict[str, str]]
) -> None:
    output = tmp_path / "out.ndjson"
    done = batch(
        *(bench.manifest, "-o", output, *MASK, "--worker", "planted"),
        cwd=bench.folder,
        env=plant("one pixel"),
    )
    assert done.returncode == 4
    assert "no worker is left for 4 pairs" in done.stderr
    assert output.read_bytes() == b""


def test_a_pair_that_fails_everywhere_fails_for_good(
    bench: Bench, tmp_path: Path, plant: Callable[[str], dict[str, str]]
) -> None:
    output = tmp_path / "out.ndjson"
    done = batch(
        *(bench.manifest, "-o", output, *MASK, "--worker", "planted", "--together", 1),
        cwd=bench.folder,
        env=plant("raises midway"),
    )
    assert done.returncode == 4
    assert [each["error"]["exit_code"] for each in records(output)] == [4] * 4
    assert "the queue is lost" in records(output)[0]["error"]["message"]


def test_reproducible_scores_are_the_same_on_every_backend(
    bench: Bench, tmp_path: Path, tiny_network: Path, available: Callable[[str], Backend]
) -> None:
    found = []
    for name in ("numpy", "numba", "opencl"):
        available(name)
        output = tmp_path / f"{name}.ndjson"
        done = batch(
            *(bench.manifest, "-o", output, "--worker", name, "--reproducible"),
            *("--saliency-model", tiny_network),
            cwd=bench.folder,
        )
        assert done.returncode == 0, done.stderr
        by_pair = {each["distorted"]: each for each in records(output)}
        for each in by_pair.values():
            assert each["batch"]["worker"]["backend"] == name
            assert each["provenance"]["mask"]["provider_requested"] == "CPUExecutionProvider"
        found.append(
            {key: (each["frames"], each["pooled_metrics"]) for key, each in by_pair.items()}
        )
    assert found[0] == found[1] == found[2]
