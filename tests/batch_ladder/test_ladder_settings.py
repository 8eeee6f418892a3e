"""Claims about which settings `batch ladder` compares, on rows that a batch scored for real."""

from __future__ import annotations

import copy
import json
import re
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from clips import P8, damaged, smooth_frames, write_y4m
from ladders import record, write_results
from support import console_script

from roi_accel.cli import app
from roi_accel.ladder.ladder import METRICS, read_results

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Rows = dict[str, dict[str, Any]]
    Differing = Callable[..., list[str]]

BOX = {"roi": "0,0,48,64", "shortest": True}
NETWORK = {"saliency_size": "64", "shortest": True}
SCALED = BOX | {"scale_to": "72x48"}

CASES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "crop": (BOX, BOX | {"crop": "80:64:0:0"}),
    "scale": (SCALED, SCALED | {"scale": "lanczos"}),
    "scale_to": (BOX, SCALED),
    "start": (BOX, BOX | {"start": 0.08}),
    "duration": (BOX, BOX | {"duration": 0.12}),
    "frame_count": (BOX, BOX | {"frame_count": 3}),
    "frame_skip_ref": (BOX, BOX | {"frame_skip_ref": 1}),
    "frame_skip_dist": (BOX, BOX | {"frame_skip_dist": 1}),
    "shortest": (BOX, BOX | {"shortest": False}),
    "subsample": (BOX, BOX | {"subsample": 2}),
    "threshold": (BOX, BOX | {"threshold": 0.4}),
    "fade": (BOX, BOX | {"fade": 0.2}),
    "weight": (BOX, BOX | {"weight": 0.4}),
    "mask_smooth": (BOX, BOX | {"mask_smooth": 0.5}),
    "model": (BOX, BOX | {"model": "version=vmaf_v0.6.1neg"}),
    "models": (BOX, BOX | {"model": "version=vmaf_v0.6.1:enable_transform"}),
    "roi": (BOX, BOX | {"roi": "0,0,40,64"}),
    "synthetic_mask": ({"synthetic_mask": 0.5}, {"synthetic_mask": 0.6}),
    "saliency_size": (NETWORK, NETWORK | {"saliency_size": "80"}),
    "saliency_stride": (NETWORK, NETWORK | {"saliency_stride": 2}),
}
"""By setting, two rows that are alike but for it."""

ALIKE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "features": (BOX, BOX | {"feature": "psnr"}),
    "further models": (
        BOX,
        BOX | {"model": ["version=vmaf_v0.6.1", "version=vmaf_v0.6.1neg:name=neg"]},
    ),
    "names and order of boxes": (
        {"roi": ["a=0,0,20,20", "b=40,20,30,30"]},
        {"roi": ["40,20,30,30", "0,0,20,20"]},
    ),
    "network batches": (NETWORK, NETWORK | {"saliency_batch": 2}),
    "gates and threads": (BOX, BOX | {"gate": "off", "threads": 1}),
}
"""Rows that differ in what changes no score."""

NOT_COMPARABLE = re.compile(r": scores with (\w+) .* and .* are not comparable")


def batched(folder: Path, cases: dict[str, tuple[dict[str, Any], dict[str, Any]]]) -> Rows:
    """Return the lines of one batch of all `cases`' rows, by the rows' options as JSON."""
    options = {json.dumps(row): row for pair in cases.values() for row in pair}
    names = {"reference": "ref.y4m", "distorted": "dist.y4m"}
    manifest = folder / "rows.jsonl"
    manifest.write_text("".join(json.dumps(names | row) + "\n" for row in options.values()))
    output = folder / "out.ndjson"
    quick = ("--workers", "1", "--worker", "numpy", "--no-records", "--no-frames")
    subprocess.run(
        [console_script(), "batch", str(manifest), "-o", str(output), *quick],
        check=True,
        timeout=300,
    )
    lines = {
        each["batch"]["line"]: each
        for each in map(json.loads, output.read_text("utf-8").splitlines())
    }
    return dict(zip(options, (lines[line] for line in sorted(lines)), strict=True))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    folder = tmp_path_factory.mktemp("settings")
    frames = smooth_frames(P8, 96, 64, 6)
    write_y4m(folder / "ref.y4m", frames)
    write_y4m(folder / "dist.y4m", damaged(frames, step=30))
    return batched(folder, CASES | ALIKE)


