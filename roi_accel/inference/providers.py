"""Which ONNX Runtime execution provider a network is asked to run on, and with which options.

Only plans are made here, from the device alone; `inference.ort_session` opens what was planned.
"""

from __future__ import annotations

import json
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._util.suggest import did_you_mean
from roi_accel.backends.cuda.backend import NVIDIA
from roi_accel.backends.host import HOST_DEVICE
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU_PROVIDER = "CPUExecutionProvider"
CUDA_PROVIDER = "CUDAExecutionProvider"
TENSORRT_PROVIDER = "TensorrtExecutionProvider"
OPENVINO_PROVIDER = "OpenVINOExecutionProvider"
MIGRAPHX_PROVIDER = "MIGraphXExecutionProvider"
DML_PROVIDER = "DmlExecutionProvider"
COREML_PROVIDER = "CoreMLExecutionProvider"
QNN_PROVIDER = "QNNExecutionProvider"

SHORT_NAMES = {
    "cpu": CPU_PROVIDER,
    "cuda": CUDA_PROVIDER,
    "tensorrt": TENSORRT_PROVIDER,
    "openvino": OPENVINO_PROVIDER,
    "migraphx": MIGRAPHX_PROVIDER,
    "dml": DML_PROVIDER,
    "coreml": COREML_PROVIDER,
    "qnn": QNN_PROVIDER,
}
"""What ``--ep`` takes besides ONNX Runtime's own names."""

EP = "--ep"
PLUGIN_PREFIX = "plugin:"

INTEL = 0x8086
AMD = 0x1002
_VENDORS = {
    NVIDIA: ("NVIDIA", CUDA_PROVIDER),
    INTEL: ("Intel", OPENVINO_PROVIDER),
    AMD: ("AMD", MIGRAPHX_PROVIDER),  # on Windows DirectML
    0x106B: ("Apple", COREML_PROVIDER),
    0x1027F00: ("Apple", COREML_PROVIDER),  # what Apple's OpenCL reports
    0x5143: ("Qualcomm", QNN_PROVIDER),
    0x17CB: ("Qualcomm", QNN_PROVIDER),
}
"""Name and provider of a GPU's vendor, by its PCI number."""

VENDOR_WORDS = {number: name.lower() for number, (name, _) in _VENDORS.items()}
"""A vendor as ``opencl:intel`` has it, by the same number."""

_OWN_VENDOR = {CUDA_PROVIDER: NVIDIA, TENSORRT_PROVIDER: NVIDIA, MIGRAPHX_PROVIDER: AMD}
_NUMBERED = (CUDA_PROVIDER, TENSORRT_PROVIDER, MIGRAPHX_PROVIDER, DML_PROVIDER)
_OPENVINO_DEVICE = re.compile(r"CPU|NPU|GPU(\.\d+)?")
_FULL_NAME = re.compile(r"\w+ExecutionProvider")


@dataclass(frozen=True)
class ProviderPlan:
    """The provider to ask ONNX Runtime for, by its own name, and why this one.

    `library` is the plugin that brings the provider, None for one of this onnxruntime's own;
    `device` the backend's, which a plugin's should be; `option` names a provider, for messages.
    """

    provider: str
    reason: str
    options: Mapping[str, str] = field(default_factory=dict)
    library: Path | None = None
    device: DeviceStatus = field(default_factory=lambda: DeviceStatus("ready", HOST_DEVICE))
    option: str = EP


def plan_provider(
    backend: str,
    status: DeviceStatus | None = None,
    *,
    requested: str | None = None,
    threads: int | None = None,
    option: str = EP,
) -> ProviderPlan:
    """Return the provider that `requested` names, or else the one that matches the device.

    Parameters
    ----------
    backend : str
        The backend's name, for messages.
    status : DeviceStatus, optional
        The backend's device. Default: the host's processor.
    requested : str, optional
        What ``--ep`` was given: a short name such as ``openvino:GPU``, ONNX Runtime's full name,
        or ``plugin:NAME=LIBRARY``.
    threads : int, optional
        Threads that a provider with threads of its own may use.
    option : str
        The one that `requested` was given by, for messages.

    Raises
    ------
    BackendUnavailable
        There is no provider of this name.
    """
    device = status or DeviceStatus("ready", HOST_DEVICE)
    vendor = device.vendor_id
    is_gpu = device.kind == "gpu"
    if requested is not None:
        return _requested(requested, device, vendor if is_gpu else None, threads, option)
    where = f"{backend}'s device {device.device or device.kind}"
    if not is_gpu:
        return ProviderPlan(CPU_PROVIDER, f"matches {where}", device=device)
    if vendor not in _VENDORS:
        found = "of an unknown vendor" if vendor is None else f"of vendor {vendor:#06x}"
        reason = f"no provider is known for {where}, {found}, so the processor runs the network"
        return ProviderPlan(CPU_PROVIDER, reason, device=device)
    name, provider = _VENDORS[vendor]
    if vendor == AMD and platform.system() == "Windows":
        provider = DML_PROVIDER
    options = _options(provider, device_number(device), openvino=_gpu_name(device), threads=threads)
    return ProviderPlan(provider, f"matches {where}, {name}", options, device=device)


