"""The one table of backends, and the rule that chooses among them."""

from __future__ import annotations

import logging
import os
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from roi_accel._util.suggest import did_you_mean, no_such
from roi_accel.backends.host import HOST_DEVICE
from roi_accel.backends.protocol import DeviceStatus
from roi_accel.errors import BackendUnavailable, RoiAccelError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from roi_accel.backends.protocol import Backend

HOST_BACKENDS = {
    "numpy": "roi_accel.backends.numpy_backend:NumpyBackend",
    "numba": "roi_accel.backends.numba.backend:NumbaBackend",
}
"""Backends on the host's own processor, the device ``cpu``; the last is preferred.

The name of each and where its class is: a backend is imported only when it is asked for.
"""

DEVICE_BACKENDS = {
    "opencl": "roi_accel.backends.opencl.backend:OpenclBackend",
    "cuda": "roi_accel.backends.cuda.backend:CudaBackend",
}
"""Backends with devices of their own; the last is preferred."""

BACKENDS = HOST_BACKENDS | DEVICE_BACKENDS

ENTRY_POINTS = "roi_accel.backends"
"""The group in which other packages name theirs."""

AUTO = "auto"
AUTO_ORDER = tuple(reversed(BACKENDS))
"""What ``auto`` tries, if `DeviceStatus.in_auto`."""

HOST_ORDER = tuple(reversed(HOST_BACKENDS))
"""What the device ``cpu`` tries."""

BACKEND_VARIABLE = "ROI_ACCEL_BACKEND"

_LOGGER = logging.getLogger("roi_accel")


@dataclass(frozen=True)
class Choice:
    """A backend, bound to its device, why it is this one, and what its probe says of the device."""

    backend: Backend
    reason: str
    status: DeviceStatus


def backend_names() -> tuple[str, ...]:
    """Return the names of all backends: our own, then those of entry points."""
    others = sorted(point.name for point in entry_points(group=ENTRY_POINTS))
    return tuple(dict.fromkeys((*BACKENDS, *others)))


def check_backends(names: Iterable[str], *, said_by: str = "") -> None:
    """Raise BackendUnavailable for the first of `names` that is not a backend's.

    `said_by` is where they stand, such as an option, if that is not plain.
    """
    known = backend_names()
    for name in names:
        if name not in known:
            raise no_such(name, known, what="backend", error=BackendUnavailable, said_by=said_by)


def probe_all() -> dict[str, list[DeviceStatus]]:
    """Return every backend's devices, or why it has none; never raises."""
    return {name: probe(name) for name in backend_names()}


def probe(name: str) -> list[DeviceStatus]:
    """Return the devices of backend `name`, or why it has none; never raises."""
    try:
        return _backend_class(name).probe()
    except Exception as error:  # noqa: BLE001 - a package that names a backend may fail in any way
        return [DeviceStatus("broken", description=f"{type(error).__name__}: {error}")]


def get_backend(
    name: str | None = None, *, device: str | None = None, threads: int | None = None
) -> Backend:
    """Return a backend, bound to its device; see `choose_backend`."""
    return choose_backend(name, device=device, threads=threads).backend


def choose_backend(
    name: str | None = None, *, device: str | None = None, threads: int | None = None
) -> Choice:
    """Return a backend, bound to its device, and why it was chosen.

    Parameters
    ----------
    name : str, optional
        A backend's name or ``auto``. Left out, the device's own backend, then the variable
        ``ROI_ACCEL_BACKEND``, then ``auto`` decides.
    device : str, optional
        Such as ``cuda:1``, ``opencl:0.1`` or ``opencl:intel``. Default: the backend's first choice.
    threads : int, optional
        Threads that a backend on the host may use. Default: all cores.

    Raises
    ------
    BackendUnavailable
        There is no such backend or device, or it cannot be used here; says why and what helps.
        A backend or device asked for by name is never replaced by another.
    """
    prefix = (device or "").partition(":")[0]
    of_device = prefix if prefix in backend_names() else None
    if name not in {None, AUTO} and of_device not in {None, name}:
        msg = f"device {device!r} belongs to the {of_device} backend, not to {name}"
        raise BackendUnavailable(msg, remedy=f"leave out --backend, or say --backend {of_device}")
    if of_device is not None:
        return _open(of_device, device, threads, f"device {device}")
    if name not in {None, AUTO}:
        return _open(str(name), device, threads, "asked for")
    variable = os.environ.get(BACKEND_VARIABLE) if name is None else None
    if variable and variable != AUTO:
        return _open(variable, device, threads, f"{BACKEND_VARIABLE} is set")
    if device == HOST_DEVICE:
        return _choose(HOST_ORDER, threads)
    if device is not None:
        msg = f"device {device!r} does not say which backend it belongs to"
        meant = did_you_mean(prefix, (*backend_names(), HOST_DEVICE))
        raise BackendUnavailable(
            msg, remedy=f"{meant}for example cuda:0 or opencl:0.0; see roi-accel devices"
        )
    return _choose(AUTO_ORDER, threads)


def _choose(order: tuple[str, ...], threads: int | None) -> Choice:
    passed_over: list[str] = []
    for name in order:
        found = probe(name)
        ready = [status for status in found if status.state == "ready" and status.in_auto]
        if ready:
            reason = "; ".join(["auto: the first that can be used", *passed_over])
            _LOGGER.info("backend %s on %s (%s)", name, ready[0].description, reason)
            return _open(name, ready[0].device, threads, reason, found)
        why = found[0].state if found and found[0].state != "ready" else "no GPU"
        passed_over.append(f"{name}: {why}")
    msg = f"no backend can be used: {'; '.join(passed_over)}"
    raise BackendUnavailable(msg, remedy="see roi-accel devices")


def _open(
    name: str,
    device: str | None,
    threads: int | None,
    reason: str,
    found: list[DeviceStatus] | None = None,
) -> Choice:
    """Return backend `name` on `device`; `found` is what its probe says, where it was asked."""
    is_variable = name == os.environ.get(BACKEND_VARIABLE)
    check_backends((name,), said_by=BACKEND_VARIABLE if is_variable else "")
    found = probe(name) if found is None else found
    if not any(status.state == "ready" for status in found):
        first = found[0] if found else DeviceStatus("no device")
        msg = f"the {name} backend cannot be used: {first.state}"
        if first.description:
            msg += f", {first.description}"
        raise BackendUnavailable(msg, remedy=first.remedy or "see roi-accel devices")
    try:
        backend = _backend_class(name)(device=device, threads=threads)
    except RoiAccelError:
        raise
    except Exception as error:
        msg = f"the {name} backend cannot be opened: {type(error).__name__}: {error}"
        raise BackendUnavailable(msg, remedy="see roi-accel devices") from error
    unlisted = DeviceStatus("ready", backend.device)
    status = next((each for each in found if each.device == backend.device), unlisted)
    return Choice(backend, reason, status)


def _backend_class(name: str) -> type[Backend]:
    if name in BACKENDS:
        point = EntryPoint(name, BACKENDS[name], ENTRY_POINTS)
    else:
        (point,) = entry_points(group=ENTRY_POINTS, name=name)
    backend: type[Backend] = point.load()
    return backend
