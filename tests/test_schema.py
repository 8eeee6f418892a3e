"""Claims about the published schema: it accepts results and refuses damaged ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import jsonschema
import pytest
from results import make_result, result_schema

Damage = Callable[[dict[str, Any]], object]


def validator() -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(result_schema())


def test_schema_is_itself_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(result_schema())


@pytest.mark.parametrize("regions", [(), ("face", "two words")])
def test_results_are_valid(regions: tuple[str, ...]) -> None:
    validator().validate(json.loads(make_result(regions=regions).to_json()))


def test_results_from_before_alpha_mean_was_pooled_are_valid() -> None:
    content = json.loads(make_result().to_json())
    del content["pooled_metrics"]["alpha_mean"]
    validator().validate(content)


@pytest.mark.parametrize(
    "damage",
    [
        *(lambda r, key=key: r.pop(key) for key in make_result().to_dict()),
        lambda r: r.update(schema_version=2),
        lambda r: r.update(vmaf_roi=None),
        lambda r: r.update(vmaf_full="82.5"),
        lambda r: r.update(weight=1.5),
        lambda r: r.update(unknown=1),
        lambda r: r.update(frames=[]),
        lambda r: r["frames"][1].pop("saliency_mean"),
        lambda r: r["frames"][1].update(frameNum=-1),
        lambda r: r["frames"][1].update(frameNum=0.5),
        lambda r: r["frames"][1].update(alpha_mean=1.01),
        lambda r: r["frames"][1]["metrics"].pop("vmaf_masked"),
        lambda r: r["frames"][1]["metrics"].update(vmaf_masked=None),
        lambda r: r["frames"][1]["regions"]["face"].pop("vmaf_roi"),
        lambda r: r["pooled_metrics"].pop("vmaf_roi"),
        lambda r: r["pooled_metrics"]["vmaf_roi"].pop("mean"),
        lambda r: r["pooled_metrics"]["vmaf_roi"].pop("saliency_weighted_mean"),
        lambda r: r["pooled_metrics"]["vmaf_roi"].update(median=1.0),
        lambda r: r["regions"]["face"].pop("vmaf_masked"),
        lambda r: r["regions"]["face"].update(vmaf_masked="1"),
        lambda r: r["provenance"].pop("mask"),
        lambda r: r["provenance"]["mask"].pop("kind"),
        lambda r: r["provenance"]["vmaf"].update(scorer=""),
        lambda r: r["provenance"]["reference"].update(width=0),
        lambda r: r["timing"].update(seconds=-1),
        lambda r: r.update(warnings="none"),
    ],
)
def test_damaged_result_is_refused(damage: Damage) -> None:
    content = json.loads(make_result(regions=("face",)).to_json())
    assert validator().is_valid(content)
    damage(content)
    assert not validator().is_valid(content)
