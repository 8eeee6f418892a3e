"""The one table of how far two answers may lie apart, so that no check carries a number of its own.

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


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far two answers of one stage may lie apart.

    Attributes
    ----------
    stage : {"preprocess", "saliency", "upsample", "substitute", "score"}
    dtype : {"integer", "float32", "float16"}
        The arithmetic behind the answer.
    value : float
        Largest absolute difference that still agrees, in `unit`; 0 asks for equal bits.
    unit : str
    reason : str
        Why it is this value.
    limit : float
        What no calibration may exceed: from there on an agreement would say nothing.
    source : str
        Where the value is from: this table, or a rule of a calibration file.
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


TABLE: tuple[Tolerance, ...] = (
    Tolerance(
        stage="preprocess",
        dtype="integer",
        value=0.0,
        unit="float32 bits",
        reason="integers that look up a float32 table made on the host",
    ),
    Tolerance(
        stage="saliency",
        dtype="float32",
        value=5e-5,
        unit="saliency in [0, 1]",
        reason="ADR-0214, FP32: devices order their sums differently",
        limit=0.1,
    ),
    Tolerance(
        stage="saliency",
        dtype="float16",
        value=1e-2,
        unit="saliency in [0, 1]",
        reason="ADR-0214, FP16: a half has 11 significant bits",
        limit=0.1,
    ),
    Tolerance(
        stage="upsample",
        dtype="integer",
        value=0.0,
        unit="alpha in 1/65536",
        reason="integer arithmetic (docs/arithmetic.md)",
    ),
    Tolerance(
        stage="substitute",
        dtype="integer",
        value=0.0,
        unit="sample codes",
        reason="integer arithmetic (docs/arithmetic.md)",
    ),
    Tolerance(
        stage="score",
        dtype="float32",
        value=5e-5,
        unit="VMAF points per frame",
        reason="ADR-0214; equal pixels give equal scores, so the slack is the log's rounding",
        limit=0.1,
    ),
)


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
