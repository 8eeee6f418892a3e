"""The one table of backends, and the rule that chooses among them."""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING

from roi_accel.errors import BackendUnavailable

if TYPE_CHECKING:
    from roi_accel.backends.protocol import Backend

BACKENDS = {
    "numpy": "roi_accel.backends.numpy_backend:NumpyBackend",
}
"""Name of each backend and where its class is; a backend is imported only when it is asked for."""

AUTO = "auto"
AUTO_ORDER = ("numpy",)
BACKEND_VARIABLE = "ROI_ACCEL_BACKEND"


def get_backend(name: str | None = None) -> Backend:
    """Return a backend, bound to its device.

    Parameters
    ----------
    name : str, optional
        A backend's name or ``auto``. Left out, the variable ``ROI_ACCEL_BACKEND`` decides, else
        ``auto``.

    Raises
    ------
    BackendUnavailable
        There is no such backend. A backend asked for by name is never replaced by another.
    """
    chosen = name or os.environ.get(BACKEND_VARIABLE) or AUTO
    if chosen == AUTO:
        chosen = AUTO_ORDER[0]
    location = BACKENDS.get(chosen)
    if location is None:
        msg = f"there is no backend {chosen!r}; there are {', '.join(BACKENDS)}"
        raise BackendUnavailable(msg, remedy=f"--backend {AUTO} chooses one")
    module, _, attribute = location.partition(":")
    backend: Backend = getattr(importlib.import_module(module), attribute)()
    return backend
