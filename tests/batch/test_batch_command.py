"""Claims about `roi-accel batch` as a whole: the same scores as `score`, each pair once."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from manifests import batch, records, result_in, single, totals, write_csv
from results import result_schema

from roi_accel.parity.record import read_record

if TYPE_CHECKING:
    from conftest import Bench

MASK = ("--synthetic-mask", "0.6", "--worker", "numpy")
OPTIONS: dict[str, Any] = {"synthetic_mask": 0.6, "backend": "numpy"}


def test_a_line_is_what_a_single_score_is(bench: Bench, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    done = batch(bench.manifest, "-o", output, *MASK, "--workers", 2, cwd=bench.folder)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    found = {(each["reference"], each["distorted"]): each for each in records(output)}
    assert sorted(found) == sorted(bench.pairs)
    for reference, distorted in bench.pairs:
        wanted = single(bench.folder, reference, distorted, **OPTIONS)
        assert result_in(found[reference, distorted]) == wanted


def test_a_line_keeps_the_schema_of_results(bench: Bench, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    output = tmp_path / "out.ndjson"
    batch(bench.manifest, "-o", output, *MASK, cwd=bench.folder)
    for each in records(output):
        each.pop("batch")
        jsonschema.validate(each, result_schema())


def test_without_an_output_lines_go_to_stdout(bench: Bench) -> None:
    done = batch(bench.manifest, *MASK, "--no-frames", cwd=bench.folder)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(found) == len(bench.pairs)
    assert all("frames" not in each and each["batch"]["frames"] == 6 for each in found)


@pytest.mark.slow
def test_who_scored_is_told_without_breaking_a_word(bench: Bench, tmp_path: Path) -> None:
    arguments = ("-o", tmp_path / "o", *MASK, "--records", tmp_path / "long" / ".." / "records")
    (tmp_path / "long").mkdir()
    done = batch(bench.manifest, *arguments, "--summary", cwd=bench.folder, env={"COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert " CPUExecutionProvider " in done.stderr
    (record,) = (tmp_path / "records").iterdir()
    named = re.search(r"^record: (.*)$", done.stderr, re.MULTILINE)
    assert named is not None
    assert Path(named[1]).resolve() == record.resolve()


def test_a_second_run_scores_nothing_again(bench: Bench, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    arguments = (bench.manifest, "-o", output, *MASK, "--summary")
    batch(*arguments, cwd=bench.folder)
    before = output.read_bytes()
    done = batch(*arguments, cwd=bench.folder)
    assert done.returncode == 0
    assert output.read_bytes() == before
    assert totals(done.stderr)["passed over"] == "4, scored before"


def test_only_what_is_missing_is_scored(bench: Bench, tmp_path: Path) -> None:
    output = tmp_path / "out.ndjson"
    arguments = (bench.manifest, "-o", output, *MASK)
    batch(*arguments, cwd=bench.folder)
    lines = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:2]) + lines[2][:100])
    batch(*arguments, cwd=bench.folder)
    assert output.read_bytes().startswith(b"".join(lines[:2]))
    assert sorted(each["batch"]["id"] for each in records(output)) == sorted(
        json.loads(line)["batch"]["id"] for line in lines
    )


@pytest.mark.parametrize("change", ["content", "option"])
def test_another_content_or_option_is_another_pair(
    bench: Bench, tmp_path: Path, change: str
) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(bench.folder, folder)
    output = tmp_path / "out.ndjson"
    batch(bench.manifest, "-o", output, *MASK, cwd=folder)
    more = ["--weight", "0.7"] if change == "option" else []
    if change == "content":
        shutil.copy(folder / bench.pairs[1][1], folder / bench.pairs[0][1])
    done = batch(bench.manifest, "-o", output, *MASK, *more, "--summary", cwd=folder)
    # Two rows of equal videos are one pair, which was scored before.
    assert totals(done.stderr)["scored"] == ("4" if change == "option" else "0")


def test_a_file_by_another_name_is_the_same_pair(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(bench.folder, folder)
    output = tmp_path / "out.ndjson"
    batch(bench.manifest, "-o", output, *MASK, cwd=folder)
    (folder / bench.pairs[0][1]).rename(folder / "renamed.y4m")
    write_csv(folder / "again.csv", [(bench.pairs[0][0], "renamed.y4m")])
    done = batch("again.csv", "-o", output, *MASK, "--summary", cwd=folder)
    assert totals(done.stderr)["scored"] == "0"
    old, new = (record for record in records(output) if record["batch"]["line"] == 2)
    assert (old["distorted"], new["distorted"]) == (bench.pairs[0][1], "renamed.y4m")
    assert (old["timing"], old["frames"]) == (new["timing"], new["frames"])


def test_a_bad_row_fails_alone_and_the_exit_code_says_so(bench: Bench, tmp_path: Path) -> None:
    rows = [bench.pairs[0], ("ref0.y4m", "nowhere.y4m"), ("ref0.y4m", "ref1.y4m"), bench.pairs[1]]
    (bench.folder / "short.y4m").write_bytes((bench.folder / "ref1.y4m").read_bytes()[:30000])
    manifest = write_csv(bench.folder / "bad.csv", [*rows, ("ref0.y4m", "short.y4m")])
    output = tmp_path / "out.ndjson"
    done = batch(manifest, "-o", output, *MASK, cwd=bench.folder)
    assert done.returncode == 2
    assert "roi-accel: line 3: " in done.stderr
    assert "nowhere.y4m: no such file" in done.stderr
    assert "Traceback" not in done.stderr
    by_line = {each["batch"]["line"]: each for each in records(output)}
    assert [line for line, each in sorted(by_line.items()) if "error" not in each] == [2, 4, 5]
    assert by_line[3]["error"]["exit_code"] == 2
    assert by_line[6]["error"]["kind"] == "InputError"
    for line, (reference, distorted) in ((2, bench.pairs[0]), (5, bench.pairs[1])):
        found = result_in(by_line[line])
        found["reference"], found["distorted"] = reference, distorted
        assert found == single(bench.folder, reference, distorted, **OPTIONS)


def test_a_failed_pair_is_tried_again(bench: Bench, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(bench.folder, folder)
    late = folder / bench.pairs[3][1]
    content = late.read_bytes()
    late.unlink()
    output = tmp_path / "out.ndjson"
    assert batch(bench.manifest, "-o", output, *MASK, cwd=folder).returncode == 2
    late.write_bytes(content)
    assert batch(bench.manifest, "-o", output, *MASK, cwd=folder).returncode == 0
    assert all("error" not in each for each in records(output))
    assert len(records(output)) == 4


def test_equal_rows_are_scored_once(bench: Bench, tmp_path: Path) -> None:
    manifest = write_csv(bench.folder / "twice.csv", [bench.pairs[0], bench.pairs[0]])
    output = tmp_path / "out.ndjson"
    done = batch(manifest, "-o", output, *MASK, cwd=bench.folder)
    assert done.returncode == 0
    assert "line 3 says what line 2 says" in done.stderr
    assert len(records(output)) == 1


def test_equal_videos_share_a_score_and_have_a_line_each(bench: Bench, tmp_path: Path) -> None:
    shutil.copy(bench.folder / bench.pairs[0][1], bench.folder / "copy.y4m")
    manifest = write_csv(bench.folder / "alike.csv", [bench.pairs[0], ("ref0.y4m", "copy.y4m")])
    output = tmp_path / "out.ndjson"
    done = batch(manifest, "-o", output, *MASK, "--summary", cwd=bench.folder)
    assert totals(done.stderr)["scored"] == "1"
    one, two = records(output)
    assert one["timing"] == two["timing"]
    assert {Path(each["distorted"]).name for each in (one, two)} == {bench.pairs[0][1], "copy.y4m"}
    assert (
        batch("merge", manifest, output, "-o", tmp_path / "all", cwd=bench.folder).returncode == 0
    )
    again = batch(manifest, "-o", output, *MASK, "--summary", cwd=bench.folder)
    assert totals(again.stderr)["passed over"] == "2, scored before"


def test_equal_videos_share_a_failure(bench: Bench, tmp_path: Path) -> None:
    for name in ("torn1.y4m", "torn2.y4m"):
        content = (bench.folder / "dist0-0.y4m").read_bytes()
        (bench.folder / name).write_bytes(content[:-10])
    manifest = write_csv(
        bench.folder / "torn.csv", [("ref0.y4m", "torn1.y4m"), ("ref0.y4m", "torn2.y4m")]
    )
    output = tmp_path / "out.ndjson"
    assert batch(manifest, "-o", output, *MASK, cwd=bench.folder).returncode == 2
    assert ["error" in each for each in records(output)] == [True, True]


def test_rows_may_have_masks_and_networks_of_their_own(
    bench: Bench, tiny_network: Path, tmp_path: Path
) -> None:
    manifest = write_csv(
        bench.folder / "own.csv",
        [(*bench.pairs[0], "", str(tiny_network)), (*bench.pairs[1], "8,8,40,40", "")],
        "roi",
        "saliency_model",
    ).read_text()
    (bench.folder / "own.csv").write_text(manifest.replace("8,8,40,40", '"face=8,8,40,40"'))
    output = tmp_path / "out.ndjson"
    assert batch("own.csv", "-o", output, "--backend", "numpy", cwd=bench.folder).returncode == 0
    one, two = sorted(records(output), key=lambda each: each["batch"]["line"])
    assert one["saliency_model"] == str(tiny_network)
    assert list(two["regions"]) == ["face"]
    wanted = single(bench.folder, *bench.pairs[0], saliency_model=tiny_network, backend="numpy")
    assert result_in(one) == wanted


def test_tables_have_a_row_per_pair(bench: Bench, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    files = ["--csv", tmp_path / "t.csv", "--parquet", tmp_path / "t.parquet"]
    for _ in range(2):  # Going on makes them anew.
        done = batch(bench.manifest, "-o", tmp_path / "out.ndjson", *files, *MASK, cwd=bench.folder)
        assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO((tmp_path / "t.csv").read_text())))
    assert [(row["reference"], row["distorted"]) for row in rows] == bench.pairs
    typed = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    lines = {each["batch"]["line"]: each for each in records(tmp_path / "out.ndjson")}
    for row, same in zip(rows, typed, strict=True):
        wanted = lines[same["line"]]
        assert float(row["vmaf_roi"]) == same["vmaf_roi"] == wanted["vmaf_roi"]
        assert (same["frames"], same["width"], same["exit_code"]) == (6, 96, 0)


def test_a_table_that_is_there_is_not_replaced_by_a_first_run(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("precious")
    arguments = ["-o", tmp_path / "out.ndjson", "--csv", tmp_path / "t.csv", *MASK]
    done = batch(bench.manifest, *arguments, cwd=bench.folder)
    assert done.returncode == 6
    assert (tmp_path / "t.csv").read_text() == "precious"
    assert not (tmp_path / "out.ndjson").exists()


def test_shards_make_a_whole(bench: Bench, tmp_path: Path) -> None:
    parts = [tmp_path / f"part-{index}.ndjson" for index in range(2)]
    for index, part in enumerate(parts):
        done = batch(bench.manifest, "-o", part, *MASK, "--shard", f"{index}/2", cwd=bench.folder)
        assert done.returncode == 0
        assert {each["batch"]["shard"] for each in records(part)} == {f"{index}/2"}
    whole = tmp_path / "all.ndjson"
    done = batch("merge", bench.manifest, *reversed(parts), "-o", whole, cwd=bench.folder)
    assert done.returncode == 0, done.stderr
    assert [(each["reference"], each["distorted"]) for each in records(whole)] == bench.pairs


@pytest.mark.slow
def test_each_device_files_its_record(bench: Bench, tmp_path: Path) -> None:
    output, folder = tmp_path / "out.ndjson", tmp_path / "proofs"
    arguments = ("--records", folder, "--worker", "numpy", "--workers", 2)
    done = batch(bench.manifest, "-o", output, *arguments, *MASK[:2], cwd=bench.folder)
    assert done.returncode == 0, done.stderr
    (path,) = folder.iterdir()
    assert "r: numpy" in [each.participant.name for each in read_record(path, name="r").entries]
    workers = [each["batch"]["worker"] for each in records(output)]
    assert {each["record"] for each in workers} == {str(path)}
    assert {each["backend"] for each in workers} == {"numpy"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--workers", "0"], 2, "--workers must be at least 1, not 0"),
        (["--together", "0"], 2, "--together must be at least 1, not 0"),
        (["--worker", "nubma"], 4, "did you mean numba?"),
        (["--shard", "2/2"], 2, "--shard is i/n"),
        (["--csv", "out.ndjson"], 2, "--output and --csv both name"),
        (["--weight", "2"], 2, "weight must be from 0 to 1"),
    ],
)
def test_a_wrong_option_is_refused_before_any_work(
    bench: Bench, tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    manifest = bench.folder / bench.manifest
    done = batch(manifest, "-o", "out.ndjson", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert message in done.stderr


def test_an_option_takes_what_it_takes_in_score(bench: Bench, tmp_path: Path) -> None:
    done = batch(
        *(bench.manifest, "-o", tmp_path / "o.ndjson", *MASK, "--frame-count", 3, "-m"),
        *("version=vmaf_v0.6.1neg", "--no-frames", "--subsample", 2),
        cwd=bench.folder,
    )
    assert done.returncode == 0, done.stderr
    for each in records(tmp_path / "o.ndjson"):
        assert each["model"] == "vmaf_v0.6.1neg"
        assert each["provenance"]["parameters"]["frame_count"] == 3


def test_the_command_line_s_way_to_say_where_people_look_stands_in_for_that_of_defaults(
    bench: Bench, tmp_path: Path
) -> None:
    (tmp_path / "defaults.json").write_text('{"roi": "0,0,16,16", "weight": 0.25}')
    output = tmp_path / "out.ndjson"
    defaults = ("--defaults", tmp_path / "defaults.json")
    done = batch(bench.manifest, "-o", output, *defaults, *MASK, cwd=bench.folder)
    assert done.returncode == 0, done.stderr
    for line in output.read_text().splitlines():
        found = json.loads(line)
        assert found["provenance"]["mask"]["kind"] == "constant"
        assert found["weight"] == 0.25
