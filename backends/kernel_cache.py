"""Where compiled kernels and compilers' logs are kept, also on a system that is read-only."""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from roi_accel.backends.gpu import GpuDevice

CACHE_VARIABLE = "ROI_ACCEL_CACHE"


def cache_folder() -> Path:
    """Return the folder of compiled kernels and build logs; it need not exist.

    ``$ROI_ACCEL_CACHE/kernels`` where that variable is set, else ``kernels`` in the user's cache
    folder for roi-accel.
    """
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(os.path.expanduser(chosen)).absolute() / "kernels"  # noqa: PTH111 - Path's raises
    return platformdirs.user_cache_path("roi-accel", appauthor=False) / "kernels"


def lend_cache(variable: str, folder: Path) -> bool:
    """Point `variable` to a temporary folder where `folder` cannot be written.

    For libraries that do not work without a cache. Return whether a folder was lent; it is removed
    when the process ends.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return False
    lent = tempfile.TemporaryDirectory(prefix="roi-accel-cache-")
    atexit.register(lent.cleanup)
    os.environ[variable] = lent.name
    return True


def build_failure(device: GpuDevice, log: str, source: str) -> BackendUnavailable:
    """Return the error of kernels that do not compile, and keep the compiler's `log`."""
    text = f"{device.status.description}, driver {device.status.driver}\n\n{log}\n\n{source}"
    path = _write_log(text)  # guard: opencl-build-log
    return BackendUnavailable(
        f"the kernels do not compile for {device.label}; the compiler's log is {path}",
        remedy="update the device's driver, or choose another --device or --backend",
    )


def _write_log(text: str) -> Path:
    """Write `text` into the cache, or else into the temporary folder; return where."""
    name = f"build-failure-{hashlib.sha256(text.encode()).hexdigest()[:16]}.log"
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="roi-accel-")) / name
        path.write_text(text, "utf-8")
    return path
