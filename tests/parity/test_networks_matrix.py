"""Claims about the stage saliency: providers are held against the CPU's within the tolerance."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

import numpy as np
import pytest

from roi_accel.checks import matrix_run, participants
from roi_accel.checks.matrix_run import run_parity
from roi_accel.checks.participants import Providers, find_providers
from roi_accel.cli import main
from roi_accel.errors import BackendUnavailable, ModelError, ScorerError
from roi_accel.inference.models import resolve
from roi_accel.inference.providers import plan_provider
from roi_accel.options.parity import ParityOptions
from roi_accel.parity.cells import Participant
from roi_accel.parity.matrix import NetworkRunner

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from roi_accel.parity.cells import Report

    Map = NDArray[np.float32]
    Fault = Callable[[Map, int], Map]

COMMAND = ["parity", "--stages", "saliency", "--formats", "yuv420p", "--eps", "cpu"]


def with_second(
    monkeypatch: pytest.MonkeyPatch, fault: Fault, *, half: bool = False, name: str = "second"
) -> None:
    """Let a second provider take part, which is the real CPU's but for `fault`."""

    def find(*arguments: object, **keywords: object) -> Providers:
        real = find_providers(*arguments, **keywords)  # type: ignore[arg-type]
        calls = 0

        def infer(model_input: Map) -> Map:
            nonlocal calls
            calls += 1
            return fault(np.array(real.runners[0].infer(model_input)), calls - 1)

        second = Participant(name=name, kind="provider", half=half)
        return Providers(
            (*real.participants, second), (*real.runners, NetworkRunner(second.name, infer))
        )

    monkeypatch.setattr(matrix_run, "find_providers", find)


def off(by: float) -> Fault:
    def fault(saliency: Map, _call: int) -> Map:
        saliency[10, 20] += np.float32(by if saliency[10, 20] < 0.5 else -by)
        return saliency

    return fault


def pairs(report: Report) -> dict[str, str]:
    return {cell.pair: cell.status for cell in report.cells}


def run(**options: object) -> Report:
    defaults: dict[str, object] = {"stages": ("saliency",), "formats": ("yuv420p",)}
    return run_parity(ParityOptions(**(defaults | {"eps": ("cpu",)} | options)))  # type: ignore[arg-type]


@pytest.mark.parametrize(("by", "status", "code"), [(4e-5, "OK", 0), (6e-5, "FAIL", 1)])
def test_a_provider_off_by_4e_5_passes_and_one_off_by_6e_5_fails(
    monkeypatch: pytest.MonkeyPatch, by: float, status: str, code: int
) -> None:
    with_second(monkeypatch, off(by))
    report = run()
    assert report.exit_code == code
    assert main(COMMAND) == code
    assert pairs(report) == {"cpu twice": "OK", "cpu = second": status, "second twice": "OK"}
    pair = report.cells[1].comparison
    assert pair.compared == 3 * 64 * 96
    assert pair.maximum == pytest.approx(by, abs=1e-7)
    if code:
        assert pair.first is not None
        assert (pair.first.plane, pair.first.index) == ("mask", (10, 20))
        assert pair.first.frame == 0
        assert pair.differing == 3


def test_float16_is_held_to_its_own_tolerance(monkeypatch: pytest.MonkeyPatch) -> None:
    with_second(monkeypatch, off(9e-3), half=True)
    assert run().exit_code == 0
    with_second(monkeypatch, off(1.1e-2), half=True)
    report = run()
    assert report.exit_code == 1
    assert report.cells[1].tolerance.dtype == "float16"


def test_nan_in_a_mask_fails_on_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(saliency: Map, _call: int) -> Map:
        saliency[3, 4] = np.nan
        return saliency

    with_second(monkeypatch, fault)
    report = run()
    assert report.exit_code == 1
    assert pairs(report) == {"cpu twice": "OK", "cpu = second": "FAIL", "second twice": "FAIL"}
    first = report.cells[2].comparison.first
    assert first is not None
    assert np.isnan([first.wanted, first.got]).all()
    assert first.index == (3, 4)


