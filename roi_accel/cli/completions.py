"""What the shell offers for the value of an option that names something.

Nothing is probed, for the answer must come while somebody types.
"""

from __future__ import annotations

from roi_accel.backends.frame import PIXEL_FORMATS
from roi_accel.devices.dispatch import AUTO, backend_names
from roi_accel.inference.models import KNOWN_MODELS
from roi_accel.inference.providers import SHORT_NAMES
from roi_accel.parity.gate import GATE_MODES


def backends() -> list[str]:
    """Return what ``--backend`` takes."""
    return [AUTO, *backend_names()]


def gates() -> list[str]:
    """Return what ``--gate`` takes."""
    return list(GATE_MODES)


def networks() -> list[str]:
    """Return the networks that have a name."""
    return [model.name for model in KNOWN_MODELS]


def pixel_formats() -> list[str]:
    """Return what ``--pix-fmt`` takes."""
    return [each.name for each in PIXEL_FORMATS]


def providers() -> list[str]:
    """Return the short names that ``--ep`` takes."""
    return list(SHORT_NAMES)
