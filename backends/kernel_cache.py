"""Where compiled kernels and a compiler's complaints are kept, also where nothing can be."""

from __future__ import annotations

import atexit
import hashlib
import os
import tempfile
from pathlib import Path

import platformdirs

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

    For libraries that do not work without a cache. Nothing is done where the user has set it to a
    folder that can be.

    Returns
    -------
    bool
        Whether a folder was lent; it is removed when the process ends.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if existing.is_dir() and os.access(existing, os.W_OK | os.X_OK):
        return False
    lent = tempfile.TemporaryDirectory(prefix="roi-accel-cache-")
    atexit.register(lent.cleanup)
    os.environ[variable] = lent.name
    return True


def write_build_log(text: str) -> Path:
    """Keep what a compiler said, in the cache or else in the temporary folder; return where."""
    name = f"build-failure-{hashlib.sha256(text.encode()).hexdigest()[:16]}.log"
    path = cache_folder() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    except OSError:
        path = Path(tempfile.mkdtemp(prefix="roi-accel-")) / name
        path.write_text(text, "utf-8")
    return path
