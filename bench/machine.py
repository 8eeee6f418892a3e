"""What a measurement must tell about the machine that it was made on."""

from __future__ import annotations

import os
import platform
from typing import Any

import numpy as np

from roi_accel.backends.host import available_cores, processor_name
from roi_accel.bench.inputs import last_level_cache_bytes


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