@pytest.fixture
def differing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Differing:
    """Return a function from lines of results to the settings that `batch ladder` warns of."""

    def find(*records: dict[str, Any]) -> list[str]:
        path = write_results(tmp_path / "results.ndjson", records)
        capsys.readouterr()
        assert app.main(["batch", "ladder", str(path)]) == 0
        out, err = capsys.readouterr()
        warnings = json.loads(out)["warnings"]
        for each in warnings:
            assert each in err
        found = [NOT_COMPARABLE.search(each) for each in warnings]
        return [each[1] for each in found if each]

    return find


@pytest.mark.parametrize("name", CASES)
def test_encodes_that_differ_in_one_setting_bring_a_warning_that_names_it(
    rows: Rows, differing: Differing, name: str
) -> None:
    one, two = (rows[json.dumps(row)] for row in CASES[name])
    assert differing(one, two) == [name]


@pytest.mark.parametrize("name", ALIKE)
def test_what_changes_no_score_brings_no_warning(
    rows: Rows, differing: Differing, name: str
) -> None:
    one, two = (rows[json.dumps(row)] for row in ALIKE[name])
    assert [one[metric] for metric in METRICS] == [two[metric] for metric in METRICS]
    assert differing(one, two) == []


def test_every_parameter_of_a_result_is_compared_or_known_to_change_no_score(
    rows: Rows, differing: Differing
) -> None:
    one = rows[json.dumps(BOX)]
    for name in one["provenance"]["parameters"].keys() - {"features", "models", "weight"}:
        two = copy.deepcopy(one)
        two["batch"] |= {"line": 99, "row": "99"}
        value = {"vmaf_v0.6.1": "ab"} if name == "model_sha256" else "another"
        two["provenance"]["parameters"][name] = value
        assert differing(one, two) == [name]


@pytest.mark.parametrize(
    ("block", "key", "name"),
    [
        ("mask", "sha256", "mask_sha256"),
        ("vmaf", "libvmaf", "libvmaf"),
        ("vmaf", "scorer", "scorer"),
        ("reference", "width", "width"),
        ("reference", "colour_range", "colour_range"),
    ],
)
def test_other_contents_and_other_programs_are_named(
    differing: Differing, block: str, key: str, name: str
) -> None:
    one, two = record(1, 1e5, 40), record(2, 2e5, 60)
    two["provenance"] = two["provenance"] | {block: two["provenance"][block] | {key: "another"}}
    assert differing(one, two) == [name]


def test_a_network_of_one_name_and_other_contents_is_named(differing: Differing) -> None:
    records = [record(1, 1e5, 40), record(2, 2e5, 60)]
    for each, digest in zip(records, ("ab", "cd"), strict=True):
        mask = {"kind": "network", "name": "net.onnx", "sha256": digest}
        each["provenance"] = each["provenance"] | {"mask": mask}
    assert differing(*records) == ["network_sha256"]


def test_encodes_of_other_lengths_are_named_though_their_options_are_alike(
    differing: Differing,
) -> None:
    one, two = record(1, 1e5, 40), record(2, 2e5, 60)
    one["batch"]["frames"], two["batch"]["frames"] = 8, 7
    assert differing(one, two) == ["frames"]


@pytest.mark.parametrize(
    "name", ["crop", "start", "duration", "frame_count", "frame_skip_dist", "shortest", "roi"]
)
def test_what_suits_a_clip_may_differ_from_one_reference_to_another(
    rows: Rows, tmp_path: Path, name: str
) -> None:
    one, two = (rows[json.dumps(row)] for row in CASES[name])
    path = write_results(tmp_path / "r.ndjson", [one, two | {"reference": "other.y4m"}])
    assert [each for each in read_results(path).warnings if "comparable" in each] == []


@pytest.mark.parametrize(
    "name", ["scale", "scale_to", "subsample", "model", "models", "synthetic_mask", "saliency_size"]
)
def test_how_scores_are_made_may_not(rows: Rows, tmp_path: Path, name: str) -> None:
    one, two = (rows[json.dumps(row)] for row in CASES[name])
    path = write_results(tmp_path / "r.ndjson", [one, two | {"reference": "other.y4m"}])
    (warning,) = (each for each in read_results(path).warnings if "comparable" in each)
    assert warning.startswith(f"references with unlike {name} are not comparable")
