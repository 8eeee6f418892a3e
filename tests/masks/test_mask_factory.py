"""From options to one source."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from roi_accel.errors import InputError
from roi_accel.masks import open_mask_source
from roi_accel.masks.media import ClipSource
from roi_accel.masks.still import BoxesSource, ConstantSource, PictureSource
from roi_accel.masks.track import TrackSource

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def options(tmp_path: Path, encode: Any) -> dict[str, Any]:
    """One usable value per option."""
    path = tmp_path / "face.png"
    gray = np.zeros((36, 64), np.uint8)
    encode(path, [gray], codec="png", pix_fmt="gray", container="image2")
    track = tmp_path / "boxes.csv"
    track.write_text("frame,x,y,w,h\n0,0,0,4,4\n")
    return {"mask": path, "roi": ["0,0,4,4"], "roi_track": track, "synthetic_mask": 0.0}


def test_no_option_means_the_network() -> None:
    assert open_mask_source(width=64, height=36) is None
    assert (
        open_mask_source(
            mask=None, roi=(), roi_track=None, synthetic_mask=None, width=64, height=36
        )
        is None
    )


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("mask", PictureSource),
        ("roi", BoxesSource),
        ("roi_track", TrackSource),
        ("synthetic_mask", ConstantSource),
    ],
)
def test_each_option_has_its_source(
    options: dict[str, Any], open_source: Any, ask: Any, name: str, kind: type
) -> None:
    source = open_source(**{name: options[name]})
    assert type(source) is kind
    ask(source, 0)
    source.finish(1, whole=True)
    assert json.loads(json.dumps(source.provenance(), allow_nan=False))["kind"]


def test_video_of_masks_is_a_clip(tmp_path: Path, encode: Any, open_source: Any) -> None:
    path = encode(tmp_path / "a.mkv", [np.zeros((36, 64), np.uint8)], codec="ffv1", pix_fmt="gray")
    assert type(open_source(mask=path)) is ClipSource


@pytest.mark.parametrize(
    "names", list(itertools.combinations(["mask", "roi", "roi_track", "synthetic_mask"], 2))
)
def test_two_sources_at_once_are_refused_by_name(
    options: dict[str, Any], names: tuple[str, str]
) -> None:
    chosen = {name: options[name] for name in names}
    with pytest.raises(InputError, match="one source of masks") as caught:
        open_mask_source(**chosen, width=64, height=36)
    for name in names:
        assert f"--{name.replace('_', '-')}" in str(caught.value)
