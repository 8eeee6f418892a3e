"""What the shell offers for the value of an option that names something.

Nothing is probed, for the answer must come while somebody types.
"""

from __future__ import annotations

from roi_accel.backends.frame import BIT_DEPTHS, SUBSAMPLINGS, PixelFormat
from roi_accel.dispatch import AUTO, backend_names
from roi_accel.models import KNOWN_MODELS
from roi_accel.parity.gate import GATE_MODES
from roi_accel.providers import SHORT_NAMES


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
    return [PixelFormat(each, depth).name for each in SUBSAMPLINGS for depth in BIT_DEPTHS]


def providers() -> list[str]:
    """Return the short names that ``--ep`` takes."""
    return list(SHORT_NAMES)
