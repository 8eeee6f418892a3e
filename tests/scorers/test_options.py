"""Claims about `roi_accel.scorers.options`: libvmaf's syntax in, nothing that needs quoting out."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from clips import P8, damaged, frame_set, smooth_frames

from roi_accel.errors import InputError
from roi_accel.scorers import ScoringRequest, parse_features, parse_models
from roi_accel.scorers.ffmpeg import FfmpegScorer, in_filter
from roi_accel.scorers.scoring import ProgramScoring

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.scorers.program import ProgramScorer

# A model with one feature and one support vector: its score is 50 times VIF at the first scale.
TINY_MODEL = {
    "model_type": "LIBSVMNUSVR",
    "feature_names": ["VMAF_integer_feature_vif_scale0_score"],
    "norm_type": "linear_rescale",
    "score_clip": [0.0, 100.0],
    "slopes": [0.01, 1.0],
    "intercepts": [0.0, 0.0],
    "model": "svm_type nu_svr\nkernel_type linear\nnr_class 2\ntotal_sv 1\nrho 0\nSV\n0.5 1:1 \n",
}
AWKWARD_NAMES = [
    "two words.json",
    "it's.json",
    'a "quote".json',
    "comma,semicolon;.json",
    "[brackets](and more)=.json",
    "colon:colon.json",
    "pipe|percent%$HOME.json",
    "modèle-日本語.json",
    "-leading-dash.json",
]


def model_file(path: Path) -> Path:
    path.write_text(json.dumps({"model_dict": TINY_MODEL}))
    return path


def escaped(path: Path) -> str:
    return str(path).replace(":", r"\:")


def test_first_model_is_called_vmaf_and_further_ones_after_their_version() -> None:
    models = parse_models(("version=vmaf_v0.6.1neg", "version=vmaf_v0.6.1"))
    assert [model.name for model in models] == ["vmaf", "vmaf_v0.6.1"]
    assert [str(model) for model in models] == ["vmaf_v0.6.1neg", "vmaf_v0.6.1"]


def test_further_model_file_is_called_after_its_file(tmp_path: Path) -> None:
    path = model_file(tmp_path / "mine.json")
    models = parse_models(("version=vmaf_v0.6.1", f"path={path}"))
    assert models[1].name == "mine"
    assert str(models[1]) == str(path)


def test_name_and_options_are_handed_on_in_both_syntaxes() -> None:
    text = "version=vmaf_v0.6.1:name=mine:enable_transform:motion.motion_force_zero=true"
    models = parse_models((text,))
    expected = "version=vmaf_v0.6.1:name=mine:enable_transform=true:motion.motion_force_zero=true"
    assert models[0].argument("") == expected
    assert in_filter(model.argument("") for model in models) == expected.replace(":", r"\:")


def test_several_models_are_joined_for_the_filter() -> None:
    models = parse_models(("version=a", "version=b"))
    assert (
        in_filter(model.argument("") for model in models)
        == r"version=a\:name=vmaf|version=b\:name=b"
    )


def test_features_are_handed_on_in_both_syntaxes() -> None:
    features = parse_features(("psnr=enable_chroma=true:enable_mse=false", "float_ssim"))
    assert [feature.argument for feature in features] == [
        "psnr=enable_chroma=true:enable_mse=false",
        "float_ssim",
    ]
    assert in_filter(feature.filter_argument for feature in features) == (
        r"name=psnr\:enable_chroma=true\:enable_mse=false|name=float_ssim"
    )


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "is not key=value"),
        ("version=", "is not key=value"),
        ("version=a:", "is not key=value"),
        ("name=mine", "must say either version= or path="),
        ("version=a:path=/b", "must say either version= or path="),
        ("version=a:version=b", "gives 'version' twice"),
        ("path=/there/is/no/such/file.json", "there is no file /there"),
        ("path=two\nlines.json", r"there is no file two\\nlines.json"),
        ("version=a b", "may hold only"),
        ("version=a'", "may hold only"),
        ("version=a|b", "may hold only"),
        ("version=a:name=x,y", "may hold only"),
        ("version=a:name=[out]", "may hold only"),
        (r"version=a:name=x\:y", "may hold only"),
        ("version=a:opt;ion=true", "may hold only"),
        ("version=a:name=ü", "may hold only"),
        ("version=a:name=x\n", "may hold only"),
    ],
)
def test_malformed_model_is_refused_naming_it(text: str, match: str) -> None:
    with pytest.raises(InputError, match=match) as caught:
        parse_models((text,))
    assert repr(text) in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text", ["", "psnr=true", "=a=b", "psnr=a=b:a=c", "psnr;x", "psnr=a=b]", "ps nr"]
)
def test_malformed_feature_is_refused_naming_it(text: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_features((text,))
    assert repr(text) in caught.value.message


def test_folder_is_no_model_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no file"):
        parse_models((f"path={tmp_path}",))


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="two models are called 'b'"):
        parse_models(("version=a", "version=b", "version=c:name=b"))


def test_further_model_cannot_take_the_first_ones_place_in_the_result() -> None:
    # The result reports the first model as vmaf_full, whatever its name in the log.
    with pytest.raises(InputError, match="only the first model can be called 'vmaf'"):
        parse_models(("version=a:name=first", "version=b:name=vmaf"))


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_model_path_never_reaches_a_command_line(
    tmp_path: Path, scorer: ProgramScorer, name: str
) -> None:
    path, folder = model_file(tmp_path / name), tmp_path / "work"
    folder.mkdir()
    (launch,) = scorer.plan(request_for(path), folder)
    arguments = " ".join(launch.arguments([3, 4]))
    assert name not in arguments
    assert str(tmp_path) not in arguments.replace(str(scorer.path), "")
    assert "path=model0.json" in arguments
    assert (folder / "model0.json").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("name", AWKWARD_NAMES)
def test_model_file_of_any_name_is_the_one_that_scores(
    tmp_path: Path, bundled: FfmpegScorer, name: str
) -> None:
    check_tiny_score(bundled, model_file(tmp_path / name))


def test_model_file_is_the_one_that_scores_with_each_kind(
    tmp_path: Path, scorer: ProgramScorer
) -> None:
    check_tiny_score(scorer, model_file(tmp_path / "it's: mine.json"))


def request_for(path: Path) -> ScoringRequest:
    models = parse_models((f"path={escaped(path)}",))
    return ScoringRequest(pixel_format=P8, width=64, height=64, videos=1, models=models)


def check_tiny_score(scorer: ProgramScorer, path: Path) -> None:
    reference = smooth_frames(P8, 64, 64, 2)
    with ProgramScoring(scorer, request_for(path)) as scoring:
        for pair in zip(reference, damaged(reference), strict=True):
            scoring.feed(frame_set(*pair))
        (scores,) = scoring.finish()
    for score, vif in zip(
        scores.full.metrics["vmaf"], scores.full.metrics["integer_vif_scale0"], strict=True
    ):
        assert score == pytest.approx(50 * vif, abs=1e-4)
        assert 20 < score < 50


def test_model_file_that_cannot_be_read_is_an_input_error(
    tmp_path: Path, bundled: FfmpegScorer
) -> None:
    path = model_file(tmp_path / "mine.json")
    request = request_for(path)
    path.unlink()
    with pytest.raises(InputError, match=r"mine\.json cannot be read: No such file"):
        bundled.plan(request, tmp_path)


def test_a_bare_model_name_is_told_how_to_be_written() -> None:
    # vmaf-roi-score takes the bare name; the vmaf tool does not.
    with pytest.raises(InputError) as caught:
        parse_models(("vmaf_v0.6.1",))
    assert "--model version=vmaf_v0.6.1" in caught.value.remedy


def test_each_variant_has_a_filter_graph_of_its_own_which_is_a_thread(
    bundled: FfmpegScorer, tmp_path: Path
) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    request = replace(request_for(model_file(tmp_path / "mine.json")), videos=3)
    (launch,) = bundled.plan(request, folder)
    arguments = launch.arguments([3, 4, 5, 6])
    graphs = [text for flag, text in pairwise(arguments) if flag == "-filter_complex"]
    assert [graph.split("libvmaf")[0] for graph in graphs] == [f"[{v}:v][0:v]" for v in (1, 2, 3)]
