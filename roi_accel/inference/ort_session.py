"""Opens a network on the planned execution provider, and finds out where it really runs.

ONNX Runtime falls back to its CPU provider in several silent ways: a provider that is not compiled
in or does not load is dropped, a failure is retried on the CPU, and nodes that a provider cannot
take run there. Here retrying is off, and what is attached is compared with what was asked for.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from dataclasses import dataclass, replace
from importlib.metadata import distributions
from typing import TYPE_CHECKING, Any

from roi_accel.errors import BackendUnavailable, ModelError
from roi_accel.inference.ort import Plugin, first_line
from roi_accel.inference.providers import (
    COREML_PROVIDER,
    CPU_PROVIDER,
    CUDA_PROVIDER,
    DML_PROVIDER,
    EP,
    MIGRAPHX_PROVIDER,
    OPENVINO_PROVIDER,
    TENSORRT_PROVIDER,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from roi_accel.inference.ort import Untyped
    from roi_accel.inference.providers import ProviderPlan

_EXTRAS = {
    CPU_PROVIDER: "cpu",
    CUDA_PROVIDER: "cuda13",
    TENSORRT_PROVIDER: "cuda13",
    OPENVINO_PROVIDER: "openvino",
    MIGRAPHX_PROVIDER: "migraphx",
    DML_PROVIDER: "directml",
    COREML_PROVIDER: "cpu",  # in every onnxruntime for macOS
}
"""The extra of roi-accel that installs an onnxruntime with this provider."""

_BUILDS = frozenset(
    f"onnxruntime{suffix}"
    for suffix in ("", "-gpu", "-openvino", "-migraphx", "-directml", "-rocm")
)
"""The packages that install the module ``onnxruntime``, each over the others."""

_MANY_OPERATORS = 6

_SETTINGS = {
    # Spinning threads would take the processor from VMAF, which runs at the same time.
    "session.intra_op.allow_spinning": "0",
    "session.record_ep_graph_assignment_info": "1",
    # ONNX Runtime's own format would be read too, past every check of the ONNX one.
    "session.load_model_format": "ONNX",
    # The largest constant that is computed on opening a network: a tiny file can ask for gigabytes.
    # ONNX Runtime before 1.27 has no such limit.
    "optimization.constant_folding_max_output_size_in_bytes": str(64 << 20),
}

_MODEL_REMEDY = "see docs/models.md for the contract a network must keep"


@dataclass(frozen=True)
class AttachedProviders:
    """What a session really runs on, beside what the plan asked for and why.

    `attached` has the session's providers in its order of preference; `nodes` the graph nodes per
    provider after optimisation, None where ONNX Runtime is too old to tell.
    """

    requested: str
    reason: str
    options: Mapping[str, str]
    attached: tuple[str, ...]
    nodes: Mapping[str, int] | None
    warnings: tuple[str, ...] = ()


class NetworkSession:
    """An ``onnxruntime.InferenceSession``, and which providers it is really attached to.

    Parameters
    ----------
    onnxruntime : module
        Or anything with its interface.
    content : bytes
        The ONNX network.
    plan : ProviderPlan
    path : Path
        Where it is from, for messages.
    threads : int
        Threads that ONNX Runtime may use within one operator.
    strict : bool
        Whether another provider than the one asked for is an error.

    Raises
    ------
    ModelError
        ONNX Runtime cannot load `content`.
    BackendUnavailable
        The plan's plugin library cannot be used; or `strict`, and the provider asked for is not
        attached or does not run every node.
    """

    def __init__(
        self,
        onnxruntime: Untyped,
        content: bytes,
        plan: ProviderPlan,
        *,
        path: Path,
        threads: int,
        strict: bool,
    ) -> None:
        self._onnxruntime = onnxruntime
        self._path = path
        self._plugin: Plugin | None = None
        self.session: Untyped = None
        try:
            self.providers = self._open(content, plan, threads, strict=strict)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Release the session, then the plugin library it may use; harmless when repeated."""
        self.session = None
        if self._plugin is not None:
            self._plugin.close()

    def _open(
        self, content: bytes, plan: ProviderPlan, threads: int, *, strict: bool
    ) -> AttachedProviders:
        trouble = ""
        if plan.provider in {CUDA_PROVIDER, TENSORRT_PROVIDER}:
            # First, for builds that take in their own CUDA provider as a plugin only then.
            _load_cuda_wheels(self._onnxruntime)
        if plan.library is not None:
            self._plugin = Plugin(self._onnxruntime, plan.provider, plan.library)
        else:
            trouble = _not_in_this_build(self._onnxruntime, plan)
        if not trouble:
            try:
                self.session = self._create(content, plan, threads)
            except Exception as error:
                # A faulty network fails on the processor too; the provider is not to blame.
                if plan.provider == CPU_PROVIDER:
                    raise self._not_loaded(error) from error  # guard: network-corrupt
                trouble = f"it failed: {first_line(error)}"
        if self.session is None:
            try:
                self.session = self._create(content, None, threads)
            except Exception as error:
                raise self._not_loaded(error) from error
        attached = _attached(self.session, plan)
        warnings = _differences(self.session, attached, trouble)  # guard: provider-replaced
        if warnings and strict:  # guard: provider-strict
            raise BackendUnavailable(warnings[0], remedy=self._remedy(plan))
        if strict and attached.nodes is None and plan.provider != CPU_PROVIDER:
            version = self._onnxruntime.__version__
            msg = f"onnxruntime {version} cannot tell which nodes run on {plan.provider}"
            raise BackendUnavailable(
                msg, remedy="install onnxruntime 1.24 or later, or leave out --strict-ep"
            )
        return replace(attached, warnings=tuple(f"{it}; {self._remedy(plan)}" for it in warnings))

    def _create(self, content: bytes, plan: ProviderPlan | None, threads: int) -> Untyped:
        """Return a session on the plan's provider, on the processor without a plan."""
        options = self._onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 4  # Errors come back as exceptions; one line is enough.
        options.use_deterministic_compute = True
        for key, value in _SETTINGS.items():
            options.add_session_config_entry(key, value)
        keywords: dict[str, Any] = {"enable_fallback": 0}
        if plan is None:
            keywords["providers"] = [CPU_PROVIDER]
        elif self._plugin is not None:
            device = self._plugin.device_like(plan.device)
            options.add_provider_for_devices([device], dict(plan.options))
        else:
            keywords["providers"] = [(plan.provider, dict(plan.options))]
            if plan.provider == DML_PROVIDER:
                options.enable_mem_pattern = False  # DirectML cannot work with it.
        return self._onnxruntime.InferenceSession(content, options, **keywords)

    def _not_loaded(self, error: Exception) -> ModelError:
        msg = f"{self._path} cannot be loaded as an ONNX network: {first_line(error)}"
        return ModelError(msg, remedy=_MODEL_REMEDY)

    def _remedy(self, plan: ProviderPlan) -> str:
        """Return what brings the provider that was asked for."""
        if plan.library is not None:
            return "see what the provider's makers require of the system and the network"
        if plan.provider in self._onnxruntime.get_available_providers():
            return (
                "see ONNX Runtime's own messages above and docs/providers.md, or choose another "
                f"provider with {plan.option}"
            )
        return how_to_get(plan.provider, plan.option)


