"""ONNX Runtime, imported in one place, because what it does on import must be decided before it."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from roi_accel.errors import ModelError

Untyped: TypeAlias = Any
"""A module, class or object of onnxruntime, which has no types."""


def import_onnxruntime() -> Any:  # noqa: ANN401 - an untyped module
    """Return the onnxruntime module, with its telemetry off unless the user has set it.

    Raises
    ------
    ModelError
        It cannot be imported; says why and what to install.
    """
    # Its builds report every use to their maker, from the import on, unless told not to before it.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        import onnxruntime  # noqa: PLC0415 - heavy, and not needed for masks from elsewhere
    except ImportError as error:
        msg = f"the saliency network needs onnxruntime, which cannot be imported: {error}"
        raise ModelError(msg, remedy='pip install "roi-accel[cpu]"') from error
    if not hasattr(onnxruntime, "InferenceSession"):
        # Its builds share one folder: uninstalling the second of two takes files of the first.
        msg = "the saliency network needs onnxruntime, of which only remains are installed"
        raise ModelError(msg, remedy="pip uninstall every onnxruntime package, then install one")
    return onnxruntime


def first_line(error: Exception) -> str:
    """Return the first line of what ONNX Runtime says, which may be pages long."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
