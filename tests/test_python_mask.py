"""Claims about `roi_accel.mask`: it writes what the command line writes, and refuses as `score`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import Enough, Stopping

import roi_accel
from roi_accel.api.keywords import MaskKeywords, ScoreKeywords
from roi_accel.cli import app
from roi_accel.errors import InputError, OutputError

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Pair

KEYWORDS = sorted(MaskKeywords.__optional_keys__)
OF_VMAF = {"weight", "model", "feature", "vmaf", "subsample", "html"}
OF_DISTORTED = {"frame_skip_dist", "shortest"}


def documented() -> set[str]:
    text = (roi_accel.mask.__doc__ or "").split("    Returns\n")[0]
    heads = re.findall(r"^    (\w[\w, ]*?)(?: : .*)?\n        \S", text, re.MULTILINE)
    return {name for names in heads for name in names.split(", ")}


def test_the_docstring_has_every_parameter_and_no_other() -> None:
    assert documented() == {*KEYWORDS, "reference", "output"}


def test_it_takes_what_score_takes_but_for_what_no_mask_depends_on() -> None:
    shared = set(ScoreKeywords.__optional_keys__) - OF_VMAF - OF_DISTORTED
    assert set(KEYWORDS) == shared | {"frame", "sheet"}


@pytest.mark.parametrize("suffix", ["npz", "mkv", "png"])
def test_it_writes_what_the_command_line_writes(
    tmp_path: Path, tiny_pair: Pair, suffix: str
) -> None:
    pytest.importorskip("PIL.Image")
    one, other = tmp_path / f"one.{suffix}", tmp_path / f"other.{suffix}"
    made = roi_accel.mask(tiny_pair.reference, one, saliency_size=64, frame_count=5)
    shared = ["--saliency-size", "64", "--frame-count", "5", "--quiet"]
    assert app.main(["mask", "-r", str(tiny_pair.reference), "-o", str(other), *shared]) == 0
    assert one.read_bytes() == other.read_bytes()
    assert (made.path, made.warnings) == (one, ())
    assert (made.width, made.saliency_model) == (64, "center-surround")
    assert made.frames == (1 if suffix == "png" else 5)


def test_what_it_writes_is_what_it_says_and_scores_the_same(
    tmp_path: Path, tiny_pair: Pair
) -> None:
    made = roi_accel.mask(str(tiny_pair.reference), str(tmp_path / "masks.npz"))
    with np.load(made.path, allow_pickle=False) as archive:
        assert archive["masks"].shape == (made.frames, made.height, made.width)
    pair = (tiny_pair.reference, tiny_pair.distorted)
    plain, given = roi_accel.score(*pair), roi_accel.score(*pair, mask=made.path)
    assert given.frames == plain.frames


@pytest.mark.parametrize(("sheet", "frames"), [(3, 3), ("2x2", 4)])
def test_a_sheet_is_a_number_or_a_grid(
    tmp_path: Path, tiny_pair: Pair, sheet: int | str, frames: int
) -> None:
    pytest.importorskip("PIL.Image")
    made = roi_accel.mask(tiny_pair.reference, tmp_path / "sheet.png", sheet=sheet)
    assert made.frames == frames


def test_progress_is_told_of_every_frame_and_may_end_the_run(
    tmp_path: Path, tiny_pair: Pair
) -> None:
    stop = Stopping(tiny_pair.frames)
    with pytest.raises(Enough):
        roi_accel.mask(tiny_pair.reference, tmp_path / "masks.npz", progress=stop)
    assert stop.seen == [1, 2, 3]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "keywords", "said"),
    [
        (
            ("r.y4m", "m.npz"),
            {"treshold": 1},
            "no keyword 'treshold'; did you mean threshold?",
        ),
        (("r.y4m", "m.npz"), {"weight": 1}, "there is no keyword 'weight'"),
        (("r.y4m", "m.npz"), {"frame": 1.5}, "frame must be a whole number, not 1.5"),
        (("r.y4m", "m.npz"), {"frame": 1}, "--frame is for pictures, and none is written"),
        (("r.y4m", "m.png"), {"sheet": 0}, "--sheet '0' is neither a number of frames nor"),
        (("r.y4m", "m.jpg"), {}, "output m.jpg: has the suffix '.jpg', which says what is written"),
        (
            (1, "m.npz"),
            {},
            "reference must be a path, not 1 of type int; for example roi_acc",
        ),
        (("r.y4m", None), {}, "output must be a path, not None"),
    ],
)
def test_what_cannot_be_used_is_refused(
    arguments: tuple[object, object], keywords: dict[str, object], said: str
) -> None:
    call: Any = roi_accel.mask
    with pytest.raises(InputError) as caught:
        call(*arguments, **keywords)
    assert said in str(caught.value)


def test_no_file_is_replaced_unless_that_was_asked_for(tmp_path: Path, tiny_pair: Pair) -> None:
    path = tmp_path / "masks.npz"
    path.write_text("old")
    with pytest.raises(OutputError, match="exists"):
        roi_accel.mask(tiny_pair.reference, path)
    assert path.read_text() == "old"
    roi_accel.mask(tiny_pair.reference, path, overwrite=True)
    assert path.read_bytes()[:2] == b"PK"
    with pytest.raises(OutputError, match="also an input"):
        roi_accel.mask(path, path, overwrite=True)
