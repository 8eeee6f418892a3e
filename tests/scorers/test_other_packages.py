"""Claims about scorers of other packages: named on the command line, they score like our own."""

from __future__ import annotations

import importlib
import json
import re
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import ROOT

import roi_accel
from roi_accel.backends.numpy_backend import NumpySession
from roi_accel.cli import main
from roi_accel.devices.inventory import take_inventory
from roi_accel.errors import ScorerError
from roi_accel.scorers import find_scorer, table
from roi_accel.video import open_video

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Pair

    from roi_accel.backends.frame import Frame

    Install = Callable[[str, str, str], None]

BOX = "face=16,8,48,40"
OTHER = "sky=64,0,32,24"
PLAIN = {"backend": "numpy", "gate": "off"}
HANDS_OVER = (
    "other = type('Other', (type(scorer),), {'needs': 'weights'})(source='')\n"
    "        super().__init__(other, request)"
)

WEIGHTED = """
import numpy as np
from roi_accel.scorers import ScoreLog, Scoring, VideoScores

class WeightedScorer:
    name, needs, version = "weighted-difference", "weights", "0.1"
    def __init__(self, *, source):
        self.source = source
    def open(self, request):
        return WeightedScoring(self, request)

class WeightedScoring(Scoring):
    def __init__(self, scorer, request):
        super().__init__(scorer, request)
        self.session = request.backend.open(request.plan)
        self.rows = []
    def feed(self, frames):
        assert frames.masked == ()
        weights = [1, *(self.session.upsample(mask)[0].astype(float) for mask in frames.masks)]
        reference = frames.reference.planes[0].astype(int)
        differences = [abs(reference - each.planes[0]) for each in frames.distorted]
        self.rows.append([[(d * w).sum() / (w * np.ones(d.shape)).sum() for w in weights]
                          for d in differences])
    def finish(self):
        numbers = tuple(range(len(self.rows)))
        videos = np.array(self.rows).transpose(1, 2, 0).tolist()
        logs = [[ScoreLog("0.1", numbers, {"vmaf": tuple(s)}) for s in video] for video in videos]
        return [VideoScores(full, tuple(masked)) for full, *masked in logs]
    def close(self):
        self.session.close()
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a module with a scorer where Python and its entry points find it, as pip would."""

    def put(name: str, target: str, source: str) -> None:
        module = target.partition(":")[0]
        (tmp_path / f"{module}.py").write_text(source)
        facts = tmp_path / f"{module}-1.0.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        (facts / "entry_points.txt").write_text(f"[roi_accel.scorers]\n{name} = {target}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        importlib.invalidate_caches()
        monkeypatch.delitem(sys.modules, module, raising=False)

    return put


def documented() -> str:
    """Return the scorer of docs/contributing.md."""
    text = (ROOT / "docs" / "contributing.md").read_text("utf-8")
    found = re.search(r"## Adding a scorer.*?```python\n(.*?)```", text, re.DOTALL)
    assert found
    return found[1]


@pytest.fixture
def difference(install: Install) -> str:
    """Install the documented scorer and return its name."""
    install("difference", "difference_scorer:DifferenceScorer", documented())
    return "difference"


@pytest.fixture
def weighted(install: Install) -> str:
    install("weighted-difference", "weighted_scorer:WeightedScorer", WEIGHTED)
    return "weighted-difference"


def frames_of(path: Path) -> list[Frame]:
    with open_video(path) as reader:
        return list(reader)


def luma_differences(pair: Pair) -> list[Any]:
    return [
        np.abs(r.planes[0].astype(int) - d.planes[0])
        for r, d in zip(frames_of(pair.reference), frames_of(pair.distorted), strict=True)
    ]


