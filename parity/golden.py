"""The committed digests of the corpus: what every backend must reproduce on every machine."""

from __future__ import annotations

import json
from importlib import resources

GOLDEN_FILE = "golden.json"


def golden_digests() -> dict[str, dict[str, str]]:
    """Return for each case's name the SHA-256 of each stage."""
    text = resources.files("roi_accel.parity").joinpath(GOLDEN_FILE).read_text("utf-8")
    content: dict[str, dict[str, str]] = json.loads(text)
    return content
