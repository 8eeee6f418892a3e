"""ONNX Runtime and its plugin providers; imported here alone, once its telemetry is off."""

from __future__ import annotations

import contextlib
import os
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, TypeAlias

from roi_accel._util.error_translation import require
from roi_accel.errors import BackendUnavailable, ModelError
from roi_accel.inference.providers import device_number

if TYPE_CHECKING:
    from pathlib import Path

    from roi_accel.backends.protocol import DeviceStatus

Untyped: TypeAlias = Any
"""A module, class or object of onnxruntime, which has no types."""


def import_onnxruntime() -> Any:  # noqa: ANN401 - an untyped module
    """Return the onnxruntime module, with its telemetry off unless the user has set it.

    Raises
    ------
    ModelError
        It cannot be imported; says why and what to install.
    """
    # Its builds report every use to their maker, from the import on.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    onnxruntime = require("onnxruntime", "cpu", "the saliency network", error=ModelError)
    if not hasattr(onnxruntime, "InferenceSession"):
        # Its builds share one folder: uninstalling the second of two takes files of the first.
        msg = "the saliency network needs onnxruntime, of which only remains are installed"
        raise ModelError(msg, remedy="pip uninstall every onnxruntime package, then install one")
    return onnxruntime


def first_line(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says, which may be pages long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


# ONNX Runtime registers a library once per process and by name, so this is kept per process too.
_users: Counter[str] = Counter()
_libraries: dict[str, Path] = {}
_lock = threading.Lock()


class Plugin:
    """A provider's library, registered as long as a network needs it.

    Raises
    ------
    BackendUnavailable
        This onnxruntime takes no plugins; the library is missing, not a plugin, or offers no device
        of this provider here; or another library has the provider's name already.
    """

    def __init__(self, onnxruntime: Untyped, provider: str, library: Path) -> None:
        self._onnxruntime = onnxruntime
        self._provider = provider
        self._held = False
        if not hasattr(onnxruntime, "register_execution_provider_library"):
            msg = f"onnxruntime {onnxruntime.__version__} takes no provider plugins"
            raise BackendUnavailable(msg, remedy="install onnxruntime 1.24 or later")
        if not library.is_file():
            msg = f"there is no provider library at {library}"
            raise BackendUnavailable(msg, remedy="check the path in --ep plugin:NAME=LIBRARY")
        before = {device.ep_name for device in onnxruntime.get_ep_devices()}
        self._register(library)
        try:
            self._devices = self._find_devices(library, before)
        except BaseException:
            self.close()
            raise

    def device_like(self, wanted: DeviceStatus) -> Untyped:
        """Return the device of `wanted`'s kind and vendor, or else the one that comes nearest.

        Of several alike it is the one with `wanted`'s number, counted among them.
        """
        kind = "npu" if wanted.kind == "accelerator" else wanted.kind

        def likeness(device: Untyped) -> tuple[bool, bool]:
            hardware = device.device
            return hardware.type.name.lower() == kind, hardware.vendor_id == wanted.vendor_id

        best = max(map(likeness, self._devices))
        alike = [device for device in self._devices if likeness(device) == best]
        return alike[min(device_number(wanted), len(alike) - 1)]

    def close(self) -> None:
        """Unregister the library once nobody needs it; only after its sessions are gone."""
        if not self._held:
            return
        self._held = False
        self._devices = []
        with _lock:
            _users[self._provider] -= 1
            if not _users[self._provider]:
                # Scores are not lost because the library that helped to make them stays loaded.
                with contextlib.suppress(Exception):
                    self._onnxruntime.unregister_execution_provider_library(self._provider)

    def _register(self, library: Path) -> None:
        # Under the provider's name, because some libraries call their provider as they are called.
        path = library.resolve()
        with _lock:
            if not _users[self._provider]:
                try:
                    self._onnxruntime.register_execution_provider_library(self._provider, str(path))
                except Exception as error:
                    raise self._not_registered(library, error) from error
                _libraries[self._provider] = path
            elif _libraries[self._provider] != path:
                msg = f"{self._provider} is in use from {_libraries[self._provider]}, not {library}"
                raise BackendUnavailable(msg, remedy="use one library of a provider at a time")
            _users[self._provider] += 1
            self._held = True

    def _not_registered(self, library: Path, error: Exception) -> BackendUnavailable:
        if "already registered" in str(error):
            msg = f"another library than {library} is registered as {self._provider} already"
            return BackendUnavailable(msg, remedy=f"--ep {self._provider} takes that one")
        msg = f"{library} cannot be used as a provider plugin: {first_line(error)}"
        return BackendUnavailable(msg, remedy="name a plugin library built for this system")

    def _find_devices(self, library: Path, before: set[str]) -> list[Untyped]:
        offered = self._onnxruntime.get_ep_devices()
        mine = [device for device in offered if device.ep_name == self._provider]
        if mine:
            return mine
        msg = f"{library} offers no device of {self._provider} on this machine"
        others = sorted({device.ep_name for device in offered} - before)
        if others:
            msg += f", but of {', '.join(others)}"
            raise BackendUnavailable(msg, remedy=f"--ep plugin:{others[0]}={library}")
        raise BackendUnavailable(
            msg, remedy="check that its hardware and driver are there, or leave out --ep"
        )
