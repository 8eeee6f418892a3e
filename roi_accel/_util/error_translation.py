"""Errors that no part of the program raises on purpose, in words that people can act on."""

from __future__ import annotations

import errno

from roi_accel.errors import BackendUnavailable, InternalError, OutputError, RoiAccelError

_OUTPUT_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What writing to a full disk raises, wherever it is written from."""

_LESS_MEMORY = "lower --threads, or score fewer videos or regions at once"


def foreseen(error: Exception) -> RoiAccelError:
    """Return `error` as one of our own, with its message, remedy and exit code."""
    if isinstance(error, RoiAccelError):
        return error
    if isinstance(error, MemoryError):  # guard: host-no-memory
        # NumPy says which array found no room; Python itself says nothing.
        told = f" ({error})" if str(error) else ""
        return BackendUnavailable(f"memory ran out{told}", remedy=_LESS_MEMORY)
    if isinstance(error, OSError) and error.errno in _OUTPUT_ERRORS:
        msg = f"the output cannot be written: {error.strerror}"
        return OutputError(msg, remedy="write it elsewhere")
    msg = f"internal error: {type(error).__name__}: {error}"
    return InternalError(msg, remedy="run again with --debug")
