"""Which of an API's devices a user means: the rule and the words that CUDA and OpenCL share."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Protocol, TypeVar

from roi_accel._util.suggest import did_you_mean
from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from roi_accel.backends.protocol import DeviceStatus


class Named(Protocol):
    """A device, as far as it is chosen by name."""

    @property
    def device_id(self) -> str:
        """What ``--device`` takes."""
        ...

    @property
    def title(self) -> str:
        """Its names, a part of which may be given instead."""
        ...

    @property
    def label(self) -> str:
        """Id and name, for messages."""
        ...

    @property
    def problem(self) -> str:
        """Why it cannot be used; empty where it can."""
        ...


Device = TypeVar("Device", bound=Named)


def require_ready(statuses: Sequence[DeviceStatus]) -> None:
    """Raise BackendUnavailable with the first reason and remedy if no device is ready."""
    if all(status.state != "ready" for status in statuses):
        raise BackendUnavailable(statuses[0].description, remedy=statuses[0].remedy)


def choose_meant(
    devices: Sequence[Device],
    wanted: str | None,
    *,
    api: str,
    is_meant: Callable[[Device], bool],
) -> Device:
    """Return the one device that `is_meant`.

    Parameters
    ----------
    devices : sequence of device
    wanted : str or None
        As the user wrote it; for messages.
    api : str
        The API's name in messages.
    is_meant : callable

    Raises
    ------
    BackendUnavailable
        None is meant, or several, or the one cannot be used.
    """
    found = [device for device in devices if is_meant(device)]
    if len(found) != 1:
        reason = f"means several {api} devices" if found else f"is no {api} device"
        candidates = found or devices
        listed = "; ".join(f"{each.device_id} is {each.title}" for each in candidates)
        msg = f"device {wanted!r} {reason}: {listed}"
        meant = "" if found else _meant(devices, wanted or "")
        remedy = f"{meant}for example --device {candidates[0].device_id}"
        raise BackendUnavailable(msg, remedy=remedy)
    if found[0].problem:
        msg = f"{found[0].label} cannot be used: {found[0].problem}"
        raise BackendUnavailable(msg, remedy="choose another --device")
    return found[0]


def _meant(devices: Sequence[Named], wanted: str) -> str:
    """Return a guess among the ids, and the words of the names, that may be given instead."""
    words = [
        f"{each.device_id.partition(':')[0]}:{word}"
        for each in devices
        for word in re.findall(r"\w{3,}", each.title.lower())
    ]
    prefix = devices[0].device_id.partition(":")[0] + ":"
    asked = wanted if wanted.startswith(prefix) else prefix + wanted
    return did_you_mean(asked, (*(each.device_id for each in devices), *words))
