"""What a report says about the machine that it was made on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

import numpy as np

from roi_accel.backends.host import available_cores, processor_name

_ASSUMED_CACHE = 32 << 20


def machine_facts() -> dict[str, Any]:
    """Return processor, cores, last-level cache, system, versions and the load of this minute."""
    return {
        "processor": processor_name(),
        "cores": available_cores(),
        "last_level_cache_bytes": last_level_cache_bytes(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "numpy": np.__version__,
        "load_before": os.getloadavg()[0],
    }


def last_level_cache_bytes(processors: Path = Path("/sys/devices/system/cpu")) -> int:
    """Return the total size of the last-level caches; 32 MiB where the system does not say.

    Parameters
    ----------
    processors : Path, optional
        A folder laid out as Linux's ``/sys/devices/system/cpu``. Cores that share a cache name the
        same ``shared_cpu_list``, and it is counted once.
    """
    caches: dict[tuple[int, str], int] = {}
    for folder in processors.glob("cpu[0-9]*/cache/index*"):
        try:
            level, shared, size = (
                (folder / name).read_text("ascii").strip()
                for name in ("level", "shared_cpu_list", "size")
            )
        except OSError:
            continue
        if size.endswith("K"):
            caches[int(level), shared] = int(size[:-1]) << 10
    last = max((level for level, _ in caches), default=0)
    return sum(size for (level, _), size in caches.items() if level == last) or _ASSUMED_CACHE
