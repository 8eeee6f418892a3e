"""What this machine has: backends and their devices, execution providers, programs with VMAF."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from roi_accel.backends.frame import Frame, PixelFormat
from roi_accel.devices.dispatch import choose_backend, probe_all
from roi_accel.errors import RoiAccelError
from roi_accel.inference.ort import import_onnxruntime
from roi_accel.inference.ort_session import how_to_get
from roi_accel.inference.providers import plan_provider
from roi_accel.scorers import (
    DEFAULT_MODEL,
    Scorer,
    Scoring,
    ScoringRequest,
    find_all_scorers,
    parse_models,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from roi_accel.backends.protocol import DeviceStatus

_PROBE_SIDE = 64
_STALL_SECONDS = 20.0


@dataclass(frozen=True)
class ScorerStatus:
    """A program with VMAF, and the libvmaf inside it, or why that could not be learned."""

    scorer: Scorer
    libvmaf: str


@dataclass(frozen=True)
class ProviderMatch:
    """The execution provider that a device asks for, and how to get it where it is missing.

    Attributes
    ----------
    device : str
        As ``--device`` writes it.
    backend : str
    provider : str
        ONNX Runtime's name.
    reason : str
        Why this one.
    remedy : str
        The command that installs it; empty where this onnxruntime has it.
    """

    device: str
    backend: str
    provider: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Inventory:
    """What was found.

    Attributes
    ----------
    backends : mapping of str to list of DeviceStatus
    auto : str
        What ``auto`` takes, and why.
    onnxruntime : str
        Its version, or why it cannot be imported.
    providers : tuple of str
        The execution providers of this build of onnxruntime.
    matches : list of ProviderMatch
        The provider that each device asks for.
    scorers : list of ScorerStatus
        In the order in which they are preferred.
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
            "vmaf": [
                {
                    "kind": status.scorer.kind,
                    "path": str(status.scorer.path),
                    "version": status.scorer.version,
                    "found": status.scorer.source,
                    "libvmaf": status.libvmaf,
                }
                for status in self.scorers
            ],
        }


def take_inventory() -> Inventory:
    """Look at everything; what is missing or broken is part of the answer, never an error."""
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
        scorers=[ScorerStatus(scorer, _libvmaf_version(scorer)) for scorer in find_all_scorers()],
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


def _libvmaf_version(scorer: Scorer) -> str:
    """Return the version that libvmaf writes into its log, by scoring one gray frame."""
    pixel_format = PixelFormat("420", 8)
    y, u, v = (
        np.full(shape, 128, np.uint8)
        for shape in pixel_format.plane_shapes(_PROBE_SIDE, _PROBE_SIDE)
    )
    frame = Frame((y, u, v), pixel_format)
    request = ScoringRequest(
        pixel_format=pixel_format,
        width=_PROBE_SIDE,
        height=_PROBE_SIDE,
        variants=1,
        models=parse_models((DEFAULT_MODEL,)),
    )
    try:
        with Scoring(scorer, request, stall_seconds=_STALL_SECONDS) as scoring:
            scoring.feed([frame, frame])
            return scoring.finish()[0].version
    except RoiAccelError as error:
        return f"unusable: {error}"
