"""Whose fault it is when a kernel raises what no backend raises on purpose: the backend's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from roi_accel.backends.arithmetic import NotSaliencyError
from roi_accel.errors import BackendUnavailable, RoiAccelError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def blaming_kernels(where: str = "") -> Iterator[None]:
    """Turn an unforeseen failure of a session into the error of a backend (exit code 4).

    Parameters
    ----------
    where : str, optional
        Begins the message, such as ``frame 7: ``.

    Raises
    ------
    BackendUnavailable
        In place of whatever a driver or a library raised; exhausted memory stays what it is.
    """
    try:
        yield
    except (RoiAccelError, NotSaliencyError, MemoryError):
        raise
    except Exception as error:
        msg = f"{where}the backend failed: {type(error).__name__}: {error}"
        # guard: kernel-failure
        raise BackendUnavailable(msg, remedy="choose another --device or --backend") from error
