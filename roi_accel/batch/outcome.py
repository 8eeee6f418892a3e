"""What became of a pair: its score, or why there is none."""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - dataclasses read their annotations
from dataclasses import dataclass
from typing import Any

from roi_accel._util.error_translation import foreseen
from roi_accel.errors import BackendUnavailable, OutputError, ParityError

_OF_DEVICE = (BackendUnavailable.__name__, ParityError.__name__)


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A pair's score.

    Attributes
    ----------
    result : mapping
        As `score` writes it.
    bitrate : float or None
        Of the distorted video, in bits per second; None for raw video.
    """

    result: Mapping[str, Any]
    bitrate: float | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why a pair has no score.

    Attributes
    ----------
    kind : str
        The error's class.
    message, remedy : str
    exit_code : int
        What `score` would have ended with.
    """

    kind: str
    message: str
    remedy: str
    exit_code: int

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Return the failure that `error` is; what nobody raised on purpose is a fault of ours."""
        known = foreseen(error)
        return cls(
            kind=type(known).__name__,
            message=known.message,
            remedy=known.remedy,
            exit_code=known.exit_code,
        )

    @property
    def is_of_device(self) -> bool:
        """Whether another device may do what this one could not."""
        return self.kind in _OF_DEVICE

    def raise_if_of_output(self) -> None:
        """Raise OutputError again where a file could not be written, which is no device's fault."""
        if self.kind == OutputError.__name__:
            raise OutputError(self.message, remedy=self.remedy)

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


Outcome = Scored | Failure
