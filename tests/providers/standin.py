"""A stand-in for the onnxruntime module: it attaches and places nodes as a test tells it to."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

CPU = "CPUExecutionProvider"


@dataclass
class StandIn:
    """What ONNX Runtime does.

    Attributes
    ----------
    available : list of str
    attached : list of str
        What sessions are attached to, whatever they are asked for.
    nodes : dict of str to list of str
        Operators per provider; None for an ONNX Runtime that cannot tell.
    fails : dict of str to Exception
        What opening a session on a provider raises.
    brought : list
        The devices of a plugin.
    opened, options, calls
        What was asked of it.
    """

    available: list[str]
    attached: list[str]
    nodes: dict[str, list[str]] | None
    fails: dict[str, Exception] = field(default_factory=dict)
    opened: list[dict[str, Any]] = field(default_factory=list)
    options: list[Any] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    brought: list[Any] = field(default_factory=list)
    __version__: str = "1.2.3"

    def get_available_providers(self) -> list[str]:
        return self.available

    def get_all_providers(self) -> list[str]:
        return [*self.available, "CUDAExecutionProvider", "OpenVINOExecutionProvider"]

    def SessionOptions(self) -> Any:  # noqa: N802 - onnxruntime's name
        entries: dict[str, str] = {}
        options = SimpleNamespace(
            enable_mem_pattern=True,
            entries=entries,
            devices=None,
            add_session_config_entry=entries.__setitem__,
        )
        options.add_provider_for_devices = lambda devices, settings: setattr(
            options, "devices", (devices, settings)
        )
        self.options.append(options)
        return options

    def preload_dlls(self) -> None:
        self.calls.append("preload")

    def register_execution_provider_library(self, name: str, _library: str) -> None:
        self.calls.append(f"register {name}")

    def unregister_execution_provider_library(self, name: str) -> None:
        self.calls.append(f"unregister {name}")

    def get_ep_devices(self) -> list[Any]:
        return self.brought

    def InferenceSession(self, _content: bytes, _options: Any, **keywords: Any) -> Any:  # noqa: N802
        self.opened.append(keywords)
        assert keywords["enable_fallback"] == 0
        self.calls.append("open")
        (asked,) = keywords.get("providers", self.attached[:1])
        name = asked if isinstance(asked, str) else asked[0]
        if name in self.fails:
            raise self.fails[name]
        attached = [CPU] if name == CPU else self.attached
        session = SimpleNamespace(get_providers=lambda: attached)
        if self.nodes is not None:
            placed = {CPU: ["Conv"]} if name == CPU else self.nodes
            session.get_provider_graph_assignment_info = lambda: [
                SimpleNamespace(
                    ep_name=provider,
                    get_nodes=lambda names=names: [SimpleNamespace(op_type=op) for op in names],
                )
                for provider, names in placed.items()
            ]
        return session
