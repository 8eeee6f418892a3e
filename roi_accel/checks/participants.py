"""What a parity run on this machine compares: the backends' devices and execution providers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np

from roi_accel._util.suggest import did_you_mean
from roi_accel.backends.host import HOST_DEVICE, available_cores
from roi_accel.backends.numpy_backend import NumpyBackend
from roi_accel.devices.dispatch import backend_names, check_backends, choose_backend, probe
from roi_accel.errors import BackendUnavailable, InputError, ModelError, RoiAccelError
from roi_accel.inference.network import SaliencyNetwork
from roi_accel.inference.ort import import_onnxruntime
from roi_accel.inference.providers import (
    CPU_PROVIDER,
    MIGRAPHX_PROVIDER,
    OPENVINO_PROVIDER,
    SHORT_NAMES,
    TENSORRT_PROVIDER,
    full_name,
    plan_provider,
)
from roi_accel.parity.cases import cases
from roi_accel.parity.cells import Participant
from roi_accel.parity.matrix import BackendRunner, NetworkRunner

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import ExitStack

    from roi_accel.backends.protocol import DeviceStatus
    from roi_accel.devices.dispatch import Choice
    from roi_accel.inference.models import ResolvedModel
    from roi_accel.inference.providers import ProviderPlan

ALL_DEVICES = "all"
CPU = "cpu"


Runner = TypeVar("Runner", BackendRunner, NetworkRunner)


@dataclass(frozen=True)
class Participants(Generic[Runner]):
    """The backends or the providers of a run, and what runs those that are present."""

    participants: tuple[Participant, ...]
    runners: tuple[Runner, ...]


Backends = Participants[BackendRunner]
Providers = Participants[NetworkRunner]


def find_backends(
    names: Sequence[str] | None = None,
    *,
    devices: Sequence[str] = (),
    required: Sequence[str] = (),
) -> Backends:
    """Return the backends of this machine that a parity run compares.

    BackendUnavailable if a name is unknown, or a device is of none of the backends.

    Parameters
    ----------
    names : sequence of str, optional
        Default: all there are.
    devices : sequence of str
        ``all``, or ids such as ``opencl:0.1``; a backend without one uses its first choice. A
        device that is named by its id must be there.
    required : sequence of str
        Backends that must be there; they are added to `names`.
    """
    known = backend_names()
    check_backends(names or ())
    check_backends(required, said_by="--require-backend")
    wanted = dict.fromkeys((*(known if names is None else names), *required))
    for device in devices:
        if device != ALL_DEVICES and device.partition(":")[0] not in wanted:
            msg = f"--devices: {device!r} is not a device of {', '.join(wanted)}"
            meant = did_you_mean(device.partition(":")[0], wanted)
            raise BackendUnavailable(
                msg, remedy=f"{meant}for example opencl:0.1, or all; see roi-accel devices"
            )
    # By name, each device once.
    found: dict[str, tuple[Participant, Choice | None]] = {}
    for name in wanted:
        for participant, choice in _of_backend(name, devices, fatal=name in required):
            found.setdefault(participant.name, (participant, choice))
    return Backends(
        tuple(participant for participant, _ in found.values()),
        tuple(BackendRunner(name, it.backend.open) for name, (_, it) in found.items() if it),
    )


def _of_backend(
    name: str, devices: Sequence[str], *, fatal: bool
) -> list[tuple[Participant, Choice | None]]:
    statuses = probe(name)
    ids = [device for device in devices if device.partition(":")[0] == name]
    if not any(status.state == "ready" for status in statuses):
        first = statuses[0] if statuses else None
        is_fatal = fatal or bool(ids)
        return [(_absent(device, first, fatal=is_fatal), None) for device in ids or (name,)]
    if ALL_DEVICES in devices:
        return [
            _open(name, status.device)
            if status.state == "ready"
            else (_absent(status.device or name, status, fatal=False), None)
            for status in statuses
        ] + [_open(name, device) for device in ids]
    return [_open(name, device) for device in ids or (None,)]


def _absent(name: str, status: DeviceStatus | None, *, fatal: bool) -> Participant:
    why = "no device; see roi-accel devices"
    if status:
        why = ", ".join(filter(None, (status.state, status.description)))
        why += f"; {status.remedy}" if status.remedy else ""
    return Participant(name=name, kind="backend", absent=why, fatal=fatal)


def _open(name: str, device: str | None) -> tuple[Participant, Choice | None]:
    try:
        choice = choose_backend(name, device=device)
    except BackendUnavailable as error:
        # Its probe called it ready or it was asked for by its id, so that this is a fault.
        return Participant(name=device or name, kind="backend", absent=str(error), fatal=True), None
    status, own = choice.status, choice.backend.device
    full = own if ":" in own else f"{name}:{status.device}"
    # Short: the backend's own name on the host, else the device's.
    identity = own if own.startswith(f"{name}:") else f"{name}:{own}"
    identity = name if own == HOST_DEVICE else identity
    facts = {"device": status.description, "driver": status.driver}
    aliases = (full, f"{full} {status.description}".strip())
    return Participant(name=identity, kind="backend", aliases=aliases, facts=facts), choice


def find_providers(
    model: ResolvedModel,
    resources: ExitStack,
    names: Sequence[str] | None = None,
    *,
    half: bool = False,
    required: Sequence[str] = (),
) -> Providers:
    """Return the execution providers of this machine that a parity run compares.

    Parameters
    ----------
    model : ResolvedModel
        The network that they run.
    resources : ExitStack
        Closes what is opened here.
    names : sequence of str, optional
        As ``--ep`` takes them; ``cpu``, which the others are compared with, is always added, by
        whichever of its names it is given. Default: all that this onnxruntime has.
    half : bool
        Whether each is also asked to compute in float16.
    required : sequence of str
        Providers that must be there; they are added to `names`.

    Raises
    ------
    InputError
        A name is unknown, or two are of the same provider.
    ModelError
        The network cannot be loaded.
    """
    asked = None if names is None else [_canonical(name) for name in names]
    required = [_canonical(name) for name in required]
    try:
        available = import_onnxruntime().get_available_providers()
    except ModelError as error:
        missing = [
            Participant(name=name, kind="provider", absent=str(error), fatal=name in required)
            for name in dict.fromkeys((CPU, *(asked or ()), *required))
        ]
        return Providers(tuple(missing), ())
    if asked is None:
        asked = [short for short, full in SHORT_NAMES.items() if full in available]
    found: list[tuple[Participant, SaliencyNetwork | None]] = []
    plans: dict[str, ProviderPlan] = {}
    for name in dict.fromkeys((CPU, *asked, *required)):
        option = "--require-ep" if name in required else "--eps"
        plan = plan_provider("numpy", requested=name, threads=available_cores(), option=option)
        for other, planned in plans.items():
            if replace(planned, reason="", option="") == replace(plan, reason="", option=""):
                msg = f"--eps: {name} and {other} are the same provider"
                raise InputError(msg, remedy="name it once; each is compared with itself anyway")
        plans[name] = plan
        participant, network = _attach(model, plan, name, resources, fatal=name in required)
        found.append((participant, network))
        if half:
            found.append(_attach_half(model, plan, network, participant, resources))
    return Providers(
        tuple(participant for participant, _ in found),
        tuple(NetworkRunner(participant.name, it.infer) for participant, it in found if it),
    )


def _canonical(name: str) -> str:
    """Return ``cpu`` for any name of the provider that takes part anyway, else the name itself."""
    return CPU if full_name(name) == CPU_PROVIDER else name


def _attach(
    model: ResolvedModel, plan: ProviderPlan, name: str, resources: ExitStack, *, fatal: bool
) -> tuple[Participant, SaliencyNetwork | None]:
    try:
        network = SaliencyNetwork(model, plan, threads=available_cores(), strict_ep=True)
    except BackendUnavailable as error:
        return Participant(name=name, kind="provider", absent=str(error), fatal=fatal), None
    resources.callback(network.close)
    facts = {
        "provider": plan.provider,
        "options": json.dumps(dict(plan.options)) if plan.options else "",
        "onnxruntime": network.runtime_version,
        "network": f"{model.name} {model.sha256[:12]}",
    }
    aliases = (plan.provider,)
    return Participant(name=name, kind="provider", aliases=aliases, facts=facts), network


def _attach_half(
    model: ResolvedModel,
    plan: ProviderPlan,
    single: SaliencyNetwork | None,
    participant: Participant,
    resources: ExitStack,
) -> tuple[Participant, SaliencyNetwork | None]:
    """Return the same provider computing in float16, or why it does not."""
    name = f"{participant.name} float16"
    if single is None:
        return replace(participant, name=name, half=True), None
    options = _half_options(plan)
    absent = f"{plan.provider} has no option for float16; it takes the network's own type"
    if options is not None:
        half_plan = replace(plan, options=options)
        attached, network = _attach(model, half_plan, name, resources, fatal=False)
        if network is None or _differs(single, network):
            return replace(attached, half=True), network
        absent = "asked for float16, it gave its float32 bits: this device does not compute in it"
    return Participant(name=name, kind="provider", absent=absent, half=True), None


def _half_options(plan: ProviderPlan) -> dict[str, str] | None:
    """Return the options that ask for float16; None where a provider has none."""
    if plan.provider == OPENVINO_PROVIDER and plan.library is None:
        device = plan.options["device_type"]
        wanted = json.dumps({device.partition(".")[0]: {"INFERENCE_PRECISION_HINT": "f16"}})
        return {**plan.options, "load_config": wanted}
    switch = {TENSORRT_PROVIDER: "trt_fp16_enable", MIGRAPHX_PROVIDER: "migraphx_fp16_enable"}
    if plan.provider in switch:
        return {**plan.options, switch[plan.provider]: "1"}
    return None


def _differs(single: SaliencyNetwork, half: SaliencyNetwork) -> bool:
    """Whether `half` computes anything else: a device may ignore what it was asked."""
    case = next(case for case in cases() if case.has_pictures)
    with NumpyBackend().open(case.plan) as session:
        model_input = session.preprocess(next(case.samples()).reference)
    try:
        return not np.array_equal(single.infer(model_input), half.infer(model_input))
    except RoiAccelError:
        return True  # The run itself will meet this, and say so in its cells.
