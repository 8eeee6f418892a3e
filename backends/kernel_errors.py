"""Calling a session from a run: one thread at a time where need be, and failures named."""

from __future__ import annotations

from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

from roi_accel.backends.arithmetic import NotSaliencyError
from roi_accel.backends.protocol import slots_of
from roi_accel.errors import BackendUnavailable, RoiAccelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from roi_accel.backends.protocol import Session


def in_turn(
    session: Session, lock: AbstractContextManager[object]
) -> AbstractContextManager[object]:
    """Return what to hold while calling `session`: `lock` if it serves one thread at a time."""
    return nullcontext() if slots_of(session) > 1 else lock


@contextmanager
def kernel_errors_as_unavailable(what: str) -> Iterator[None]:
    """Turn an unforeseen failure of a session into the error of a backend (exit code 4).

    Parameters
    ----------
    what : str
        The beginning of the message, such as ``frame 7: backend numba on cpu failed``.

    Raises
    ------
    BackendUnavailable
        In place of whatever a driver or a library raised; out of memory stays what it is.
    """
    try:
        yield
    except (RoiAccelError, NotSaliencyError, MemoryError):
        raise
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        msg = f"{what}: {reason}"
        # guard: kernel-failure
        raise BackendUnavailable(msg, remedy="choose another --device or --backend") from error