def test_the_documented_scorer_is_chosen_by_its_name_on_the_command_line(
    difference: str, tiny_pair: Pair, tmp_path: Path
) -> None:
    output = tmp_path / "result.json"
    code = main(
        [
            *("score", "-r", str(tiny_pair.reference), "-d", str(tiny_pair.distorted)),
            *("--roi", BOX, "--backend", "numpy", "--vmaf", difference),
            *("--quiet", "-o", str(output)),
        ]
    )
    assert code == 0
    result = json.loads(output.read_text())
    assert result["provenance"]["vmaf"] == {
        "scorer": "difference",
        "scorer_version": "1.0",
        "found": "--vmaf",
        "libvmaf": "1.0",
    }
    expected = [-each.mean() for each in luma_differences(tiny_pair)]
    full = [frame["metrics"]["vmaf_full"] for frame in result["frames"]]
    assert full == pytest.approx(expected)
    # Less of a masked frame is damaged; of the region that is all of the mask, as much.
    assert result["vmaf_full"] < result["vmaf_masked"] < 0
    assert result["regions"]["face"]["vmaf_masked"] == result["vmaf_masked"]


def test_the_variable_names_a_scorer_too(difference: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROI_ACCEL_VMAF", difference)
    found = find_scorer()
    assert (found.name, found.source) == ("difference", "ROI_ACCEL_VMAF")


def test_one_line_in_the_table_does_what_an_entry_point_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ours.py").write_text(documented())
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(table.SCORERS, "difference", "ours:DifferenceScorer")
    assert find_scorer("difference").name == "difference"
    assert "difference" in [scorer.kind for scorer in take_inventory().scorers]


@pytest.mark.usefixtures("difference")
def test_none_is_chosen_that_was_not_asked_for() -> None:
    assert find_scorer().name in {"vmaf", "ffmpeg"}


@pytest.mark.usefixtures("difference")
def test_a_misspelt_name_is_guessed() -> None:
    with pytest.raises(ScorerError, match="did you mean difference"):
        find_scorer("diference")


def test_several_videos_and_subsampling_keep_their_order(difference: str, tiny_pair: Pair) -> None:
    found = roi_accel.score(
        tiny_pair.reference,
        [tiny_pair.distorted, tiny_pair.reference],
        roi=[BOX],
        vmaf=difference,
        subsample=3,
        **PLAIN,
    )
    assert [frame.frame_number for frame in found[0].frames] == [0, 3, 6]
    assert found[0].vmaf_full < found[1].vmaf_full == found[1].vmaf_masked == 0


def test_a_scorer_that_needs_weights_gets_masks_and_no_frame_is_masked_for_it(
    weighted: str, tiny_pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        msg = "a frame was masked"
        raise AssertionError(msg)

    monkeypatch.setattr(NumpySession, "substitute", refuse)
    result = roi_accel.score(
        tiny_pair.reference, tiny_pair.distorted, roi=[BOX, OTHER], vmaf=weighted, **PLAIN
    )
    differences = luma_differences(tiny_pair)
    weights = {"face": np.zeros((64, 96)), "sky": np.zeros((64, 96))}
    weights["face"][8:48, 16:64] = 1
    weights["sky"][0:24, 64:96] = 1
    for name, weight in weights.items():
        expected = np.mean([(d * weight).sum() / weight.sum() for d in differences])
        assert result.regions[name]["vmaf_masked"] == pytest.approx(expected)
    union = weights["face"] + weights["sky"]
    expected = np.mean([(d * union).sum() / union.sum() for d in differences])
    assert result.vmaf_masked == pytest.approx(expected)
    assert result.vmaf_full == pytest.approx(np.mean([d.mean() for d in differences]))
    assert "substitute" not in result.timing["stages"]
    assert result.provenance["vmaf"]["scorer"] == weighted


def test_the_gates_report_says_that_no_frame_was_masked(weighted: str, tiny_pair: Pair) -> None:
    result = roi_accel.score(
        tiny_pair.reference, tiny_pair.distorted, roi=[BOX], vmaf=weighted, backend="numba"
    )
    assert not any(stage["stage"] == "substitute" for stage in result.parity["stages"])
    assert any("no frame was masked" in note for note in result.parity["notes"])


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        ("raise RuntimeError('boom')", "bad:Bad", "the scorer bad cannot be used: RuntimeError"),
        ("import absent_module", "bad:Bad", "the scorer bad cannot be used: ModuleNotFoundError"),
        ("", "bad:Bad", "the scorer bad cannot be used: AttributeError"),
        (
            documented().replace("return DifferenceScoring(self, request)", "return 1 / 0"),
            "bad:DifferenceScorer",
            "the scorer difference failed: ZeroDivisionError",
        ),
        (
            documented().replace("reference =", "reference = 1 / 0 #"),
            "bad:DifferenceScorer",
            "the scorer difference failed: ZeroDivisionError",
        ),
        (
            documented().replace("step =", "step = 1 / 0 #"),
            "bad:DifferenceScorer",
            "the scorer difference failed: ZeroDivisionError",
        ),
        (
            documented().replace("[::step]", "[1:]"),
            "bad:DifferenceScorer",
            "difference has 7 values of vmaf for 8 frames",
        ),
        (
            documented().replace("range(0, len(self._scores), step)", "range(7)"),
            "bad:DifferenceScorer",
            "difference scored 7 frames where 8 were expected",
        ),
        (
            documented().replace("model.name:", "'other':"),
            "bad:DifferenceScorer",
            "difference has no score 'vmaf'; it has other",
        ),
        (
            documented().replace("tuple(series)", "(float('nan'),) * len(series)"),
            "bad:DifferenceScorer",
            "difference's vmaf of scored frame 0 is nan, not a number",
        ),
        (
            documented().replace('"masked frames"', '"weight"'),
            "bad:DifferenceScorer",
            "the scorer bad has 'weight' as needs; 'masked frames' or 'weights' was expected",
        ),
        (
            documented().replace('version = "1.0"', "version = 1.0"),
            "bad:DifferenceScorer",
            "the scorer bad has 1.0 as version; text was expected",
        ),
        (
            documented().replace("return DifferenceScoring(self, request)", "return None"),
            "bad:DifferenceScorer",
            "the scorer difference failed: TypeError: open() returned None",
        ),
        (
            documented().replace("return [VideoScores", "[VideoScores"),
            "bad:DifferenceScorer",
            "the scorer difference failed: TypeError: 'NoneType' object is not iterable",
        ),
        (
            documented().replace("VideoScores(full, tuple(masked))", "{}"),
            "bad:DifferenceScorer",
            "the scorer difference failed: AttributeError",
        ),
        (
            f"{documented()}\n    def close(self):\n        1 / 0\n",
            "bad:DifferenceScorer",
            "the scorer difference failed: ZeroDivisionError",
        ),
        (
            documented().replace("super().__init__(scorer, request)", HANDS_OVER),
            "bad:DifferenceScorer",
            "it needs masked frames and handed over to one that needs weights",
        ),
        (
            documented().replace("tuple(masked)", "()"),
            "bad:DifferenceScorer",
            "difference scored [0] masks, not [2]",
        ),
    ],
)
def test_a_scorer_that_fails_or_lies_is_exit_code_5_and_named(
    install: Install,
    tiny_pair: Pair,
    source: str,
    target: str,
    said: str,
) -> None:
    install("bad", target, source)
    with pytest.raises(ScorerError) as caught:
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, roi=[BOX], vmaf="bad", **PLAIN)
    assert said in caught.value.message
    assert caught.value.exit_code == 5


@pytest.mark.usefixtures("difference")
def test_devices_lists_it_after_the_programs(install: Install) -> None:
    install("bad", "bad_scorer:Bad", "raise RuntimeError('boom')")
    *programs, bad, good = take_inventory().to_dict()["vmaf"]
    assert all(program["path"] for program in programs)
    assert (good["kind"], good["path"], good["version"]) == ("difference", "", "1.0")
    assert bad["version"].startswith("unusable: the scorer bad cannot be used")


def test_parity_compares_what_it_scores(
    difference: str, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["parity", "--stages", "score", "--formats", "yuv420p", "--backends", "numpy,numba"]
    assert main([*command, "--vmaf", difference, "--json", "-"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["provenance"]["vmaf"] == {"scorer": "difference", "version": "1.0"}
