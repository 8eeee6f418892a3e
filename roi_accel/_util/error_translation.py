"""What Python, the system and missing libraries raise, as errors that people can act on."""

from __future__ import annotations

import errno
from importlib import import_module
from typing import Any

from roi_accel.errors import (
    BackendUnavailable,
    InputError,
    InternalError,
    OutputError,
    RoiAccelError,
)

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


def require(
    module: str, extra: str, for_what: str, *, error: type[RoiAccelError] = InputError
) -> Any:  # noqa: ANN401 - a module
    """Return `module`, which only an extra of roi-accel installs.

    Parameters
    ----------
    module : str
        Its name in an import, such as ``ray`` or ``pyarrow.parquet``.
    extra : str
        The extra that installs it.
    for_what : str
        What needs it, the subject of the message.
    error : type of RoiAccelError
        What is raised, and so the exit code.

    Raises
    ------
    RoiAccelError
        `error`, where the module is missing or broken.
    """
    try:
        return import_module(module)
    except ImportError as reason:
        package = module.partition(".")[0]
        msg = f"{for_what} needs {package}, which cannot be imported: {reason}"
        raise error(msg, remedy=f'pip install "roi-accel[{extra}]"') from reason
