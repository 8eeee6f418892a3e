"""Claims about `inference.ort_session`: a provider other than the one asked for is reported."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import onnxruntime
import pytest
from standin import CPU, StandIn
from support import console_script

import roi_accel
from roi_accel._util.timing import Stopwatch
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.backends.protocol import DeviceStatus, DeviceTensor
from roi_accel.errors import BackendUnavailable, ModelError
from roi_accel.inference.models import resolve
from roi_accel.inference.network import SaliencyNetwork, SaliencySize
from roi_accel.inference.ort import import_onnxruntime
from roi_accel.inference.ort_session import NetworkSession
from roi_accel.inference.providers import plan_provider
from roi_accel.masks.network import NetworkSource

if TYPE_CHECKING:
    from conftest import Pair

    from roi_accel.inference.providers import ProviderPlan

CUDA = "CUDAExecutionProvider"
FOREIGN = pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(),
    reason="this onnxruntime has CUDA, so it does not replace it",
)


def attach(runtime: object, *, requested: str | None = "cuda", strict: bool = False) -> object:
    plan: ProviderPlan = plan_provider("numpy", requested=requested)
    return NetworkSession(
        runtime, b"network", plan, path=Path("network.onnx"), threads=1, strict=strict
    ).providers


# What ONNX Runtime may do, with a stand-in

ALL_ON_CUDA = StandIn([CUDA, CPU], [CUDA, CPU], {CUDA: ["Conv", "Conv"]})


def test_provider_that_runs_every_node_is_no_matter_for_a_warning() -> None:
    found = attach(ALL_ON_CUDA, strict=True)
    assert found.warnings == ()
    assert found.requested == CUDA
    assert found.attached == (CUDA, CPU)
    assert found.nodes == {CUDA: 2}
    assert found.options["use_tf32"] == "0"


def test_options_of_the_plan_reach_onnx_runtime() -> None:
    runtime = StandIn([CUDA, CPU], [CUDA, CPU], {CUDA: ["Conv"]})
    attach(runtime)
    ((name, options),) = runtime.opened[0]["providers"]
    assert name == CUDA
    assert options == dict(plan_provider("numpy", requested="cuda").options)


SUBSTITUTIONS = {
    "not compiled in": (StandIn([CPU], [CPU], {CPU: ["Conv"]}), "this onnxruntime 1.2.3 has only"),
    "dropped without a word": (
        StandIn([CUDA, CPU], [CPU], {CPU: ["Conv"]}),
        "could not attach it",
    ),
    "failing to open": (
        StandIn([CUDA, CPU], [CPU], {}, {CUDA: RuntimeError("no such device\nat line 3")}),
        "it failed: no such device",
    ),
    "in part": (
        StandIn([CUDA, CPU], [CUDA, CPU], {CUDA: ["Conv"], CPU: ["Shape", "Gather", "Shape"]}),
        r"3 of its 4 nodes run on CPUExecutionProvider \(Shape, Gather\)",
    ),
    "in whole though attached": (
        StandIn([CUDA, CPU], [CUDA, CPU], {CPU: ["Conv", "Sigmoid"]}),
        "2 of its 2 nodes run on CPUExecutionProvider",
    ),
}


@pytest.mark.parametrize("case", SUBSTITUTIONS)
def test_substitution_is_an_error_where_strict(case: str) -> None:
    runtime, match = SUBSTITUTIONS[case]
    with pytest.raises(BackendUnavailable, match=match) as caught:
        attach(runtime, strict=True)
    assert caught.value.exit_code == 4
    assert f"was to run on {CUDA} (--ep cuda)" in caught.value.message
    assert caught.value.remedy


@pytest.mark.parametrize("case", SUBSTITUTIONS)
def test_substitution_is_a_warning_with_a_remedy_otherwise(case: str) -> None:
    runtime, _ = SUBSTITUTIONS[case]
    found = attach(runtime)
    (warning,) = found.warnings
    assert f"was to run on {CUDA} (--ep cuda)" in warning
    assert CPU in warning
    assert "; " in warning
    assert found.requested == CUDA
    assert CPU in found.attached


def test_processor_that_was_asked_for_is_no_substitute() -> None:
    runtime = StandIn([CUDA, CPU], [CPU], {CPU: ["Conv"]})
    for requested in (None, "cpu"):
        assert attach(runtime, requested=requested, strict=True).warnings == ()


def test_onnx_runtime_that_cannot_tell_where_nodes_run_is_not_enough_where_strict() -> None:
    runtime = StandIn([CUDA, CPU], [CUDA, CPU], None)
    assert attach(runtime).nodes is None
    with pytest.raises(BackendUnavailable, match="cannot tell which nodes run on"):
        attach(runtime, strict=True)
    assert attach(runtime, requested="cpu", strict=True).nodes is None


def test_network_that_no_provider_can_load_is_no_fault_of_the_provider() -> None:
    error = RuntimeError("bad network")
    runtime = StandIn([CUDA, CPU], [CPU], {}, {CUDA: error, CPU: error})
    with pytest.raises(ModelError, match=r"network\.onnx cannot be loaded .* bad network"):
        attach(runtime, strict=True)


def test_name_that_no_onnx_runtime_knows_is_an_error_strict_or_not() -> None:
    for strict in (False, True):
        with pytest.raises(BackendUnavailable, match="has no provider FooExecutionProvider"):
            attach(ALL_ON_CUDA, requested="FooExecutionProvider", strict=strict)


# What the real one does


@FOREIGN
@pytest.mark.parametrize("strict", [False, True])
def test_real_onnx_runtime_without_cuda_is_found_out(strict: bool) -> None:
    plan = plan_provider("cuda", DeviceStatus("ready", "cuda:0", kind="gpu", vendor_id=0x10DE))
    if strict:
        with pytest.raises(BackendUnavailable, match=f"was to run on {CUDA}.*, but runs on {CPU}"):
            SaliencyNetwork(resolve("center-surround"), plan, threads=1, strict_ep=True)
        return
    network = SaliencyNetwork(resolve("center-surround"), plan, threads=1)
    source = NetworkSource(network, SaliencySize(64), width=64, height=64, stopwatch=Stopwatch())
    (warning,) = source.warnings
    assert "roi-accel[cuda13]" in warning
    facts = source.provenance()
    assert facts["provider_requested"] == CUDA
    assert facts["provider_reason"] == "matches cuda's device cuda:0, NVIDIA"
    assert facts["provider_options"] == dict(plan.options)
    assert facts["providers_attached"] == [CPU]
    assert list(facts["nodes_per_provider"]) == [CPU]


@FOREIGN
def test_command_line_warns_and_tells_the_truth_in_the_result(
    tiny_pair: Pair, tiny_network: Path
) -> None:
    done = score(tiny_pair, tiny_network, "--ep", "cuda")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    (warning,) = [line for line in result["warnings"] if CUDA in line]
    assert CPU in warning
    assert f"warning: {warning}" in done.stderr
    mask = result["provenance"]["mask"]
    assert mask["provider_requested"] == CUDA
    assert mask["provider_reason"] == "--ep cuda"
    assert mask["provider_options"]["use_tf32"] == "0"
    assert mask["providers_attached"] == [CPU]
    assert list(mask["nodes_per_provider"]) == [CPU]


@FOREIGN
def test_command_line_exits_with_4_where_strict(tiny_pair: Pair, tiny_network: Path) -> None:
    done = score(tiny_pair, tiny_network, "--ep", "cuda", "--strict-ep")
    assert (done.returncode, done.stdout) == (4, "")
    (line,) = done.stderr.splitlines()
    for part in (CUDA, CPU, "roi-accel[cuda13]", *onnxruntime.get_available_providers()):
        assert part in line


def test_command_line_takes_the_processor_strictly(tiny_pair: Pair, tiny_network: Path) -> None:
    done = score(tiny_pair, tiny_network, "--ep", "cpu", "--strict-ep")
    assert done.returncode == 0, done.stderr
    assert not [line for line in json.loads(done.stdout)["warnings"] if "Execution" in line]


def test_command_line_guesses_what_a_bad_name_was_to_be(
    tiny_pair: Pair, tiny_network: Path
) -> None:
    done = score(tiny_pair, tiny_network, "--ep", "cudda")
    assert (done.returncode, done.stdout) == (4, "")
    assert "did you mean cuda?" in done.stderr


@FOREIGN
def test_python_takes_the_same_options(tiny_pair: Pair, tiny_network: Path) -> None:
    pair = (tiny_pair.reference, tiny_pair.distorted)
    result = roi_accel.score(*pair, saliency_model=tiny_network, ep="cuda")
    assert any(CUDA in warning for warning in result.warnings)
    with pytest.raises(BackendUnavailable):
        roi_accel.score(*pair, saliency_model=tiny_network, ep="cuda", strict_ep=True)


@FOREIGN
def test_backends_own_device_decides_the_provider(
    monkeypatch: pytest.MonkeyPatch, tiny_pair: Pair, tiny_network: Path
) -> None:
    status = DeviceStatus("ready", "opencl:0.1", kind="gpu", vendor_id=0x10DE)
    monkeypatch.setattr(NumpyBackend, "probe", lambda: [status])
    monkeypatch.setattr("roi_accel.backends.host.HOST_DEVICE", status.device)
    pair = (tiny_pair.reference, tiny_pair.distorted)
    result = roi_accel.score(*pair, saliency_model=tiny_network, backend="numpy")
    mask = result.provenance["mask"]
    assert mask["provider_requested"] == CUDA
    assert mask["provider_options"]["device_id"] == "1"
    assert any("matches numpy's device opencl:0.1, NVIDIA" in line for line in result.warnings)


def test_remains_of_an_uninstalled_onnx_runtime_are_an_error_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", ModuleType("onnxruntime"))
    with pytest.raises(ModelError, match="only remains are installed"):
        import_onnxruntime()


@pytest.mark.parametrize(
    ("attached", "error"), [(CPU, ModelError), ("QNNExecutionProvider", BackendUnavailable)]
)
def test_provider_that_fails_on_the_way_is_not_replaced_and_the_frame_is_named(
    monkeypatch: pytest.MonkeyPatch, attached: str, error: type[Exception]
) -> None:
    network = SaliencyNetwork(resolve("center-surround"), plan_provider("numpy"), threads=1)
    source = NetworkSource(network, SaliencySize(64), width=64, height=64, stopwatch=Stopwatch())

    class Lost:
        def run(self, *_: object) -> None:
            msg = "device lost"
            raise RuntimeError(msg)

    class NoSession:
        def preprocess(self, _frame: object) -> None:
            return None

    object.__setattr__(network.providers, "attached", (attached,))
    monkeypatch.setattr(network, "_opened", type("Opened", (), {"session": Lost()}))
    with pytest.raises(error, match=f"frame 7: network .* failed on {attached}: device lost"):
        source.masks(7, None, NoSession())


def score(pair: Pair, network: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [console_script(), "score", "-r", str(pair.reference), "-d", str(pair.distorted)]
    return subprocess.run(
        [*command, "--saliency-model", str(network), "--quiet", *options],
        capture_output=True,
        text=True,
        check=False,
    )


# How sessions are opened


def test_every_session_is_repeatable_exact_about_its_nodes_and_leaves_the_cores_alone() -> None:
    runtime = StandIn([CPU], [CPU], {CPU: ["Conv"]})
    attach(runtime, requested="cpu")
    (options,) = runtime.options
    assert options.use_deterministic_compute
    assert options.intra_op_num_threads == 1
    assert options.entries == {
        "session.intra_op.allow_spinning": "0",
        "session.record_ep_graph_assignment_info": "1",
        "session.load_model_format": "ONNX",
        "optimization.constant_folding_max_output_size_in_bytes": str(64 << 20),
    }


def test_cudas_wheels_are_loaded_before_the_session_is_opened() -> None:
    runtime = StandIn([CUDA, CPU], [CUDA, CPU], {CUDA: ["Conv"]})
    attach(runtime)
    assert runtime.calls == ["preload", "open"]


def test_directml_gets_no_memory_pattern_which_it_cannot_work_with() -> None:
    name = "DmlExecutionProvider"
    runtime = StandIn([name, CPU], [name, CPU], {name: ["Conv"]})
    attach(runtime, requested="dml")
    assert not runtime.options[0].enable_mem_pattern


def test_plugin_is_attached_by_its_device_and_goes_after_its_session(tmp_path: Path) -> None:
    library = tmp_path / "libcuda.so"
    library.touch()
    gpu = SimpleNamespace(
        ep_name=CUDA,
        device=SimpleNamespace(type=SimpleNamespace(name="GPU"), vendor_id=0x10DE),
    )
    runtime = StandIn([CPU], [CUDA, CPU], {CUDA: ["Conv"]}, brought=[gpu])
    plan = plan_provider("cuda", requested=f"plugin:cuda={library}")
    path = Path("network.onnx")
    session = NetworkSession(runtime, b"network", plan, path=path, threads=1, strict=True)
    devices, settings = runtime.options[0].devices
    assert devices == [gpu]
    assert settings["use_tf32"] == "0"
    assert "providers" not in runtime.opened[0]
    assert session.providers.attached == (CUDA, CPU)
    session.close()
    assert session.session is None
    assert runtime.calls == ["preload", f"register {CUDA}", "open", f"unregister {CUDA}"]


# Where tensors may stay


@pytest.mark.parametrize(
    ("provider", "options", "device", "stays"),
    [
        (CUDA, {"device_id": "0"}, ("cuda", 0), True),
        (CUDA, {"device_id": "1"}, ("cuda", 1), True),
        (CUDA, {"device_id": "0"}, ("cuda", 1), False),
        (CUDA, {}, ("cuda", 0), False),
        ("TensorrtExecutionProvider", {"device_id": "0"}, ("cuda", 0), True),
        (CPU, {}, ("cuda", 0), False),
        (CPU, {}, ("cpu", 0), True),
        ("OpenVINOExecutionProvider", {"device_type": "GPU"}, ("cuda", 0), False),
    ],
)
def test_tensors_stay_only_where_the_network_runs(
    provider: str, options: dict[str, str], device: tuple[str, int], stays: bool
) -> None:
    network = SaliencyNetwork(resolve("center-surround"), plan_provider("numpy"), threads=1)
    object.__setattr__(network.providers, "attached", (provider, CPU))
    object.__setattr__(network.providers, "options", options)
    assert network.works_on(*device) is stays


def test_network_on_device_memory_waits_before_and_after(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SaliencyNetwork(resolve("center-surround"), plan_provider("numpy"), threads=1)
    calls: list[object] = []

    class Binding:
        def __getattr__(self, name: str) -> object:
            return lambda *arguments: calls.append((name, *arguments))

    class Session:
        def io_binding(self) -> Binding:
            return Binding()

        def run_with_iobinding(self, _binding: Binding) -> None:
            calls.append("run")

    monkeypatch.setattr(network, "_opened", SimpleNamespace(session=Session()))
    network.infer_in_place(
        DeviceTensor("cuda", 1, 4096, (1, 3, 16, 24)), DeviceTensor("cuda", 1, 8192, (1, 1, 16, 24))
    )
    assert calls == [
        ("bind_input", "input", "cuda", 1, np.float32, (1, 3, 16, 24), 4096),
        ("bind_output", "saliency_map", "cuda", 1, np.float32, (1, 1, 16, 24), 8192),
        ("synchronize_inputs",),
        "run",
        ("synchronize_outputs",),
    ]