def full_name(name: str) -> str:
    """Return ONNX Runtime's name for a short one; any other is returned as it is."""
    return SHORT_NAMES.get(name.lower(), name)


def _requested(
    text: str, device: DeviceStatus, vendor: int | None, threads: int | None, option: str
) -> ProviderPlan:
    reason = f"{option} {text}"
    if text.startswith(PLUGIN_PREFIX):
        return _plugin(text, device, threads, option)
    name, _, where = text.partition(":")
    provider = full_name(name)
    if provider not in SHORT_NAMES.values() and not _FULL_NAME.fullmatch(provider):
        guess = did_you_mean(name, [*SHORT_NAMES, *SHORT_NAMES.values()])
        known = f"{', '.join(SHORT_NAMES)}, such as openvino:GPU or cuda:1"
        msg = f"{reason} is not the name of an execution provider"
        raise BackendUnavailable(msg, remedy=f"{guess}one of {known}, or plugin:NAME=LIBRARY")
    openvino = _gpu_name(device) if vendor == INTEL else "CPU"
    index = device_number(device) if vendor and _OWN_VENDOR.get(provider, vendor) == vendor else 0
    if where:
        if provider == OPENVINO_PROVIDER and _OPENVINO_DEVICE.fullmatch(where.upper()):
            openvino = where.upper()
        elif provider in _NUMBERED and where.isdecimal():
            index = int(where)
        else:
            msg = f"{reason}: {provider} has no device {where!r}"
            raise BackendUnavailable(msg, remedy="for example cuda:1 or openvino:GPU")
    options = _options(provider, index, openvino=openvino, threads=threads)
    return ProviderPlan(provider, reason, options, device=device, option=option)


def _plugin(text: str, device: DeviceStatus, threads: int | None, option: str) -> ProviderPlan:
    reason = f"{option} {text}"
    name, _, library = text.removeprefix(PLUGIN_PREFIX).partition("=")
    if not name or not library:
        msg = f"{reason} does not name a provider and its library"
        raise BackendUnavailable(msg, remedy=f"write {PLUGIN_PREFIX}NAME=LIBRARY")
    provider = full_name(name)
    # ONNX Runtime gives a plugin its device; only what keeps the arithmetic exact is left.
    kind = "GPU" if device.kind == "gpu" else "CPU"
    exact = _options(provider, 0, openvino=kind, threads=threads)
    options = {key: exact[key] for key in _EXACT if key in exact}
    return ProviderPlan(provider, reason, options, Path(library), device, option)


_EXACT = ("use_tf32", "cudnn_conv_algo_search", "load_config")


def _options(
    provider: str, index: int, *, openvino: str, threads: int | None = None
) -> Mapping[str, str]:
    """Return the options that keep `provider` in float32, repeatable, and on the right device."""
    numbered = {"device_id": str(index)}
    # Left to itself OpenVINO takes float16 on a GPU, and bfloat16 on processors with AMX.
    exact = {"INFERENCE_PRECISION_HINT": "f32"}
    if threads is not None and openvino == "CPU":
        exact["INFERENCE_NUM_THREADS"] = str(threads)
    # The bindings of TensorRT and MIGraphX read "False", where CUDA's take "0" as well.
    table: Mapping[str, Mapping[str, str]] = {
        # EXHAUSTIVE times every algorithm anew in each process, so two runs may differ; DEFAULT is
        # cuDNN 9's list of slow last resorts (docs/adr/0006-execution-providers.md).
        CUDA_PROVIDER: numbered | {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"},
        TENSORRT_PROVIDER: numbered | {"trt_fp16_enable": "False", "trt_int8_enable": "False"},
        OPENVINO_PROVIDER: {
            "device_type": openvino,
            "load_config": json.dumps({openvino.partition(".")[0]: exact}),
        },
        MIGRAPHX_PROVIDER: numbered | {"migraphx_fp16_enable": "False"},
        DML_PROVIDER: numbered,
        # Without the Neural Engine, which computes in float16.
        COREML_PROVIDER: {"ModelFormat": "MLProgram", "MLComputeUnits": "CPUAndGPU"},
        QNN_PROVIDER: {"backend_type": "gpu"},  # the HTP would want a quantised network
    }
    return table.get(provider, {})


def device_number(device: DeviceStatus) -> int:
    """Return the number of ``cuda:1`` or ``opencl:0.1``: which GPU of its vendor it is."""
    match = re.search(r"\d+$", device.device)
    return int(match[0]) if match else 0


def _gpu_name(device: DeviceStatus) -> str:
    return f"GPU.{device_number(device)}" if device_number(device) else "GPU"
