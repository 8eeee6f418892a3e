"""The one table of how far two answers may differ, so that no check has a number of its own.

ADR-0214 sets the defaults: absolute, per stage, 5e-5 in float32 and 1e-2 in float16 on normalised
values. The pixel path is stricter: it computes in integers, so its answers must be equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Stage = Literal["preprocess", "saliency", "upsample", "substitute", "score"]

STAGES: tuple[Stage, ...] = ("preprocess", "saliency", "upsample", "substitute", "score")
"""In the order in which a frame passes through them."""

INTEGER_STAGES: tuple[Stage, ...] = ("preprocess", "upsample", "substitute")
"""What a backend computes, from integer tables alone; exact, and nothing loosens that."""

TABLE_SOURCE = "built-in table"


@dataclass(frozen=True)
class Tolerance:
    """How far two answers of one stage may differ.

    Attributes
    ----------
    stage : {"preprocess", "saliency", "upsample", "substitute", "score"}
    dtype : {"integer", "float32", "float16"}
        The arithmetic behind the answer.
    value : float
        Largest absolute difference that still agrees, in `unit`; 0 requires equal bits.
    unit : str
    reason : str
        Why it is this value.
    limit : float
        What no calibration may exceed: beyond it, agreement would mean nothing.
    source : str
        The origin of the value: this table, or a rule of a calibration file.
    """

    stage: Stage
    dtype: str
    value: float
    unit: str
    reason: str
    limit: float = 0.0
    source: str = TABLE_SOURCE

    @property
    def exact(self) -> bool:
        """Whether the bits must be equal."""
        return self.value == 0.0


_INTEGERS = "integer arithmetic (docs/arithmetic.md)"

TABLE = (
    Tolerance("preprocess", "integer", 0.0, "float32 bits",
              "integers that look up a float32 table made on the host"),
    Tolerance("saliency", "float32", 5e-5, "saliency in [0, 1]",
              "ADR-0214, FP32: devices order their sums differently", limit=0.1),
    Tolerance("saliency", "float16", 1e-2, "saliency in [0, 1]",
              "ADR-0214, FP16: a half has 11 significant bits", limit=0.1),
    Tolerance("upsample", "integer", 0.0, "alpha in 1/65536", _INTEGERS),
    Tolerance("substitute", "integer", 0.0, "sample codes", _INTEGERS),
    Tolerance("score", "float32", 5e-5, "VMAF points per frame",
              "ADR-0214; equal pixels give equal scores, so the slack is the log's rounding",
              limit=0.1),
)  # fmt: skip


def table_tolerance(stage: Stage, *, half: bool = False) -> Tolerance:
    """Return the table's row of `stage`; with `half` the one for float16, where there is one.

    Raises
    ------
    ValueError
        There is no such stage.
    """
    rows = [row for row in TABLE if row.stage == stage]
    if not rows:
        msg = f"there is no stage {stage!r}; there are {', '.join(STAGES)}"
        raise ValueError(msg)
    return next((row for row in rows if half and row.dtype == "float16"), rows[0])
