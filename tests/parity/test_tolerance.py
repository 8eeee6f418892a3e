"""Claims about the one table of tolerances, and about the files that override it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from roi_accel.errors import InputError
from roi_accel.parity.calibration import (
    INTEGER_STAGES,
    MAX_BYTES,
    STAGES,
    TABLE,
    Calibration,
    read_calibration,
    table_tolerance,
)

if TYPE_CHECKING:
    from pathlib import Path

H100 = ("opencl:0.0", "opencl:0.0 NVIDIA H100")
INTEL = ("openvino:GPU", "OpenVINOExecutionProvider")


def rule(**keys: object) -> str:
    defaults: dict[str, object] = {"device": '"opencl:*"', "stage": '"saliency"', "tolerance": 1e-5}
    lines = [f"{key} = {value}" for key, value in (defaults | keys).items() if value is not None]
    return "[[rule]]\n" + "\n".join(lines) + "\n"


@pytest.fixture
def read(tmp_path: Path):  # noqa: ANN201 - a closure over the folder
    def of(text: str | bytes) -> Calibration:
        path = tmp_path / "fleet.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_calibration(path)

    return of


def test_the_table_has_adr_0214s_values_and_zero_for_every_integer_stage() -> None:
    assert {stage: table_tolerance(stage).value for stage in STAGES} == {
        "preprocess": 0.0,
        "saliency": 5e-5,
        "upsample": 0.0,
        "substitute": 0.0,
        "score": 5e-5,
    }
    assert table_tolerance("saliency", half=True).value == 1e-2
    assert all(row.reason and row.unit and row.source for row in TABLE)
    assert all(table_tolerance(stage, half=True).exact for stage in INTEGER_STAGES)


def test_an_unknown_stage_is_refused() -> None:
    with pytest.raises(ValueError, match="there is no stage 'blend'"):
        table_tolerance("blend")  # type: ignore[arg-type]


def test_without_rules_the_table_decides() -> None:
    assert Calibration().tolerance("saliency", H100, INTEL) == table_tolerance("saliency")


def test_a_matching_rule_replaces_the_row_and_says_where_it_is_from(read) -> None:  # noqa: ANN001
    found = read(rule(reason='"measured in May"')).tolerance("saliency", H100)
    assert (found.value, found.reason) == (1e-5, "measured in May")
    assert found.source.endswith("fleet.toml, rule 1")
    assert found.unit == table_tolerance("saliency").unit


def test_a_rule_for_other_devices_stages_or_types_does_nothing(read) -> None:  # noqa: ANN001
    rules = read(rule())
    assert rules.tolerance("saliency", ("cuda:0",)) == table_tolerance("saliency")
    assert rules.tolerance("score", H100) == table_tolerance("score")
    assert rules.tolerance("saliency", H100, half=True) == table_tolerance("saliency", half=True)


@pytest.mark.parametrize("order", [1, -1])
def test_the_pattern_with_the_most_literal_characters_wins_in_any_order(
    read,  # noqa: ANN001
    order: int,
) -> None:
    rules = [
        rule(device='"*"', tolerance=1e-6),
        rule(device='"opencl:*"', tolerance=2e-6),
        rule(device='"opencl:* NVIDIA H[0-9]00"', tolerance=3e-6),
        rule(device='"opencl:?.?"', tolerance=4e-6),
    ]
    calibration = read("".join(rules[::order]))
    assert calibration.tolerance("saliency", H100).value == 3e-6
    assert calibration.tolerance("saliency", ("opencl:1.0",)).value == 4e-6
    assert calibration.tolerance("saliency", ("cuda:0",)).value == 1e-6


def test_a_character_class_is_no_literal_however_long(read) -> None:  # noqa: ANN001
    calibration = read(
        rule(device='"openc[abcdefghijkl]:0.*"', tolerance=1e-6)
        + rule(device='"opencl:0.*"', tolerance=2e-6)
    )
    assert [each.specificity for each in calibration.rules] == [8, 9]
    assert calibration.tolerance("saliency", H100).value == 2e-6


def test_two_rules_that_match_equally_well_are_refused(read) -> None:  # noqa: ANN001
    calibration = read(rule(device='"opencl:0.*"') + rule(device='"opencl:*.0"', tolerance=2e-5))
    with pytest.raises(InputError, match=r"rule 1 and .* rule 2 both match device opencl:0.0"):
        calibration.tolerance("saliency", H100)
    assert calibration.tolerance("saliency", ("opencl:1.0",)).value == 2e-5


def test_of_two_devices_the_looser_rule_counts(read) -> None:  # noqa: ANN001
    text = rule(tolerance=1e-6) + rule(device='"openvino:*"', tolerance=1e-3, reason='"bf16"')
    calibration = read(text)
    assert calibration.tolerance("saliency", H100, INTEL).value == 1e-3
    assert calibration.tolerance("saliency", H100, ("cpu",)).value == 1e-6


def test_rules_that_match_nobody_are_told(read) -> None:  # noqa: ANN001
    calibration = read(rule() + rule(device='"opencel:*"'))
    assert [each.pattern for each in calibration.unused([H100])] == ["opencel:*"]


@pytest.mark.parametrize("stage", INTEGER_STAGES)
@pytest.mark.parametrize("value", [1, 1e-9, 0])
def test_an_integer_stage_cannot_be_calibrated_at_all(
    read,  # noqa: ANN001
    stage: str,
    value: float,
) -> None:
    with pytest.raises(InputError, match="must be exact on every device"):
        read(rule(stage=f'"{stage}"', tolerance=value, reason='"please"'))


def test_loosening_needs_a_reason_and_tightening_does_not(read) -> None:  # noqa: ANN001
    with pytest.raises(InputError, match=r"loosens saliency from 5e-05 to 0.001 without a reason"):
        read(rule(tolerance=1e-3))
    with pytest.raises(InputError, match="without a reason"):
        read(rule(tolerance=1e-3, reason='"  "'))
    assert read(rule(tolerance=1e-3, reason='"measured"')).rules
    assert read(rule(tolerance=5e-5)).rules


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("", "'rule' is missing"),
        ("rule = 3", "'rule' is 3; expected a valid list"),
        ("rule = [3]", r"'rule\[0\]' is 3; expected a valid dict"),
        ("[[rules]]\n", "unknown key 'rules'; did you mean rule"),
        ("[[rule]", "is not TOML"),
        (b"\xff", "is not TOML"),
        (rule(device=None), "'device' is missing"),
        (rule(stage=None), "'stage' is missing"),
        (rule(tolerance=None), "'tolerance' is missing"),
        (rule(device='""'), "'device' is ''; String should match"),
        (rule(device=3), "'device' is 3; expected a valid string"),
        (rule(stage='"salience"'), "'stage' is 'salience'; expected 'preprocess'"),
        (rule(tolerance='"small"'), "'tolerance' is 'small'; expected a valid number"),
        (rule(tolerance="true"), "'tolerance' is True; expected a valid number"),
        (rule(tolerance="nan"), "'tolerance' is nan, expected 0 to 0.1"),
        (rule(tolerance="inf", reason='"x"'), "'tolerance' is inf"),
        (rule(tolerance=-1e-9), "'tolerance' is -1e-09"),
        (rule(tolerance=1, reason='"any mask is right"'), "'tolerance' is 1, expected 0 to 0.1"),
        (rule(tolerance="1" + "0" * 400), "'tolerance' is 1000.*; expected a valid number"),
        (rule(tolerance="1" + "0" * 5000), "is not TOML"),
        (rule(tolerance="0x" + "f" * 5000), "'tolerance' is a number of thousands of digits"),
        (rule(device="0x" + "f" * 5000), "'device' is a number of thousands of digits; expected"),
        (rule(device="[" + "1, " * 9999 + "]"), "'device' is .*; expected a valid string"),
        (rule(stage='"' + "x" * 9999 + '"'), "'stage' is .*; expected"),
        (rule(toleranse=1), "unknown key 'toleranse'; did you mean tolerance"),
        (rule(dtype='"float64"'), "'dtype' is 'float64'; expected 'float32' or 'float16'"),
        (rule(stage='"score"', dtype='"float16"'), "stage 'score' has no float16"),
        (rule() + rule(), "rule 2: device 'opencl:\\*' and stage 'saliency' are already in"),
        ("x = " + "[" * 5000, "is not TOML"),
        ("\n" + ".".join(["a"] * 6000) + " = 1", "line 2: has more than 64 dots"),
    ],
)
def test_a_bad_file_is_refused_with_its_place(
    read,  # noqa: ANN001
    text: str | bytes,
    match: str,
) -> None:
    with pytest.raises(InputError, match=match) as caught:
        read(text)
    assert "fleet.toml" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "fleet.toml"
    with path.open("wb") as stream:
        stream.truncate(10**9)
    with pytest.raises(InputError, match=f"larger than {MAX_BYTES >> 10} KiB"):
        read_calibration(path)
