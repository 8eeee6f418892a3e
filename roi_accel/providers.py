"""Which ONNX Runtime execution provider runs the network, and which one really does.

ONNX Runtime replaces a provider that it cannot use by its CPU one without an error. So a plan says
what was asked for, and what is attached is read back from the session.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping

CPU_PROVIDER = "CPUExecutionProvider"

_PROVIDER_OF_BACKEND = {"numpy": CPU_PROVIDER, "numba": CPU_PROVIDER, "opencl": CPU_PROVIDER}
"""The provider for each backend; OpenCL's is the processor's, whatever the device, for now."""


@dataclass(frozen=True)
class ProviderPlan:
    """The provider to ask ONNX Runtime for.

    Attributes
    ----------
    provider : str
        ONNX Runtime's name of it.
    reason : str
        Why this one, for logs and people.
    options : mapping of str to str
        The provider's options.
    """

    provider: str
    reason: str
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class AttachedProviders:
    """What a session really runs on.

    Attributes
    ----------
    requested : str
        The provider asked for.
    attached : tuple of str
        The session's providers in its own order of preference.
    nodes : mapping of str to int, or None
        Graph nodes per provider after optimisation; None where ONNX Runtime is too old to tell.
    """

    requested: str
    attached: tuple[str, ...]
    nodes: Mapping[str, int] | None


def plan_provider(backend: str) -> ProviderPlan:
    """Return the provider that matches `backend`'s device.

    Raises
    ------
    BackendUnavailable
        No provider is known for it.
    """
    provider = _PROVIDER_OF_BACKEND.get(backend)
    if provider is None:
        msg = f"no execution provider is known for backend {backend!r}"
        raise BackendUnavailable(msg, remedy=f"known are {', '.join(_PROVIDER_OF_BACKEND)}")
    return ProviderPlan(provider, f"matches the {backend} backend's device")


def read_attached(session: Any, plan: ProviderPlan) -> AttachedProviders:  # noqa: ANN401
    """Return what `session`, an ``onnxruntime.InferenceSession``, is attached to."""
    nodes: Counter[str] | None = None
    assignment = getattr(session, "get_provider_graph_assignment_info", None)
    if assignment is not None:
        nodes = Counter()
        for subgraph in assignment():
            nodes[subgraph.ep_name] += len(subgraph.get_nodes())
    return AttachedProviders(plan.provider, tuple(session.get_providers()), nodes)
