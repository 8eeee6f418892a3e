"""What is committed of the corpus's answers, so that one machine can be verified alone.

The integer stages' digests are every backend's; the network's maps, some of them, are those of the
built-in network on the CPU provider, to be met within the tolerance.
"""

from __future__ import annotations

import base64
import json
import zlib
from importlib import resources
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GOLDEN_FILE = "golden.json"
GOLDEN_MAPS_FILE = "golden_maps.json"


def golden_digests() -> dict[str, dict[str, str]]:
    """Return for each case's name the SHA-256 of each stage."""
    content: dict[str, dict[str, str]] = json.loads(_text(GOLDEN_FILE))
    return content


def golden_maps() -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return for each network's SHA-256 its maps float32[height, width] by their frames' keys."""
    content = json.loads(_text(GOLDEN_MAPS_FILE))
    return {
        network: {
            key: np.frombuffer(zlib.decompress(base64.b64decode(entry["map"])), dtype="<f4")
            .astype(np.float32)
            .reshape(entry["height"], entry["width"])
            for key, entry in maps.items()
        }
        for network, maps in content.items()
    }


def pack_map(array: NDArray[np.float32]) -> str:
    """Return a map's little-endian bytes, compressed, as text."""
    return base64.b64encode(zlib.compress(array.astype("<f4").tobytes(), 9)).decode("ascii")


def _text(name: str) -> str:
    return resources.files("roi_accel.parity").joinpath(name).read_text("utf-8")
