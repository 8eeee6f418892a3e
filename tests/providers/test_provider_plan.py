"""Claims about `inference.providers`: which provider, with which options, for which device."""

from __future__ import annotations

import json
import platform
from typing import Literal

import pytest

from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable
from roi_accel.inference.providers import SHORT_NAMES, plan_provider

Kind = Literal["cpu", "gpu", "accelerator"]

CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
F32_ON_GPU = {"GPU": {"INFERENCE_PRECISION_HINT": "f32"}}


def status(device: str, kind: Kind, vendor_id: int | None = None) -> DeviceStatus:
    return DeviceStatus("ready", device, kind=kind, vendor_id=vendor_id)


@pytest.mark.parametrize(
    ("backend", "device", "system", "provider", "options"),
    [
        ("numpy", status("cpu", "cpu"), "Linux", "CPUExecutionProvider", {}),
        ("numba", status("cpu", "cpu"), "Linux", "CPUExecutionProvider", {}),
        ("opencl", status("opencl:0.0", "cpu", 0x8086), "Linux", "CPUExecutionProvider", {}),
        ("opencl", status("opencl:0.0", "cpu", 0x10006), "Linux", "CPUExecutionProvider", {}),
        ("somebodys", status("cpu", "cpu"), "Linux", "CPUExecutionProvider", {}),
        (
            "cuda",
            status("cuda:0", "gpu", 0x10DE),
            "Linux",
            "CUDAExecutionProvider",
            {"device_id": "0", **CUDA_OPTIONS},
        ),
        (
            "cuda",
            status("cuda:1", "gpu", 0x10DE),
            "Windows",
            "CUDAExecutionProvider",
            {"device_id": "1", **CUDA_OPTIONS},
        ),
        (
            "opencl",
            status("opencl:1.2", "gpu", 0x10DE),
            "Linux",
            "CUDAExecutionProvider",
            {"device_id": "2", **CUDA_OPTIONS},
        ),
        (
            "opencl",
            status("opencl:0.0", "gpu", 0x8086),
            "Linux",
            "OpenVINOExecutionProvider",
            {"device_type": "GPU", "load_config": json.dumps(F32_ON_GPU)},
        ),
        (
            "opencl",
            status("opencl:0.1", "gpu", 0x8086),
            "Windows",
            "OpenVINOExecutionProvider",
            {"device_type": "GPU.1", "load_config": json.dumps(F32_ON_GPU)},
        ),
        (
            "opencl",
            status("opencl:0.0", "gpu", 0x1002),
            "Linux",
            "MIGraphXExecutionProvider",
            {"device_id": "0", "migraphx_fp16_enable": "False"},
        ),
        (
            "opencl",
            status("opencl:0.0", "gpu", 0x1002),
            "Windows",
            "DmlExecutionProvider",
            {"device_id": "0"},
        ),
        *(
            (
                "opencl",
                status("opencl:0.0", "gpu", vendor),
                "Darwin",
                "CoreMLExecutionProvider",
                {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},
            )
            for vendor in (0x106B, 0x1027F00)
        ),
        *(
            (
                "opencl",
                status("opencl:0.0", "gpu", vendor),
                "Linux",
                "QNNExecutionProvider",
                {"backend_type": "gpu"},
            )
            for vendor in (0x5143, 0x17CB)
        ),
    ],
)
def test_device_gets_the_provider_of_its_vendor(
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    device: DeviceStatus,
    system: str,
    provider: str,
    options: dict[str, str],
) -> None:
    monkeypatch.setattr(platform, "system", lambda: system)
    plan = plan_provider(backend, device)
    assert plan.provider == provider
    assert dict(plan.options) == options
    assert device.device in plan.reason
    assert plan.library is None


@pytest.mark.parametrize(
    ("device", "match"),
    [
        (status("opencl:0.0", "gpu", 0xABCD), "of vendor 0xabcd"),
        (status("opencl:0.0", "gpu", None), "of an unknown vendor"),
    ],
)
def test_gpu_of_an_unknown_vendor_leaves_the_network_to_the_processor_and_says_so(
    device: DeviceStatus, match: str
) -> None:
    plan = plan_provider("opencl", device)
    assert plan.provider == "CPUExecutionProvider"
    assert "no provider is known" in plan.reason
    assert match in plan.reason


def test_without_a_device_it_is_the_hosts_processor() -> None:
    assert plan_provider("numpy").provider == "CPUExecutionProvider"


@pytest.mark.parametrize("name", [*SHORT_NAMES, *map(str.upper, SHORT_NAMES)])
def test_short_name_means_onnx_runtimes_own(name: str) -> None:
    short = plan_provider("numpy", requested=name)
    full = plan_provider("numpy", requested=SHORT_NAMES[name.lower()])
    assert (short.provider, short.options) == (full.provider, full.options)
    assert short.reason == f"--ep {name}"


