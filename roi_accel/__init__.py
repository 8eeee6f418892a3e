"""How good a compressed video looks where people look, with the same answer on every device.

Importing this package imports neither a GPU library, nor onnxruntime, nor PyAV: they load when a
score or a backend is asked for, so that a machine without them can still use the rest.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from roi_accel._version import __version__
from roi_accel.errors import (
    BackendUnavailable,
    InputError,
    ModelError,
    OutputError,
    ParityError,
    RoiAccelError,
    ScorerError,
)

if not (Path(__file__).parent / "backends").is_dir():
    # Python started in the root of a checkout finds this folder before the installed package, and
    # there backends/, parity/ and bench/ lie beside it (docs/adr/0001-layout.md).
    __path__.append(str(Path(__file__).parent.parent))

if TYPE_CHECKING:
    from roi_accel.api.mask import MaskFile, mask
    from roi_accel.api.score import score
    from roi_accel.devices.dispatch import get_backend
    from roi_accel.results.result import FrameScore, Result

__all__ = [
    "BackendUnavailable",
    "FrameScore",
    "InputError",
    "MaskFile",
    "ModelError",
    "OutputError",
    "ParityError",
    "Result",
    "RoiAccelError",
    "ScorerError",
    "__version__",
    "get_backend",
    "mask",
    "score",
]

_LAZY = {
    "FrameScore": "roi_accel.results.result",
    "MaskFile": "roi_accel.api.mask",
    "Result": "roi_accel.results.result",
    "get_backend": "roi_accel.devices.dispatch",
    "mask": "roi_accel.api.mask",
    "score": "roi_accel.api.score",
}


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