def test_a_provider_that_does_not_repeat_itself_fails_against_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with_second(monkeypatch, lambda saliency, call: saliency * np.float32(0.9 if call == 3 else 1))
    report = run()
    assert pairs(report) == {"cpu twice": "OK", "cpu = second": "OK", "second twice": "FAIL"}
    first = report.cells[2].comparison.first
    assert first is not None
    assert first.frame == 1  # Each frame is asked about twice, and the fourth answer is wrong.
    assert report.exit_code == 1


def test_a_map_of_another_shape_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    with_second(monkeypatch, lambda saliency, _call: saliency[:, 1:])
    report = run()
    assert report.exit_code == 1
    assert "wanted float32[64, 96], got float32[64, 95]" in report.cells[1].explanation


def test_a_provider_that_fails_is_an_error_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(_saliency: Map, call: int) -> Map:
        if call == 2:
            msg = "the network failed on second: device lost"
            raise BackendUnavailable(msg)
        return _saliency

    with_second(monkeypatch, fault)
    report = run()
    assert report.exit_code == 2
    assert pairs(report) == {"cpu twice": "OK", "cpu = second": "ERROR", "second twice": "ERROR"}
    assert "device lost" in report.cells[1].explanation


def test_a_calibration_excuses_a_provider_for_its_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "fleet.toml"
    path.write_text(
        '[[rule]]\ndevice = "sec*"\nstage = "saliency"\ntolerance = 1e-3\nreason = "old driver"\n'
        '[[rule]]\ndevice = "third"\nstage = "saliency"\ntolerance = 1e-6\n'
    )
    with_second(monkeypatch, off(6e-5))
    report = run(calibration=path)
    assert report.exit_code == 0
    found = {cell.pair: cell.tolerance for cell in report.cells}
    assert (found["cpu = second"].value, found["cpu = second"].reason) == (1e-3, "old driver")
    assert found["cpu = second"].source.endswith("fleet.toml, rule 1")
    assert found["cpu twice"].value == 5e-5
    assert report.warnings == (f"{path}, rule 2: no device here matches 'third'",)
    assert report.provenance["calibration"]["file"] == "fleet.toml"  # type: ignore[index]


def test_the_cpu_provider_alone_compares_nothing_and_says_what_would() -> None:
    report = run()
    assert report.exit_code == 2
    assert pairs(report) == {"cpu twice": "SKIP"}
    assert "only cpu can run the network here" in report.cells[0].explanation
    assert "docs/providers.md" in report.cells[0].explanation


def test_an_absent_provider_is_skipped_with_the_remedy_and_an_error_where_required() -> None:
    report = run(eps=("migraphx",))
    (cell,) = [cell for cell in report.cells if cell.got == "migraphx" != cell.wanted]
    assert cell.status == "SKIP"
    assert 'pip install "roi-accel[migraphx]"' in cell.explanation
    required = run(require_ep=("migraphx",))
    assert {c.status for c in required.cells if "migraphx" in c.pair} == {"ERROR"}
    assert required.exit_code == 2


def test_a_required_provider_that_is_absent_is_told_before_anything_runs() -> None:
    told: list[str] = []
    options = ParityOptions(formats=("yuv420p",), backends=("numpy",), require_ep=("migraphx",))

    def advance(_done: int, _total: int | None) -> None:
        assert told

    run_parity(options, progress=advance, tell=told.append)
    (line,) = told
    assert line.startswith("migraphx is required and absent, so this ends with an error: ")
    assert "(--require-ep migraphx)" in line
    assert "--ep" not in line.replace("--require-ep", "").replace("--eps", "")


def test_providers_without_float16_say_so() -> None:
    report = run(fp16=True)
    absent = {each.name: each.absent for each in report.participants}
    assert "CPUExecutionProvider has no option for float16" in absent["cpu float16"]