INTEL_GPU = status("opencl:0.1", "gpu", 0x8086)
NVIDIA_GPU = status("cuda:3", "gpu", 0x10DE)


@pytest.mark.parametrize(
    ("requested", "device", "key", "value"),
    [
        ("openvino", status("cpu", "cpu"), "device_type", "CPU"),
        ("openvino", INTEL_GPU, "device_type", "GPU.1"),
        ("openvino", NVIDIA_GPU, "device_type", "CPU"),
        ("openvino:CPU", INTEL_GPU, "device_type", "CPU"),
        ("openvino:gpu", status("cpu", "cpu"), "device_type", "GPU"),
        ("openvino:GPU.2", status("cpu", "cpu"), "device_type", "GPU.2"),
        ("openvino:NPU", status("cpu", "cpu"), "device_type", "NPU"),
        ("cuda", NVIDIA_GPU, "device_id", "3"),
        ("cuda", INTEL_GPU, "device_id", "0"),
        ("cuda", status("cpu", "cpu"), "device_id", "0"),
        ("cuda:2", NVIDIA_GPU, "device_id", "2"),
        ("tensorrt", NVIDIA_GPU, "device_id", "3"),
        ("tensorrt", NVIDIA_GPU, "trt_fp16_enable", "False"),
        ("migraphx", status("opencl:0.1", "gpu", 0x1002), "device_id", "1"),
    ],
)
def test_named_provider_runs_on_the_named_device_or_on_the_backends(
    requested: str, device: DeviceStatus, key: str, value: str
) -> None:
    assert plan_provider("opencl", device, requested=requested).options[key] == value


@pytest.mark.parametrize(
    ("requested", "device"), [("openvino", "CPU"), ("openvino:GPU", "GPU"), ("openvino:NPU", "NPU")]
)
def test_openvino_is_held_to_float32_everywhere(requested: str, device: str) -> None:
    config = json.loads(plan_provider("numpy", requested=requested).options["load_config"])
    assert config == {device: {"INFERENCE_PRECISION_HINT": "f32"}}


def test_openvinos_own_threads_are_limited_on_the_processor_only() -> None:
    plans = [
        plan_provider("numpy", requested=name, threads=3) for name in ("openvino", "openvino:GPU")
    ]
    configs = [json.loads(plan.options["load_config"]) for plan in plans]
    assert configs[0]["CPU"]["INFERENCE_NUM_THREADS"] == "3"
    assert "INFERENCE_NUM_THREADS" not in configs[1]["GPU"]


def test_other_full_name_is_passed_on_without_options() -> None:
    plan = plan_provider("numpy", requested="XnnpackExecutionProvider")
    assert (plan.provider, dict(plan.options)) == ("XnnpackExecutionProvider", {})


@pytest.mark.parametrize(
    ("requested", "match"),
    [
        ("cudda", "did you mean cuda"),
        ("openvno:GPU", "did you mean openvino"),
        ("CUDAExecutonProvider", "did you mean CUDAExecutionProvider"),
        ("mygraphx", "did you mean migraphx"),
        ("", "one of cpu, cuda"),
        ("something", "one of cpu, cuda"),
        ("cuda:x", "CUDAExecutionProvider has no device 'x'"),
        ("cpu:0", "CPUExecutionProvider has no device '0'"),
        ("openvino:XPU", "OpenVINOExecutionProvider has no device 'XPU'"),
        ("plugin:", "plugin:NAME=LIBRARY"),
        ("plugin:name", "plugin:NAME=LIBRARY"),
        ("plugin:=library.so", "plugin:NAME=LIBRARY"),
        ("plugin:name=", "plugin:NAME=LIBRARY"),
    ],
)
def test_name_that_is_none_is_refused_with_what_to_type(requested: str, match: str) -> None:
    with pytest.raises(BackendUnavailable, match=match) as caught:
        plan_provider("numpy", requested=requested)
    assert caught.value.exit_code == 4
    assert requested in caught.value.message


def test_plugin_keeps_the_options_that_keep_the_arithmetic_and_no_device() -> None:
    plan = plan_provider("cuda", NVIDIA_GPU, requested="plugin:cuda=/opt/ep/libcuda_ep.so")
    assert plan.provider == "CUDAExecutionProvider"
    assert str(plan.library) == "/opt/ep/libcuda_ep.so"
    assert dict(plan.options) == CUDA_OPTIONS
    plan = plan_provider("opencl", INTEL_GPU, requested="plugin:openvino=a=b.so")
    assert str(plan.library) == "a=b.so"
    assert dict(plan.options) == {"load_config": json.dumps(F32_ON_GPU)}
    assert plan_provider("numpy", requested="plugin:mine=a.so").options == {}
