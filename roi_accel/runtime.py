"""ONNX Runtime, imported in one place, because what it does on import must be decided before it."""

from __future__ import annotations

import os
from typing import Any

from roi_accel.errors import ModelError


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
    return onnxruntime