def how_to_get(provider: str, option: str = EP) -> str:
    """Return the command that installs an onnxruntime with `provider`, or chooses another."""
    extra = _EXTRAS.get(provider)
    if extra is None:
        return f"see docs/providers.md for a plugin, or choose another provider with {option}"
    packages = {(package.name or "").lower().replace("_", "-") for package in distributions()}
    others = sorted(packages & _BUILDS)
    first = f"pip uninstall -y {' '.join(others)} && " if others else ""
    older = " (cuda12 where the driver is older)" if extra == "cuda13" else ""
    return f'{first}pip install "roi-accel[{extra}]"{older}, or {option} cpu'


def _attached(session: Untyped, plan: ProviderPlan) -> AttachedProviders:
    nodes: Counter[str] | None = None
    if hasattr(session, "get_provider_graph_assignment_info"):
        nodes = Counter(provider for provider, _ in _placed(session))
    return AttachedProviders(
        plan.provider, plan.reason, dict(plan.options), tuple(session.get_providers()), nodes
    )


def _placed(session: Untyped) -> list[tuple[str, str]]:
    """Return the provider and the operator of each node; ONNX Runtime has to be able to tell."""
    subgraphs = session.get_provider_graph_assignment_info()
    return [(graph.ep_name, node.op_type) for graph in subgraphs for node in graph.get_nodes()]


def _differences(session: Untyped, found: AttachedProviders, trouble: str) -> tuple[str, ...]:
    """Return how the session differs from what was asked for, in one line, or nothing."""
    asked = f"the saliency network was to run on {found.requested} ({found.reason})"
    if found.requested not in found.attached:
        why = trouble or "ONNX Runtime could not attach it"
        return (f"{asked}, but runs on {', '.join(found.attached)}: {why}",)
    nodes = found.nodes or {}
    total = sum(nodes.values())
    elsewhere = {name: count for name, count in nodes.items() if name != found.requested}
    if not elsewhere:
        return ()
    where = " and ".join(
        f"{count} of its {total} nodes run on {name}" for name, count in elsewhere.items()
    )
    operators = list(dict.fromkeys(op for name, op in _placed(session) if name in elsewhere))
    listed = ", ".join(operators[:_MANY_OPERATORS])
    more = ", ..." if len(operators) > _MANY_OPERATORS else ""
    return (f"{asked}, but {where} ({listed}{more})",)


def _not_in_this_build(onnxruntime: Untyped, plan: ProviderPlan) -> str:
    """Return why the build cannot have the provider, empty if it can.

    Raises BackendUnavailable where no build of ONNX Runtime has a provider of this name.
    """
    available = onnxruntime.get_available_providers()
    if plan.provider in available:
        return ""
    if plan.provider not in onnxruntime.get_all_providers():
        msg = f"ONNX Runtime {onnxruntime.__version__} has no provider {plan.provider}"
        raise BackendUnavailable(
            msg, remedy=f"this one has {', '.join(available)}; see docs/providers.md"
        )
    return f"this onnxruntime {onnxruntime.__version__} has only {', '.join(available)}"


def _load_cuda_wheels(onnxruntime: Untyped) -> None:
    """Load CUDA and cuDNN where they were installed from PyPI; the loader does not find them."""
    preload = getattr(onnxruntime, "preload_dlls", None)
    if preload is not None:
        with contextlib.redirect_stdout(sys.stderr):  # It prints; stdout is the result's.
            preload()