@pytest.mark.parametrize(
    ("requested", "key", "value"),
    [
        ("openvino:GPU", "load_config", '{"GPU": {"INFERENCE_PRECISION_HINT": "f16"}}'),
        ("openvino:GPU.1", "load_config", '{"GPU": {"INFERENCE_PRECISION_HINT": "f16"}}'),
        ("tensorrt", "trt_fp16_enable", "1"),
        ("migraphx", "migraphx_fp16_enable", "1"),
    ],
)
def test_float16_is_asked_for_by_the_providers_own_option(
    requested: str, key: str, value: str
) -> None:
    plan = plan_provider("numpy", requested=requested)
    options = participants._half_options(plan)  # noqa: SLF001 - the plan alone can be tested here
    assert options is not None
    assert options[key] == value
    assert {k: v for k, v in options.items() if k != key} == {
        k: v for k, v in plan.options.items() if k != key
    }


def test_a_device_that_ignores_float16_is_not_taken_for_one_that_passed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The CPU provider ignores what it does not know, as an OpenVINO device without float16 does.
    monkeypatch.setattr(participants, "_half_options", lambda plan: dict(plan.options))
    report = run(fp16=True)
    absent = {each.name: each.absent for each in report.participants}
    assert "it gave its float32 bits" in absent["cpu float16"]
    assert report.exit_code == 2


def test_without_onnxruntime_the_stage_is_skipped_with_what_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing() -> object:
        msg = "the saliency network needs onnxruntime, which cannot be imported: gone"
        raise ModelError(msg, remedy='pip install "roi-accel[cpu]"')

    monkeypatch.setattr(participants, "import_onnxruntime", missing)
    report = run(eps=None)
    assert {cell.status for cell in report.cells} == {"SKIP"}
    assert 'pip install "roi-accel[cpu]"' in report.cells[0].explanation
    assert run(eps=None, require_ep=("cpu",)).cells[0].status == "ERROR"


def test_another_network_can_be_compared(
    monkeypatch: pytest.MonkeyPatch, tiny_network: Path
) -> None:
    with_second(monkeypatch, off(0.0))
    report = run(saliency_model=tiny_network)
    assert report.exit_code == 0
    facts = next(each.facts for each in report.participants if each.name == "cpu")
    assert tiny_network.stem in facts["network"]


def test_a_misspelt_provider_is_an_error_with_a_guess() -> None:
    with ExitStack() as resources, pytest.raises(BackendUnavailable, match="did you mean openvino"):
        find_providers(resolve("center-surround"), resources, ["opnvino"])


@pytest.mark.parametrize("name", ["CPUExecutionProvider", "CPU"])
def test_the_cpu_provider_may_be_named_by_any_of_its_names(name: str) -> None:
    with ExitStack() as resources:
        found = find_providers(resolve("center-surround"), resources, [name], required=[name])
    assert names(found.participants) == ["cpu"]
    assert [each.name for each in found.runners] == ["cpu"]


def test_without_a_vmaf_the_score_is_skipped_and_the_rest_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(_requested: str | None) -> object:
        msg = "there is no VMAF"
        raise ScorerError(msg, remedy="bring one")

    monkeypatch.setattr(matrix_run, "find_scorer", missing)
    report = run(backends=("numpy", "numba"), stages=("upsample", "score"))
    skipped = report.with_status("SKIP")
    assert report.exit_code == 0
    assert {(cell.stage, cell.explanation) for cell in skipped} == {
        ("score", "there is no VMAF; bring one")
    }


def names(found: Sequence[Participant]) -> list[str]:
    return [each.name for each in found]


def test_the_cpu_provider_is_always_there_to_be_held_against() -> None:
    with ExitStack() as resources:
        found = find_providers(resolve("center-surround"), resources, ["tensorrt"])
    assert names(found.participants) == ["cpu", "tensorrt"]
