"""What this machine has: backends and their devices, execution providers, scorers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from roi_accel.devices.dispatch import choose_backend, probe_all
from roi_accel.errors import RoiAccelError
from roi_accel.inference.ort import import_onnxruntime
from roi_accel.inference.ort_session import how_to_get
from roi_accel.inference.providers import plan_provider
from roi_accel.scorers.table import PROGRAMS, installed_programs, open_named, scorer_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.backends.protocol import DeviceStatus


@dataclass(frozen=True)
class ScorerStatus:
    """A scorer that can be named with ``--vmaf``; `kind` is its name in a result's provenance.

    `path` is empty for a scorer that another package brings. Instead of a version there may be the
    reason why there is none. `found` says where it was found.
    """

    kind: str
    path: str
    version: str
    found: str
    libvmaf: str


@dataclass(frozen=True)
class ProviderMatch:
    """The execution provider that a device asks for, and the command that installs it.

    `provider` is ONNX Runtime's name; `remedy` is empty where this onnxruntime has it.
    """

    device: str
    backend: str
    provider: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Inventory:
    """What this machine has.

    `auto` is what ``auto`` takes, and why; `onnxruntime` its version, or why it cannot be imported;
    `scorers` are programs in the order of preference, then those that other packages bring.
    """

    backends: Mapping[str, list[DeviceStatus]]
    auto: str
    onnxruntime: str
    providers: tuple[str, ...]
    matches: list[ProviderMatch]
    scorers: list[ScorerStatus]

    def to_dict(self) -> dict[str, Any]:
        """Return the inventory as strict JSON's types."""
        return {
            "backends": {
                name: [status.to_dict() for status in found]
                for name, found in self.backends.items()
            },
            "auto": self.auto,
            "onnxruntime": self.onnxruntime,
            "execution_providers": list(self.providers),
            "provider_matches": [asdict(match) for match in self.matches],
            "vmaf": [asdict(scorer) for scorer in self.scorers],
        }


def take_inventory() -> Inventory:
    """Examine everything; what is missing or broken is part of the answer, never an error."""
    runtime, providers = _onnxruntime()
    backends = probe_all()
    return Inventory(
        backends=backends,
        auto=_auto(),
        onnxruntime=runtime,
        providers=providers,
        matches=[
            _match(name, status, providers)
            for name, found in backends.items()
            for status in found
            if status.state == "ready"
        ],
        scorers=_scorers(),
    )


def _match(backend: str, status: DeviceStatus, present: tuple[str, ...]) -> ProviderMatch:
    plan = plan_provider(backend, status)
    remedy = "" if plan.provider in present else how_to_get(plan.provider)
    return ProviderMatch(status.device, backend, plan.provider, plan.reason, remedy)


def _auto() -> str:
    try:
        choice = choose_backend("auto")
    except RoiAccelError as error:
        return str(error)
    return f"{choice.backend.name} on {choice.backend.device} ({choice.reason})"


def _onnxruntime() -> tuple[str, tuple[str, ...]]:
    try:
        runtime = import_onnxruntime()
    except RoiAccelError as error:
        return str(error), ()
    return str(runtime.__version__), tuple(runtime.get_available_providers())


def _scorers() -> list[ScorerStatus]:
    found = [
        ScorerStatus(
            program.name,
            str(program.path),
            program.version,
            program.source,
            program.libvmaf_version(),
        )
        for program in installed_programs()
    ]
    for name in scorer_names():
        if name not in PROGRAMS:
            try:
                version = open_named(name, "--vmaf").version
            except RoiAccelError as error:
                version = f"unusable: {error}"
            found.append(ScorerStatus(name, "", version, "its package", ""))
    return found
