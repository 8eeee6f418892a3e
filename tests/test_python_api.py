"""Claims about `roi_accel.score` as people call it: what it takes, says, and refuses."""

from __future__ import annotations

import importlib.resources
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import Enough, Stopping

import roi_accel
from roi_accel.api.keywords import ScoreKeywords
from roi_accel.errors import InputError

if TYPE_CHECKING:
    from conftest import Pair

KEYWORDS = sorted(ScoreKeywords.__optional_keys__)

DEFAULTS = {
    "threshold": 0.3, "fade": 0.1, "weight": 0.5, "saliency_model": "center-surround",
    "saliency_size": 256, "saliency_stride": 1, "saliency_batch": "auto", "gate": "sample",
    "model": "version=vmaf_v0.6.1", "threads": "all cores", "subsample": 1, "shortest": False,
    "strict_ep": False, "frame_skip_ref": 0, "frame_skip_dist": 0, "overwrite": False,
}  # fmt: skip


def documented() -> dict[str, str]:
    """Return what score's docstring says of each parameter."""
    text = (roi_accel.score.__doc__ or "").split("    Returns\n")[0]
    entries = re.findall(r"^    (\w[\w, ]*) : (.*\n(?:        .*\n|\n)*)", text, re.MULTILINE)
    return {name: said for names, said in entries for name in names.split(", ")}


def refusal(*paths: object, **keywords: object) -> InputError:
    """Return the error of a call; its files do not exist, so it is refused before they are read."""
    call: Any = roi_accel.score
    with pytest.raises(InputError) as caught:
        call(*(paths or ("absent-ref.mp4", "absent-dist.mp4")), **keywords)
    assert caught.value.remedy
    return caught.value


# What help(roi_accel.score) says


@pytest.mark.parametrize("name", [*KEYWORDS, "reference", "distorted"])
def test_the_docstring_has_every_parameter(name: str) -> None:
    assert name in documented()


def test_the_docstring_has_no_parameter_that_is_not_there() -> None:
    assert set(documented()) == {*KEYWORDS, "reference", "distorted"}


@pytest.mark.parametrize(("name", "default"), DEFAULTS.items())
def test_the_docstring_has_every_default(name: str, default: object) -> None:
    said = " ".join(documented()[name].replace("``", "").split())
    assert re.search(rf"\bDefault:? {re.escape(str(default))}\b|{default}, the default", said), said


@pytest.mark.parametrize(
    "error",
    ["InputError", "ModelError", "BackendUnavailable", "ScorerError", "OutputError", "ParityError"],
)
def test_the_docstring_has_every_error(error: str) -> None:
    assert hasattr(roi_accel, error)
    raised = (roi_accel.score.__doc__ or "").split("    Raises\n")[1]
    assert f"\n    {error}\n" in raised


def test_the_package_says_that_it_is_typed() -> None:
    assert importlib.resources.files("roi_accel").joinpath("py.typed").is_file()


# What is refused, and in which words


def test_a_misspelt_keyword_that_is_none_is_refused_too() -> None:
    assert refusal(treshold=None).message == "there is no keyword 'treshold'"


@pytest.mark.parametrize(
    ("keyword", "meant"),
    [("treshold", "threshold"), ("saliencymodel", "saliency_model"), ("Weight", "weight")],
)
def test_a_misspelt_keyword_is_met_with_the_nearest(keyword: str, meant: str) -> None:
    error = refusal(**{keyword: 0.5})
    assert error.message == f"there is no keyword '{keyword}'"
    assert error.remedy.startswith(f"did you mean {meant}? ")
    assert "help(roi_accel.score)" in error.remedy


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"threshold": "high"}, "threshold must be a number, not 'high' of type str"),
        ({"weight": True}, "weight must be a number, not True of type bool"),
        ({"threads": 1.5}, "threads must be a whole number, not 1.5 of type float"),
        ({"subsample": True}, "subsample must be a whole number, not True of type bool"),
        (
            {"mask": np.zeros((2, 64, 96), np.uint16)},
            "mask must be a path, not an array of uint16 with shape (2, 64, 96); name a picture, a",
        ),
        ({"mask": 3}, "an archive of them; an array becomes one with numpy.savez_compressed("),
        ({"mask": 3}, "mask must be a path, not 3 of type int"),
        ({"mask": b"m.png"}, "mask must be a path, not b'm.png' of type bytes"),
        ({"roi": [(0, 0, 8, 8)]}, "roi must be text or a list, each text, not [(0, 0, 8, 8)]"),
        ({"roi": {"0,0,8,8"}}, "roi must be text or a list, each text, not {'0,0,8,8'} of type"),
        ({"shortest": 1}, "shortest must be True or False, not 1 of type int"),
        ({"backend": 1}, "backend must be text, not 1 of type int"),
        ({"saliency_size": 1.5}, "saliency_size must be a whole number or text, not 1.5"),
        ({"progress": 1}, "progress must be a function, not 1 of type int"),
        ({"gate": 1}, "gate must be one of first, sample, all, off, not 1"),
        ({"gate": "sampel"}, "there is no gate 'sampel'; did you mean sample? there are"),
        ({"backend": "x", "mask": [0] * 999}, "... of type list"),
    ],
)
def test_a_wrong_type_is_refused_with_what_was_expected(
    keywords: dict[str, object], said: str
) -> None:
    assert said in str(refusal(**keywords))


@pytest.mark.parametrize(
    ("paths", "said"),
    [
        ((1, "b.mp4"), "reference must be a path, not 1 of type int"),
        ((b"a.mp4", "b.mp4"), "reference must be a path, not b'a.mp4' of type bytes"),
        (("a.mp4", None), "distorted must be a path, or a list or tuple of paths, not None"),
        (("a.mp4", {"b.mp4"}), "distorted must be a path, or a list or tuple of paths, not {"),
        (("a.mp4", []), "distorted is empty, so that there is nothing to score; for example roi_"),
        (("a.mp4", ()), "distorted is empty"),
        (("a.mp4", ["b.mp4", 2]), "distorted must be a path, not 2 of type int"),
    ],
)
def test_a_path_of_the_wrong_type_is_refused(paths: tuple[object, object], said: str) -> None:
    assert said in str(refusal(*paths))


# What is taken


def test_none_is_the_same_as_leaving_out(tiny_pair: Pair) -> None:
    pair = (tiny_pair.reference, tiny_pair.distorted)
    everything: Any = dict.fromkeys(KEYWORDS) | {"synthetic_mask": 1.0}
    plain = roi_accel.score(*pair, synthetic_mask=1.0)
    assert roi_accel.score(*pair, **everything).frames == plain.frames


def test_numpys_numbers_are_numbers(tiny_pair: Pair) -> None:
    odd: Any = {
        "synthetic_mask": np.float32(1),
        "subsample": np.int64(2),
        "threshold": np.float64(0.25),
        "shortest": np.bool_(0),
    }
    result = roi_accel.score(tiny_pair.reference, tiny_pair.distorted, **odd)
    assert [frame.frame_number for frame in result.frames] == [0, 2, 4, 6]
    assert '"threshold": 0.25' in result.to_json()


def test_what_progress_raises_ends_the_run(tiny_pair: Pair) -> None:
    stop = Stopping(tiny_pair.frames)
    with pytest.raises(Enough):
        roi_accel.score(tiny_pair.reference, tiny_pair.distorted, synthetic_mask=1.0, progress=stop)
    assert stop.seen == [1, 2, 3]
