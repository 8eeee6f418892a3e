"""Claims about VMAF's features in integers: an unmodified libvmaf prints the same digits."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from clips import damaged, run_ffmpeg, smooth_frames, write_raw

from roi_accel.backends.features.adm import adm_sums
from roi_accel.backends.features.motion import motion_sums
from roi_accel.backends.features.vif import vif_sums
from roi_accel.backends.features.weights import full_weight
from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.errors import InputError
from roi_accel.features.model import FEATURES, read_model
from roi_accel.features.scores import adm_score, motion2_scores, motion_score, vif_score

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FRAMES = 4
PRINTED = 5e-7
"""libvmaf's log has six digits after the point."""

CASES = [
    ("yuv420p", 96, 64),
    ("yuv420p", 640, 360),
    ("yuv444p", 97, 83),
    ("yuv444p", 637, 359),
    ("yuv420p10le", 320, 180),
    ("yuv444p12le", 97, 83),
    ("yuv420p10le", 576, 324),
]


def model_file(folder: Path, **changes: Any) -> Path:
    """Write a model of three support vectors over all features, in libvmaf's format."""
    count = len(FEATURES)
    vectors = [
        f"{c} " + " ".join(f"{n + 1}:{v + 0.01 * n:.3f}" for n in range(count))
        for c, v in ((3.5, 0.2), (-2.0, 0.5), (4.0, 0.9))
    ]
    head = "svm_type nu_svr\nkernel_type rbf\ngamma 0.04\nnr_class 2\ntotal_sv 3\nrho -1.5\nSV\n"
    document = {
        "model_type": "LIBSVMNUSVR",
        "norm_type": "linear_rescale",
        "feature_names": list(FEATURES),
        "slopes": [0.25] + [0.75] * count,
        "intercepts": [-0.25] + [0.125] * count,
        "score_clip": [0.0, 100.0],
        "model": head + "\n".join(vectors) + "\n",
        "feature_dict": {"VMAF_integer_feature": sorted(FEATURES.values())},
        **changes,
    }
    path = folder / "model.json"
    path.write_text(json.dumps({"param_dict": {}, "model_dict": document}))
    return path


def features_of(
    reference: Sequence[Frame], distorted: Sequence[Frame], *, gain_limit: int = 100
) -> list[dict[str, float]]:
    """Return every frame's features by libvmaf's names."""
    pixel_format, width, height = reference[0].pixel_format, reference[0].width, reference[0].height
    depth, weights = pixel_format.bit_depth, [full_weight((height, width))]
    lumas = [frame.planes[0] for frame in reference]
    motion = [
        motion_score(motion_sums(before, luma, depth, weights)[0])
        for before, luma in zip([lumas[0], *lumas], lumas, strict=False)
    ]
    found = []
    for luma, frame, motion2 in zip(lumas, distorted, motion2_scores(motion), strict=True):
        pair = luma, frame.planes[0], depth, weights
        (vif,) = vif_sums(*pair, gain_limit=gain_limit)
        (adm,) = adm_sums(*pair, gain_limit=gain_limit)
        adm2, scales = adm_score(adm, height=height, width=width)
        found.append(
            {
                **{f"integer_vif_scale{n}": vif_score(sums) for n, sums in enumerate(vif)},
                **{f"integer_adm_scale{n}": each for n, each in enumerate(scales)},
                "integer_adm2": adm2,
                "integer_motion2": motion2,
            }
        )
    return found


def log_of(
    folder: Path, reference: Sequence[Frame], distorted: Sequence[Frame], model: str
) -> list[dict[str, float]]:
    """Return what libvmaf says of each frame, in the bundled ffmpeg."""
    name, size = reference[0].pixel_format.name, f"{reference[0].width}x{reference[0].height}"
    inputs: list[object] = []
    for stem, frames in (("distorted", distorted), ("reference", reference)):
        path = write_raw(folder / f"{stem}.yuv", frames)
        inputs += ["-f", "rawvideo", "-pixel_format", name, "-video_size", size, "-i", path]
    log = folder / "log.json"
    graph = f"libvmaf=log_fmt=json:log_path={log}:model={model}"
    run_ffmpeg(*inputs, "-lavfi", graph, "-f", "null", "-")
    frames = json.loads(log.read_text())["frames"]
    return [frame["metrics"] for frame in frames]


def pair(name: str, width: int, height: int) -> tuple[list[Frame], list[Frame]]:
    reference = smooth_frames(PixelFormat.from_name(name), width, height, FRAMES)
    return reference, damaged(reference)


@pytest.mark.parametrize(("name", "width", "height"), CASES)
def test_every_feature_has_libvmafs_digits(
    tmp_path: Path, name: str, width: int, height: int
) -> None:
    reference, distorted = pair(name, width, height)
    printed = log_of(tmp_path, reference, distorted, "version=vmaf_v0.6.1")
    for ours, theirs in zip(features_of(reference, distorted), printed, strict=True):
        assert ours == pytest.approx({key: theirs[key] for key in ours}, abs=PRINTED, rel=0)


def test_a_gain_limit_of_1_is_libvmafs_neg(tmp_path: Path) -> None:
    reference, _ = pair("yuv420p", 160, 96)
    sharper = [
        Frame(
            tuple((plane.astype(int) * 5 // 4).clip(0, 255).astype("u1") for plane in frame.planes),  # type: ignore[arg-type]
            frame.pixel_format,
        )
        for frame in reference
    ]
    printed = log_of(tmp_path, reference, sharper, "version=vmaf_v0.6.1neg")
    suffix = {"vif": "_egl_1", "adm": "_egl_1", "motion": ""}
    for ours, theirs in zip(features_of(reference, sharper, gain_limit=1), printed, strict=True):
        for key, value in ours.items():
            named = key + suffix[key.split("_")[1].rstrip("2")]
            assert value == pytest.approx(theirs.get(named, theirs.get(key)), abs=PRINTED, rel=0)


def test_a_models_score_is_libvmafs(tmp_path: Path) -> None:
    reference, distorted = pair("yuv420p", 96, 64)
    path = model_file(tmp_path)
    model = read_model(path)
    printed = log_of(tmp_path, reference, distorted, f"path={path}")
    for ours, theirs in zip(features_of(reference, distorted), printed, strict=True):
        named = {name: ours[f"integer_{name}"] for name in model.features}
        assert model.predict(named) == pytest.approx(theirs["vmaf"], abs=PRINTED, rel=0)
        assert 0 < theirs["vmaf"] < 100


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"model_type": "BOOTSTRAP"}, "'model_type' is 'BOOTSTRAP'; expected 'LIBSVMNUSVR'"),
        ({"feature_names": ["cambi"], "slopes": [1, 1], "intercepts": [0, 0]}, "needs cambi"),
        ({"slopes": [1.0]}, "not one slope"),
        ({"model": "svm_type nu_svr\nkernel_type linear\nSV\n"}, "not a nu-SVR with an RBF"),
        ({"feature_opts_dicts": [{"adm_enhn_gain_limit": 1.0}, *[{}] * 5]}, "in 2 ways"),
        ({"feature_opts_dicts": [{"motion_force_zero": True}]}, "unknown key"),
    ],
)
def test_a_model_that_is_not_computed_here_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        read_model(model_file(tmp_path, **changes))
