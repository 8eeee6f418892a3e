"""Every error a user can meet, each with its exit code, so that no failure is anonymous.

A message says what was found and what was expected; ``remedy`` says what to type or change next.
The exit codes are part of the public interface (see docs/interface.md).
"""

from __future__ import annotations

from typing import ClassVar


class RoiAccelError(Exception):
    """Base of all errors that roi-accel raises on purpose.

    Parameters
    ----------
    message : str
        What was found and what was expected, on one line.
    remedy : str, optional
        What to type or change next, on one line.
    """

    exit_code: ClassVar[int] = 2

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class ParityError(RoiAccelError):
    """Backends, devices or providers disagree (exit code 1)."""

    exit_code = 1


class InputError(RoiAccelError):
    """A file or an option cannot be used as it is (exit code 2)."""

    exit_code = 2


def unreadable(what: object, error: OSError | ValueError, *, remedy: str = "") -> InputError:
    """Return the error for a file that the system does not let us read, in the one wording for it.

    Parameters
    ----------
    what : object
        The file, after the option that names it where that is not plain, as a message shows it.
    error : OSError or ValueError
        A ValueError is a NUL in the name.
    remedy : str, optional
        Where there is a better one than to check the path.
    """
    if isinstance(error, FileNotFoundError):
        remedy = remedy or "check the path, or name a file that exists"
        return InputError(f"{what}: no such file", remedy=remedy)
    if isinstance(error, ValueError):
        return InputError(f"{what}: is not a possible file name", remedy=remedy or "check the path")
    reason = (error.strerror or type(error).__name__).lower()
    remedy = remedy or "check the path and its permissions"
    return InputError(f"{what}: cannot be read: {reason}", remedy=remedy)


class ModelError(RoiAccelError):
    """A saliency network cannot be had, read or trusted (exit code 3)."""

    exit_code = 3


class BackendUnavailable(RoiAccelError):  # noqa: N818 - the interface's own name
    """A backend, device or execution provider that was asked for is not there (exit code 4)."""

    exit_code = 4


class ScorerError(RoiAccelError):
    """VMAF is missing, failed, or answered with something other than whole scores (exit code 5)."""

    exit_code = 5


class OutputError(RoiAccelError):
    """A result cannot be written (exit code 6)."""

    exit_code = 6


class SlowerError(RoiAccelError):
    """The benchmark found something slower than it was, beyond what was allowed (exit code 1)."""

    exit_code = 1


class InternalError(RoiAccelError):
    """A fault of this program itself (EX_SOFTWARE of sysexits.h), never of the input."""

    exit_code = 70
