"""Where compiled kernels and a compiler's complaints are kept."""

from __future__ import annotations

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
